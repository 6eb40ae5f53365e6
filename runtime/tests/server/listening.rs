use std::net::{Ipv6Addr, SocketAddr, TcpListener};

use palabre_runtime::{
    listen::{ListenAddress, ListenError, Reach},
    server::{ServerOptions, StartError},
};

use crate::support::{Peer, Process, failing};

fn options(addresses: &[&str]) -> ServerOptions {
    let listen = addresses.iter().map(|text| text.parse::<ListenAddress>().unwrap()).collect();
    ServerOptions { listen, ..ServerOptions::ephemeral() }
}

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn a_port_alone_listens_on_this_machine_in_both_families() {
    let server = options(&[":0"]).start().unwrap();
    let expected = if has_ipv6() { 2 } else { 1 };
    assert_eq!(server.addresses().len(), expected);
    for address in server.addresses() {
        assert!(address.ip().is_loopback());
        Peer::connect(*address).enter(if address.is_ipv4() { "four" } else { "six" });
    }
}

#[test]
fn names_and_addresses_are_listened_on() {
    let forms = if has_ipv6() {
        &["127.0.0.1:0", "[::1]:0", "localhost:0"][..]
    } else {
        &["127.0.0.1:0", "localhost:0"][..]
    };
    for form in forms {
        let server = options(&[form]).start().unwrap();
        Peer::connect(server.addresses()[0]).enter("ana");
    }
}

#[test]
fn a_server_listens_on_all_its_addresses() {
    let server = options(&["127.0.0.1:0", "127.0.0.1:0"]).start().unwrap();
    let [first, second] = server.addresses() else { panic!("{server:?}") };
    assert_ne!(first, second);
    Peer::connect(*first).enter("ana");
    Peer::connect(*second).enter("ben");
}

#[test]
fn a_port_in_use_is_told_with_what_to_do() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let (code, message) = failing(&["--ephemeral", "--listen", &address]);
    assert_eq!(code, Some(1));
    assert!(message.contains(&format!("{address} is in use")), "{message}");
    assert!(message.contains("choose another port"), "{message}");
}

#[test]
fn an_unknown_name_is_told_so() {
    let error = options(&["no-such-host.invalid:0"]).start().unwrap_err();
    assert!(matches!(error, StartError::Listen(ListenError::UnknownName { .. })), "{error}");
}

#[test]
fn other_machines_are_let_in_without_encryption_only_if_that_is_said_twice() {
    let (code, message) = failing(&["--ephemeral", "--listen", "0.0.0.0:0", "--plaintext"]);
    assert_eq!(code, Some(1));
    assert!(message.contains("say --plaintext twice"), "{message}");
    let server = Process::start(&["--ephemeral", "--listen", "0.0.0.0:0", "--plaintext", "--plaintext"]);
    assert!(server.ready_line.contains("WITHOUT ENCRYPTION"), "{}", server.ready_line);
    let port = server.address().port();
    let expected = format!("; connect with: cli connect localhost:{port} --plaintext --plaintext. ");
    assert!(server.ready_line.contains(&expected), "{}", server.ready_line);
    Peer::plaintext(SocketAddr::from(([127, 0, 0, 1], port))).enter("ana");
}

#[test]
fn a_port_alone_in_plaintext_is_for_this_machine() {
    let server = Process::start(&["--ephemeral", "--listen", ":0", "--plaintext"]);
    assert!(server.address().ip().is_loopback(), "{}", server.ready_line);
    assert!(
        server.ready_line.ends_with(" --plaintext. Only this machine can connect.\n"),
        "{}",
        server.ready_line
    );
    Peer::plaintext(server.address()).enter("ana");
}

#[test]
fn a_port_alone_listens_everywhere() {
    let server = ServerOptions { reach: Reach::Anywhere, ..options(&[":0"]) }.start().unwrap();
    assert!(server.addresses().iter().all(|address| address.ip().is_unspecified()), "{server:?}");
    let port = server.addresses()[0].port();
    Peer::connect(SocketAddr::from(([127, 0, 0, 1], port))).enter("ana");
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let _first = Process::start_in(data.path());
    let (code, message) = failing(&["--listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(message.contains("is in use by another server"), "{message}");
}

#[test]
fn the_readiness_line_says_where_and_how() {
    let data = tempfile::tempdir().unwrap();
    let server = Process::start_in(data.path());
    let address = server.address();
    assert_eq!(
        server.ready_line,
        format!(
            "Listening on {address}; data in {}; connect with: cli connect {address}.\n",
            data.path().display()
        )
    );
    let key = server.key();
    assert_eq!(server.key_line, format!("Its key is {key}; invite with: palabre://{address}/#{key}\n"));
    let server = Process::start(&["--ephemeral", "--listen", "127.0.0.1:0"]);
    assert!(server.ready_line.contains("; nothing is kept (--ephemeral); "), "{}", server.ready_line);
    assert!(server.key_line.contains(" (made for this run alone); "), "{}", server.key_line);
    let server = Process::start(&["--ephemeral", "--listen", "localhost:0"]);
    assert!(server.key_line.contains(" invite with: palabre://localhost:"), "{}", server.key_line);
}
