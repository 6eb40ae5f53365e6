//! The account somebody is logged in by, for each server: its token is worth the account, so only its owner reads it.

use std::{fs, io};

use palabre_core::client::SavedSession;
use palabre_runtime::server_key::ServerKey;

use super::{State, create_folder, remove, replace, saved};
use crate::trust::Contact;

const FILE: &str = "account.json";

impl State {
    /// The account logged in on a server, without rooms and posts, and the key of that server; or the reason why it cannot
    /// be read.
    pub(crate) fn credential(
        &self,
        contact: &Contact,
    ) -> Result<Option<(SavedSession, Option<ServerKey>)>, String> {
        let file = self.sessions(contact).join(FILE);
        let explain = |reason: &dyn std::fmt::Display| format!("{}: {reason}", file.display());
        match fs::read(&file) {
            Ok(bytes) => saved::decode(&bytes).map(Some).map_err(|error| explain(&error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(explain(&error)),
        }
    }

    /// Keeps the account of a session, or forgets the one kept.
    pub(crate) fn keep_credential(
        &self,
        contact: &Contact,
        session: Option<(&SavedSession, Option<ServerKey>)>,
    ) -> io::Result<()> {
        let folder = self.sessions(contact);
        let file = folder.join(FILE);
        let Some((session, server_key)) = session else { return remove(&file) };
        create_folder(&folder)?;
        let bare = SavedSession { rooms: Vec::new(), outbox: Vec::new(), ..session.clone() };
        replace(&file, &saved::encode(&bare, server_key)?)
    }
}

#[cfg(test)]
mod tests {
    use palabre_runtime::client::Security;

    use super::{super::saved::tests::session, *};

    #[test]
    fn a_credential_is_kept_without_what_was_read_and_said() {
        let home = tempfile::tempdir().unwrap();
        let state = State::new(home.path().join("palabre"));
        let server = Contact { server: "chat.example".parse().unwrap(), security: Security::Plain };
        assert_eq!(state.credential(&server), Ok(None));
        let session = SavedSession { is_account: true, ..session() };
        state.keep_credential(&server, Some((&session, None))).unwrap();
        let (kept, _) = state.credential(&server).unwrap().unwrap();
        assert!(kept.is_account && kept.rooms.is_empty() && kept.outbox.is_empty());
        assert_eq!(kept.token, session.token);
        state.keep_credential(&server, None).unwrap();
        assert_eq!(state.credential(&server), Ok(None));
    }
}
