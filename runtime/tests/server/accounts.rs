use std::{fs, path::Path};

use palabre_core::password::Setup;

use crate::support::{Process, binary, failing};

/// An exported file with these accounts, of passwords that nobody knows.
fn exported_file(directory: &Path, nicks: &[&str]) -> String {
    // The base point of ristretto255 (RFC 9496, section 4): any public key must be a point.
    const POINT: &str = "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76";
    let setup = Setup::generate([7; 32]);
    let secret: String = setup.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut text = format!("palabre-accounts 1 {secret}\n");
    for nick in nicks {
        let costs = "00004c000000000200000001";
        text += &format!("{nick} 1000 01{}{costs}{POINT}{}\n", setup.id(), "5a".repeat(160));
    }
    let path = directory.join("accounts.txt");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn accounts_are_imported_and_exported_by_the_binary_beside_the_plain_start() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data").to_str().unwrap().to_owned();
    let file = exported_file(directory.path(), &["ada", "bob"]);
    let import = binary(&["accounts", "import", &file, "--data", &data]).output().unwrap();
    assert_eq!(import.status.code(), Some(0), "{import:?}");
    let said = String::from_utf8(import.stdout).unwrap();
    assert!(said.starts_with("Imported 2 accounts into"), "{said}");

    let again = directory.path().join("again.txt").to_str().unwrap().to_owned();
    let export = binary(&["--data", &data, "accounts", "export", &again]).output().unwrap();
    assert_eq!(export.status.code(), Some(0), "{export:?}");
    let said = String::from_utf8(export.stdout).unwrap();
    assert!(said.contains("Exported 2 accounts") && said.contains("mode 0600"), "{said}");
    let accounts = |path| fs::read_to_string(path).unwrap().replace("# name", "").matches(" 1000 01").count();
    assert_eq!((accounts(&file), accounts(&again)), (2, 2));

    let mut server = Process::start_in(Path::new(&data));
    let (code, message) = failing(&["--data", &data, "accounts", "export", &again]);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("in use by another server"), "{message}");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    let (code, message) = failing(&["--data", &data, "accounts", "export", &again]);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("exists already"), "{message}");
}

#[test]
fn a_file_that_cannot_be_imported_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data").to_str().unwrap().to_owned();
    let file = exported_file(directory.path(), &["ada", "Ada"]);
    let (code, message) = failing(&["--data", &data, "accounts", "import", &file]);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("line 3: \"Ada\" is the same name as \"ada\" (line 2)"), "{message}");
    assert!(!Path::new(&data).exists());
    let (code, message) = failing(&["--ephemeral", "accounts", "import", &file]);
    assert_eq!(code, Some(2), "{message}");
}

#[test]
fn a_start_with_accounts_but_without_their_secret_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data").to_str().unwrap().to_owned();
    let file = exported_file(directory.path(), &["ada"]);
    assert!(binary(&["accounts", "import", &file, "--data", &data]).status().unwrap().success());
    let secret = Path::new(&data).join("accounts.secret");
    fs::rename(&secret, directory.path().join("elsewhere")).unwrap();
    let (code, message) = failing(&["--listen", "127.0.0.1:0", "--data", &data]);
    assert_eq!(code, Some(3), "{message}");
    assert!(message.contains("accounts.secret is missing") && message.contains("backup"), "{message}");
    assert!(!secret.exists());
    fs::rename(directory.path().join("elsewhere"), &secret).unwrap();
    Process::start_in(Path::new(&data));
}

#[test]
fn a_first_start_makes_the_secret_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let server = Process::start_in(directory.path());
    let secret = directory.path().join("accounts.secret");
    assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    let made = fs::read(&secret).unwrap();
    drop(server);
    drop(Process::start_in(directory.path()));
    assert_eq!(fs::read(&secret).unwrap(), made);
}
