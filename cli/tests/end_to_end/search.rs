//! Searching what was said, as a script, line by line and on the whole terminal.

use super::{support::House, terminal::Terminal};

fn numbers(records: &[serde_json::Value]) -> Vec<u64> {
    records.iter().map(|record| record["seq"].as_u64().unwrap()).collect()
}

#[test]
fn a_script_finds_what_was_said_in_a_room_the_newest_last() {
    let house = House::new();
    let lines = "the build is red\nlunch\nThe BUILD is green\ncafé au lait\n";
    assert_eq!(house.run_with(["send", "#lobby", "--lines"], lines).code, 0);
    let found = house.run(["search", "build", "--in", "#lobby", "--json"]);
    assert_eq!((found.code, numbers(&found.records())), (0, vec![1, 3]), "{found:?}");
    assert_eq!(found.records()[1]["text"], "The BUILD is green");
    assert_eq!(
        numbers(&house.run(["search", "build", "--in", "#lobby", "-n", "1", "--json"]).records()),
        [3]
    );
    assert_eq!(numbers(&house.run(["search", "gre*", "is", "--in", "#lobby", "--json"]).records()), [3]);
    assert_eq!(numbers(&house.run(["search", "\"is red\"", "--in", "#lobby", "--json"]).records()), [1]);
    let shown = house.run(["search", "CAFE", "--in", "#lobby"]);
    assert!(shown.output.ends_with(" #lobby 4 ana: café au lait\n"), "{shown:?}");
}

#[test]
fn nothing_found_and_nothing_to_search_for_have_codes_of_their_own() {
    let house = House::new();
    assert_eq!(house.run(["send", "#lobby", "hello"]).code, 0);
    let found = house.run(["search", "absent", "--in", "#lobby"]);
    assert_eq!((found.code, found.output.as_str()), (3, ""), "{found:?}");
    assert!(found.errors.contains("nothing was found for absent"), "{found:?}");
    let found = house.run(["search", "absent"]);
    assert!(found.code == 3 && found.errors.contains("say where with --in"), "{found:?}");
    assert_eq!(house.run(["search", "-", "--in", "#lobby"]).code, 2);
    assert_eq!(house.run(["search", &"a ".repeat(20), "--in", "#lobby"]).code, 7);
    assert_eq!(house.run(["search", "hello", "--in", "#nowhere"]).code, 3);
}

#[test]
fn an_account_finds_what_was_said_in_all_its_rooms_and_in_no_other() {
    let house = House::new();
    assert_eq!(house.run_with(["register", "ana", "--password-stdin"], "correct horse\n").code, 0);
    for room in ["#tea", "#coffee"] {
        assert_eq!(house.run(["send", room, "a green cup"]).code, 0);
    }
    assert_eq!(house.run(["send", "#secret", "a green secret", "--nick", "eve"]).code, 0);
    let found = house.run(["search", "green", "--json"]).records();
    let rooms: Vec<_> = found.iter().map(|record| record["in"].as_str().unwrap()).collect();
    assert_eq!(rooms, ["#tea", "#coffee"]);
}

#[test]
fn a_chat_is_searched_line_by_line() {
    let house = House::new();
    let finished =
        house.run_with(["connect"], "one cup\nno mug\n/search cup\n/search absent\n/search -\n/quit\n");
    assert!(finished.output.contains(" #lobby 1 ana: one cup\n"), "{finished:?}");
    assert!(finished.errors.contains("nothing was found for absent"), "{finished:?}");
    assert_eq!(finished.code, 2, "{finished:?}");
}

#[test]
fn a_person_goes_from_a_hit_to_what_was_said_around_it() {
    let house = House::new();
    let lines: String = (1..=400).map(|number| format!("line {number}.\n")).collect();
    assert_eq!(house.run_with(["send", "#lobby", "--lines", "--nick", "bob"], &lines).code, 0);
    let Some(ana) = Terminal::chat(&house, 80, 24, "ana") else { return };
    ana.wait_for("line 400.");
    ana.run("/search \"line 12\"* line");
    ana.wait_for("that is all for");
    ana.wait_for("#lobby bob: line 129.");
    ana.presses("Up");
    ana.presses("Enter");
    ana.wait_for(" found ");
    for number in [125, 128, 131] {
        ana.wait_for(&format!("line {number}."));
    }
    ana.presses("Escape");
    ana.wait_for("line 400.");
    ana.presses("M-s");
    ana.wait_for("#lobby bob: line 12.");
    ana.presses("Escape");
    ana.wait_without("that is all for");
    ana.run("/search absent");
    ana.wait_for("nothing was found for absent");
}
