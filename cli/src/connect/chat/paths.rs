//! Files of ours, as a person types them.

use std::path::{Path, PathBuf};

use palabre_core::transfer::FileName;

/// Things of a folder that are looked at to complete one.
const LOOKED_AT_MAX: usize = 10_000;

/// Where paths that are typed begin.
#[derive(Clone, Debug, Default)]
pub(in crate::connect) struct Paths {
    home: Option<PathBuf>,
}

impl Paths {
    pub(in crate::connect) const fn new(home: Option<PathBuf>) -> Self {
        Self { home }
    }

    /// The path that was typed: `~/` begins at one's own folder, as in a shell.
    pub(super) fn path(&self, typed: &str) -> PathBuf {
        match (typed.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(typed),
        }
    }

    /// What a path may become. What could not be shared by its name is left out: it must not reach the terminal, either.
    pub(super) fn complete(&self, typed: &str) -> Vec<String> {
        let (folder, begun) = typed.split_at(typed.rfind('/').map_or(0, |at| at + 1));
        let place = if folder.is_empty() { PathBuf::from(".") } else { self.path(folder) };
        let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
        let mut paths: Vec<_> = entries
            .take(LOOKED_AT_MAX)
            .flatten()
            .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())))
            .filter(|(name, _)| name.starts_with(begun) && (begun.starts_with('.') || !name.starts_with('.')))
            .filter(|(name, _)| FileName::parse(name).is_ok())
            .map(|(name, path)| format!("{folder}{name}{}", mark(&path)))
            .collect();
        paths.sort_unstable();
        paths
    }
}

fn mark(path: &Path) -> &'static str {
    if path.is_dir() { "/" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_completed_a_folder_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("pictures/sea side")).unwrap();
        for name in ["plan.txt", ".profile", "esc\u{1b}[2J", "pictures/a.jpg"] {
            std::fs::write(home.path().join(name), "").unwrap();
        }
        let paths = Paths::new(Some(home.path().to_path_buf()));
        assert_eq!(paths.complete("~/"), ["~/pictures/", "~/plan.txt"]);
        assert_eq!(paths.complete("~/pic"), ["~/pictures/"]);
        assert_eq!(paths.complete("~/pictures/s"), ["~/pictures/sea side/"]);
        assert_eq!(paths.complete("~/.p"), ["~/.profile"]);
        let absolute = format!("{}/pl", home.path().display());
        assert_eq!(paths.complete(&absolute), [format!("{absolute}an.txt")]);
        assert!(paths.complete("~/nowhere/x").is_empty());
    }
}
