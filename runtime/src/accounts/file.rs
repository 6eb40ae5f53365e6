//! The text file that accounts travel in: a header with the secret, then one account a line.

use std::{collections::BTreeMap, fmt, fmt::Write as _, sync::Arc};

use palabre_core::{
    ids::UserId,
    name::{Nick, printable},
    password::{PasswordRecord, Setup},
    storage::GuestRecord,
    time::WallTime,
};

use super::hex;
use crate::storage::PortableAccount;

/// What the file begins with: what it is, and the version of its format. The secret follows in the same line.
const HEAD: &str = "palabre-accounts 1 ";
const LEGEND: &str = "# name, when it was created in milliseconds since 1970 UTC, password record";
/// So many mistakes are told at a time.
const MISTAKES_MAX: usize = 20;

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Which line, the first being 1.
    pub line: usize,
    /// The sentence to tell.
    pub reason: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// The text of these accounts.
pub(super) fn write(setup: &Setup, accounts: &[PortableAccount]) -> String {
    let mut text = format!("{HEAD}{}\n{LEGEND}\n", hex::encode(&setup.to_bytes()));
    for PortableAccount { nick, created, record } in accounts {
        let record = hex::encode(&record.to_bytes());
        let _ = writeln!(text, "{nick} {} {record}", created.as_millis());
    }
    text
}

/// The secret and the accounts that a text tells of, if none of them clashes with another or with `present` ones.
pub(super) fn parse<'name>(
    text: &str,
    present: impl Iterator<Item = &'name str>,
) -> Result<(Setup, Vec<PortableAccount>), Vec<Mistake>> {
    let (head, rest) = text.split_once('\n').unwrap_or((text, ""));
    let setup =
        parse_head(head.trim_end_matches('\r')).map_err(|reason| vec![Mistake { line: 1, reason }])?;
    let mut names = Names::default();
    for nick in present.filter_map(|nick| Nick::parse(nick).ok()) {
        names.take(&nick, None);
    }
    let mut accounts = Vec::new();
    let mut mistakes = Vec::new();
    let lines = (2..).zip(rest.lines()).filter(|(_, text)| !text.is_empty() && !text.starts_with('#'));
    for (line, text) in lines {
        match parse_account(text, line, &setup, &mut names) {
            Ok(account) => accounts.push(account),
            Err(reason) => mistakes.push(Mistake { line, reason }),
        }
        if mistakes.len() == MISTAKES_MAX {
            break;
        }
    }
    if mistakes.is_empty() { Ok((setup, accounts)) } else { Err(mistakes) }
}

fn parse_head(head: &str) -> Result<Setup, String> {
    let Some(secret) = head.strip_prefix(HEAD) else {
        let version = head.strip_prefix("palabre-accounts ").and_then(|rest| rest.split(' ').next());
        return Err(version.map_or_else(
            || "This is not a file of exported accounts: it begins with \"palabre-accounts\".".to_owned(),
            |version| {
                let version = printable(version);
                format!("The file has format {version}, this version of Palabre knows 1. Import it with a newer one.")
            },
        ));
    };
    let setup = hex::decode(secret).and_then(|bytes| Setup::from_bytes(&bytes).ok());
    setup.ok_or_else(|| "The secret of the accounts is damaged. Take the file from a backup.".to_owned())
}

fn parse_account(
    text: &str,
    line: usize,
    setup: &Setup,
    names: &mut Names,
) -> Result<PortableAccount, String> {
    let mut fields = text.split(' ');
    let written = fields.next().unwrap_or_default();
    let shown = printable(written);
    let nick = Nick::parse(written).map_err(|error| format!("\"{shown}\" is no name. {error}"))?;
    let (Some(created), Some(record), None) = (fields.next(), fields.next(), fields.next()) else {
        return Err(format!("\"{shown}\" has not three fields with one space between them."));
    };
    let created = created.parse::<u64>().map_err(|_| {
        format!("\"{shown}\": \"{}\" is not a time in milliseconds since 1970.", printable(created))
    })?;
    let record = hex::decode(record).ok_or_else(|| {
        format!("\"{shown}\": the password record has other characters than 0 to 9 and a to f.")
    })?;
    let record = PasswordRecord::from_bytes(&record).map_err(|error| format!("\"{shown}\" has {error}."))?;
    if record.setup != setup.id() {
        let (found, wanted) = (record.setup, setup.id());
        return Err(format!(
            "\"{shown}\" has a password record of another secret ({found}) than the file's ({wanted}). \
             Import accounts of several servers from their own files, into servers of their own."
        ));
    }
    names.clash(&nick).map_or(Ok(()), Err)?;
    names.take(&nick, Some(line));
    Ok(PortableAccount { nick: nick.shared(), created: WallTime::from_millis(created), record })
}

/// Names that are taken, and by which line; `None` for those in the database.
#[derive(Default)]
struct Names {
    by_folded: BTreeMap<Arc<str>, (Arc<str>, Option<usize>)>,
    by_skeleton: BTreeMap<Arc<str>, (Arc<str>, Option<usize>)>,
}

impl Names {
    fn take(&mut self, nick: &Nick, line: Option<usize>) {
        let key = nick.key();
        self.by_folded.insert(Arc::clone(key.folded()), (nick.shared(), line));
        self.by_skeleton.insert(Arc::clone(key.skeleton()), (nick.shared(), line));
    }

    /// What stands in the way of a name.
    fn clash(&self, nick: &Nick) -> Option<String> {
        let key = nick.key();
        let (relation, (other, line)) = match self.by_folded.get(key.folded()) {
            Some(same) => ("is the same name as", same),
            None => ("looks like", self.by_skeleton.get(key.skeleton())?),
        };
        let place =
            line.map_or_else(|| "an account of this server".to_owned(), |line| format!("line {line}"));
        Some(format!("\"{nick}\" {relation} \"{other}\" ({place}). Leave one of them out."))
    }
}

/// The users of these whose names stand in the way of the accounts.
pub(super) fn clashing<'guest>(
    guests: impl IntoIterator<Item = &'guest GuestRecord>,
    accounts: &[PortableAccount],
) -> Vec<UserId> {
    let mut names = Names::default();
    for nick in accounts.iter().filter_map(|account| Nick::parse(&account.nick).ok()) {
        names.take(&nick, None);
    }
    let clashes =
        |guest: &&GuestRecord| Nick::parse(&guest.nick).is_ok_and(|nick| names.clash(&nick).is_some());
    guests.into_iter().filter(clashes).map(|guest| guest.user).collect()
}
