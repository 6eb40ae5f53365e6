//! Logins by strangers: what they can learn, how often they may guess, and what that costs. Run by `tests/logins`.

use std::{
    fs,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    thread,
    time::Duration,
};

use palabre_core::{
    client::{AccountEntry, ClientConfig, ClientEvent},
    name::Nick,
    password::{Password, Setup, Stretching},
    wire::{Login, Plain, Prove, ToClient},
};
use palabre_runtime::{
    client::{ClientDriver, Security, Trust},
    clock::Clock,
};
use socket2::{Domain, Socket, Type};

use crate::support::{PATIENCE, Peer, Process, binary, hello};

/// The base point of ristretto255 (RFC 9496, section 4): any public key must be a point.
const POINT: [u8; 32] = [
    0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f, 0x58,
    0xe3, 0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
];

/// A first message of a login that means something to any server.
fn start() -> [u8; 96] {
    let mut start = [1; 96];
    start[..32].copy_from_slice(&POINT);
    start[64..].copy_from_slice(&POINT);
    start
}

/// Puts accounts of these names into a data directory, of passwords that nobody knows.
fn import(directory: &Path, names: impl Iterator<Item = String>) {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let setup = Setup::generate([7; 32]);
    let mut text = format!("palabre-accounts 1 {}\n", hex(&setup.to_bytes()));
    // As costly as new ones: else the announced cost would tell them from names without an account.
    let costs = [64 << 10_u32, 3, 1].map(u32::to_be_bytes);
    for name in names {
        let record = [&costs.concat(), &POINT[..], &[0x5a; 160]].concat();
        text += &format!("{name} 1000 01{}{}\n", setup.id(), hex(&record));
    }
    let file = directory.join("accounts.txt");
    fs::write(&file, text).unwrap();
    let (file, data) = (file.to_str().unwrap(), directory.join("data"));
    let imported = binary(&["accounts", "import", file, "--data", data.to_str().unwrap()]).output().unwrap();
    assert!(imported.status.success(), "{imported:?}");
}

/// A server on what was imported.
fn serve(directory: &Path, flags: &[&str]) -> Process {
    let data = directory.join("data");
    Process::start(&[&["--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()], flags].concat())
}

/// What a login that fails was told, and how long each answer took.
#[derive(Debug)]
struct Failed {
    /// Kinds, lengths and codes.
    told: Vec<(&'static str, usize, u16)>,
    seconds: [f64; 2],
}

fn fail_to_log_in(address: SocketAddr, clock: Clock, name: &str) -> Failed {
    let mut peer = Peer::connect(address);
    peer.say(hello());
    peer.find(|message| matches!(message, ToClient::Welcome(_)).then_some(())).unwrap();
    let mut told = Vec::new();
    let mut seconds = [0.0; 2];
    for (place, second) in seconds.iter_mut().enumerate() {
        let began = clock.monotonic();
        if place == 0 {
            peer.say(Login { id: 1, name, start: start() });
        } else {
            peer.say(Prove { id: 2, finish: [0; 64], device: "" });
        }
        told.push(peer.find(|message| Some(shape(message))).unwrap());
        *second = clock.monotonic().since(began).as_secs_f64();
    }
    Failed { told, seconds }
}

fn shape(message: &ToClient<'_>) -> (&'static str, usize, u16) {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    let code = if let ToClient::Refused(refused) = message { refused.code } else { 0 };
    (message.name(), bytes.len(), code)
}

/// How well times tell one kind from another: the chance that one of the first is longer than one of the second.
fn area_under_curve(first: &[f64], second: &[f64]) -> f64 {
    let wins = first.iter().flat_map(|one| second.iter().map(move |other| one.total_cmp(other)));
    let score: f64 = wins
        .map(|order| match order {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        })
        .sum();
    score / (first.len() * second.len()) as f64
}

/// Logins with names that have an account and with others, in turns.
fn compare(names: usize) -> (Vec<Failed>, Vec<Failed>) {
    let directory = tempfile::tempdir().unwrap();
    import(directory.path(), (0..names).map(|number| format!("known{number:03}")));
    let server = serve(directory.path(), &["--limits", "open"]);
    let clock = Clock::start();
    (0..names)
        .map(|number| {
            let try_one = |kind: &str| fail_to_log_in(server.address(), clock, &format!("{kind}{number:03}"));
            // Whoever is first has the colder caches: each kind is as often as the other.
            if number % 2 == 0 {
                let known = try_one("known");
                (known, try_one("other"))
            } else {
                let unknown = try_one("other");
                (try_one("known"), unknown)
            }
        })
        .unzip()
}

#[test]
fn known_and_unknown_names_are_told_the_same_at_the_same_length() {
    let (known, unknown) = compare(20);
    for failed in known.iter().chain(&unknown) {
        assert_eq!(failed.told, known[0].told);
    }
    assert_eq!(known[0].told.iter().map(|told| told.0).collect::<Vec<_>>(), ["Challenge", "Refused"]);
}

#[test]
#[ignore = "takes some 20 s, and wants a machine that is not too busy: tests/logins"]
fn known_and_unknown_names_cannot_be_told_apart_by_time() {
    let (known, unknown) = compare(500);
    for failed in known.iter().chain(&unknown) {
        assert_eq!(failed.told, known[0].told);
    }
    for (place, what) in ["challenge", "refusal"].into_iter().enumerate() {
        let times = |failed: &[Failed]| failed.iter().map(|failed| failed.seconds[place]).collect::<Vec<_>>();
        let (known, unknown) = (times(&known), times(&unknown));
        let area = area_under_curve(&known, &unknown);
        let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64 * 1e6;
        println!(
            "{what}: AUC {area:.3}, known {:.0} us, unknown {:.0} us on average",
            mean(&known),
            mean(&unknown)
        );
        assert!((0.45..=0.55).contains(&area), "{what}: AUC {area:.3}");
    }
}

/// A connection from one of the addresses of this machine.
fn connect_from(source: Ipv4Addr, address: SocketAddr) -> Option<Peer> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(IpAddr::V4(source), 0).into()).unwrap();
    socket.connect(&address.into()).ok()?;
    let mut peer = Peer::on(TcpStream::from(socket));
    // One connection too many is closed without a word.
    peer.stream.write_all(&crate::support::frame(hello())).and_then(|()| peer.stream.flush()).ok()?;
    peer.heard(|message| matches!(message, ToClient::Welcome(_)).then_some(()))?;
    Some(peer)
}

/// Guesses from one source for a minute: how many were made, and how many reached a verifier.
fn guess(
    source: Ipv4Addr,
    address: SocketAddr,
    pause: Duration,
    clock: Clock,
    until: Duration,
) -> (u64, u64) {
    let (mut guesses, mut verified) = (0, 0);
    let mut peer = None;
    let began = clock.monotonic();
    while clock.monotonic().since(began) < until {
        guesses += 1;
        thread::sleep(pause);
        // Half of them guess one person's password, the others everybody's.
        let name = if source.octets()[3].is_multiple_of(2) {
            "known000".to_owned()
        } else {
            format!("known{:03}", guesses % 100)
        };
        if peer.is_none() {
            peer = connect_from(source, address);
        }
        let Some(open) = &mut peer else { continue };
        let login = crate::support::frame(Login { id: 1, name: &name, start: start() });
        let said = open.stream.write_all(&login).and_then(|()| open.stream.flush());
        let answer = said.ok().and_then(|()| {
            open.heard(|message| match message {
                ToClient::Challenge(_) => Some(true),
                ToClient::Refused(_) => Some(false),
                _ => None,
            })
        });
        match answer {
            Some(true) => {
                verified += 1;
                let proof = crate::support::frame(Prove { id: 2, finish: [0; 64], device: "" });
                let said = open.stream.write_all(&proof).and_then(|()| open.stream.flush());
                let refused = |message: &ToClient<'_>| matches!(message, ToClient::Refused(_)).then_some(());
                if said.is_err() || open.heard(refused).is_none() {
                    peer = None;
                }
            }
            Some(false) => {}
            None => peer = None,
        }
    }
    (guesses, verified)
}

/// Enters by a password as our own client does; how long it took.
fn enter(server: &Process, make: bool, clock: Clock) -> Duration {
    let began = clock.monotonic();
    let config = ClientConfig {
        program: "test".into(),
        nick: Nick::parse("honest").unwrap(),
        take_suggestion: false,
        asks: false,
        keeps_tokens: false,
        account: Some(AccountEntry {
            make,
            password: Password::parse("correct horse").unwrap(),
            device: "laptop".into(),
            invitation: None,
        }),
        stretching_min: Stretching::LEAST,
        saved: None,
        reconnect: true,
        outbox_posts_max: 1,
    };
    let address = server.address();
    let (host, trust) = (address.ip().to_string(), Security::Tls(Trust::Key(server.key())));
    let mut driver = ClientDriver::new(&host, address.port(), trust, config, Box::new(|_, _| ())).unwrap();
    loop {
        assert!(clock.monotonic().since(began) < PATIENCE, "it did not get in");
        driver.turn(Some(Duration::from_millis(100))).unwrap();
        while let Some(event) = driver.next_event() {
            match event {
                ClientEvent::Ready { .. } => return clock.monotonic().since(began),
                ClientEvent::EnterRefused { refusal, .. } => panic!("{refusal:?}"),
                _ => {}
            }
        }
    }
}

#[test]
#[ignore = "takes a minute: tests/logins"]
fn of_five_thousand_guesses_from_many_sources_few_reach_a_verifier_and_an_honest_login_is_quick() {
    const SOURCES: u8 = 64;
    const GUESSES: u32 = 5_000;
    let directory = tempfile::tempdir().unwrap();
    import(directory.path(), (0..100).map(|number| format!("known{number:03}")));
    let config = directory.path().join("config.toml");
    fs::write(&config, "[limits]\nloopback-exempt = false\n").unwrap();
    let server = serve(directory.path(), &["--config", config.to_str().unwrap()]);
    let (address, clock) = (server.address(), Clock::start());
    enter(&server, true, clock);
    let (minute, before) = (Duration::from_secs(60), server.cpu_seconds());
    let pause = minute * u32::from(SOURCES) / GUESSES * 9 / 10;
    let (guesses, honest) = thread::scope(|scope| {
        let sources = (2..2 + SOURCES).map(|last| Ipv4Addr::new(127, 0, 0, last));
        let guessing: Vec<_> =
            sources.map(|source| scope.spawn(move || guess(source, address, pause, clock, minute))).collect();
        thread::sleep(minute / 3);
        let honest = enter(&server, false, clock);
        let guesses: Vec<_> = guessing.into_iter().map(|thread| thread.join().unwrap()).collect();
        (guesses, honest)
    });
    let (made, verified) = guesses.iter().fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
    let cpu = server.cpu_seconds() - before;
    println!(
        "{made} guesses, {verified} reached a verifier; an honest login took {:.2} s",
        honest.as_secs_f64()
    );
    println!("the server used {cpu:.2} s of CPU in that minute");
    assert!(made >= u64::from(GUESSES), "{made}");
    assert!(verified < 200, "{verified}");
    assert!(honest < Duration::from_secs(3), "{honest:?}");
}

#[test]
#[ignore = "figures for docs/PERFORMANCE.md: tests/logins"]
fn what_logins_cost() {
    const LOGINS: u32 = 300;
    let directory = tempfile::tempdir().unwrap();
    import(directory.path(), (0..LOGINS).map(|number| format!("known{number:03}")));
    let server = serve(directory.path(), &["--limits", "open", "--plain-logins"]);
    let measured = |what: &str, count: u32, act: &mut dyn FnMut(u32)| {
        let before = server.cpu_seconds();
        (0..count).for_each(act);
        let cpu = server.cpu_seconds() - before;
        println!(
            "{what}: {:.0} a CPU second ({:.2} ms each)",
            f64::from(count) / cpu,
            cpu / f64::from(count) * 1e3
        );
    };
    let welcomed = || {
        let mut peer = Peer::connect(server.address());
        peer.say(hello());
        peer.find(|message| matches!(message, ToClient::Welcome(_)).then_some(())).unwrap();
        peer
    };
    measured("handshakes and Hello alone", LOGINS, &mut |_| drop(welcomed()));
    let clock = Clock::start();
    measured("with a login by OPAQUE (refused at its end)", LOGINS, &mut |number| {
        fail_to_log_in(server.address(), clock, &format!("known{number:03}"));
    });
    measured("with a login by plain (refused at its end)", 20, &mut |number| {
        let mut peer = welcomed();
        let name = format!("known{number:03}");
        peer.say(Plain { id: 1, name: &name, password: "wrong battery", device: "" });
        peer.find(|message| matches!(message, ToClient::Refused(_)).then_some(())).unwrap();
    });
    let token = Peer::connect(server.address()).enter("guest");
    measured("with a token (entered)", LOGINS, &mut |_| {
        Peer::connect(server.address()).resume(token);
    });
}
