//! Both halves together.

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use super::*;
use crate::name::Nick;

const HERE: Channel = Channel::Tls { exporter: [7; 32], server_key: [1; 32] };
const ELSEWHERE: Channel = Channel::Tls { exporter: [8; 32], server_key: [1; 32] };

fn random(seed: u8) -> ChaCha12Rng {
    ChaCha12Rng::from_seed([seed; 32])
}

fn key(name: &str) -> crate::name::NameKey {
    Nick::parse(name).expect("a name").key()
}

fn password(text: &str) -> Password {
    Password::parse(text).expect("long enough")
}

fn register(setup: &Setup, name: &str, text: &str) -> PasswordRecord {
    let (enrolment, request) = Enrolment::begin(password(text), &mut random(1));
    let response = setup.begin_registration(&key(name), &request).expect("well formed");
    let stretching = Stretching::CHEAPEST;
    let work = enrolment.work(WorkNumber(1), &response, stretching, &mut random(2)).expect("well formed");
    let WorkOutcome::Enrolled(upload) = work.run().outcome else { panic!("it is always enrolled") };
    setup.record(&upload, stretching).expect("well formed")
}

/// Whether a login works, over these two ends of what is one connection, or should be.
fn login(
    setup: &Setup,
    record: Option<&PasswordRecord>,
    name: &str,
    text: &str,
    ends: (Channel, Channel),
) -> Result<bool, &'static str> {
    let (attempt, start) = Attempt::begin(password(text), &mut random(3));
    let (response, challenged) =
        setup.begin_login(record, &key(name), &start, ends.0, &mut random(4)).map_err(|_| "start")?;
    let stretching = record.map_or(Stretching::CHEAPEST, |record| record.stretching);
    let work = attempt.work(WorkNumber(2), &response, stretching, ends.1, &mut random(5));
    match work.map_err(|_| "response")?.run().outcome {
        WorkOutcome::Proved(proof) => Ok(challenged.proves(&proof, ends.0)),
        WorkOutcome::Enrolled(_) => Err("enrolled"),
        WorkOutcome::Failed => Ok(false),
    }
}

#[test]
fn the_password_logs_in_and_no_other_does() {
    let setup = Setup::generate([9; 32]);
    let record = register(&setup, "ana", "correct horse");
    assert_eq!(login(&setup, Some(&record), "ana", "correct horse", (HERE, HERE)), Ok(true));
    assert_eq!(login(&setup, Some(&record), "ANA", "correct horse", (HERE, HERE)), Ok(true));
    assert_eq!(login(&setup, Some(&record), "ana", "correct horsf", (HERE, HERE)), Ok(false));
    assert_eq!(login(&setup, Some(&record), "bob", "correct horse", (HERE, HERE)), Ok(false));
    assert_eq!(login(&setup, None, "ana", "correct horse", (HERE, HERE)), Ok(false));
}

#[test]
fn a_login_passed_on_to_another_connection_fails() {
    let setup = Setup::generate([9; 32]);
    let record = register(&setup, "ana", "correct horse");
    assert_eq!(login(&setup, Some(&record), "ana", "correct horse", (HERE, ELSEWHERE)), Ok(false));
    assert_eq!(login(&setup, Some(&record), "ana", "correct horse", (Channel::Plain, HERE)), Ok(false));
}

#[test]
fn a_record_opens_only_with_the_setup_that_made_it() {
    let setup = Setup::generate([9; 32]);
    let record = register(&setup, "ana", "correct horse");
    let other = Setup::generate([10; 32]);
    assert_ne!(setup.id(), other.id());
    assert_eq!(login(&other, Some(&record), "ana", "correct horse", (HERE, HERE)), Ok(false));
    let kept = Setup::from_bytes(&setup.to_bytes()).expect("as it was kept");
    assert_eq!(kept.id(), setup.id());
    assert_eq!(login(&kept, Some(&record), "ana", "correct horse", (HERE, HERE)), Ok(true));
}

#[test]
fn a_record_comes_back_from_its_bytes_and_a_damaged_one_does_not() {
    let setup = Setup::generate([9; 32]);
    let record = register(&setup, "ana", "correct horse");
    let bytes = record.to_bytes();
    assert_eq!(PasswordRecord::from_bytes(&bytes), Ok(record));
    assert_eq!(PasswordRecord::from_bytes(&bytes[..bytes.len() - 1]), Err(RecordError::Damaged));
    let mut other = bytes;
    other[0] = 2;
    assert_eq!(PasswordRecord::from_bytes(&other), Err(RecordError::Version(2)));
    let mut other = bytes;
    other[21..53].fill(0xff);
    assert_eq!(PasswordRecord::from_bytes(&other), Err(RecordError::Damaged), "its public key is no point");
}

#[test]
fn garbage_is_malformed_and_a_reflected_answer_proves_nothing() {
    let setup = Setup::generate([9; 32]);
    assert_eq!(setup.begin_registration(&key("ana"), &[0xff; 32]), Err(Malformed));
    let start = [0xff; LOGIN_START_BYTES];
    assert!(setup.begin_login(None, &key("ana"), &start, HERE, &mut random(1)).is_err());
    let (enrolment, request) = Enrolment::begin(password("correct horse"), &mut random(1));
    let mut reflected = [0; REGISTRATION_RESPONSE_BYTES];
    let response = setup.begin_registration(&key("ana"), &request).expect("well formed");
    reflected.copy_from_slice(&response);
    reflected[..32].copy_from_slice(&request);
    let work = enrolment.work(WorkNumber(1), &reflected, Stretching::CHEAPEST, &mut random(2));
    assert!(matches!(work.expect("a point").run().outcome, WorkOutcome::Failed));
}

#[test]
fn what_is_read_in_place_of_a_record_can_be_read() {
    assert!(server::parse_registration(&server::STAND_IN).is_ok(), "else it costs less than a record");
}

#[test]
fn what_a_client_is_asked_for_is_bounded() {
    assert!(Stretching::default().is_possible());
    assert!(Stretching::default().covers(Stretching::LEAST));
    assert!(!Stretching::CHEAPEST.covers(Stretching::LEAST));
    for (memory_kib, passes, lanes) in
        [(u32::MAX, 1, 1), (64, 1_000, 1), (64, 1, 1_000), (0, 1, 1), (8, 0, 1)]
    {
        assert!(!Stretching { memory_kib, passes, lanes }.is_possible());
    }
}
