//! Writing a message in another program.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    process::Command,
};

/// Has a text edited by the person's editor; the text as it is then.
pub(super) fn edit(editor: Option<&str>, text: &str) -> io::Result<String> {
    let file = Temporary::with(text)?;
    let editor = editor.unwrap_or("vi");
    // An editor may come with arguments.
    let status = Command::new("sh").args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(&file.0).status()?;
    if !status.success() {
        return Err(io::Error::other(format!("{editor} ended with {status}")));
    }
    fs::read_to_string(&file.0)
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
