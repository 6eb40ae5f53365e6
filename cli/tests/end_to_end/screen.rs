//! The full screen, in a terminal: what is typed, and what is seen.

use palabre_core::{config::FilesConfig, limits::Limits};

use super::{
    support::{House, Running, until},
    terminal::Terminal,
};

#[test]
fn two_people_talk() {
    let house = House::new();
    let Some(ana) = Terminal::chat(&house, 120, 30, "ana") else { return };
    let bob = Terminal::chat(&house, 80, 24, "bob").unwrap();
    ana.wait_for("bob joined");
    ana.run("hello @bob, is this thing on?");
    bob.wait_for("hello @bob, is this thing on?");
    bob.run("it is. 你好 👩‍👧");
    ana.wait_for("bob  it is. 你好");
    bob.run("/msg ana psst");
    ana.wait_for("2:@bob(1)");
    ana.presses("M-a");
    ana.wait_for("@bob>");
    ana.wait_for("psst");
    ana.presses("M-1");
    ana.wait_for("#lobby>");
    ana.run("/quit");
    ana.wait_for("$");
    assert!(!ana.is_taken());
    bob.wait_for("ana left");
}

#[test]
fn names_rooms_and_commands_are_completed() {
    let house = House::new();
    let Some(ana) = Terminal::chat(&house, 100, 24, "ana") else { return };
    let bob = Terminal::chat(&house, 80, 24, "bob").unwrap();
    ana.wait_for("bob joined");
    ana.types("b");
    ana.presses("Tab");
    ana.wait_for("#lobby> bob:");
    ana.run("look");
    bob.wait_for("bob: look");
    ana.types("/jo");
    ana.presses("Tab");
    ana.wait_for("#lobby> /join");
    ana.run("tea");
    ana.wait_for("#tea>");
    ana.types("/m");
    ana.presses("Tab");
    ana.wait_for("/members");
    ana.presses("Tab Enter");
    ana.types("!");
    ana.wait_for("#tea> /me");
    ana.presses("C-u");
    ana.wait_without("/me");
}

#[test]
fn a_command_that_is_none_stays_to_be_mended() {
    let house = House::new();
    let Some(ana) = Terminal::chat(&house, 80, 24, "ana") else { return };
    ana.run("/jion tea");
    ana.wait_for("did you mean");
    ana.wait_for("#lobby> /jion tea");
    ana.presses("C-a M-d");
    ana.types("/join");
    ana.presses("Enter");
    ana.wait_for("#tea>");
    assert!(house.texts("#lobby").is_empty());
}

#[test]
fn a_person_answers_edits_and_deletes() {
    let house = House::new();
    let Some(ana) = Terminal::chat(&house, 100, 24, "ana") else { return };
    let bob = Terminal::chat(&house, 80, 24, "bob").unwrap();
    ana.wait_for("bob joined");
    ana.run("tae?");
    bob.wait_for("ana  tae?");
    ana.wait_for("ana  tae?");
    ana.presses("Up");
    ana.wait_for("#lobby edit> tae?");
    ana.presses("C-u");
    ana.run("tea?");
    bob.wait_for("ana  tea? (edited)");
    ana.wait_without("edit>");
    bob.presses("M-Up M-q");
    bob.wait_for("#lobby reply to ana>");
    bob.run("with milk");
    ana.wait_for("↳ ana: tea?");
    ana.wait_for("bob  ↳ ana: tea?");
    ana.presses("M-k");
    ana.wait_for("#lobby> /react =3");
    ana.run("👍");
    bob.wait_for("👍 1");
    ana.presses("M-Up M-Up M-x");
    ana.wait_for("#lobby> /delete =1");
    assert!(house.texts("#lobby").contains(&"tea?".to_owned()));
    ana.presses("Enter");
    bob.wait_for("ana  (deleted)");
    bob.wait_for("↳ ana: (deleted)");
    ana.wait_without("tea?");
    assert!(!house.texts("#lobby").concat().contains("tea?"));
    // What may not be done is told, and changes nothing.
    bob.run("/edit =1 mine");
    bob.wait_for("was deleted");
}

#[test]
fn a_file_is_shared_with_a_bar_and_chat_goes_on_meanwhile() {
    let house = House::with_files(Limits::open(), FilesConfig::Everybody);
    let Some(ana) = Terminal::chat(&house, 100, 24, "ana") else { return };
    let bob = Terminal::chat(&house, 80, 24, "bob").unwrap();
    ana.wait_for("bob joined");
    let large = house.path("large.bin");
    std::fs::File::create(&large).unwrap().set_len(256 << 20).unwrap();
    ana.run(&format!("/upload {}", large.display()));
    ana.wait_for("↑ large.bin");
    ana.wait_for("█");
    ana.run("it takes a moment");
    bob.wait_for("ana  it takes a moment");
    ana.run("/cancel");
    ana.wait_for("large.bin was stopped");
    ana.wait_without("█");
    let small = house.path("small.txt");
    std::fs::write(&small, "five!").unwrap();
    ana.run(&format!("/upload {}", small.display()));
    ana.wait_for("is shared as #lobby/small.txt (5 B)");
    bob.wait_for("ana shared small.txt (5 B)");
}

#[test]
fn a_paste_of_many_lines_asks_first() {
    let house = House::new();
    let Some(ana) = Terminal::chat(&house, 80, 24, "ana") else { return };
    let lines: Vec<String> = (1..=30).map(|number| format!("line {number}")).collect();
    ana.pastes(&lines.join("\n"));
    ana.wait_for("30 lines were pasted.");
    assert!(house.texts("#lobby").is_empty());
    ana.types("m");
    until("the message", || house.texts("#lobby") == [lines.join("\n")]);
    ana.wait_for("line 30");
    ana.pastes("one\ntwo");
    ana.wait_for("two");
    assert_eq!(house.texts("#lobby").len(), 1);
    ana.presses("Enter");
    until("the other", || house.texts("#lobby").last().is_some_and(|text| text == "one\ntwo"));
}

#[test]
fn what_is_typed_while_the_server_is_away_is_sent_when_it_is_back() {
    let mut house = House::with_limits(Limits::default());
    let Some(ana) = Terminal::chat(&house, 80, 24, "ana") else { return };
    ana.run("before");
    until("the first message", || house.texts("#lobby") == ["before"]);
    house.stop_server();
    ana.wait_for("trying again");
    ana.run("meanwhile");
    ana.wait_for("meanwhile (waiting …)");
    house.start_server();
    ana.wait_without("(waiting …)");
    until("the second message", || house.texts("#lobby") == ["before", "meanwhile"]);
}

#[test]
fn any_size_will_do() {
    let house = House::new();
    let Some(ana) = Terminal::chat(&house, 200, 60, "ana") else { return };
    ana.run("a message that is long enough to be wrapped when the window is made very small indeed");
    ana.wait_for("very small indeed");
    ana.resize(40, 10);
    ana.wait_for("small indeed");
    ana.resize(30, 5);
    ana.wait_for("40×10 is needed");
    ana.resize(1, 1);
    ana.resize(200, 60);
    ana.wait_for("1 #lobby");
    ana.wait_for("very small indeed");
}

#[test]
fn older_messages_come_from_the_server_when_they_are_scrolled_to() {
    let house = House::new();
    let lines: String = (1..=400).map(|number| format!("line {number}.\n")).collect();
    house.run_with(["send", "#lobby", "--lines", "--nick", "bob"], &lines);
    let Some(ana) = Terminal::chat(&house, 80, 24, "ana") else { return };
    ana.wait_for("line 400.");
    let mut seen = std::collections::BTreeSet::new();
    let mut screen = ana.screen();
    loop {
        seen.extend(screen.lines().filter_map(|line| line.split("line ").nth(1).map(str::to_owned)));
        if screen.contains("line 1.") {
            break;
        }
        // On a busy machine the screen comes later than the next key would; and at the oldest line that is here a
        // key does nothing before older ones have come.
        let before = std::mem::take(&mut screen);
        let mut looks = 0;
        ana.presses("PageUp");
        until("another screen", || {
            looks += 1;
            if looks % 100 == 0 {
                ana.presses("PageUp");
            }
            // What is captured may be half of a frame.
            let last = std::mem::replace(&mut screen, ana.screen());
            screen != before && screen == last
        });
    }
    assert_eq!(seen.len(), 400, "each of them was seen");
    ana.presses("Escape");
    ana.wait_for("line 400.");
}

#[test]
fn the_terminal_is_given_back_however_the_program_ends() {
    let house = House::new();
    let Some(ana) = Terminal::chat(&house, 80, 24, "ana") else { return };
    assert!(ana.is_taken());
    ana.presses("C-z");
    ana.wait_for("Stopped");
    assert!(!ana.is_taken());
    ana.run("fg");
    ana.wait_for("#lobby>");
    ana.types("still here");
    ana.wait_for("still here");
    ana.presses("C-x");
    ana.wait_for("#lobby> still here");
    ana.presses("C-c C-c");
    ana.wait_for("$");
    assert!(!ana.is_taken());
    ana.run("clear; stty -a | grep -o ' icanon'");
    ana.wait_for(" icanon");
    ana.run(&format!("{} connect --nick ana & sleep 0.1; fg; echo ended", env!("CARGO_BIN_EXE_cli")));
    ana.wait_for("#lobby>");
    let pid = house.run(["members", "#lobby"]);
    assert!(pid.output.contains("ana"), "{pid:?}");
    ana.signal_program("TERM");
    ana.wait_for("ended");
    assert!(!ana.is_taken());
}

#[test]
fn a_draft_is_edited_in_another_program() {
    let house = House::new();
    let Some(ana) = Terminal::chat(&house, 80, 24, "ana") else { return };
    ana.types("a draft");
    ana.presses("C-x");
    ana.wait_for("#lobby> a edited");
}

#[test]
fn colours_are_as_many_as_are_wanted() {
    let house = House::new();
    let Some(ana) = Terminal::open(&house, 80, 24) else { return };
    let chat = format!("{} connect --nick ana", env!("CARGO_BIN_EXE_cli"));
    for (setting, is_coloured) in [("NO_COLOR=1", false), ("COLORTERM=truecolor", true)] {
        ana.run(&format!("{setting} {chat}"));
        ana.wait_for("F1 help");
        assert_eq!(ana.screen_with_colours().contains("\x1b[38;2;"), is_coloured, "{setting}");
        assert_eq!(ana.screen_with_colours().contains("\x1b[48;2;"), is_coloured, "{setting}");
        ana.run("/quit");
        ana.wait_for("$");
    }
}

#[test]
fn plain_mode_writes_lines_and_nothing_else() {
    let house = House::new();
    let mut chat = Running::start(house.command_on_a_terminal("connect --plain --nick ana"));
    chat.line_with("here: ana");
    assert_eq!(house.run(["send", "#lobby", "hello ana", "--nick", "bob"]).code, 0);
    let line = chat.line_with("hello ana");
    chat.write("/quit\r");
    assert_eq!(chat.wait(), 0);
    // The line editor puts the line that is being typed away and back by itself; the message is plain.
    assert!(line.ends_with("bob: hello ana"), "{line:?}");
    assert!(!line.contains(['─', '│']), "{line:?}");
    assert!(!line.contains("\x1b[?1049h"), "{line:?}");
}
