//! Codes by which accounts are made where not everybody may make one (`PROTOCOL.md` A12).
//!
//! A code says itself how often and until when it is good, and proves that it was made with the server's secret. So codes
//! can be made beside a running server, and nothing is stored of one before it is used; then a hash.

use alloc::string::String;

use crate::{password::Setup, storage::InvitationId, time::WallTime};

/// What the tag's key is derived for.
const CONTEXT: &str = "palabre 2026 invitation codes";

const TAG_BYTES: usize = 8;
/// Uses, the hour it ends, a number of its own, and the tag.
const BYTES: usize = 2 + 4 + NUMBER_BYTES + TAG_BYTES;
const NUMBER_BYTES: usize = 6;

const HOUR_MILLIS: u64 = 3_600_000;

/// Crockford's: without letters that are taken for digits or for each other.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Letters of a code, and how many stand together.
const LETTERS_IN_ALL: usize = BYTES * 8 / 5;
const LETTERS_TOGETHER: usize = 4;

/// What a code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invitation {
    uses: u16,
    /// Hours since 1970.
    until: u32,
    number: [u8; NUMBER_BYTES],
}

impl Invitation {
    /// For so many accounts (at least one), until so many hours after `now` at least, with six random bytes.
    #[must_use]
    pub fn new(uses: u16, hours: u32, number: [u8; NUMBER_BYTES], now: WallTime) -> Self {
        let this_hour = u32::try_from(now.as_millis().div_ceil(HOUR_MILLIS)).unwrap_or(u32::MAX);
        Self { uses: uses.max(1), until: this_hour.saturating_add(hours), number }
    }

    /// The code, as it is read and typed: 32 letters and digits, in groups of four.
    #[must_use]
    pub fn code(&self, setup: &Setup) -> String {
        let bytes = self.bytes(setup);
        let mut code = String::new();
        for place in 0..LETTERS_IN_ALL {
            if place > 0 && place % LETTERS_TOGETHER == 0 {
                code.push('-');
            }
            let bit = |at: usize| bytes.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0);
            let index = (0..5).fold(0, |index, offset| index * 2 + usize::from(bit(place * 5 + offset)));
            code.push(char::from(LETTERS[index]));
        }
        code
    }

    /// What a code says that was made with this setup. Case, hyphens and spaces mean nothing.
    #[must_use]
    pub fn read(code: &str, setup: &Setup) -> Option<Self> {
        let mut bytes = [0; BYTES];
        let mut places = 0;
        for letter in code.chars().filter(|letter| !matches!(letter, '-' | ' ')) {
            let value = value_of(letter)?;
            for offset in (0..5).filter(|offset| value & (0x10 >> offset) != 0) {
                let at: usize = places * 5 + offset;
                *bytes.get_mut(at / 8)? |= 0x80 >> (at % 8);
            }
            places += 1;
            if places > LETTERS_IN_ALL {
                return None;
            }
        }
        let [a, b, c, d, e, f, number @ .., _, _, _, _, _, _, _, _] = bytes;
        let invitation =
            Self { uses: u16::from_be_bytes([a, b]), until: u32::from_be_bytes([c, d, e, f]), number };
        // The hash is compared in constant time by blake3's type.
        let is_ours = blake3::hash(&invitation.bytes(setup)) == blake3::hash(&bytes);
        (is_ours && places == LETTERS_IN_ALL).then_some(invitation)
    }

    /// How many accounts it is good for.
    #[must_use]
    pub const fn uses(&self) -> u16 {
        self.uses
    }

    /// Until when it is good.
    #[must_use]
    pub const fn expires(&self) -> WallTime {
        WallTime::from_millis(self.until as u64 * HOUR_MILLIS)
    }

    /// What is stored of it when it was used.
    #[must_use]
    pub fn id(&self, setup: &Setup) -> InvitationId {
        let hash = blake3::hash(&self.bytes(setup));
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_bytes()[..16]);
        InvitationId(id)
    }

    fn bytes(&self, setup: &Setup) -> [u8; BYTES] {
        let ([a, b], [c, d, e, f]) = (self.uses.to_be_bytes(), self.until.to_be_bytes());
        let [g, h, i, j, k, l] = self.number;
        let said = [a, b, c, d, e, f, g, h, i, j, k, l];
        let tag = blake3::keyed_hash(&setup.key_for(CONTEXT), &said);
        let mut bytes = [0; BYTES];
        bytes[..said.len()].copy_from_slice(&said);
        bytes[said.len()..].copy_from_slice(&tag.as_bytes()[..TAG_BYTES]);
        bytes
    }
}

fn value_of(letter: char) -> Option<u8> {
    let letter = match letter.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        letter => letter,
    };
    let index = LETTERS.iter().position(|known| char::from(*known) == letter)?;
    u8::try_from(index).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation() -> Invitation {
        Invitation::new(3, 24, [1, 2, 3, 4, 5, 255], WallTime::from_millis(1_795_292_400_123))
    }

    #[test]
    fn a_code_is_read_as_it_is_written_and_as_people_write_it() {
        let setup = Setup::generate([1; 32]);
        let code = invitation().code(&setup);
        assert_eq!((code.len(), code.matches('-').count()), (39, 7), "{code}");
        for written in [code.clone(), code.to_uppercase(), code.replace('-', " "), code.replace('-', "")] {
            assert_eq!(Invitation::read(&written, &setup), Some(invitation()), "{written}");
        }
        assert_eq!(Invitation::read(&code.replace('0', "O").replace('1', "l"), &setup), Some(invitation()));
        assert_eq!(invitation().uses(), 3);
        let hours = invitation().expires().as_millis() - 1_795_292_400_123;
        assert!((24 * HOUR_MILLIS..25 * HOUR_MILLIS).contains(&hours), "{hours}");
    }

    #[test]
    fn no_other_code_is_taken() {
        let setup = Setup::generate([1; 32]);
        let code = invitation().code(&setup);
        assert_eq!(Invitation::read(&code, &Setup::generate([2; 32])), None, "another server's");
        for at in 0..code.len() {
            let mut letters: alloc::vec::Vec<char> = code.chars().collect();
            letters[at] = if letters[at] == '7' { '8' } else { '7' };
            let wrong: String = letters.into_iter().collect();
            assert_eq!(Invitation::read(&wrong, &setup), None, "{wrong}");
        }
        for wrong in ["", "-", &code[1..], &code[..38], &alloc::format!("{code}0"), "not a code", "é"] {
            assert_eq!(Invitation::read(wrong, &setup), None, "{wrong}");
        }
    }
}
