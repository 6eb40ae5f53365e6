use alloc::{string::String, vec, vec::Vec};

use super::*;

fn query(text: &str) -> Query {
    Query::parse(text).expect("a query with words")
}

fn code(text: &str) -> Option<RefusalCode> {
    Query::parse(text).err().map(|refusal| refusal.code)
}

#[test]
fn a_word_is_a_run_of_letters_and_digits() {
    assert_eq!(
        words("The build #42 is GREEN, isn't it?"),
        ["the", "build", "42", "is", "green", "isn", "t", "it"]
    );
    assert_eq!(words("snake_case a.b-c"), ["snake", "case", "a", "b", "c"]);
    assert!(words(" \n-*\"' … 🙂").is_empty());
}

#[test]
fn accents_and_forms_of_letters_make_no_difference() {
    for text in ["Café", "CAFÉ", "cafe\u{301}", "ｃａｆｅ", "Cafe"] {
        assert_eq!(words(text), ["cafe"], "{text}");
    }
    assert_eq!(words("ΟΔΟΣ οδός"), ["οδοσ", "οδοσ"]);
    assert_eq!(words("İstanbul ﬁne ½"), ["istanbul", "fine", "1", "2"]);
}

#[test]
fn characters_of_scripts_without_spaces_are_words_and_a_run_of_them_a_phrase() {
    assert_eq!(words("日本語 text"), ["日", "本", "語", "text"]);
    assert_eq!(words("か\u{3099}"), words("が"), "a mark belongs to the character before it");
    assert!(query("本語").matches("これは日本語です"));
    assert!(!query("語本").matches("これは日本語です"));
}

#[test]
fn only_the_beginning_of_a_very_long_word_counts() {
    let long = "é".repeat(100);
    assert_eq!(words(&long), ["e".repeat(64)]);
    let han_less = "д".repeat(33);
    assert_eq!(words(&han_less), ["д".repeat(32)], "no character is cut in two");
    assert!(query(&"x".repeat(200)).matches(&"x".repeat(64)));
}

#[test]
fn what_ascii_a_word_has_is_small_letters_and_digits_and_folding_it_again_changes_nothing() {
    for char in ('\0'..=char::MAX).filter(|char| is_of_word(*char)) {
        let text: String = [char, 'X', char].into_iter().collect();
        let words = words(&text);
        for word in &words {
            let fits = |char: char| !char.is_ascii() || char.is_ascii_lowercase() || char.is_ascii_digit();
            assert!(!word.is_empty() && word.chars().all(fits), "{char:?} {word:?}");
        }
        assert_eq!(super::words(&words.join(" ")), words, "{char:?}");
    }
}

#[test]
fn all_words_have_to_be_there_in_any_order() {
    assert!(query("green build").matches("the build is green"));
    assert!(!query("green build red").matches("the build is green"));
    assert!(!query("gree").matches("the build is green"));
}

#[test]
fn a_star_finds_what_begins_so() {
    assert!(query("gree*").matches("the build is green"));
    assert!(query("green*").matches("the build is green"));
    assert!(!query("gree").matches("the build is green"));
    assert!(!query("*een").matches("the build is green"));
}

#[test]
fn words_in_quotes_and_words_without_space_follow_each_other() {
    assert!(query("\"build is\"").matches("the build, is green"));
    assert!(!query("\"build green\"").matches("the build is green"));
    assert!(query("\"is gre*\"").matches("the build is green"));
    assert!(query("\"is gre\"*").matches("the build is green"));
    assert!(query("don't").matches("you DON'T say") && !query("don't").matches("don a t"));
    assert!(query("\"the build").matches("the build is green"), "a quote that is not closed");
    assert_eq!(query("a\"b c\"d").phrases().len(), 3);
}

#[test]
fn nothing_but_words_means_anything() {
    let queries = ["\" OR room:1 NEAR(", "words:a AND b", "a NOT b", "{a b} : c", "^a + b", "-a", "a*b*c"];
    for text in queries {
        let expected = words(text);
        let found: Vec<_> = query(text).phrases().iter().flat_map(|phrase| phrase.words.clone()).collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn without_a_word_there_is_nothing_to_search_for() {
    for text in ["", "  ", "*", "\"\"", "\"*\"*", "- … 🙂", "\""] {
        assert_eq!(code(text), Some(RefusalCode::QueryEmpty), "{text:?}");
    }
}

#[test]
fn queries_are_taken_up_to_the_limits() {
    let words = |count| vec!["a"; count].join(" ");
    assert_eq!(code(&words(QUERY_WORDS_MAX)), None);
    assert_eq!(code(&words(QUERY_WORDS_MAX + 1)), Some(RefusalCode::QueryTooLong));
    assert_eq!(code(&"a".repeat(QUERY_BYTES_MAX)), None);
    assert_eq!(code(&"a".repeat(QUERY_BYTES_MAX + 1)), Some(RefusalCode::QueryTooLong));
}

#[test]
fn marks_are_the_words_of_the_text_that_were_searched_for() {
    let text = "Das Büro: büro, Bürokrat";
    let marked = |query: &Query| query.marks(text).map(|mark| &text[mark]).collect::<Vec<_>>();
    assert_eq!(marked(&query("buro")), ["Büro", "büro"]);
    assert_eq!(marked(&query("das buro*")), ["Das", "Büro", "büro", "Bürokrat"]);
}

#[test]
fn of_events_texts_and_names_of_files_are_searched() {
    assert_eq!(searched(EventKind::Posted, "a\nb"), Some("a\nb"));
    assert_eq!(searched(EventKind::FileShared, "report.iso\n3\n5\nabc"), Some("report.iso"));
    assert_eq!(searched(EventKind::Banned, "spam"), None);
}
