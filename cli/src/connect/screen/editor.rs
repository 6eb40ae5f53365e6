//! Writing a message in another program.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    process::{Child, Command},
};

/// A text that is being edited.
pub(super) struct Editing {
    file: Temporary,
    editor: String,
    child: Child,
}

impl Editing {
    /// Has a text edited by the person's editor.
    pub(super) fn start(editor: Option<&str>, text: &str) -> io::Result<Self> {
        let file = Temporary::with(text)?;
        let editor = editor.unwrap_or("vi").to_owned();
        // An editor may come with arguments.
        let child =
            Command::new("sh").args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(&file.0).spawn()?;
        Ok(Self { file, editor, child })
    }

    /// The text as it is when the editor has ended; nothing before.
    pub(super) fn result(&mut self) -> io::Result<Option<String>> {
        match self.child.try_wait()? {
            None => Ok(None),
            Some(status) if status.success() => fs::read_to_string(&self.file.0).map(Some),
            Some(status) => Err(io::Error::other(format!("{} ended with {status}", self.editor))),
        }
    }
}

/// A file that is removed in the end.
struct Temporary(PathBuf);

impl Temporary {
    fn with(text: &str) -> io::Result<Self> {
        let name = format!("palabre-message-{}.txt", std::process::id());
        let path = std::env::temp_dir().join(name);
        // What somebody else has put there is not written to.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let file_kept = Self(path);
        file.write_all(text.as_bytes())?;
        Ok(file_kept)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
