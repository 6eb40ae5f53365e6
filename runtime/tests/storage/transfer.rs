use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use palabre_core::{
    password::{PasswordRecord, Setup, SetupId},
    storage::{AccountRecord, StorageOperation},
};
use palabre_runtime::{
    accounts::{Imported, SECRET_FILE, SecretError, TransferError, export, import, load_or_make},
    storage::{OpenError, SqliteLimits, SqliteOptions},
};
use tempfile::{NamedTempFile, TempDir};

use crate::support::*;

fn record_of(setup: SetupId, number: u8) -> PasswordRecord {
    let mut bytes = record_bytes(number);
    bytes[1..9].copy_from_slice(&setup.0);
    PasswordRecord::from_bytes(&bytes).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The data directory of a server that was started once and has these accounts.
fn server_with(nicks: &[&str]) -> (TempDir, Setup) {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, recovered) = open(directory.path());
    let setup = load_or_make(directory.path(), &recovered.accounts).unwrap();
    for (number, nick) in (1..).zip(nicks) {
        let (record, device) = (record_of(setup.id(), number), new_device(number));
        let create =
            StorageOperation::CreateAccount { nick: (*nick).into(), record, device, invitation: None };
        execute_batch(&mut storage, vec![create]);
    }
    (directory, setup)
}

fn export_from(directory: &TempDir, name: &str) -> (PathBuf, Result<usize, TransferError>) {
    let path = directory.path().join(name);
    let exported = export(SqliteOptions::new(directory.path()), &path);
    (path, exported)
}

fn import_into(directory: &Path, text: &str) -> Result<Imported, TransferError> {
    import(SqliteOptions::new(directory), written(text).path())
}

fn written(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    file
}

fn accounts_in(directory: &Path) -> Vec<AccountRecord> {
    open(directory).1.accounts
}

const fn imported(accounts: usize) -> Imported {
    Imported { accounts, guests_removed: 0 }
}

#[test]
fn accounts_travel_to_another_server_with_their_secret() {
    let (old, setup) = server_with(&["ada", "Bob", "зоя"]);
    let (path, exported) = export_from(&old, "accounts.txt");
    assert_eq!(exported.unwrap(), 3);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 5, "{text}");

    let parent = tempfile::tempdir().unwrap();
    let new = parent.path().join("data");
    assert_eq!(import_into(&new, &text).unwrap(), imported(3));
    let accounts = accounts_in(&new);
    let nicks: Vec<_> = accounts.iter().map(|account| &*account.nick).collect();
    assert_eq!(nicks, ["ada", "Bob", "зоя"]);
    assert_eq!(accounts[2].record, record_of(setup.id(), 3));
    assert!(accounts.iter().all(|account| account.devices.is_empty() && account.rooms.is_empty()));
    assert_eq!(load_or_make(&new, &accounts).unwrap().to_bytes(), setup.to_bytes());

    let again = parent.path().join("again.txt");
    assert_eq!(export(SqliteOptions::new(&new), &again).unwrap(), 3);
    assert_eq!(fs::read_to_string(again).unwrap(), text);
}

#[test]
fn an_export_overwrites_nothing_and_makes_no_database() {
    let (server, _) = server_with(&["ada"]);
    fs::write(server.path().join("kept"), "my novel").unwrap();
    let (path, exported) = export_from(&server, "kept");
    assert!(matches!(exported, Err(TransferError::Exists { .. })), "{exported:?}");
    assert_eq!(fs::read_to_string(path).unwrap(), "my novel");
    let empty = tempfile::tempdir().unwrap();
    let (_, exported) = export_from(&empty, "accounts.txt");
    assert!(matches!(exported, Err(TransferError::NoDatabase { .. })), "{exported:?}");
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
fn accounts_do_not_move_while_a_server_runs() {
    let (server, _) = server_with(&["ada"]);
    let (path, _) = export_from(&server, "accounts.txt");
    let text = fs::read_to_string(path).unwrap();
    let _running = open(server.path());
    let (_, exported) = export_from(&server, "more.txt");
    assert!(matches!(exported, Err(TransferError::Data(OpenError::InUse { .. }))), "{exported:?}");
    let imported = import_into(server.path(), &text);
    assert!(matches!(imported, Err(TransferError::Data(OpenError::InUse { .. }))), "{imported:?}");
}

#[test]
fn every_wrong_line_is_told_with_its_number_and_name_and_nothing_is_imported() {
    let setup = Setup::generate([1; 32]);
    let good = |number| hex(&record_of(setup.id(), number).to_bytes());
    let lines = [
        format!("palabre-accounts 1 {}", hex(&setup.to_bytes())),
        "# a remark".to_owned(),
        format!("ada 1000 {}", good(1)),
        format!("Ada 1000 {}", good(2)),
        String::new(),
        format!("rnia 1000 {}", good(3)),
        format!("mia 1000 {}", good(4)),
        "bob 1000".to_owned(),
        format!("gil yesterday {}", good(5)),
        format!("gus 1000 {}", hex(&record_bytes(1))),
        "kim 1000 0102".to_owned(),
        "lee 1000 xyz".to_owned(),
        format!("-- 1000 {}", good(6)),
        format!("max 1000 {} more", good(7)),
    ];
    let text = lines.join("\n");
    let parent = tempfile::tempdir().unwrap();
    let new = parent.path().join("data");
    let error = import_into(&new, &text).unwrap_err();
    let TransferError::Mistakes { mistakes, .. } = &error else { panic!("{error}") };
    let told: Vec<_> = mistakes.iter().map(|mistake| mistake.line).collect();
    assert_eq!(told, [4, 7, 8, 9, 10, 11, 12, 13, 14], "{error}");
    let said = error.to_string();
    for part in [
        "line 4: \"Ada\" is the same name as \"ada\" (line 3)",
        "line 7: \"mia\" looks like \"rnia\" (line 6)",
        "line 8: \"bob\" has not three fields",
        "line 9: \"gil\": \"yesterday\" is not a time",
        "line 10: \"gus\" has a password record of another secret (0707070707070707)",
        "line 11: \"kim\" has a password record",
        "line 12: \"lee\": the password record has other characters",
        "line 13: \"--\" is no name",
        "line 14: \"max\" has not three fields",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(!new.exists());
}

#[test]
fn a_file_that_is_something_else_is_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    for (text, part) in [
        ("", "not a file of exported accounts"),
        ("My novel.\nIt was a dark night.\n", "not a file of exported accounts"),
        ("palabre-accounts 2 00\n", "format 2"),
        ("palabre-accounts 1 00ff\n", "damaged"),
    ] {
        let error = import_into(directory.path(), text).unwrap_err().to_string();
        assert!(error.contains("line 1: ") && error.contains(part), "{error}");
    }
}

#[test]
fn a_name_that_an_account_has_already_is_not_imported_nor_are_the_others() {
    let (server, _) = server_with(&["ada"]);
    let (path, _) = export_from(&server, "accounts.txt");
    let text = fs::read_to_string(path).unwrap();
    let text = text.replace("\nada ", "\nbob ") + text.lines().last().unwrap();
    let error = import_into(server.path(), &text).unwrap_err().to_string();
    assert!(
        error.contains("line 4: \"ada\" is the same name as \"ada\" (an account of this server)"),
        "{error}"
    );
    assert_eq!(accounts_in(server.path()).len(), 1);
    let without = text.lines().take(3).collect::<Vec<_>>().join("\n");
    assert_eq!(import_into(server.path(), &without).unwrap(), imported(1));
    assert_eq!(accounts_in(server.path()).len(), 2);
}

#[test]
fn accounts_of_another_server_are_only_taken_by_one_without_accounts() {
    let (one, _) = server_with(&["ada"]);
    let (other, other_setup) = server_with(&["bob"]);
    let text = fs::read_to_string(export_from(&other, "accounts.txt").0).unwrap();
    let before = fs::read(one.path().join(SECRET_FILE)).unwrap();
    let error = import_into(one.path(), &text).unwrap_err();
    assert!(matches!(error, TransferError::AnotherServer { present: 1, .. }), "{error}");
    assert_eq!(fs::read(one.path().join(SECRET_FILE)).unwrap(), before);
    assert_eq!(accounts_in(one.path()).len(), 1);
    // One that was only started has a secret that nothing depends on.
    let (started, _) = server_with(&[]);
    assert_eq!(import_into(started.path(), &text).unwrap(), imported(1));
    let setup = load_or_make(started.path(), &accounts_in(started.path())).unwrap();
    assert_eq!(setup.to_bytes(), other_setup.to_bytes());
}

#[test]
fn an_import_that_runs_out_of_space_leaves_no_account_and_works_when_there_is_some() {
    let setup = Setup::generate([1; 32]);
    let mut text = format!("palabre-accounts 1 {}\n", hex(&setup.to_bytes()));
    let record = hex(&record_of(setup.id(), 1).to_bytes());
    for number in 0..2_000 {
        text += &format!("user{number} 1000 {record}\n");
    }
    let directory = tempfile::tempdir().unwrap();
    let limits = SqliteLimits { database_bytes_max: Some(256 * 1024), ..SqliteLimits::default() };
    let small = SqliteOptions { limits, ..SqliteOptions::new(directory.path()) };
    let refused = import(small, written(&text).path());
    assert!(matches!(refused, Err(TransferError::Data(OpenError::NoSpace { .. }))), "{refused:?}");
    assert_eq!(accounts_in(directory.path()), []);
    assert_eq!(import_into(directory.path(), &text).unwrap(), imported(2_000));
    assert_eq!(accounts_in(directory.path()).len(), 2_000);
}

#[test]
fn a_guest_gives_way_to_an_imported_account_of_its_name() {
    let (old, _) = server_with(&["ada", "bob"]);
    let text = fs::read_to_string(export_from(&old, "accounts.txt").0).unwrap();
    let (new, _) = server_with(&[]);
    execute_batch(&mut open(new.path()).0, vec![create_guest("Ada", 1), create_guest("gus", 2)]);
    assert_eq!(import_into(new.path(), &text).unwrap(), Imported { accounts: 2, guests_removed: 1 });
    let (_, recovered) = open(new.path());
    let guests: Vec<_> = recovered.guests.iter().map(|guest| &*guest.nick).collect();
    assert_eq!(guests, ["gus"]);
    let users: Vec<_> = recovered.accounts.iter().map(|account| account.user.get()).collect();
    assert_eq!(users, [3, 4]);
}

#[test]
fn accounts_without_their_secret_are_refused_and_no_other_is_made() {
    let (server, _) = server_with(&["ada", "bob"]);
    let path = server.path().join(SECRET_FILE);
    let accounts = accounts_in(server.path());
    let secret = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let error = load_or_make(server.path(), &accounts).unwrap_err();
    assert!(matches!(error, SecretError::Missing { accounts: 2, .. }), "{error}");
    assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    let (exported, refused) = export_from(&server, "accounts.txt");
    assert!(matches!(refused, Err(TransferError::Secret(SecretError::Missing { .. }))), "{refused:?}");
    assert!(!path.exists() && !exported.exists());
    fs::write(&path, secret).unwrap();
    load_or_make(server.path(), &accounts).unwrap();
}

#[test]
fn accounts_beside_the_secret_of_another_server_are_refused() {
    let (server, setup) = server_with(&["ada"]);
    let (other, other_setup) = server_with(&[]);
    fs::copy(other.path().join(SECRET_FILE), server.path().join(SECRET_FILE)).unwrap();
    let error = load_or_make(server.path(), &accounts_in(server.path())).unwrap_err();
    assert!(matches!(error, SecretError::NotTheirs { .. }), "{error}");
    let said = error.to_string();
    for part in ["\"ada\"", &setup.id().to_string(), &other_setup.id().to_string()] {
        assert!(said.contains(part), "{part} in {said}");
    }
}
