//! The ancestor's spelling: the server first, then what to do with a single dash.

use std::ffi::{OsStr, OsString};

use super::Address;

/// What could be said, and what it is called now.
const COMMANDS: [(&str, &str); 5] = [
    ("-ping", "ping"),
    ("-upload", "upload"),
    ("-download", "download"),
    ("-delete", "rm"),
    ("-list", "files"),
];

/// Turns `cli HOST:PORT -ping` into `cli ping --server HOST:PORT`, and `cli HOST:PORT` into `cli connect HOST:PORT`.
///
/// It happens before arguments are parsed, which would take `-ping` for a bundle of short flags. Anything else
/// stays as it is.
pub(crate) fn rewrite(arguments: Vec<OsString>) -> Vec<OsString> {
    let Some(server) =
        arguments.get(1).and_then(|first| first.to_str()).filter(|first| Address::has_port(first))
    else {
        return arguments;
    };
    let server = OsString::from(server);
    let (head, rest): (Vec<OsString>, _) = match arguments.get(2).map(OsString::as_os_str) {
        Some(flag) => match COMMANDS.iter().find(|(old, _)| flag == OsStr::new(old)) {
            Some((_, command)) => (vec![(*command).into(), "--server".into(), server], 3),
            None => (vec!["connect".into(), server], 2),
        },
        None => (vec!["connect".into(), server], 2),
    };
    let program = arguments.first().cloned();
    program.into_iter().chain(head).chain(arguments.into_iter().skip(rest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(line: &str) -> String {
        let arguments = line.split(' ').map(OsString::from).collect();
        rewrite(arguments).join(OsStr::new(" ")).into_string().unwrap()
    }

    #[test]
    fn the_ancestors_spelling_is_understood() {
        assert_eq!(rewritten("cli localhost:4000 -ping"), "cli ping --server localhost:4000");
        assert_eq!(rewritten("cli localhost:4000 -ping -c 3"), "cli ping --server localhost:4000 -c 3");
        assert_eq!(rewritten("cli localhost:4000 -upload a b"), "cli upload --server localhost:4000 a b");
        assert_eq!(rewritten("cli localhost:4000 -download a"), "cli download --server localhost:4000 a");
        assert_eq!(rewritten("cli localhost:4000 -delete a"), "cli rm --server localhost:4000 a");
        assert_eq!(rewritten("cli localhost:4000 -list"), "cli files --server localhost:4000");
        assert_eq!(rewritten("cli localhost:4000"), "cli connect localhost:4000");
        assert_eq!(rewritten("cli localhost:4000 --nick ana"), "cli connect localhost:4000 --nick ana");
    }

    #[test]
    fn everything_else_stays() {
        for line in ["cli", "cli rooms", "cli connect localhost:4000", "cli --server a:1 rooms"] {
            assert_eq!(rewritten(line), line);
        }
    }
}
