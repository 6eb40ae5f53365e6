//! Which servers are talked to, and what is asked before.

use std::{fs, os::unix::fs::PermissionsExt as _};

use palabre_runtime::server_key::ServerKey;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::support::{House, Running, until};

/// This machine, as the system finds it but not the program: for that, such a name may be anybody's.
fn elsewhere(house: &House) -> String {
    format!("127.1:{}", house.port())
}

#[test]
fn this_machine_is_accepted_as_new_and_known_from_then_on() {
    let house = House::new();
    assert_eq!(house.run(["send", "#lobby", "hello"]).code, 0);
    let known = house.run(["server", "list"]);
    assert_eq!(known.output, format!("{}  {}\n", house.server_name(), house.key()));
    let file = house.path("state/palabre/known-servers");
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let records = house.run(["server", "list", "--json"]).records();
    assert_eq!(
        (&records[0]["type"], &records[0]["key"]),
        (&"server".into(), &house.key().to_string().into())
    );
}

#[test]
fn a_server_with_another_key_stops_everything_until_it_is_forgotten() {
    let mut house = House::new();
    assert_eq!(house.run(["send", "#lobby", "hello"]).code, 0);
    let expected = house.key();
    house.stop_server();
    house.lose_key();
    house.start_server();
    let shown = house.key();
    for command in [&["send", "#lobby", "again"][..], &["rooms"], &["ping"], &["connect"]] {
        let stopped = house.run(command);
        assert_eq!(stopped.code, 10, "{stopped:?}");
        let forget = format!("cli server forget {}", house.server_name());
        for part in [expected.to_string(), shown.to_string(), forget] {
            assert!(stopped.errors.contains(&part), "{part}: {stopped:?}");
        }
    }
    assert_eq!(house.run(["server", "trust", &house.server_name()]).code, 10);
    assert_eq!(house.run(["server", "forget", &house.server_name()]).code, 0);
    assert_eq!(house.texts("#lobby"), ["hello"]);
}

#[test]
fn a_connection_that_comes_back_with_another_key_ends_the_program() {
    let mut house = House::new();
    let mut tail = house.start(["tail", "#lobby", "--follow", "-v"]);
    tail.error_with("entered");
    house.stop_server();
    house.lose_key();
    house.start_server();
    tail.error_with("THE SERVER'S KEY IS NOT THE ONE THAT IS KNOWN");
    assert_eq!(tail.wait(), 10);
}

#[test]
fn the_token_of_a_guest_is_only_for_the_server_that_gave_it() {
    let mut house = House::new();
    let mut chat = house.start(["connect"]);
    chat.error_with("here:");
    let saved = house.sessions().join("ana.1.json");
    until("it is saved", || saved.exists());
    chat.signal(rustix::process::Signal::KILL);
    chat.wait();
    assert!(fs::read_to_string(&saved).unwrap().contains(&house.key().to_string()));
    house.stop_server();
    house.lose_key();
    house.start_server();
    assert_eq!(house.run(["server", "forget", &house.server_name()]).code, 0);
    let mut chat = house.start(["connect"]);
    chat.error_with("a session saved for its former key is not resumed");
    chat.error_with("ana is taken; you are ana2");
    chat.write("/quit\n");
    assert_eq!(chat.wait(), 0);
}

#[test]
fn an_invitation_is_for_one_server() {
    let house = House::new();
    let invitation = |key: ServerKey| format!("palabre://{}/#{key}", house.server_name());
    let other = ServerKey([9; 32]);
    let stopped = house.run(["rooms", "--server", &invitation(other)]);
    assert_eq!(stopped.code, 10, "{stopped:?}");
    assert!(stopped.errors.contains("not the server of the invitation"), "{stopped:?}");
    assert!(stopped.errors.contains(&house.key().to_string()), "{stopped:?}");
    assert_eq!(house.run(["server", "list"]).output, "", "what was not reached is not known");
    let mut chat = house.start(["connect", &invitation(house.key())]);
    chat.error_with("here:");
    chat.write("/quit\n");
    assert_eq!(chat.wait(), 0);
    assert_eq!(house.run(["server", "list"]).output, format!("{}  {}\n", house.server_name(), house.key()));
    // What is known goes before what somebody says.
    assert_eq!(house.run(["rooms", "--server", &invitation(other)]).code, 10);
    assert_eq!(house.run(["server", "trust", &invitation(other)]).code, 10);
}

#[test]
fn an_invitation_can_be_trusted_before_the_server_is_there() {
    let mut house = House::new();
    let key = house.key();
    house.stop_server();
    let invitation = format!("palabre://chat.example:4000/#{key}");
    let trusted = house.run(["server", "trust", &invitation]);
    assert_eq!((trusted.code, trusted.output), (0, format!("chat.example:4000  {key}\n")));
}

#[test]
fn an_unknown_server_is_not_talked_to_unless_somebody_says_so() {
    let house = House::new();
    let name = elsewhere(&house);
    for flags in [&[][..], &["--host-key", "strict"]] {
        let refused = house.run([&["rooms", "--server", &name], flags].concat());
        assert_eq!(refused.code, 4, "{refused:?}");
        let next_step = format!("cli server trust 'palabre://{name}/#{}'", house.key());
        assert!(refused.errors.contains(&next_step), "{refused:?}");
    }
    assert_eq!(house.run(["server", "list"]).output, "");
    let accepted = house.run(["rooms", "--server", &name, "--host-key", "accept-new"]);
    assert_eq!(accepted.code, 0, "{accepted:?}");
    assert!(accepted.errors.contains(&house.key().to_string()), "{accepted:?}");
    assert_eq!(house.run(["rooms", "--server", &name, "--host-key", "strict"]).code, 0, "it is known now");
}

#[test]
fn a_person_is_shown_the_key_and_asked() {
    let house = House::new();
    let name = elsewhere(&house);
    let ask = || Running::start(house.command_on_a_terminal(&format!("rooms --server {name}")));
    let mut declined = ask();
    declined.line_with(&format!("Its key is {}", house.key()));
    declined.write("no\n");
    declined.line_with("the server is not trusted");
    assert_eq!(declined.wait(), 4);
    let mut accepted = ask();
    accepted.line_with("ask whoever runs it");
    accepted.write("perhaps\nyes\n");
    accepted.line_with("#lobby");
    assert_eq!(accepted.wait(), 0);
    assert_eq!(house.run(["server", "list"]).output, format!("{name}  {}\n", house.key()));
}

#[test]
fn a_name_that_public_authorities_vouch_for_needs_no_key_and_never_loses_them() {
    let mut house = House::new();
    let (certificate, key, roots) = (house.path("chain.pem"), house.path("key.pem"), house.path("roots.pem"));
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let issue = || {
        let pair = KeyPair::generate().unwrap();
        let made = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let made = made.signed_by(&pair, &authority).unwrap();
        fs::write(&certificate, made.pem()).unwrap();
        fs::write(&key, pair.serialize_pem()).unwrap();
    };
    issue();
    fs::write(&roots, authority.pem()).unwrap();
    let restart = |house: &mut House| {
        house.stop_server();
        house.show(certificate.clone(), key.clone());
        house.start_server();
    };
    restart(&mut house);
    let name = format!("localhost:{}", house.port());
    let run = |house: &House, arguments: &[&str]| {
        let mut command = house.command([arguments, &["--server", &name, "--host-key", "strict"]].concat());
        command.env("SSL_CERT_FILE", &roots);
        Running::start(command).finish()
    };
    let first = run(&house, &["send", "#lobby", "hello", "--nonce", "a key"]);
    assert_eq!(first.code, 0, "{first:?}");
    let known = run(&house, &["server", "list"]);
    assert_eq!(known.output, format!("{name}  public-authorities\n"));
    // A renewed key is as good, but what was told to the old one stays with it.
    issue();
    restart(&mut house);
    let renewed = run(&house, &["send", "#lobby", "hello", "--nonce", "a key"]);
    assert_eq!(renewed.code, 0, "{renewed:?}");
    assert!(renewed.errors.contains("a session saved for its former key is not resumed"), "{renewed:?}");
    // Whoever has only a certificate of his own does not get through as a server that is new.
    house.stop_server();
    house.lose_key();
    house.start_server();
    let stopped = run(&house, &["rooms"]);
    assert_eq!(stopped.code, 10, "{stopped:?}");
    assert!(stopped.errors.contains("PUBLIC AUTHORITIES DO NOT VOUCH"), "{stopped:?}");
}

#[test]
fn plaintext_is_for_two_ends_that_were_told_so_and_for_this_machine() {
    let house = House::in_plaintext();
    assert_eq!(house.run(["send", "#lobby", "hello", "--plaintext"]).code, 0);
    assert!(house.run(["server", "list"]).output.is_empty());
    let encrypted = house.run(["rooms"]);
    assert_eq!(encrypted.code, 11, "{encrypted:?}");
    assert!(encrypted.errors.contains("--plaintext"), "{encrypted:?}");
    let far = house.run(["rooms", "--plaintext", "--server", "chat.example"]);
    assert_eq!(far.code, 2, "{far:?}");
    assert!(far.errors.contains("say it twice"), "{far:?}");
    let mut command = house.command(["rooms"]);
    command.env("PALABRE_PLAINTEXT", "true");
    assert_eq!(Running::start(command).finish().code, 0);
    let secret = House::new();
    let refused = secret.run(["rooms", "--plaintext", "--connect-timeout", "1s"]);
    assert!([5, 11].contains(&refused.code), "{refused:?}");
}
