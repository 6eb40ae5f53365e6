//! What survives a server that stops and a client that is killed.

use std::fs;

use rustix::process::Signal;

use super::support::{House, record, until};

#[test]
fn lines_are_sent_once_whatever_becomes_of_the_server() {
    let mut house = House::new();
    let mut sender = house.start(["send", "#lobby", "--lines"]);
    let block = |from: u32| (from..from + 100).map(|number| format!("{number}\n")).collect::<String>();
    sender.write(&block(0));
    until("some arrived", || house.run(["tail", "#lobby", "-n", "1"]).output.contains(" ana"));
    sender.write(&block(100));
    house.stop_server();
    sender.write(&block(200));
    sender.error_with("trying again");
    house.start_server();
    sender.error_with("connected again");
    sender.write(&block(300));
    let finished = sender.finish();
    assert_eq!(finished.code, 0, "{finished:?}");
    assert_eq!(house.texts("#lobby"), (0..400).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_follower_misses_nothing_and_prints_nothing_twice() {
    let mut house = House::new();
    let mut tail = house.start(["tail", "#lobby", "--follow", "--json", "--nick", "reader", "-v"]);
    tail.error_with("entered");
    until("the reader is there", || house.run(["members", "lobby"]).output.contains("reader"));
    for round in 0..3 {
        let lines: String = (0..50).map(|number| format!("{round} {number}\n")).collect();
        assert_eq!(house.run_with(["send", "#lobby", "--lines"], &lines).code, 0);
        house.stop_server();
        tail.error_with("trying again");
        house.start_server();
    }
    for expected in 1..=150 {
        assert_eq!(record(&tail.line())["seq"], expected);
    }
    tail.signal(Signal::INT);
    assert_eq!(tail.wait(), 130);
}

#[test]
fn a_chat_that_was_killed_goes_on_as_the_same_guest_and_sends_what_waited() {
    let mut house = House::new();
    let mut chat = house.start(["connect", "--nick", "ana"]);
    chat.error_with("here:");
    chat.write("before\n");
    chat.line_with("before");
    house.stop_server();
    chat.error_with("trying again");
    chat.write("waiting\n");
    let saved = house.sessions().join("ana.1.json");
    until("it is saved", || fs::read_to_string(&saved).is_ok_and(|text| text.contains("waiting")));
    chat.signal(Signal::KILL);
    chat.wait();
    house.start_server();
    let mut chat = house.start(["connect", "--nick", "ana"]);
    chat.error_with("you are ana, as before");
    chat.line_with("ana: waiting");
    chat.write("after\n/quit\n");
    assert_eq!(chat.wait(), 0);
    assert_eq!(house.texts("#lobby"), ["before", "waiting", "after"]);
    assert!(!saved.exists(), "who leaves leaves nothing behind");
}

#[test]
fn two_chats_of_one_person_are_two_guests() {
    let house = House::new();
    let mut first = house.start(["connect"]);
    first.error_with("here: ana");
    let mut second = house.start(["connect"]);
    second.error_with("ana is taken; you are ana2");
    for chat in [&mut first, &mut second] {
        chat.write("/quit\n");
        assert_eq!(chat.wait(), 0);
    }
}
