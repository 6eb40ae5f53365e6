use alloc::{
    collections::BTreeSet,
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use proptest::prelude::*;

use super::*;
use crate::wire;

fn command(line: &str) -> Command {
    match parse(line) {
        Ok(Input::Command(command)) => command,
        other => panic!("{line:?} is no command: {other:?}"),
    }
}

fn error(line: &str) -> String {
    parse(line).expect_err(line).to_string()
}

fn say(text: &str) -> Result<Input, CommandError> {
    Ok(Input::Say { text: text.into() })
}

fn nick(text: &str) -> Nick {
    Nick::parse(text).unwrap()
}

fn room(text: &str) -> RoomName {
    RoomName::parse(text).unwrap()
}

#[test]
fn a_line_without_a_slash_is_said() {
    assert_eq!(parse("hello"), say("hello"));
    assert_eq!(parse("  two\n  lines\t\n"), say("  two\n  lines"));
    assert_eq!(parse("either/or /join"), say("either/or /join"));
    assert_eq!(parse("!members of the board"), say("!members of the board"));
}

#[test]
fn an_empty_line_is_nothing() {
    for line in ["", " ", "\t\n\r\n", "\u{3000}"] {
        assert_eq!(parse(line), Ok(Input::Nothing));
    }
}

#[test]
fn two_slashes_say_one() {
    assert_eq!(parse("//join"), say("/join"));
    assert_eq!(parse("///"), say("//"));
    assert_eq!(parse("  //indented"), say("  /indented"));
    assert_eq!(parse("//"), say("/"));
}

#[test]
fn every_command_and_alias_is_understood() {
    let message = || Command::Message { to: nick("ana"), text: Some("hello there".into()) };
    for name in ["msg", "m", "query", "w", "dm", "MSG"] {
        assert_eq!(command(&format!("/{name} ana hello there")), message());
    }
    for name in ["join", "j", "Join"] {
        assert_eq!(command(&format!("/{name} #tea")), Command::Join { room: room("#tea") });
    }
    for name in ["part", "leave"] {
        assert_eq!(command(&format!("/{name}")), Command::Part { room: None });
        assert_eq!(command(&format!("/{name} tea")), Command::Part { room: Some(room("#tea")) });
    }
    for name in ["rooms", "list"] {
        assert_eq!(command(&format!("/{name}")), Command::Rooms);
    }
    for name in ["/members", "/names", "/who", "!members", "  !Members "] {
        assert_eq!(command(name), Command::Members { room: None });
    }
    assert_eq!(command("/who #tea"), Command::Members { room: Some(room("#tea")) });
    let back = |number| Some(MessageChoice::FromEnd(NonZeroU16::new(number).unwrap()));
    for name in ["reply", "re"] {
        assert_eq!(
            command(&format!("/{name} ^2 yes, ^3")),
            Command::Reply { message: back(2), text: "yes, ^3".into() }
        );
    }
    assert_eq!(command("/edit 12 eggs"), Command::Edit { message: None, text: "12 eggs".into() });
    assert_eq!(command("/edit ^x"), Command::Edit { message: None, text: "^x".into() });
    let react = |message, take_back| Command::React { message, reaction: "+1".into(), take_back };
    assert_eq!(command("/react +1"), react(None, false));
    assert_eq!(command("/unreact ^2 +1"), react(back(2), true));
    assert_eq!(command("/del ^"), Command::Delete { message: back(1) });
    let numbered = Some(MessageChoice::Number(Seq::new(12)));
    assert_eq!(command("/delete =12"), Command::Delete { message: numbered });
    assert_eq!(command("/delete"), Command::Delete { message: None });
    assert_eq!(command("/me waves  twice "), Command::Me { text: "waves  twice".into() });
    assert_eq!(command("/nick Ana"), Command::Nick { nick: nick("Ana") });
    assert_eq!(command("/topic"), Command::Topic);
    assert_eq!(command("/topic all about tea"), Command::SetTopic { text: "all about tea".into() });
    assert_eq!(command("/topic -"), Command::SetTopic { text: String::new() });
    let govern = |act, seconds, reason: &str| Command::Govern {
        act,
        name: nick("eve"),
        seconds,
        reason: reason.into(),
    };
    assert_eq!(command("/invite eve"), govern(Act::Invite, None, ""));
    assert_eq!(command("/uninvite @eve"), govern(Act::Uninvite, None, ""));
    assert_eq!(command("/kick eve 7d of spam"), govern(Act::Kick, None, "7d of spam"));
    assert_eq!(command("/ban eve 7d spam"), govern(Act::Ban, Some(604_800), "spam"));
    assert_eq!(command("/ban eve 3 strikes"), govern(Act::Ban, None, "3 strikes"));
    assert_eq!(command("/unban eve"), govern(Act::Unban, None, ""));
    assert_eq!(command("/mute eve 10m"), govern(Act::Mute, Some(600), ""));
    assert_eq!(command("/unmute eve"), govern(Act::Unmute, None, ""));
    assert_eq!(command("/op eve"), govern(Act::Promote, None, ""));
    assert_eq!(command("/deop eve"), govern(Act::Demote, None, ""));
    assert_eq!(command("/owner eve"), govern(Act::Own, None, ""));
    for name in ["rights", "bans", "mode"] {
        assert_eq!(command(&format!("/{name}")), Command::Rights);
    }
    let slow = ModeChange { private: Some(true), slow_seconds: Some(30), ..ModeChange::default() };
    assert_eq!(command("/mode private slow 30s"), Command::SetMode { change: slow });
    let free = ModeChange { read_only: Some(false), slow_seconds: Some(0), ..ModeChange::default() };
    assert_eq!(command("/mode open fast"), Command::SetMode { change: free });
    for wrong in ["/mode secret", "/mode slow", "/mode slow x"] {
        assert!(error(wrong).starts_with("/mode is typed so"), "{wrong}");
    }
    assert_eq!(command("/away"), Command::ToggleAway);
    assert_eq!(command("/back"), Command::Back);
    assert_eq!(command("/history"), Command::History { events: None });
    assert_eq!(command("/history 50"), Command::History { events: NonZeroU16::new(50) });
    assert_eq!(command("/ping"), Command::Ping);
    assert_eq!(command("/help"), Command::Help { command: None });
    assert_eq!(command("/help w"), Command::Help { command: find("msg") });
    assert_eq!(command("/help /join"), Command::Help { command: find("join") });
    for name in ["quit", "q", "exit"] {
        assert_eq!(command(&format!("/{name}")), Command::Quit);
    }
}

#[test]
fn faces_stand_behind_the_text() {
    assert_eq!(parse("/shrug"), say(r"¯\_(ツ)_/¯"));
    assert_eq!(parse("/shrug who knows"), say(r"who knows ¯\_(ツ)_/¯"));
    assert_eq!(parse("/tableflip enough!"), say("enough! (╯°□°)╯︵ ┻━┻"));
    assert_eq!(parse("/unflip "), say("┬─┬ノ( º _ ºノ)"));
}

#[test]
fn a_conversation_may_be_opened_without_a_text() {
    assert_eq!(command("/query @ana"), Command::Message { to: nick("ana"), text: None });
}

#[test]
fn the_text_of_a_command_may_have_several_lines() {
    assert_eq!(command("/me\nwaves\nagain"), Command::Me { text: "waves\nagain".into() });
    let text = Some("one\n  two".into());
    assert_eq!(command("/msg ana one\n  two\n"), Command::Message { to: nick("ana"), text });
}

#[test]
fn an_unknown_command_is_not_said_and_the_nearest_is_offered() {
    for (typed, meant) in
        [("/jion tea", "join"), ("/memebrs", "members"), ("/quti", "quit"), ("  /topci x", "topic")]
    {
        assert!(
            matches!(parse(typed), Err(CommandError::Unknown { meant: Some(name), .. }) if name == meant),
            "{typed}"
        );
    }
    let unlike =
        "There is no command /usr/bin/env; /help lists them. To say it as it stands, type // instead of /.";
    assert_eq!(error("/usr/bin/env fails"), unlike);
    for line in ["/", "/ join tea", "/xyzzy", "/x"] {
        assert!(matches!(parse(line), Err(CommandError::Unknown { meant: None, .. })), "{line}");
    }
    assert!(error(&format!("/{}", "\u{1b}[2J".repeat(100))).len() < 200);
}

#[test]
fn missing_and_surplus_arguments_are_told_with_the_usage() {
    for line in
        ["/me", "/msg", "/join", "/nick", "/history many", "/history 0", "/history -1", "/history 65536"]
    {
        assert!(matches!(parse(line), Err(CommandError::Arguments { .. })), "{line}");
    }
    assert_eq!(error("/msg"), "/msg is typed so: /msg NAME [TEXT]");
    for line in [
        "/join tea cakes",
        "/part tea cakes",
        "/rooms all",
        "/who tea cakes",
        "/nick ana lee",
        "/away from it all",
        "/back now",
        "/history 5 6",
        "/ping ana",
        "/help join me",
        "/quit now",
    ] {
        assert!(matches!(parse(line), Err(CommandError::Surplus { .. })), "{line}");
    }
    assert_eq!(error("/rooms all"), "That is more than /rooms takes: /rooms");
    assert_eq!(error("/help jion"), error("/jion"));
}

#[test]
fn names_that_are_none_are_told_with_the_reason() {
    assert_eq!(error("/join #te/a"), "#te/a: A name has letters, digits, '-', '_' and '.', but not '/'.");
    for line in ["/join #", "/join te!a", "/nick -ana", "/msg #tea hello", "/part ##tea", "/nick a\u{202e}"] {
        assert!(matches!(parse(line), Err(CommandError::Name { .. })), "{line}");
    }
}

#[test]
fn no_name_or_alias_stands_for_two_commands() {
    let mut known = BTreeSet::new();
    for entry in table() {
        for name in entry.names() {
            assert!(known.insert(name), "{name} twice");
            assert!(name.chars().all(|char| char.is_ascii_lowercase()), "{name}");
            assert_eq!(find(name), Some(entry));
            assert_eq!(find(&name.to_uppercase()), Some(entry));
        }
    }
    assert_eq!(find(""), None);
}

#[test]
fn what_the_usage_calls_optional_may_be_left_out_and_nothing_else() {
    for entry in table() {
        let bare = parse(&format!("/{}", entry.name));
        // Something stands outside of all brackets.
        let mut parts = entry.arguments.split(']').map(str::trim_start);
        let needs = parts.any(|part| !part.is_empty() && !part.starts_with('['));
        assert_eq!(bare == Err(CommandError::Arguments { entry }), needs, "{}", entry.name);
        let takes = !matches!(parse(&format!("/{} 1", entry.name)), Err(CommandError::Surplus { .. }));
        assert_eq!(takes, !entry.arguments.is_empty(), "{}", entry.name);
    }
}

#[test]
fn help_has_a_line_for_every_command_that_fits_a_terminal() {
    let help = help();
    assert_eq!(help.lines().count(), table().len());
    for (line, entry) in help.lines().zip(table()) {
        assert!(line.starts_with(&entry.usage().to_string()), "{line}");
        assert!(line.contains(entry.help), "{line}");
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(
        help.contains("/join ROOM               enter a room, made if there is none; also /j\n"),
        "{help}"
    );
}

#[test]
fn the_manual_fits_a_frame_and_a_terminal() {
    assert!(MANUAL.len() <= 4 << 10);
    assert!(MANUAL.len() < wire::FRAME_BYTES_MAX as usize);
    for line in MANUAL.lines() {
        assert!(line.chars().count() <= 82 && !line.ends_with(' '), "{line}");
        assert!(line.chars().all(|char| char == ' ' || char.is_ascii_graphic()), "{line}");
    }
}

#[test]
fn the_manual_speaks_of_commands_that_exist() {
    let words = MANUAL.split(|char: char| char.is_whitespace() || "\";,.".contains(char));
    let commands: Vec<_> = words.filter_map(|word| word.strip_prefix('/')).collect();
    assert!(commands.len() > 10);
    for name in commands {
        assert!(find(name.trim_start_matches('/')).is_some(), "/{name}");
    }
}

proptest! {
    #[test]
    fn any_line_is_text_a_command_or_an_error(line in "[ /!]{0,3}(join|msg|me|history|topic|help|part)?[ \\n]?\\PC{0,20}|.{0,80}") {
        if let Ok(Input::Say { text }) = parse(&line) {
            prop_assert!(!text.trim().is_empty());
        }
    }

    #[test]
    fn a_text_can_always_be_said(text in "\\PC{1,40}") {
        prop_assume!(!text.trim().is_empty() && !text.trim().eq_ignore_ascii_case("!members"));
        let start = text.trim_start();
        let indent = &text[..text.len() - start.len()];
        let typed = if start.starts_with('/') { format!("{indent}/{start}") } else { text.clone() };
        prop_assert_eq!(parse(&typed), say(text.trim_end()));
    }
}
