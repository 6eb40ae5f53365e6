//! What a terminal sends, as keys, pastes and clicks.
//!
//! A state machine over bytes: however they are cut, the same comes out. A lone escape byte is a key of its own if
//! nothing follows for a moment; whoever reads says when that moment is over.

use super::key::{Click, Code, Heard, Key, Modifiers};

/// Bytes of a paste that are taken; what is more is not text for a message.
const PASTE_BYTES_MAX: usize = 256 * 1024;
/// Bytes of an escape sequence; what is longer is none.
const SEQUENCE_BYTES_MAX: usize = 64;

const ESCAPE: u8 = 0x1b;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Reads the bytes of a terminal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decoder {
    state: State,
}

#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Ground,
    /// Some bytes of a character that has more.
    Character(Vec<u8>),
    /// An escape byte, alone so far.
    Escape,
    /// `ESC O`.
    Shift3 { alt: bool },
    /// `ESC [` and what followed.
    Sequence { bytes: Vec<u8>, alt: bool },
    /// `ESC [ 200 ~`, and the text so far.
    Paste(Vec<u8>),
}

impl Decoder {
    /// Takes bytes in.
    pub(crate) fn feed(&mut self, bytes: &[u8], heard: &mut Vec<Heard>) {
        for byte in bytes {
            self.take(*byte, heard);
        }
    }

    /// Whether it depends on time what the last byte meant.
    pub(crate) const fn is_undecided(&self) -> bool {
        matches!(self.state, State::Escape)
    }

    /// Nothing followed.
    pub(crate) fn decide(&mut self, heard: &mut Vec<Heard>) {
        if self.is_undecided() {
            self.state = State::Ground;
            heard.push(Heard::Key(Key::plain(Code::Escape)));
        }
    }

    fn take(&mut self, byte: u8, heard: &mut Vec<Heard>) {
        self.state = match std::mem::take(&mut self.state) {
            State::Ground => ground(byte, false, heard),
            State::Character(mut bytes) => {
                if byte & 0xc0 != 0x80 {
                    return self.take(byte, heard);
                }
                bytes.push(byte);
                character(bytes, heard)
            }
            State::Escape => match byte {
                b'[' => State::Sequence { bytes: Vec::new(), alt: false },
                b'O' => State::Shift3 { alt: false },
                ESCAPE => {
                    heard.push(Heard::Key(Key::plain(Code::Escape)));
                    State::Escape
                }
                _ => ground(byte, true, heard),
            },
            State::Shift3 { alt } => {
                if let Some(code) = letter(byte) {
                    heard.push(Heard::Key(Key { code, modifiers: Modifiers { alt, ..Modifiers::NONE } }));
                }
                State::Ground
            }
            State::Sequence { mut bytes, alt } => match byte {
                ESCAPE => State::Escape,
                0x40..=0x7e => sequence(&bytes, byte, alt, heard),
                // The bytes of X10 mouse reports and the like are not asked for; control bytes end the sequence.
                0..=0x1f | 0x7f.. => State::Ground,
                _ if bytes.len() >= SEQUENCE_BYTES_MAX => State::Ground,
                _ => {
                    bytes.push(byte);
                    State::Sequence { bytes, alt }
                }
            },
            State::Paste(mut bytes) => {
                bytes.push(byte);
                if bytes.ends_with(PASTE_END) {
                    bytes.truncate(bytes.len() - PASTE_END.len());
                    heard.push(Heard::Paste(pasted(&bytes)));
                    State::Ground
                } else {
                    if bytes.len() > PASTE_BYTES_MAX + PASTE_END.len() {
                        // The end has to be found still: the last bytes stay.
                        let kept = bytes.len() - 1;
                        bytes.remove(kept - PASTE_END.len());
                    }
                    State::Paste(bytes)
                }
            }
        };
    }
}

fn ground(byte: u8, alt: bool, heard: &mut Vec<Heard>) -> State {
    let modifiers = Modifiers { alt, ..Modifiers::NONE };
    let code = match byte {
        ESCAPE => return State::Escape,
        b'\r' => Code::Enter,
        b'\t' => Code::Tab,
        0x08 | 0x7f => Code::Backspace,
        0 => return control(' ', alt, heard),
        // A line feed that is no Enter is what terminals send for Ctrl-J and some for Shift-Enter.
        0x01..=0x1a => return control(char::from(byte + 0x60), alt, heard),
        0x1c..=0x1f => return control(char::from(byte + 0x40).to_ascii_lowercase(), alt, heard),
        0x20..=0x7e => Code::Char(char::from(byte)),
        0xc2..=0xf4 => return State::Character(vec![byte]),
        0x80..=0xc1 | 0xf5.. => return State::Ground,
    };
    heard.push(Heard::Key(Key { code, modifiers }));
    State::Ground
}

fn control(char: char, alt: bool, heard: &mut Vec<Heard>) -> State {
    let modifiers = Modifiers { alt, control: true, shift: false };
    heard.push(Heard::Key(Key { code: Code::Char(char), modifiers }));
    State::Ground
}

fn character(bytes: Vec<u8>, heard: &mut Vec<Heard>) -> State {
    let length = match bytes[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    };
    if bytes.len() < length {
        return State::Character(bytes);
    }
    if let Some(char) = std::str::from_utf8(&bytes).ok().and_then(|text| text.chars().next()) {
        heard.push(Heard::Key(Key::plain(Code::Char(char))));
    }
    State::Ground
}

/// A whole sequence: what stood between `ESC [` and its last byte.
fn sequence(bytes: &[u8], last: u8, alt: bool, heard: &mut Vec<Heard>) -> State {
    if let Some(report) = bytes.strip_prefix(b"<") {
        heard.extend(click(report, last).map(Heard::Click));
        return State::Ground;
    }
    let mut numbers = numbers(bytes);
    let first = numbers.next().unwrap_or_default();
    let modifiers = Modifiers::from_number(numbers.next().unwrap_or_default(), alt);
    let code = match last {
        b'~' => match first {
            200 => return State::Paste(Vec::new()),
            1 | 7 => Code::Home,
            4 | 8 => Code::End,
            2 => Code::Insert,
            3 => Code::Delete,
            5 => Code::PageUp,
            6 => Code::PageDown,
            11..=15 => Code::Function((first - 10) as u8),
            17..=21 => Code::Function((first - 11) as u8),
            23 | 24 => Code::Function((first - 12) as u8),
            // What xterm sends for keys with modifiers that it has no other word for.
            27 => match numbers.next().and_then(code_of) {
                Some(code) => code,
                None => return State::Ground,
            },
            _ => return State::Ground,
        },
        // A key by its code point.
        b'u' => match code_of(first) {
            Some(code) => code,
            None => return State::Ground,
        },
        b'Z' => {
            let modifiers = Modifiers { shift: true, ..modifiers };
            heard.push(Heard::Key(Key { code: Code::Tab, modifiers }));
            return State::Ground;
        }
        b'I' if bytes.is_empty() => {
            heard.push(Heard::Focus(true));
            return State::Ground;
        }
        b'O' if bytes.is_empty() => {
            heard.push(Heard::Focus(false));
            return State::Ground;
        }
        _ => match letter(last) {
            Some(code) => code,
            None => return State::Ground,
        },
    };
    heard.push(Heard::Key(Key { code, modifiers }.normal()));
    State::Ground
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    // What stands behind a colon says more of the same number.
    bytes.split(|byte| *byte == b';').map(|part| {
        let digits = part.iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0_u32, |number, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
    })
}

const fn letter(byte: u8) -> Option<Code> {
    Some(match byte {
        b'A' => Code::Up,
        b'B' => Code::Down,
        b'C' => Code::Right,
        b'D' => Code::Left,
        b'H' => Code::Home,
        b'F' => Code::End,
        b'M' => Code::Enter,
        b'P' => Code::Function(1),
        b'Q' => Code::Function(2),
        b'R' => Code::Function(3),
        b'S' => Code::Function(4),
        _ => return None,
    })
}

fn code_of(point: u32) -> Option<Code> {
    Some(match point {
        9 => Code::Tab,
        13 => Code::Enter,
        27 => Code::Escape,
        8 | 127 => Code::Backspace,
        _ => Code::Char(char::from_u32(point).filter(|char| !char.is_control())?),
    })
}

/// A report of the mouse: `button;column;row`, counted from 1.
fn click(report: &[u8], last: u8) -> Option<Click> {
    let mut numbers = numbers(report);
    let (button, column, row) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let place = |number: u32| u16::try_from(number.saturating_sub(1)).unwrap_or(u16::MAX);
    let (column, row) = (place(column), place(row));
    match (button & !0b1_1100, last) {
        (0, b'M') => Some(Click::Press { column, row }),
        (64, b'M') => Some(Click::WheelUp { column, row }),
        (65, b'M') => Some(Click::WheelDown { column, row }),
        _ => None,
    }
}

/// Terminals paste line ends as carriage returns.
fn pasted(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(bytes: &[u8]) -> Vec<Heard> {
        let mut heard = Vec::new();
        let mut decoder = Decoder::default();
        decoder.feed(bytes, &mut heard);
        decoder.decide(&mut heard);
        heard
    }

    fn keys(bytes: &[u8]) -> Vec<String> {
        decode(bytes)
            .into_iter()
            .map(|heard| match heard {
                Heard::Key(key) => key.to_string(),
                other @ (Heard::Paste(_) | Heard::Click(_) | Heard::Focus(_)) => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn keys_of_common_terminals_are_known() {
        assert_eq!(keys(b"a\r\x7f\t"), ["a", "enter", "backspace", "tab"]);
        assert_eq!(keys(b"\x01\x17\x00"), ["ctrl-a", "ctrl-w", "ctrl-space"]);
        assert_eq!(keys(b"\x1b[A\x1bOB\x1b[H\x1b[4~\x1b[5~"), ["up", "down", "home", "end", "pageup"]);
        assert_eq!(keys(b"\x1b[1;3D\x1b[1;5C\x1b[Z"), ["alt-left", "ctrl-right", "shift-tab"]);
        assert_eq!(keys(b"\x1bf\x1b1\x1b\r\x1b\x7f"), ["alt-f", "alt-1", "alt-enter", "alt-backspace"]);
        assert_eq!(keys(b"\x1bOP\x1b[15~\x1b[24~"), ["f1", "f5", "f12"]);
        assert_eq!(keys(b"\x1b[13;2u\x1b[27;2;13~\x1b[97;5u"), ["shift-enter", "shift-enter", "ctrl-a"]);
        assert_eq!(keys("é界".as_bytes()), ["é", "界"]);
    }

    #[test]
    fn an_escape_is_a_key_when_nothing_follows() {
        assert_eq!(keys(b"\x1b"), ["escape"]);
        assert_eq!(keys(b"\x1b\x1b"), ["escape", "escape"]);
        let mut decoder = Decoder::default();
        let mut heard = Vec::new();
        decoder.feed(b"\x1b", &mut heard);
        assert!(heard.is_empty() && decoder.is_undecided());
    }

    #[test]
    fn a_paste_is_one_text_whatever_is_in_it() {
        let heard = decode(b"\x1b[200~one\r\ntwo\r\x1b[A\x03\x1b[201~x");
        assert_eq!(
            heard,
            [Heard::Paste("one\ntwo\n\x1b[A\x03".into()), Heard::Key(Key::plain(Code::Char('x')))]
        );
    }

    #[test]
    fn a_paste_without_end_takes_bounded_memory() {
        let mut decoder = Decoder::default();
        let mut heard = Vec::new();
        decoder.feed(b"\x1b[200~", &mut heard);
        decoder.feed(&vec![b'x'; PASTE_BYTES_MAX + 100], &mut heard);
        decoder.feed(PASTE_END, &mut heard);
        let [Heard::Paste(text)] = heard.as_slice() else { panic!("{}", heard.len()) };
        assert!(text.len() <= PASTE_BYTES_MAX + PASTE_END.len());
    }

    #[test]
    fn the_mouse_points_and_scrolls() {
        assert_eq!(
            decode(b"\x1b[<0;5;3M\x1b[<0;5;3m\x1b[<64;1;1M"),
            [
                Heard::Click(Click::Press { column: 4, row: 2 }),
                Heard::Click(Click::WheelUp { column: 0, row: 0 })
            ]
        );
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(
            parts in proptest::collection::vec(
                prop_oneof![
                    proptest::collection::vec(any::<u8>(), 0..6),
                    Just(b"\x1b[200~a\rb".to_vec()),
                    Just(b"\x1b[201~".to_vec()),
                    Just(b"\x1b[1;3D".to_vec()),
                    Just("é🙂".as_bytes().to_vec()),
                ],
                0..12,
            ),
            cut in 1..7_usize,
        ) {
            let bytes = parts.concat();
            let mut cut_up = Vec::new();
            let mut decoder = Decoder::default();
            for piece in bytes.chunks(cut) {
                decoder.feed(piece, &mut cut_up);
            }
            decoder.decide(&mut cut_up);
            prop_assert_eq!(cut_up, decode(&bytes));
        }
    }
}
