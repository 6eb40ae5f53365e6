//! Who the server is: how its key is made and kept, and how the operator's is shown.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use palabre_core::wire::Ping;
use palabre_runtime::server_key::ServerKey;
use rcgen::{CertificateParams, KeyPair};
use rustix::process::Signal;

use crate::support::{Peer, Process, Stream, failing, frame};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The key that a server shows in a handshake.
fn shown(server: &Process) -> ServerKey {
    let mut peer = Peer::connect(server.address());
    peer.say(Ping { token: 1 });
    let Stream::Tls(stream) = &peer.stream else { panic!("it is encrypted") };
    ServerKey::of_certificate(&stream.conn.peer_certificates().unwrap()[0]).unwrap()
}

/// Writes a certificate for a key of one's own.
fn write_pair(certificate: &Path, key: &Path) -> ServerKey {
    let pair = KeyPair::generate().unwrap();
    let made = CertificateParams::new(vec!["chat.example".to_owned()]).unwrap().self_signed(&pair).unwrap();
    fs::write(certificate, made.pem()).unwrap();
    fs::write(key, pair.serialize_pem()).unwrap();
    ServerKey::of_certificate(made.der()).unwrap()
}

#[test]
fn a_server_makes_a_key_at_its_first_start_and_keeps_it_whatever_happens() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Process::start_in(data.path());
    let key = server.key();
    assert_eq!(shown(&server), key);
    server.signal(Signal::KILL);
    server.wait();
    let tls = data.path().join("tls");
    let before = fs::read(tls.join("key.pem")).unwrap();
    assert_eq!(
        (mode(&tls), mode(&tls.join("key.pem")), mode(&tls.join("certificate.pem"))),
        (0o700, 0o600, 0o600)
    );
    let server = Process::start_in(data.path());
    assert_eq!((server.key(), shown(&server)), (key, key));
    assert_eq!(fs::read(tls.join("key.pem")).unwrap(), before);
}

#[test]
fn what_a_crash_left_of_making_a_key_is_in_nobodys_way() {
    let data = tempfile::tempdir().unwrap();
    let unfinished = data.path().join("tls.new");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("key.pem"), "half of a k").unwrap();
    let server = Process::start_in(data.path());
    assert_eq!(shown(&server), server.key());
    assert!(!unfinished.exists());
}

#[test]
fn a_damaged_or_half_pair_is_told_and_never_replaced() {
    let data = tempfile::tempdir().unwrap();
    drop(Process::start_in(data.path()));
    let tls = data.path().join("tls");
    let (certificate, key) = (tls.join("certificate.pem"), tls.join("key.pem"));
    let (good_certificate, good_key) = (fs::read(&certificate).unwrap(), fs::read(&key).unwrap());
    let other = KeyPair::generate().unwrap().serialize_pem().into_bytes();
    let cases = [
        ("key.pem cannot be read: No such file", &good_certificate[..], None::<&[u8]>),
        ("key.pem cannot be read: there is none in it", &good_certificate, Some(b"")),
        ("key.pem cannot be read: ", &good_certificate, Some(&good_key[..good_key.len() / 2])),
        ("certificate.pem cannot be read: there is none in it", &good_key, Some(&good_key)),
        ("cannot be used", &good_certificate, Some(&other)),
    ];
    for (expected, certificate_content, key_content) in cases {
        fs::write(&certificate, certificate_content).unwrap();
        match key_content {
            Some(content) => fs::write(&key, content).unwrap(),
            None => fs::remove_file(&key).unwrap(),
        }
        let (code, message) = failing(&["--listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()]);
        assert_eq!(code, Some(1), "{message}");
        assert!(message.contains(expected), "{message}");
        assert!(message.contains("from a backup. If there is none, move"), "{message}");
        assert!(!message.contains("BEGIN"), "{message}");
        assert_eq!(fs::read(&key).ok().as_deref(), key_content);
    }
}

#[test]
fn an_ephemeral_server_has_a_key_for_one_run() {
    let arguments = ["--ephemeral", "--listen", "127.0.0.1:0"];
    let (first, second) = (Process::start(&arguments), Process::start(&arguments));
    assert_ne!(first.key(), second.key());
    assert_eq!(shown(&first), first.key());
}

#[test]
fn the_operators_certificate_is_shown_and_read_again_without_dropping_anybody() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let first = write_pair(&certificate, &key);
    let [certificate_path, key_path] = [&certificate, &key].map(|path| path.to_str().unwrap());
    let mut server = Process::start(&[
        "--ephemeral",
        "--listen",
        "127.0.0.1:0",
        "--certificate",
        certificate_path,
        "--key",
        key_path,
    ]);
    assert_eq!((server.key(), shown(&server)), (first, first));
    let mut peer = Peer::connect(server.address());
    peer.enter("ana");
    let room = peer.join("#lobby");
    // In the middle of a message.
    let message = frame(crate::support::post(room, 1, "over the change"));
    std::io::Write::write_all(&mut peer.stream, &message[..10]).unwrap();

    let second = write_pair(&certificate, &key);
    server.signal(Signal::HUP);
    server.until_logged("the certificate was read again");
    assert_eq!(shown(&server), second);
    std::io::Write::write_all(&mut peer.stream, &message[10..]).unwrap();
    peer.post(room, 2, "and after");

    fs::write(&key, "not a key").unwrap();
    server.signal(Signal::HUP);
    server.until_logged("the certificate stays the one it was");
    assert_eq!(shown(&server), second);
    peer.post(room, 3, "and still");
}

#[test]
fn a_server_with_its_own_key_has_nothing_to_read_again() {
    let mut server = Process::start(&["--ephemeral", "--listen", "127.0.0.1:0"]);
    let key = server.key();
    server.signal(Signal::HUP);
    server.until_logged("there is no --certificate to be read again");
    assert_eq!(shown(&server), key);
}

#[test]
fn an_operators_pair_that_cannot_be_used_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.pem");
    let missing = missing.to_str().unwrap();
    let (code, message) = failing(&["--ephemeral", "--certificate", missing, "--key", missing]);
    assert_eq!(code, Some(1));
    assert!(message.contains("The certificate") && message.contains("Both are PEM files"), "{message}");
    let (code, message) = failing(&["--ephemeral", "--certificate", missing]);
    assert_eq!(code, Some(2));
    assert!(message.contains("There is a certificate but no key"), "{message}");
}
