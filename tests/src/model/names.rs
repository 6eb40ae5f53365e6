//! Names on plain ASCII (E2, E3, R1): enough for the names that the tests are made of, and easily seen to be right.

/// The longest nickname, in bytes (E2).
pub(super) const NICK_BYTES_MAX: usize = 32;
/// The longest room name with its `#`, in bytes (R1).
pub(super) const ROOM_BYTES_MAX: usize = 64;

/// Whether it is a nickname, or the part of a room's name after `#` (E2).
pub(super) fn is_valid(name: &str, bytes_max: usize) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=bytes_max).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(inside)
}

/// Whether it is a room's name (R1).
pub(super) fn is_valid_room(name: &str, bytes_max: usize) -> bool {
    name.strip_prefix('#').is_some_and(|rest| is_valid(rest, bytes_max - 1))
}

/// What two names share that are the same (E3).
pub(super) fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// What two names share that look alike (E3): the ASCII part of Unicode's table of confusables.
pub(super) fn skeleton(name: &str) -> String {
    let mut skeleton = String::new();
    for letter in name.chars() {
        match letter {
            '0' => skeleton.push('O'),
            '1' | 'I' => skeleton.push('l'),
            'm' => skeleton.push_str("rn"),
            other => skeleton.push(other),
        }
    }
    skeleton.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{is_valid, is_valid_room, skeleton};

    #[test]
    fn look_alikes_share_a_skeleton_and_others_do_not() {
        assert_eq!(skeleton("an0"), skeleton("anO"));
        assert_eq!(skeleton("Iia"), skeleton("1ia"));
        assert_eq!(skeleton("mia"), skeleton("rnia"));
        assert_ne!(skeleton("ana"), skeleton("ano"));
    }

    #[test]
    fn a_name_starts_with_a_letter_or_digit_and_has_a_length() {
        assert!(is_valid("a.b-c_9", 32) && is_valid("9", 32));
        assert!(!is_valid("", 32) && !is_valid("-a", 32) && !is_valid("a b", 32) && !is_valid("aaa", 2));
        assert!(is_valid_room("#a", 64) && !is_valid_room("a", 64) && !is_valid_room("#", 64));
    }
}
