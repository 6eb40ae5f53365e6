//! Conversations: from a stream, and from a terminal.

use palabre_core::limits::Limits;

use super::support::{House, Running, record};

#[test]
fn people_read_what_others_say() {
    let house = House::new();
    let mut bob = house.start(["connect", "--nick", "bob"]);
    bob.error_with("here: bob");
    let mut ana = house.start(["connect", "--nick", "ana"]);
    ana.error_with("here: ana, bob");
    bob.error_with("ana joined");
    ana.write("hello\n/me waves\n/msg bob psst\n/topic tea\n");
    bob.line_with(" ana: hello");
    bob.line_with(" * ana waves");
    bob.error_with("@ana writes to you; /msg ana answers");
    ana.write("/nick anna\n/quit\n");
    bob.error_with("ana is now anna");
    bob.error_with("anna left");
    assert_eq!(ana.wait(), 0);
    let room = house.run(["rooms", "--json"]).records();
    assert_eq!(room[0]["topic"], "tea");
}

#[test]
fn everything_typed_before_the_end_is_sent() {
    // With the credit of an ordinary server: most of it has to wait.
    let house = House::with_limits(Limits::default());
    let lines: Vec<String> = (0..20).map(|number| format!("line {number}")).collect();
    let finished = house.run_with(["connect"], &(lines.join("\n") + "\n"));
    assert_eq!(finished.code, 0, "{finished:?}");
    assert_eq!(house.texts("#lobby"), lines);
}

#[test]
fn a_command_that_is_none_is_never_sent() {
    let house = House::new();
    let finished = house.run_with(["connect"], "/jion tea\n//join is how one joins\n/quit\n");
    assert_eq!(finished.code, 2, "{finished:?}");
    assert!(finished.errors.contains("did you mean /join?"), "{finished:?}");
    assert_eq!(house.texts("#lobby"), ["/join is how one joins"]);
}

#[test]
fn a_line_goes_to_the_room_that_was_joined_before_it() {
    let house = House::new();
    let finished = house.run_with(["connect"], "/join tea\nin tea\n/part\nin the lobby\n/quit\n");
    assert_eq!(finished.code, 0, "{finished:?}");
    assert_eq!(house.texts("#tea"), ["in tea"]);
    assert_eq!(house.texts("#lobby"), ["in the lobby"]);
}

#[test]
fn a_program_reads_a_chat_as_records() {
    let house = House::new();
    let mut chat = house.start(["connect", "--nick", "bot", "--json"]);
    chat.error_with("here:");
    let mut ana = house.start(["connect", "--nick", "ana"]);
    assert_eq!(record(&chat.line_with("joined"))["name"], "ana");
    ana.write("hello\n");
    let message = record(&chat.line_with("\"message\""));
    assert_eq!(
        (&message["in"], &message["from"], &message["seq"]),
        (&"#lobby".into(), &"ana".into(), &1.into())
    );
    ana.write("/quit\n");
    assert_eq!(record(&chat.line_with("left"))["name"], "ana");
    chat.write("/quit\n");
    assert_eq!(chat.wait(), 0);
}

#[test]
fn the_past_is_shown_before_the_present() {
    let house = House::new();
    let lines: String = (1..=30).map(|number| format!("line {number}\n")).collect();
    house.run_with(["send", "#lobby", "--lines"], &lines);
    let mut chat = house.start(["connect"]);
    assert!(chat.line().ends_with("ana: line 11"));
    chat.line_with("line 30");
    chat.error_with("here:");
    chat.write("/history 3\nnow\n");
    assert!(chat.line().ends_with("ana: line 8"));
    chat.line_with("line 10");
    chat.line_with("ana: now");
}

#[test]
fn a_terminal_shows_others_above_the_line_that_is_typed() {
    let house = House::new();
    let mut chat = Running::start(house.command_on_a_terminal("connect --plain --nick ana"));
    chat.line_with("here: ana");
    chat.write("half a sen");
    assert_eq!(house.run(["send", "#lobby", "hello ana", "--nick", "bob"]).code, 0);
    chat.line_with("bob: hello ana");
    chat.write("tence\r");
    chat.line_with("ana: half a sentence");
    chat.write("/jion tea\r");
    chat.line_with("did you mean /join?");
    // The line is still there, to be mended: Ctrl-A, and five letters are replaced.
    chat.write("\x01\x1bd/join\r");
    chat.line_with("— #tea —");
    chat.write("/quit\r");
    assert_eq!(chat.wait(), 0);
    assert_eq!(house.texts("#lobby"), ["hello ana", "half a sentence"]);
}

#[test]
fn a_taken_name_is_asked_for_again_on_a_terminal() {
    let house = House::new();
    let mut first = house.start(["connect", "--nick", "ana"]);
    first.error_with("here: ana");
    let mut second = Running::start(house.command_on_a_terminal("connect --plain --nick ana"));
    second.line_with("ana");
    second.write("anna\r");
    second.line_with("here: ana, anna");
    second.write("\x04");
    assert_eq!(second.wait(), 0);
}

#[test]
fn people_answer_edit_and_delete_what_was_said() {
    let house = House::new();
    let mut bob = house.start(["connect", "--nick", "bob"]);
    bob.error_with("here: bob");
    let mut ana = house.start(["connect", "--nick", "ana"]);
    ana.error_with("here: ana, bob");
    ana.write("helo\n");
    bob.line_with(" ana: helo");
    ana.line_with(" ana: helo");
    ana.write("/edit hello\n");
    bob.line_with(" * ana edited =1: hello");
    bob.write("/reply hi\n");
    ana.line_with(" bob [↳ ana: hello]: hi");
    ana.write("/react 👍\n");
    bob.line_with(" * ana reacted to =3: 👍");
    ana.write("/delete\n");
    bob.line_with(" * ana deleted =1");
    ana.write("/delete ^\n");
    ana.error_with("not deleted: That message is another's; its author or a moderator may delete it.");
    let mut late = house.start(["connect", "--nick", "cleo"]);
    late.line_with(" ana: (deleted)");
    late.line_with(" bob [↳ ana: (deleted)]: hi");
    for person in [&mut ana, &mut bob, &mut late] {
        person.write("/quit\n");
    }
}

/// What is typed right after a message never changes the one before it.
#[test]
fn a_message_that_is_not_stored_yet_is_not_mistaken_for_another() {
    let mut house = House::new();
    let mut ana = house.start(["connect", "--nick", "ana"]);
    ana.error_with("here: ana");
    ana.write("one\n");
    ana.line_with(" ana: one");
    house.stop_server();
    ana.write("two\n/edit three\n/delete ^\n");
    ana.error_with("your last message is not stored yet");
    house.start_server();
    ana.line_with(" ana: two");
    ana.write("/edit three\n");
    ana.line_with(" * ana edited =2: three");
    assert_eq!(house.texts("#lobby")[..2], ["one", "three"]);
    ana.write("/quit\n");
}

#[test]
fn there_must_be_something_to_edit() {
    let house = House::new();
    let finished = house.run_with(["connect"], "/edit hello\n/quit\n");
    assert_eq!(finished.code, 3, "{finished:?}");
    assert!(finished.errors.contains("there is no such message among those shown"), "{finished:?}");
}
