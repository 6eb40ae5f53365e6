use alloc::{collections::BTreeSet, format, string::String, vec::Vec};

use proptest::prelude::*;

use super::*;

fn nick(text: &str) -> Nick {
    Nick::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn room(text: &str) -> RoomName {
    RoomName::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

fn look_alike(one: &str, other: &str) -> bool {
    nick(one).key().skeleton() == nick(other).key().skeleton()
}

#[test]
fn names_of_any_script_are_names() {
    for name in [
        "a",
        "7",
        "ana",
        "Zoë",
        "jean-luc",
        "r2.d2",
        "a_b",
        "Ångström",
        "Łukasz",
        "ნინო",
        "Ольга",
        "Ελένη",
        "עברית",
        "محمد",
        "देवी",
        "สมชาย",
        "山田太郎",
        "やまだ",
        "ヤマダー",
        "李雷",
        "김철수",
        "ꮳꮃꭹ",
        "ⴰⵎⴰⵣⵉⵖ",
        "አበበ",
    ] {
        assert_eq!(nick(name).as_str(), name);
        assert_eq!(room(&format!("#{name}")).as_str(), format!("#{name}"));
    }
}

#[test]
fn names_may_mix_scripts_as_languages_do() {
    for name in ["LINE山田", "東京タワー", "サト子", "k팝", "漢字한글", "ㄅㄆ漢字", "山田2号"]
    {
        nick(name);
    }
}

#[test]
fn names_that_mix_scripts_as_no_language_does_are_refused() {
    // Cyrillic in Latin, Greek in Latin, Hebrew and Arabic, Arabic digits behind Latin.
    for name in ["p\u{430}ul", "αnna", "Аnna", "אب", "ana\u{661}", "ก山"] {
        assert_eq!(Nick::parse(name), Err(NameError::MixedScripts), "{name}");
    }
}

#[test]
fn what_cannot_be_seen_or_turns_the_text_around_is_refused() {
    for char in [
        '\0',
        '\t',
        '\n',
        '\u{1b}',
        '\u{7f}',
        '\u{85}',
        '\u{9b}',
        '\u{a0}',
        '\u{ad}',
        '\u{34f}',
        '\u{61c}',
        '\u{115f}',
        '\u{1160}',
        '\u{17b4}',
        '\u{180b}',
        '\u{180e}',
        '\u{200b}',
        '\u{200c}',
        '\u{200d}',
        '\u{200e}',
        '\u{200f}',
        '\u{2028}',
        '\u{202a}',
        '\u{202e}',
        '\u{2060}',
        '\u{2066}',
        '\u{2069}',
        '\u{2800}',
        '\u{3000}',
        '\u{3164}',
        '\u{e000}',
        '\u{fe0f}',
        '\u{feff}',
        '\u{ffa0}',
        '\u{fffd}',
        '\u{ffff}',
        '\u{e0001}',
        '\u{e0061}',
        '\u{e0100}',
    ] {
        for name in [format!("a{char}b"), format!("{char}b"), format!("a{char}")] {
            assert!(Nick::parse(&name).is_err(), "U+{:04X} in {name:?}", u32::from(char));
        }
    }
}

#[test]
fn emoji_and_signs_are_refused() {
    for name in
        ["a🙂", "🅰", "a🅱", "1\u{20e3}", "a♥", "a b", "a,b", "a/b", "@a", "#a", "a:b", "a'b", "½", "l·l"]
    {
        assert!(Nick::parse(name).is_err(), "{name}");
    }
}

#[test]
fn a_name_begins_with_a_letter_or_digit() {
    for name in [".a", "-a", "_a", ".", "..", "\u{301}a", "\u{93e}\u{915}"] {
        assert!(matches!(Nick::parse(name), Err(NameError::Start(_))), "{name}");
        assert!(matches!(RoomName::parse(&format!("#{name}")), Err(NameError::Start(_))), "#{name}");
    }
    assert_eq!(Nick::parse(""), Err(NameError::Empty));
    assert_eq!(RoomName::parse("#"), Err(NameError::Empty));
}

#[test]
fn a_room_begins_with_a_hash() {
    assert_eq!(RoomName::parse("tea"), Err(NameError::NoHash));
    assert_eq!(RoomName::parse(""), Err(NameError::NoHash));
    assert_eq!(RoomName::parse("##tea"), Err(NameError::Character('#')));
    assert_eq!(RoomName::lobby(), room("#lobby"));
}

#[test]
fn wide_and_composed_forms_fold_to_one() {
    assert_eq!(nick("ＡＮＡ").as_str(), "ANA");
    assert_eq!(nick("e\u{301}va").as_str(), "éva");
    assert_eq!(nick("ﬁn").as_str(), "fin");
    assert_eq!(room("＃tea").as_str(), "#tea");
}

#[test]
fn the_limits_count_bytes_after_folding() {
    nick(&"a".repeat(32));
    nick(&"ａ".repeat(32));
    nick(&"é".repeat(16));
    room(&format!("#{}", "a".repeat(63)));
    for name in ["a".repeat(33), "é".repeat(17), "ａ".repeat(33), "a".repeat(1 << 20)] {
        assert_eq!(Nick::parse(&name), Err(NameError::TooLong { bytes_max: 32 }));
    }
    for name in [format!("#{}", "a".repeat(64)), format!("#{}", "ﷺ".repeat(3)), "é\u{301}".repeat(1 << 16)]
    {
        assert_eq!(RoomName::parse(&name), Err(NameError::TooLong { bytes_max: 64 }));
    }
}

#[test]
fn names_are_the_same_whatever_their_case() {
    for (one, other) in
        [("Ana", "aNA"), ("ÉVA", "e\u{301}va"), ("ΣΑΣ", "σας"), ("ΣΑΣ", "σασ"), ("J\u{30c}", "ǰ")]
    {
        assert_eq!(nick(one).key().folded(), nick(other).key().folded(), "{one} {other}");
    }
    assert_ne!(nick("ana").key().folded(), nick("anä").key().folded());
}

#[test]
fn look_alikes_have_one_skeleton() {
    for (one, other) in [
        ("Ian", "lan"),
        ("bill", "bi11"),
        ("paul", "pau1"),
        ("Paul", "PauI"),
        ("zoe0", "zoeo"),
        ("mark", "rnark"),
        ("Mark", "RNARK"),
        ("modem", "rnodern"),
        ("сосо", "coco"),
        ("ВОВ", "BOB"),
        ("раура", "paypa"),
        ("OOO", "000"),
    ] {
        assert!(look_alike(one, other), "{one} {other}");
        assert_ne!(nick(one).key().folded(), nick(other).key().folded(), "{one} {other}");
    }
    // Refused by itself for its mixed scripts, but it would be caught here too.
    assert_eq!(profile::skeleton("p\u{430}ul"), profile::skeleton("paul"));
    for (one, other) in [("ana", "anna"), ("ian", "lan"), ("zoe", "zoë"), ("mia", "mla"), ("ana", "ana2")] {
        assert!(!look_alike(one, other), "{one} {other}");
    }
}

#[test]
fn a_skeleton_is_stable_for_every_character() {
    for char in '\0'..=char::MAX {
        let Ok(nick) = Nick::parse(char.encode_utf8(&mut [0; 4])) else { continue };
        let skeleton = nick.key().skeleton().clone();
        assert_eq!(profile::skeleton(&skeleton), *skeleton, "U+{:04X}", u32::from(char));
    }
}

#[test]
fn names_with_the_same_folded_form_differ_in_their_skeletons_at_most_by_case() {
    // So both must be compared: neither implies the other.
    assert_eq!(nick("Ian").key().folded(), nick("ian").key().folded());
    assert_ne!(nick("Ian").key().skeleton(), nick("ian").key().skeleton());
}

#[test]
fn a_refusal_names_the_reason_and_the_name() {
    let name = "ana\u{202e}\n";
    let refusal = Nick::parse(name).unwrap_err().refusal(name);
    assert_eq!(refusal.code, RefusalCode::NameInvalid);
    assert_eq!(refusal.text, "A name has letters, digits, '-', '_' and '.', but not U+202E.");
    assert_eq!(refusal.about, r"ana\u{202e}\u{a}");
    let long = "é".repeat(100);
    let refusal = Nick::parse(&long).unwrap_err().refusal(&long);
    assert_eq!(refusal.text, "This name is too long; it may have at most 32 bytes.");
    assert_eq!(refusal.about, "é".repeat(32));
    for (name, text) in [
        ("a b", "A name has letters, digits, '-', '_' and '.', but not a space."),
        ("a!", "A name has letters, digits, '-', '_' and '.', but not '!'."),
        ("-a", "A name begins with a letter or digit, not with '-'."),
        ("", "A name needs at least one letter or digit."),
        ("p\u{430}ul", "This name mixes scripts as no language does; use the letters of one of them."),
    ] {
        assert_eq!(Nick::parse(name).unwrap_err().to_string(), text);
    }
}

#[test]
fn a_suggestion_has_the_first_number_that_is_free() {
    let mut present = BTreeSet::new();
    let mut names = Vec::new();
    for _ in 0..5 {
        let free = suggest(&nick("ana"), |key| present.contains(key.skeleton())).unwrap();
        present.insert(free.key().skeleton().clone());
        names.push(free);
    }
    assert_eq!(names, ["ana2", "ana3", "ana4", "ana5", "ana6"].map(nick));
    assert_eq!(suggest(&nick("ana2"), |key| &**key.folded() == "ana2"), Some(nick("ana3")));
    assert_eq!(suggest(&nick("1984"), |_| false), Some(nick("19842")));
}

#[test]
fn a_suggestion_fits_and_is_given_up_in_the_end() {
    for long in ["a".repeat(32), "é".repeat(16), "山".repeat(10), "9".repeat(32), "1".repeat(32)] {
        let long = nick(&long);
        assert_ne!(suggest(&long, |_| false).unwrap(), long);
    }
    let mut tries = 0;
    let none = suggest(&nick("ana"), |_| {
        tries += 1;
        true
    });
    assert_eq!((none, tries), (None, 98));
}

#[test]
fn the_nearest_name_is_the_one_that_was_meant() {
    let names = ["ana", "Bernard", "charlotte", "Zoë", "j"];
    let nearest = |wanted| nearest(wanted, names.into_iter());
    assert_eq!(nearest("anna"), Some("ana"));
    assert_eq!(nearest("ANA"), Some("ana"));
    assert_eq!(nearest("bernadr"), Some("Bernard"));
    assert_eq!(nearest("charlote"), Some("charlotte"));
    assert_eq!(nearest("hcarlotet"), Some("charlotte"));
    assert_eq!(nearest("ZOÉ"), Some("Zoë"));
    assert_eq!(nearest("J"), Some("j"));
    for wanted in ["", "k", "bo", "bert", "hcalotet", "paul"] {
        assert_eq!(nearest(wanted), None, "{wanted}");
    }
    assert_eq!(nearest(&"a".repeat(1 << 16)), None);
}

#[test]
fn the_nearest_of_equals_is_the_first_and_the_closer_wins() {
    assert_eq!(nearest("bola", ["bolo", "bole"].into_iter()), Some("bolo"));
    assert_eq!(nearest("bolas", ["bolo", "bola"].into_iter()), Some("bola"));
    let long = "a".repeat(64);
    assert_eq!(nearest(&long, ["b", &long].into_iter()), Some(&*long));
}

/// Text that comes close to the edge of what is a name.
fn text() -> impl Strategy<Value = String> {
    let char = prop_oneof![
        4 => proptest::char::range('a', 'z'),
        1 => proptest::char::any(),
        1 => proptest::sample::select(alloc::vec![
            '-', '_', '.', '#', '\u{301}', '\u{323}', 'é', 'Σ', 'ς', 'İ', 'ı', 'ß', 'ǅ', 'ﬁ', 'ﷺ', 'ａ', '\u{115f}', 'а',
            'Ω', '한', '\u{1100}', '\u{1161}', '漢', 'ㄅ', 'ア', '\u{202e}', '\u{200d}', '🙂', '０', 'I', 'O', 'm',
        ]),
    ];
    proptest::collection::vec(char, 0..40).prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #[test]
    fn a_name_parses_to_itself(text in text()) {
        if let Ok(nick) = Nick::parse(&text) {
            let again = Nick::parse(nick.as_str()).unwrap();
            prop_assert_eq!(again.key(), nick.key());
            prop_assert_eq!(again, nick);
        }
        if let Ok(room) = RoomName::parse(&format!("#{text}")) {
            let again = RoomName::parse(room.as_str()).unwrap();
            prop_assert_eq!(again.key(), room.key());
            prop_assert_eq!(again, room);
        }
    }

    #[test]
    fn a_name_has_only_what_it_may(text in text()) {
        let Ok(nick) = Nick::parse(&text) else { return Ok(()) };
        prop_assert!((1..=NICK_BYTES_MAX).contains(&nick.as_str().len()));
        for char in nick.as_str().chars() {
            prop_assert!(!char.is_control() && !char.is_whitespace());
            let unseen = matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
            prop_assert!(!unseen);
        }
        prop_assert_eq!(printable(nick.as_str()), nick.as_str());
    }

    #[test]
    fn keys_are_stable_and_bounded(text in text()) {
        let Ok(nick) = Nick::parse(&text) else { return Ok(()) };
        let key = nick.key();
        prop_assert_eq!(profile::lower(key.folded()), &**key.folded());
        prop_assert_eq!(profile::skeleton(key.skeleton()), &**key.skeleton());
        prop_assert!(key.skeleton().len() <= 64 * NICK_BYTES_MAX);
    }

    #[test]
    fn a_suggestion_is_another_name_that_is_free(text in text(), busy in 0_usize..50) {
        let Ok(nick) = Nick::parse(&text) else { return Ok(()) };
        let mut tries = 0;
        let suggested = suggest(&nick, |_| { tries += 1; tries <= busy });
        prop_assert!(suggested.is_none_or(|free| free != nick && tries == busy + 1));
    }

    #[test]
    fn one_slip_in_a_name_is_forgiven(name in "[a-z]{4,12}", at in 0_usize..4, letter in proptest::char::range('a', 'z')) {
        let mut slipped: Vec<char> = name.chars().collect();
        slipped[at] = letter;
        let slipped: String = slipped.into_iter().collect();
        prop_assert_eq!(nearest(&slipped, [&*name].into_iter()), Some(&*name));
        let inserted = format!("{}{letter}{}", &name[..at], &name[at..]);
        prop_assert_eq!(nearest(&inserted, [&*name].into_iter()), Some(&*name));
    }

    #[test]
    fn what_is_printable_is_short_and_plain(text in "\\PC{0,100}|[\\x00-\\x20]{0,40}|.{0,80}") {
        let shown = printable(&text);
        prop_assert!(shown.len() <= 64);
        prop_assert!(!shown.chars().any(char::is_control));
    }
}
