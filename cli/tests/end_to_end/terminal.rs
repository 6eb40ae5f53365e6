//! A terminal: tmux, in which programs run, keys are typed and the screen is read.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use super::support::{House, until};

/// A window of tmux with a shell in it.
pub(crate) struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// A window of so many columns and rows; nothing where there is no tmux.
    pub(crate) fn open(house: &House, columns: u16, rows: u16) -> Option<Self> {
        if Command::new("tmux").arg("-V").stdout(Stdio::null()).status().is_err() {
            // Set where every test has to be run.
            let is_needed = palabre_tests_need_tmux();
            assert!(!is_needed, "tmux is not installed");
            eprintln!("skipped: tmux is not installed");
            return None;
        }
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let terminal = Self { socket: house.path(&format!("tmux{number}")) };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let mut command = Command::new("tmux");
        house.furnish(&mut command);
        command
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .env("EDITOR", "sed -i s/draft/edited/");
        command.arg("-S").arg(&terminal.socket).args(["-f", "/dev/null"]);
        command.args(["new-session", "-d", "-x", &columns, "-y", &rows]);
        command.args(["env", "TERM=tmux-256color", "PS1=$ ", "bash", "--norc", "-i"]);
        assert!(command.status().unwrap().success());
        terminal.wait_for("$");
        Some(terminal)
    }

    /// With the program in it.
    pub(crate) fn chat(house: &House, columns: u16, rows: u16, nick: &str) -> Option<Self> {
        let terminal = Self::open(house, columns, rows)?;
        terminal.run(&format!("{} connect --nick {nick}", env!("CARGO_BIN_EXE_cli")));
        terminal.wait_for("#lobby>");
        Some(terminal)
    }

    /// Types a line.
    pub(crate) fn run(&self, line: &str) {
        self.types(line);
        self.presses("Enter");
    }

    pub(crate) fn types(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// Keys by the names that tmux has for them.
    pub(crate) fn presses(&self, keys: &str) {
        self.tmux(&[&["send-keys"], keys.split(' ').collect::<Vec<_>>().as_slice()].concat());
    }

    /// Pastes as a terminal does it.
    pub(crate) fn pastes(&self, text: &str) {
        self.tmux(&["set-buffer", text]);
        self.tmux(&["paste-buffer", "-p", "-r"]);
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.tmux(&["resize-window", "-x", &columns.to_string(), "-y", &rows.to_string()]);
    }

    /// The screen as text.
    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// The same with the sequences that colour it.
    pub(crate) fn screen_with_colours(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// Waits until the screen shows this.
    pub(crate) fn wait_for(&self, part: &str) {
        until(&format!("{part} on the screen"), || self.screen().contains(part));
    }

    pub(crate) fn wait_without(&self, part: &str) {
        until(&format!("no {part} on the screen"), || !self.screen().contains(part));
    }

    /// Sends a signal to the program that runs in it.
    pub(crate) fn signal_program(&self, signal: &str) {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let arguments = [&format!("-{signal}"), "-P", shell.trim(), "-x", "cli"];
        assert!(Command::new("pkill").args(arguments).status().unwrap().success());
    }

    /// Whether a program has taken the whole screen.
    pub(crate) fn is_taken(&self) -> bool {
        self.tmux(&["display-message", "-p", "#{alternate_on}#{mouse_any_flag}"]).trim() != "00"
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux").arg("-S").arg(&self.socket).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the screen was:\n{}", self.screen());
        }
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").status();
    }
}

static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

#[allow(clippy::disallowed_methods)]
fn palabre_tests_need_tmux() -> bool {
    std::env::var_os("PALABRE_NEEDS_TMUX").is_some()
}
