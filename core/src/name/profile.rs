//! Which texts are names, and what two names are compared by.

use alloc::string::String;

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};
use unicode_security::{
    GeneralSecurityProfile as _, confusable_detection, general_security_profile::IdentifierType,
    mixed_script::AugmentedScriptSet,
};

use super::NameError;

/// A text that has more than this many times the bytes allowed is not even looked at. Folding shortens what an
/// input method may well produce (wide letters, 3 bytes each, become 1), but not by more.
const FOLDING_SHORTENS_TIMES: usize = 4;

/// How often a skeleton is taken of a skeleton at most; two are enough for every single character today.
const SKELETON_ROUNDS: usize = 4;

/// The compatibility form of a text, if it has at most `bytes_max` bytes.
pub(super) fn fold(text: &str, bytes_max: usize) -> Result<String, NameError> {
    if text.len() > bytes_max.saturating_mul(FOLDING_SHORTENS_TIMES) {
        return Err(NameError::TooLong { bytes_max });
    }
    let mut folded = String::new();
    for char in text.nfkc().nfc() {
        folded.push(char);
        if folded.len() > bytes_max {
            return Err(NameError::TooLong { bytes_max });
        }
    }
    Ok(folded)
}

/// Whether a folded text is a name (without the `#` of a room).
pub(super) fn check(folded: &str) -> Result<(), NameError> {
    let first = folded.chars().next().ok_or(NameError::Empty)?;
    for char in folded.chars() {
        if !is_name_character(char) && !matches!(char, '-' | '_' | '.') {
            return Err(NameError::Character(char));
        }
    }
    if !is_name_character(first) || is_combining_mark(first) {
        return Err(NameError::Start(first));
    }
    if !is_of_one_writing(folded) {
        return Err(NameError::MixedScripts);
    }
    Ok(())
}

/// Whether a character is a letter, mark or digit that can be seen.
pub(super) fn is_name_character(char: char) -> bool {
    if !char.is_alphanumeric() && !is_combining_mark(char) {
        return false;
    }
    // Letters and marks by category only: fillers, variation selectors, enclosed letters that emoji are made of.
    match char.identifier_type() {
        None
        | Some(
            IdentifierType::Not_Character
            | IdentifierType::Deprecated
            | IdentifierType::Default_Ignorable
            | IdentifierType::Not_XID
            | IdentifierType::Not_NFKC,
        ) => false,
        Some(
            IdentifierType::Exclusion
            | IdentifierType::Obsolete
            | IdentifierType::Technical
            | IdentifierType::Uncommon_Use
            | IdentifierType::Limited_Use
            | IdentifierType::Inclusion
            | IdentifierType::Recommended,
        ) => true,
    }
}

/// Whether the scripts of a text are at most those that one language is written in: a single script, or Latin with
/// Japanese, Korean or Chinese (Unicode TS #39, "highly restrictive").
fn is_of_one_writing(text: &str) -> bool {
    let latin = AugmentedScriptSet::for_char('a');
    let mut all = AugmentedScriptSet::default();
    let mut beside_latin = AugmentedScriptSet::default();
    for char in text.chars() {
        let scripts = AugmentedScriptSet::for_char(char);
        all.intersect_with(scripts);
        let mut both = scripts;
        both.intersect_with(latin);
        if both.is_empty() {
            beside_latin.intersect_with(scripts);
        }
    }
    !all.is_empty() || beside_latin.jpan || beside_latin.kore || beside_latin.hanb
}

/// The lower case of a folded name, the same wherever a letter stands.
pub(super) fn lower(name: &str) -> String {
    // A final sigma is a sigma: whether one is final is a matter of position, which capitals do not show.
    name.chars().flat_map(char::to_lowercase).map(|char| if char == 'ς' { 'σ' } else { char }).nfc().collect()
}

/// The lower case of the confusable skeleton.
///
/// The skeleton is taken of the name as it is shown, for a capital I looks like a small L but a small I does not;
/// and again of the result, since a capital M looks like nothing else, but a small m like rn.
pub(super) fn skeleton(name: &str) -> String {
    let mut current = String::from(name);
    for _ in 0..SKELETON_ROUNDS {
        let skeleton: String = confusable_detection::skeleton(&current).collect();
        let next = lower(&skeleton);
        if next == current {
            break;
        }
        current = next;
    }
    current
}
