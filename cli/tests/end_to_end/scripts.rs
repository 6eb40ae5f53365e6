//! What scripts depend on: results on standard output, exit codes, nothing lost.

use rustix::process::Signal;

use super::support::{House, record, until};

#[test]
fn a_message_is_stored_when_send_returns() {
    let house = House::new();
    let sent = house.run(["send", "#lobby", "hello"]);
    assert_eq!((sent.code, sent.output.as_str()), (0, "#lobby 1\n"), "{sent:?}");
    let sent = house.run(["send", "#lobby", "again", "--json"]);
    assert_eq!(sent.output, "{\"v\":1,\"type\":\"posted\",\"in\":\"#lobby\",\"seq\":2}\n");
    assert_eq!(house.texts("#lobby"), ["hello", "again"]);
}

#[test]
fn a_dash_reads_one_message_of_many_lines() {
    let house = House::new();
    let sent = house.run_with(["send", "#lobby", "-"], "one\n-two\n");
    assert_eq!(sent.code, 0, "{sent:?}");
    assert_eq!(house.texts("#lobby"), ["one\n-two"]);
    let shown = house.run(["tail", "#lobby"]);
    assert!(shown.output.ends_with(" ana: one\n      | -two\n"), "{shown:?}");
}

#[test]
fn history_is_shown_in_pages_as_one() {
    let house = House::new();
    let lines: String = (1..=450).map(|number| format!("line {number}\n")).collect();
    let sent = house.run_with(["send", "#lobby", "--lines"], &lines);
    assert_eq!((sent.code, sent.output.as_str()), (0, "#lobby 450 (450 sent)\n"), "{sent:?}");
    let all = house.run(["history", "#lobby", "-n", "1000", "--json"]).records();
    let numbers: Vec<u64> = all.iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=450).collect::<Vec<_>>());
    assert_eq!(all[449]["text"], "line 450");
    let some = house.run(["history", "#lobby", "-n", "3", "--before", "11", "--json"]).records();
    assert_eq!(some.iter().map(|record| record["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [8, 9, 10]);
    let since = house.run(["tail", "#lobby", "--since", "447", "--json"]).records();
    assert_eq!(
        since.iter().map(|record| record["seq"].as_u64().unwrap()).collect::<Vec<_>>(),
        [448, 449, 450]
    );
    assert_eq!(house.run(["tail", "#lobby", "--json"]).records().len(), 10);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let house = House::new();
    let lines: String = (0..3_000).map(|number| format!("{number} {}\n", "x".repeat(100))).collect();
    assert_eq!(house.run_with(["send", "#lobby", "--lines"], &lines).code, 0);
    let mut history = house.start(["history", "#lobby", "-n", "3000"]);
    history.line();
    history.close_output();
    assert_eq!(history.wait(), 0);
}

#[test]
fn names_are_had_or_made() {
    let house = House::new();
    let mut ana = house.start(["tail", "#lobby", "--follow", "-v"]);
    ana.error_with("entered as ana");
    let taken = house.run(["send", "#lobby", "x", "--nick", "ana", "--json"]);
    assert_eq!(taken.code, 6, "{taken:?}");
    let error = record(taken.output.trim_end());
    assert_eq!(
        (&error["type"], &error["code"], &error["exit"]),
        (&"error".into(), &"name-in-use".into(), &6.into())
    );
    assert!(error["suggestion"].is_string(), "{error}");
    let other = house.run(["send", "#lobby", "x", "-v"]);
    assert_eq!(other.code, 0, "{other:?}");
    assert!(other.errors.contains("entered as ana2"), "{other:?}");
}

#[test]
fn what_is_not_there_is_not_found() {
    let house = House::new();
    let room = house.run(["history", "#lobyb"]);
    assert_eq!(room.code, 3);
    assert!(room.errors.contains("did you mean #lobby?"), "{room:?}");
    assert_eq!(house.run(["members", "tea"]).code, 3);
    assert_eq!(house.run(["send", "@nobody", "hello"]).code, 3);
    let rooms = house.run(["rooms", "--json"]).records();
    assert_eq!(rooms.iter().map(|room| room["in"].as_str().unwrap()).collect::<Vec<_>>(), ["#lobby"]);
}

#[test]
fn wrong_usage_is_told_before_anything_is_done() {
    let house = House::new();
    for arguments in
        [&["send", "lobby", "x"][..], &["send", "#lobby"], &["wait", "--match", "("], &["nonsense"]]
    {
        assert_eq!(house.run(arguments).code, 2, "{arguments:?}");
    }
    assert_eq!(house.run(["send", "#lobby", "   "]).code, 2);
    assert_eq!(house.run(["send", "#lobby", "\x1b[2J"]).code, 2);
    assert_eq!(house.run(["send", "#lobby", &"x".repeat(20_000)]).code, 7);
    assert!(house.texts("#lobby").is_empty());
}

#[test]
fn members_and_rooms_are_listed_without_ourselves() {
    let house = House::new();
    let mut bob = house.start(["tail", "#tea", "--follow", "--nick", "bob", "-v"]);
    bob.error_with("entered");
    until("bob is there", || house.run(["rooms"]).output.contains("#tea"));
    let members = house.run(["members", "tea", "--json"]).records();
    assert_eq!(members.len(), 1);
    assert_eq!((&members[0]["name"], &members[0]["state"]), (&"bob".into(), &"here".into()));
    let rooms = house.run(["rooms"]).output;
    assert!(rooms.lines().any(|line| line.starts_with("#tea ") && line.trim_end().ends_with('1')), "{rooms}");
}

#[test]
fn wait_ends_with_what_was_waited_for_or_with_13() {
    let house = House::new();
    let mut waiting = house.start(["wait", "--in", "#ops", "--match", "deploy(ed| failed)", "--json"]);
    until("somebody waits", || house.run(["rooms"]).output.contains("#ops"));
    house.run(["send", "#ops", "deploying"]);
    house.run(["send", "#ops", "deploy failed"]);
    assert_eq!(record(&waiting.line())["text"], "deploy failed");
    assert_eq!(waiting.wait(), 0);
    let late = house.run(["wait", "--match", "x", "--timeout", "100ms"]);
    assert_eq!(late.code, 13, "{late:?}");
}

#[test]
fn a_direct_message_reaches_who_it_is_for() {
    let house = House::new();
    let mut bob = house.start(["connect", "--nick", "bob", "--json"]);
    bob.error_with("here:");
    let sent = house.run(["send", "@bob", "psst"]);
    assert_eq!((sent.code, sent.output.as_str()), (0, "@bob 1\n"), "{sent:?}");
    let told = record(&bob.line_with("psst"));
    assert_eq!((&told["in"], &told["from"]), (&"@ana".into(), &"ana".into()));
}

#[test]
fn a_key_stores_a_message_once() {
    let house = House::new();
    let first = house.run(["send", "#ops", "deployed", "--nonce", "deploy-42"]);
    let again = house.run(["send", "#ops", "deployed", "--nonce", "deploy-42"]);
    assert_eq!((first.code, again.code), (0, 0), "{first:?} {again:?}");
    assert_eq!(first.output, again.output);
    assert_eq!(house.texts("#ops"), ["deployed"]);
    let other = house.run(["send", "#ops", "something else", "--nonce", "deploy-42"]);
    assert_eq!(other.code, 6, "{other:?}");
    let another = house.run(["send", "#ops", "deployed", "--nonce", "deploy-43"]);
    assert_eq!((another.code, another.output.as_str()), (0, "#ops 2\n"), "{another:?}");
}

#[test]
fn an_interrupt_says_goodbye() {
    let house = House::new();
    let mut bob = house.start(["tail", "#lobby", "--follow", "--nick", "bob", "-v"]);
    bob.error_with("entered");
    until("bob is there", || house.run(["members", "lobby"]).output == "bob\n");
    bob.signal(Signal::INT);
    assert_eq!(bob.wait(), 130);
    assert_eq!(house.run(["members", "lobby", "--json"]).records(), Vec::<serde_json::Value>::new());
}

#[test]
fn text_of_others_is_harmless_on_a_terminal_and_itself_in_json() {
    let house = House::new();
    assert_eq!(house.run(["send", "#lobby", "\u{202e}gnp.exe"]).code, 0);
    assert!(house.run(["tail", "#lobby"]).output.ends_with("ana: <202E>gnp.exe\n"));
    assert_eq!(house.texts("#lobby"), ["\u{202e}gnp.exe"]);
}

#[test]
fn the_way_to_the_server_is_measured() {
    let house = House::new();
    let pong = house.run(["ping", "--json"]).records();
    assert!(pong[0]["microseconds"].is_u64(), "{pong:?}");
    let ancestor = house.run([house.server_name().as_str(), "-ping"]);
    assert_eq!(ancestor.code, 0, "{ancestor:?}");
    assert!(ancestor.output.contains(" ms"), "{ancestor:?}");
}

#[test]
fn shells_and_man_are_served_without_a_server() {
    let mut house = House::new();
    house.stop_server();
    assert!(house.run(["completions", "bash"]).output.contains("_cli()"));
    assert!(house.run(["man"]).output.contains(".TH cli"));
    assert!(house.run(["man", "send"]).output.contains("nonce"));
    assert_eq!(house.run(["man", "nonsense"]).code, 2);
    assert!(house.run(["--help"]).output.starts_with("Examples:\n"));
}

#[test]
fn a_script_answers_edits_and_deletes_by_number() {
    let house = House::new();
    assert_eq!(house.run(["send", "#lobby", "helo", "--nonce", "x"]).output, "#lobby 1\n");
    assert_eq!(house.run(["send", "#lobby", "indeed", "--reply", "1"]).output, "#lobby 2\n");
    let refused = house.run(["edit", "#lobby", "1", "hello", "--nick", "mallory"]);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert_eq!(house.run(["edit", "#lobby", "9", "hello"]).code, 3);
    assert_eq!(house.run(["react", "#lobby", "1", "👍"]).output, "#lobby 3\n");
    assert_eq!(house.run(["react", "#lobby", "1", "👍", "--remove"]).output, "#lobby 4\n");
    assert_eq!(house.run(["react", "#lobby", "1", "two words"]).code, 2);
    let records = house.run(["tail", "#lobby", "--json"]).records();
    assert_eq!((&records[2]["type"], &records[2]["to"]), (&"reacted".into(), &1.into()));
    assert_eq!((&records[3]["type"], &records[3]["text"]), (&"unreacted".into(), &"👍".into()));
    assert_eq!((&records[1]["text"], &records[1]["to"]), (&"indeed".into(), &1.into()));
    assert!(records[0].get("to").is_none() && records[0].get("edited").is_none());
}

#[test]
fn a_script_sees_what_was_edited_and_deleted() {
    let house = House::new();
    let mut chat = house.start(["connect", "--nick", "ana"]);
    chat.error_with("here:");
    chat.write("one\n");
    chat.line_with("one");
    chat.write("two\n");
    chat.line_with("two");
    chat.write("/edit two, rather\n/delete =1\n");
    chat.line_with("deleted =1");
    let records = house.run(["tail", "#lobby", "--json"]).records();
    let kinds: Vec<_> = records.iter().map(|record| record["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["message", "message", "edited", "deleted"]);
    assert_eq!((&records[0]["text"], &records[0]["deleted"]), (&"".into(), &true.into()));
    assert_eq!((&records[1]["text"], &records[1]["edited"]), (&"two, rather".into(), &true.into()));
    assert_eq!((&records[2]["to"], &records[3]["to"]), (&2.into(), &1.into()));
    chat.write("/quit\n");
    assert_eq!(chat.wait(), 0);
}
