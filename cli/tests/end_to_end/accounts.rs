//! Accounts, as a person with two machines has one.

use super::support::{Finished, House, Running};

/// Runs the program on another machine: with a state of its own.
fn elsewhere(house: &House, arguments: &[&str], input: &str) -> Finished {
    let mut command = house.command(arguments);
    command.env("XDG_STATE_HOME", house.sessions().join("../../../elsewhere"));
    let mut running = Running::start(command);
    running.write(input);
    running.finish()
}

fn register(house: &House) {
    let made = house.run_with(["register", "ana", "--password-stdin"], "correct horse\n");
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(made.output, format!("registered on {} as ana\n", house.server_name()));
}

#[test]
fn who_registered_is_that_account_in_all_commands_and_on_other_machines() {
    let house = House::new();
    register(&house);
    let who = house.run(["whoami", "--json"]).records();
    assert_eq!((&who[0]["type"], &who[0]["name"]), (&"account".into(), &"ana".into()));
    assert_eq!(house.run(["send", "#lobby", "from home"]).code, 0);
    let login = elsewhere(&house, &["login", "ana", "--password-stdin"], "correct horse\n");
    assert_eq!(login.code, 0, "{login:?}");
    assert_eq!(elsewhere(&house, &["send", "#lobby", "from elsewhere"], "").code, 0);
    let said = house.run(["history", "#lobby", "--json"]).records();
    let from: Vec<_> = said.iter().map(|record| record["from"].as_str().unwrap()).collect();
    assert_eq!(from, ["ana", "ana"]);
}

#[test]
fn a_wrong_password_is_refused_and_nothing_is_kept() {
    let house = House::new();
    register(&house);
    let wrong = elsewhere(&house, &["login", "ana", "--password-stdin"], "wrong battery\n");
    assert_eq!(wrong.code, 4, "{wrong:?}");
    assert!(wrong.errors.contains("The name or the password is wrong"), "{wrong:?}");
    let who = elsewhere(&house, &["whoami"], "");
    assert_eq!(who.code, 4);
    assert!(who.errors.contains("cli login"), "{who:?}");
    let short = house.run_with(["register", "bob", "--password-stdin"], "short\n");
    assert_eq!(short.code, 2, "{short:?}");
}

#[test]
fn a_guest_is_told_that_a_name_is_an_accounts() {
    let house = House::new();
    register(&house);
    let guest = elsewhere(&house, &["send", "#lobby", "hello", "--nick", "Ana"], "");
    assert_eq!(guest.code, 6, "{guest:?}");
    let members = house.run(["connect"]);
    assert_eq!(members.code, 0, "{members:?}");
}

#[test]
fn a_device_is_logged_out_from_another() {
    let house = House::new();
    register(&house);
    assert_eq!(elsewhere(&house, &["login", "ana", "--password-stdin"], "correct horse\n").code, 0);
    let devices = house.run(["devices", "--json"]).records();
    let ids: Vec<_> = devices.iter().map(|device| device["id"].as_u64().unwrap()).collect();
    assert_eq!((ids.as_slice(), &devices[0]["this"]), (&[1, 2][..], &true.into()));
    assert_eq!(house.run(["devices", "revoke", "2"]).code, 0);
    let revoked = elsewhere(&house, &["rooms"], "");
    assert_eq!(revoked.code, 4, "{revoked:?}");
    assert!(revoked.errors.contains("log in again"), "{revoked:?}");
    assert_eq!(house.run(["logout"]).code, 0);
    assert_eq!(house.run(["whoami"]).code, 4);
}

#[test]
fn another_password_ends_all_other_devices() {
    let house = House::new();
    register(&house);
    assert_eq!(elsewhere(&house, &["login", "ana", "--password-stdin"], "correct horse\n").code, 0);
    let changed = house.run_with(["passwd", "--password-stdin"], "correct horse\nbattery staple\n");
    assert_eq!(changed.code, 0, "{changed:?}");
    assert_eq!(house.run(["whoami"]).code, 0);
    assert_eq!(elsewhere(&house, &["whoami"], "").code, 4);
    let old = elsewhere(&house, &["login", "ana", "--password-stdin"], "correct horse\n");
    assert_eq!(old.code, 4, "{old:?}");
    let new = elsewhere(&house, &["login", "ana", "--password-stdin"], "battery staple\n");
    assert_eq!(new.code, 0, "{new:?}");
}

#[test]
fn a_login_outlives_a_restart_of_the_server() {
    let mut house = House::new();
    register(&house);
    house.stop_server();
    house.start_server();
    let who = house.run(["whoami"]);
    assert_eq!((who.code, who.output), (0, format!("ana on {}\n", house.server_name())));
}
