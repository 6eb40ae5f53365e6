//! What a file may be called (`PROTOCOL.md` U2): nothing that means something to a file system or hides from a person.

use alloc::{string::String, sync::Arc};
use core::fmt;

use unicode_normalization::UnicodeNormalization as _;

use crate::error::{Refusal, RefusalCode};

/// The longest name, in bytes.
pub const FILE_NAME_BYTES_MAX: usize = 1_024;

/// The longest part of a name between `/`, in bytes.
pub const PART_BYTES_MAX: usize = 255;

/// The name of a file in its place: parts between `/`, none of which leads out of a folder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(Arc<str>);

impl FileName {
    /// Puts a name into its normal form and checks it.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, FileNameError> {
        // Composing never makes a text longer than three times its bytes; one far too long is not looked at.
        if text.len() > 4 * FILE_NAME_BYTES_MAX {
            return Err(FileNameError::TooLong);
        }
        let name: String = text.nfc().collect();
        if name.len() > FILE_NAME_BYTES_MAX {
            return Err(FileNameError::TooLong);
        }
        name.split('/').try_for_each(check_part)?;
        Ok(Self(name.into()))
    }

    /// The name as it is shown and sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name, shared instead of copied.
    #[must_use]
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// Its parts, the last being the file's own.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

fn check_part(part: &str) -> Result<(), FileNameError> {
    match part {
        "" => return Err(FileNameError::EmptyPart),
        "." | ".." => return Err(FileNameError::LeadsElsewhere),
        _ => {}
    }
    if part.len() > PART_BYTES_MAX {
        return Err(FileNameError::TooLong);
    }
    if let Some(char) = part.chars().find(|char| is_refused(*char)) {
        return Err(FileNameError::Character(char));
    }
    if part.ends_with([' ', '.']) {
        return Err(FileNameError::End);
    }
    if is_device(part) {
        return Err(FileNameError::Device);
    }
    Ok(())
}

fn is_refused(char: char) -> bool {
    char.is_control()
        || matches!(char, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
        // Invisible, or changing the direction or the lines of text.
        || matches!(
            char,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0e}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{e000}'..='\u{f8ff}'
                | '\u{e0000}'..='\u{10ffff}'
        )
}

/// Whether Windows takes it for a device, whatever follows the first dot.
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end();
    let is = |name: &str| stem.eq_ignore_ascii_case(name);
    let numbered = |name: &str| {
        let mut chars = stem.get(name.len()..).unwrap_or_default().chars();
        stem.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name))
            && matches!((chars.next(), chars.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    };
    ["CON", "PRN", "AUX", "NUL"].into_iter().any(is) || ["COM", "LPT"].into_iter().any(numbered)
}

/// Why a text is no name of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileNameError {
    /// It, or one of its parts, is too long.
    TooLong,
    /// There is nothing before, between or after a `/`.
    EmptyPart,
    /// It leads to another folder.
    LeadsElsewhere,
    /// It has a character that no name may have.
    Character(char),
    /// A part ends in a space or dot.
    End,
    /// A part is the name of a device on Windows.
    Device,
}

impl fmt::Display for FileNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(
                f,
                "it is too long: at most {FILE_NAME_BYTES_MAX} bytes, and {PART_BYTES_MAX} between two slashes"
            ),
            Self::EmptyPart => f.write_str("there is nothing before, after or between its slashes"),
            Self::LeadsElsewhere => f.write_str("it leads to another folder"),
            Self::Character(char) => write!(f, "it may not have the character U+{:04X}", u32::from(*char)),
            Self::End => f.write_str("it may not end in a space or a dot"),
            Self::Device => f.write_str("it is the name of a device on some systems"),
        }
    }
}

impl core::error::Error for FileNameError {}

impl From<FileNameError> for Refusal {
    fn from(error: FileNameError) -> Self {
        let text = alloc::format!("That is no name for a file: {error}; choose another one.");
        Self::new(RefusalCode::FileNameInvalid, text)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_are_names() {
        for name in [
            "report.iso",
            "a",
            "src/main.rs",
            "Übung 3 (neu).pdf",
            "日本語.txt",
            ".profile",
            "a..b",
            "...a",
            "com.txt",
        ] {
            assert_eq!(FileName::parse(name).map(|name| name.to_string()), Ok(name.into()));
        }
    }

    #[test]
    fn what_leads_elsewhere_or_hides_is_no_name() {
        for name in [
            "",
            "/",
            "/etc/x",
            "../x",
            "a/../b",
            "a/..",
            ".",
            "./x",
            "a//b",
            "a/",
            "C:\\x",
            "C:x",
            "a\\b",
            "x\0y",
            "x\x1b[2J",
            "a\u{202e}gpj.exe",
            "a\u{200b}b",
            "a\u{7f}",
            "a\u{85}",
            "CON",
            "con.txt",
            "a/NUL",
            "LPT9.x",
            "com1",
            "aux .txt",
            "a.",
            "a ",
            "\u{feff}a",
            "\u{e000}",
            "a\nb",
            "COM¹",
        ] {
            assert!(FileName::parse(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_name_is_as_long_as_a_file_system_takes() {
        assert!(FileName::parse(&"a".repeat(255)).is_ok());
        assert_eq!(FileName::parse(&"a".repeat(256)), Err(FileNameError::TooLong));
        let long = [&*"a".repeat(255); 4].join("/");
        assert_eq!(long.len(), 1_023);
        assert!(FileName::parse(&long).is_ok());
        assert_eq!(FileName::parse(&alloc::format!("{long}/b")), Err(FileNameError::TooLong));
        assert_eq!(FileName::parse(&"a".repeat(5_000)), Err(FileNameError::TooLong));
    }

    #[test]
    fn composed_and_decomposed_spellings_are_one_name() {
        assert_eq!(FileName::parse("e\u{301}"), FileName::parse("é"));
    }

    proptest! {
        #[test]
        fn a_name_read_again_is_the_same_and_stays_in_its_folder(text in "[a-zA-Z./\\\\: \u{301}\u{e9}\0\u{202e}]{0,12}") {
            if let Ok(name) = FileName::parse(&text) {
                prop_assert_eq!(FileName::parse(name.as_str()), Ok(name.clone()));
                prop_assert!(name.parts().all(|part| !part.is_empty() && part != "." && part != ".."));
                prop_assert!(!name.as_str().contains(['\\', ':', '\0']));
            }
        }
    }
}
