//! Accounts, as a person with two machines has one.

use super::support::{Finished, House, Running};

/// Runs the program on another machine: with a state of its own.
pub(crate) fn elsewhere(house: &House, arguments: &[&str], input: &str) -> Finished {
    let mut command = house.command(arguments);
    command.env("XDG_STATE_HOME", house.sessions().join("../../../elsewhere"));
    let mut running = Running::start(command);
    running.write(input);
    running.finish()
}

pub(crate) fn register(house: &House) {
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

#[test]
fn who_has_no_login_is_asked_makes_an_account_and_goes_on_with_the_chat() {
    let house = House::new();
    let mut chat = Running::start(house.command_on_a_terminal("connect --plain"));
    // No account; the name that is proposed; a password, twice.
    chat.write("n\n\ncorrect horse\ncorrect horse\n");
    chat.line_with("Do you have an account on");
    chat.line_with("here: ana");
    chat.write("hello\r");
    chat.line_with("ana: hello");
    chat.write("/quit\r");
    assert_eq!(chat.wait(), 0);
    assert_eq!(house.run(["whoami"]).code, 0, "the login is kept");
    let mut again = Running::start(house.command_on_a_terminal("connect --plain"));
    again.line_with("here: ana");
    again.write("/quit\r");
    assert_eq!(again.wait(), 0);
}

#[test]
fn a_command_that_needs_an_account_asks_until_it_has_one_and_goes_on() {
    let house = House::new();
    register(&house);
    let mut command = house.command_on_a_terminal("devices");
    command.env("XDG_STATE_HOME", house.path("elsewhere"));
    let mut devices = Running::start(command);
    devices.write("perhaps\ny\n\nwrong battery\n");
    devices.line_with("The name or the password is wrong");
    devices.write("y\nana\ncorrect horse\n");
    devices.line_with("(this one)");
    assert_eq!(devices.wait(), 0);
}

#[test]
fn who_does_not_want_an_account_chats_as_a_guest() {
    let house = House::new();
    let mut chat = Running::start(house.command_on_a_terminal("connect --plain"));
    chat.write("g\n");
    chat.line_with("here: ana");
    chat.write("/quit\r");
    assert_eq!(chat.wait(), 0);
    assert_eq!(house.run(["whoami"]).code, 4);
}

#[test]
fn without_a_terminal_one_is_told_how_to_log_in() {
    let house = House::for_accounts();
    for command in [&["rooms"][..], &["connect"], &["send", "#lobby", "hello"], &["devices"], &["whoami"]] {
        let refused = house.run(command);
        assert_eq!(refused.code, 4, "{refused:?}");
        assert!(refused.errors.contains("cli login NAME"), "{refused:?}");
    }
    let mut rooms = Running::start(house.command_on_a_terminal("rooms"));
    rooms.write("n\n\ncorrect horse\ncorrect horse\n");
    rooms.line_with("#lobby");
    assert_eq!(rooms.wait(), 0);
    assert_eq!(house.run(["rooms"]).code, 0);
}

#[test]
fn a_login_that_was_ended_is_asked_for_again_on_the_spot() {
    let house = House::new();
    register(&house);
    let mut command = house.command_on_a_terminal("connect --plain");
    command.env("XDG_STATE_HOME", house.path("elsewhere"));
    let mut chat = Running::start(command);
    chat.write("y\n\ncorrect horse\n");
    chat.line_with("here: ana");
    chat.write("/quit\r");
    assert_eq!(chat.wait(), 0);
    assert_eq!(house.run(["devices", "revoke", "2"]).code, 0);
    let mut command = house.command_on_a_terminal("connect --plain");
    command.env("XDG_STATE_HOME", house.path("elsewhere"));
    let mut chat = Running::start(command);
    chat.line_with("log in again");
    chat.write("y\n\ncorrect horse\n");
    chat.line_with("here: ana");
    chat.write("/quit\r");
    assert_eq!(chat.wait(), 0);
}

#[test]
fn a_token_lets_a_script_elsewhere_in_and_is_for_one_server_alone() {
    let mut house = House::new();
    register(&house);
    let arguments = ["login", "ana", "--password-stdin", "--print-token", "--device", "nightly"];
    let printed = elsewhere(&house, &arguments, "correct horse\n");
    assert_eq!(printed.code, 0, "{printed:?}");
    assert_eq!(elsewhere(&house, &["whoami"], "").code, 4, "it is not kept there");
    let token = printed.output.trim_end();
    let file = house.path("token");
    std::fs::write(&file, token).unwrap();
    // By a name that is not taken for this machine: the token says which key the server has.
    let name = format!("127.1:{}", house.port());
    let as_script = |house: &House, arguments: &[&str]| {
        let mut command = house.command([arguments, &["--server", &name]].concat());
        command.env("PALABRE_TOKEN", token).env("HOME", "/nonexistent").env_remove("XDG_STATE_HOME");
        Running::start(command).finish()
    };
    assert_eq!(as_script(&house, &["send", "#lobby", "built"]).code, 0);
    let by_file = ["whoami", "--token-file", file.to_str().unwrap()];
    assert_eq!(elsewhere(&house, &by_file, "").output, format!("ana on {}\n", house.server_name()));
    let devices = house.run(["devices", "--json"]).records();
    assert_eq!(devices[1]["name"], "nightly");
    let cut = house.run(["whoami", "--token-file", house.path("data/accounts.secret").to_str().unwrap()]);
    assert_eq!(cut.code, 2, "{cut:?}");
    // Another server is told nothing.
    house.stop_server();
    house.lose_key();
    house.start_server();
    let other = as_script(&house, &["whoami"]);
    assert_eq!(other.code, 10, "{other:?}");
    assert_eq!(house.run(["server", "forget", &house.server_name()]).code, 0);
    assert_eq!(house.run(["rooms", "--nick", "bob"]).code, 0, "the new key is known now");
    let other = house.run(by_file);
    assert_eq!(other.code, 10, "{other:?}");
    assert!(other.errors.contains("was not shown to this one"), "{other:?}");
}

#[test]
fn plaintext_to_a_server_that_encrypts_says_what_may_be_wrong() {
    let house = House::new();
    let refused = house.run(["rooms", "--plaintext", "--connect-timeout", "1s"]);
    assert_eq!(refused.code, 11, "{refused:?}");
    assert!(refused.errors.contains("leave --plaintext out"), "{refused:?}");
}

#[test]
fn what_was_read_on_one_machine_is_read_on_all() {
    let house = House::new();
    register(&house);
    assert_eq!(elsewhere(&house, &["login", "ana", "--password-stdin"], "correct horse\n").code, 0);
    assert_eq!(house.run(["send", "#lobby", "mine"]).code, 0, "who joins has read what was before");
    for text in ["one", "two"] {
        assert_eq!(house.run(["send", "#lobby", text, "--nick", "bob"]).code, 0);
    }
    assert_eq!(elsewhere(&house, &["unread"], "").output, "#lobby  3\n");
    assert_eq!(elsewhere(&house, &["unread", "--count"], "").output, "3\n");
    let mut chat = house.start(["connect"]);
    chat.error_with("here:");
    chat.write("/quit\n");
    assert_eq!(chat.wait(), 0);
    assert_eq!(elsewhere(&house, &["unread", "--count"], "").output, "0\n");
    assert_eq!(house.run(["unread", "--json"]).records().len(), 0);
    let guest = house.run(["unread", "--nick", "bob"]);
    assert_eq!(guest.code, 4, "{guest:?}");
}

#[test]
fn where_accounts_are_made_by_invitation_a_code_makes_one() {
    let house = House::by_invitation();
    let refused = house.run_with(["register", "ana", "--password-stdin"], "correct horse\n");
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.errors.contains("ask the operator for a code"), "{refused:?}");
    let code = house.invite();
    let arguments = ["register", "ana", "--password-stdin", "--invitation", &code];
    let made = house.run_with(arguments, "correct horse\n");
    assert_eq!(made.code, 0, "{made:?}");
    let arguments = ["register", "bob", "--password-stdin", "--invitation", &code];
    let again = house.run_with(arguments, "correct horse\n");
    assert_eq!(again.code, 4, "{again:?}");
    assert!(again.errors.contains("used as often as it may be"), "{again:?}");
    let mut chat = house.command_on_a_terminal("connect --plain");
    chat.env("XDG_STATE_HOME", house.path("elsewhere"));
    let mut chat = Running::start(chat);
    chat.write(&format!("n\n{}\neve\ncorrect horse\ncorrect horse\n", house.invite()));
    chat.line_with("here: eve");
    chat.write("/quit\r");
    assert_eq!(chat.wait(), 0);
    let mut closed = House::closed();
    let refused = closed.run_with(["register", "ana", "--password-stdin"], "correct horse\n");
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.errors.contains("makes no accounts"), "{refused:?}");
    closed.stop_server();
}
