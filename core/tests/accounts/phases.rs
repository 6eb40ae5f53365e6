//! What each message about accounts does in each phase of a connection, as one table (`PROTOCOL.md` E1, E9, A6).

use palabre_core::{
    config::Registration,
    ids::{DeviceId, RoomId, Seq},
    limits::Limits,
    output::Source,
    wire::{
        Devices, Enrol, Guest, Hello, Login, MarkRead, NewPassword, Plain, Prove, Register, Resume, Revoke,
        SetPassword, ToServer, Token, VERSION,
    },
};

use crate::{
    house::House,
    stranger::{Stranger, TLS, say, silent, stranger, told},
};

/// What came of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// A message of this name answers.
    Says(&'static str),
    /// It is refused with this code.
    Refused(u16),
    /// `Error unexpected-kind`.
    Unexpected,
}
use Fate::{Refused as R, Says as S, Unexpected as U};

const PHASES: [&str; 9] =
    ["greeting", "choosing", "enrolling", "proving", "verifying", "entering", "waiting", "guest", "account"];

#[rustfmt::skip]
const TABLE: [(&str, [Fate; 9]); 13] = [
    //               greeting      choosing        enrolling       proving         verifying entering waiting guest   account
    ("Hello",       [S("Welcome"), U,              U,              U,              U,        U,       U,      U,      U]),
    ("Guest",       [U,            S("Ready"),     S("Ready"),     S("Ready"),     U,        U,       U,      U,      U]),
    ("Resume",      [U,            R(14),          R(14),          R(14),          U,        U,       U,      U,      U]),
    ("Register",    [U,            S("Challenge"), S("Challenge"), S("Challenge"), U,        U,       U,      U,      U]),
    ("Enrol",       [U,            U,              S("Ready"),     U,              U,        U,       U,      U,      U]),
    ("Login",       [U,            S("Challenge"), S("Challenge"), S("Challenge"), U,        U,       U,      U,      U]),
    ("Prove",       [U,            U,              U,              R(18),          U,        U,       U,      U,      U]),
    ("Plain",       [U,            R(18),          R(18),          R(18),          U,        U,       U,      U,      U]),
    ("NewPassword", [U,            U,              U,              U,              U,        U,       U,      R(19),  S("Challenge")]),
    ("SetPassword", [U,            U,              U,              U,              U,        U,       U,      U,      U]),
    ("Devices",     [U,            U,              U,              U,              U,        U,       U,      R(19),  S("DeviceList")]),
    ("Revoke",      [U,            U,              U,              U,              U,        U,       U,      R(19),  R(20)]),
    ("MarkRead",    [U,            U,              U,              U,              U,        U,       U,      R(6),   R(6)]),
];

/// The base point of ristretto255 (RFC 9496, section 4): any public key must be a point.
const POINT: [u8; 32] = [
    0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f, 0x58,
    0xe3, 0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
];

fn upload() -> [u8; 192] {
    let mut upload = [90; 192];
    upload[..32].copy_from_slice(&POINT);
    upload
}

fn start() -> [u8; 96] {
    let mut start = [1; 96];
    start[..32].copy_from_slice(&POINT);
    start[64..].copy_from_slice(&POINT);
    start
}

/// One of each kind; the names are nobody's.
fn message(name: &str) -> ToServer<'static> {
    let id = 7;
    match name {
        "Hello" => Hello { first: VERSION, last: VERSION, client: "x", features: 0, session: None }.into(),
        "Guest" => Guest { id, nick: "eve" }.into(),
        "Resume" => Resume { id, token: Token([9; 32]) }.into(),
        "Register" => Register { id, name: "eve", request: POINT, invitation: None }.into(),
        "Enrol" => Enrol { id, upload: upload(), device: "x" }.into(),
        "Login" => Login { id, name: "eve", start: start() }.into(),
        "Prove" => Prove { id, finish: [0; 64], device: "x" }.into(),
        "Plain" => Plain { id, name: "eve", password: "wrong battery", device: "x" }.into(),
        "NewPassword" => NewPassword { id, request: POINT }.into(),
        "SetPassword" => SetPassword { id, upload: upload() }.into(),
        "Devices" => Devices { id }.into(),
        "Revoke" => Revoke { id, device: DeviceId::new(999) }.into(),
        "MarkRead" => MarkRead { id, room: RoomId::new(1), seq: Seq::new(1) }.into(),
        other => panic!("no such message: {other}"),
    }
}

/// A connection in a phase.
fn in_phase(phase: &str) -> (House, Stranger) {
    let clients_max = if phase == "waiting" { 1 } else { 10 };
    let mut house = House::with(Limits { clients_max, ..Limits::default() }, Registration::Open, true);
    if phase == "waiting" {
        house.client("occupant", None, None);
        house.source = Source::V4([10, 0, 0, 2]);
    }
    if phase == "greeting" {
        let silent = silent(&mut house, TLS);
        return (house, silent);
    }
    let mut peer = stranger(&mut house, TLS);
    let id = 1;
    let mut says = |house: &mut House, message: ToServer<'_>| say(house, &mut peer, &message);
    match phase {
        "choosing" => {}
        "enrolling" => {
            says(&mut house, Register { id, name: "mallory", request: POINT, invitation: None }.into())
        }
        "proving" => says(&mut house, Login { id, name: "mallory", start: start() }.into()),
        "verifying" | "entering" => {
            house.prompt = false;
            if phase == "verifying" {
                let plain = Plain { id, name: "mallory", password: "wrong battery", device: "x" };
                says(&mut house, plain.into());
            } else {
                says(&mut house, Guest { id, nick: "mallory" }.into());
            }
        }
        "waiting" | "guest" => says(&mut house, Guest { id, nick: "mallory" }.into()),
        "account" => {
            says(&mut house, Register { id, name: "mallory", request: POINT, invitation: None }.into());
            says(&mut house, Enrol { id, upload: upload(), device: "x" }.into());
        }
        other => panic!("no such phase: {other}"),
    }
    (house, peer)
}

#[test]
fn each_message_about_accounts_in_each_phase_does_what_the_table_says() {
    for (name, fates) in TABLE {
        for (phase, expected) in PHASES.into_iter().zip(fates) {
            let (mut house, mut peer) = in_phase(phase);
            let before = told(&peer).len();
            say(&mut house, &mut peer, &message(name));
            let answers = told(&peer).split_off(before);
            let fits = |answer: &String| match expected {
                S(what) => answer == what,
                R(code) => answer.starts_with(&format!("{code} ")),
                U => answer == "Error 6",
            };
            assert!(
                answers.first().is_some_and(fits),
                "{name} in {phase}: {answers:?} instead of {expected:?}"
            );
        }
    }
}
