//! Accounts on their way to another database and from it.

use std::sync::Arc;

use palabre_core::{ids::UserId, password::PasswordRecord, time::WallTime};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{Database, OpenError, SqliteStorage, Unrecoverable, accounts, operations, recovery};

/// What of an account means something on every server that has the same secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortableAccount {
    /// Its name.
    pub nick: Arc<str>,
    /// When it was made.
    pub created: WallTime,
    /// What is kept of its password.
    pub record: PasswordRecord,
}

impl SqliteStorage {
    /// All accounts, ascending by id.
    ///
    /// # Errors
    /// [`OpenError`] says why they cannot be read.
    pub fn portable_accounts(&self) -> Result<Vec<PortableAccount>, OpenError> {
        let connection = self.connection()?;
        let path = self.options.database_path();
        let records = recovery::account_records(connection, &path)?;
        let created = times_created(connection).map_err(|error| OpenError::from_sqlite(&path, error))?;
        let accounts = records.into_iter().zip(created);
        Ok(accounts
            .map(|(account, created)| PortableAccount { nick: account.nick, created, record: account.record })
            .collect())
    }

    /// Stores accounts, whose names must be free, under ids of this database, and removes guests. All or none.
    ///
    /// # Errors
    /// [`OpenError`] says why they cannot be written.
    pub fn import_accounts(
        &mut self,
        accounts: &[PortableAccount],
        guests: &[UserId],
    ) -> Result<(), OpenError> {
        let import = |connection: &Connection| {
            let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
            for guest in guests {
                operations::delete_guest(&transaction, *guest)?;
            }
            for PortableAccount { nick, created, record } in accounts {
                accounts::insert_account(&transaction, nick, record, *created)?;
            }
            transaction.commit()
        };
        import(self.connection()?)
            .map_err(|error| OpenError::from_sqlite(&self.options.database_path(), error))
    }

    fn connection(&self) -> Result<&Connection, OpenError> {
        match &self.database {
            Database::Open(connection) => Ok(connection),
            Database::GivenUp(Unrecoverable { database, reason }) => {
                Err(OpenError::Damaged { path: database.clone(), reason: reason.clone() })
            }
        }
    }
}

fn times_created(connection: &Connection) -> rusqlite::Result<Vec<WallTime>> {
    let mut statement = connection.prepare("SELECT created FROM accounts ORDER BY user")?;
    let created = |number: i64| WallTime::from_millis(number.cast_unsigned());
    statement.query_map([], |row| row.get(0).map(created))?.collect()
}
