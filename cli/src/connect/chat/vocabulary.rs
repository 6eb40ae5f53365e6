//! What Tab completes.

use palabre_core::{
    commands,
    name::{Nick, RoomName},
};

use super::paths::Paths;

/// The names there are, kept up to date by the chat and read by the editor.
#[derive(Clone, Debug, Default)]
pub(in crate::connect) struct Vocabulary {
    rooms: Vec<String>,
    people: Vec<String>,
    /// Nothing where no files are to be looked at.
    paths: Option<Paths>,
}

impl Vocabulary {
    /// The rooms known. What is no name is left out: it could not be typed, and must not reach the terminal.
    pub(in crate::connect) fn set_rooms<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        self.rooms = names.filter(|name| RoomName::parse(name).is_ok()).map(Into::into).collect();
        self.rooms.sort_unstable();
        self.rooms.dedup();
    }

    /// The people in the room shown. What is no name is left out, too.
    pub(in crate::connect) fn set_people<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        self.people = names.filter(|name| Nick::parse(name).is_ok()).map(Into::into).collect();
    }

    /// Files of ours may be completed, too.
    pub(in crate::connect) fn set_paths(&mut self, paths: Paths) {
        self.paths = Some(paths);
    }

    /// What the word that ends at `position` may become, and where it begins.
    pub(in crate::connect) fn complete(&self, line: &str, position: usize) -> (usize, Vec<String>) {
        let before = line.get(..position).unwrap_or(line);
        if let (Some(path), Some(paths)) = (begun_path(before), &self.paths) {
            return (before.len() - path.len(), paths.complete(path));
        }
        let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
        let start = before.len() - word.len();
        (start, self.complete_word(&before[..start], word))
    }

    fn complete_word(&self, before: &str, word: &str) -> Vec<String> {
        if let (true, Some(name)) = (before.trim().is_empty(), word.strip_prefix('/')) {
            let names = commands::table().iter().map(|entry| entry.name);
            return matching(names, name).map(|name| format!("/{name} ")).collect();
        }
        if let Some(code) = word.strip_prefix(':').filter(|code| !code.is_empty()) {
            return emoji(code);
        }
        if word.starts_with('#') {
            return matching(self.rooms.iter().map(String::as_str), word)
                .map(|room| format!("{room} "))
                .collect();
        }
        if takes_room(before) {
            let bare = self.rooms.iter().filter_map(|room| room.strip_prefix('#'));
            return matching(bare, word).map(|room| format!("#{room} ")).collect();
        }
        let (at, name) = word.strip_prefix('@').map_or(("", word), |name| ("@", name));
        if name.is_empty() && at.is_empty() && !before.trim_start().starts_with('/') {
            return Vec::new();
        }
        let after = if before.is_empty() && at.is_empty() { ": " } else { " " };
        matching(self.people.iter().map(String::as_str), name)
            .map(|nick| format!("{at}{nick}{after}"))
            .collect()
    }
}

/// The emoji that have a name which begins so, in the order of the names.
fn emoji(typed: &str) -> Vec<String> {
    let named = emojis::iter().flat_map(|emoji| emoji.shortcodes().map(move |code| (code, emoji.as_str())));
    let typed = typed.trim_end_matches(':').to_lowercase();
    let mut fitting: Vec<_> = named.filter(|(code, _)| code.starts_with(&typed)).collect();
    fitting.sort_unstable();
    let mut emoji: Vec<String> = fitting.into_iter().map(|(_, emoji)| format!("{emoji} ")).collect();
    emoji.dedup();
    emoji
}

fn matching<'a>(names: impl Iterator<Item = &'a str>, typed: &str) -> impl Iterator<Item = &'a str> {
    let typed = typed.to_lowercase();
    names.filter(move |name| name.to_lowercase().starts_with(&typed))
}

/// The path that was begun, with its spaces, if the command that was typed takes one.
fn begun_path(before: &str) -> Option<&str> {
    let (command, path) = before.trim_start().strip_prefix('/')?.split_once(char::is_whitespace)?;
    commands::find(command).filter(|entry| entry.arguments == "PATH").map(|_| path.trim_start())
}

/// Whether the command that was typed takes a room next.
fn takes_room(before: &str) -> bool {
    let mut words = before.split_whitespace();
    let command = words.next().and_then(|word| word.strip_prefix('/')).and_then(commands::find);
    command.is_some_and(|entry| entry.arguments.contains("ROOM")) && words.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(line: &str) -> Vec<String> {
        let mut vocabulary = Vocabulary::default();
        vocabulary.set_rooms(["#lobby", "#tea", "#te\x1b[2J"].into_iter());
        vocabulary.set_people(["ana", "Anton", "bob", "\x1b[2J"].into_iter());
        vocabulary.complete(line, line.len()).1
    }

    #[test]
    fn commands_complete_at_the_start_of_a_line() {
        assert_eq!(complete("/jo"), ["/join "]);
        assert!(complete("say /jo").is_empty());
    }

    #[test]
    fn rooms_complete_with_or_without_their_hash() {
        assert_eq!(complete("/join te"), ["#tea "]);
        assert_eq!(complete("see #t"), ["#tea "]);
        assert_eq!(complete("/join "), ["#lobby ", "#tea "]);
    }

    #[test]
    fn paths_begin_behind_their_command() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sea side.jpg"), "").unwrap();
        let mut vocabulary = Vocabulary::default();
        let line = format!("/upload  {}/sea s", folder.path().display());
        assert!(vocabulary.complete(&line, line.len()).1.is_empty());
        vocabulary.set_paths(Paths::default());
        let (start, paths) = vocabulary.complete(&line, line.len());
        assert_eq!((start, paths), ("/upload  ".len(), vec![format!("{}ide.jpg", &line[start..])]));
    }

    #[test]
    fn words_begin_after_any_space() {
        assert_eq!(complete("see\u{2000}#t"), ["#tea "]);
        assert!(complete("\u{2000}").is_empty());
    }

    #[test]
    fn emoji_complete_by_their_names() {
        assert_eq!(complete("tea :teap"), ["🫖 "]);
        assert!(complete("look: :").is_empty());
        assert!(complete("x :sm").len() > 3);
    }

    #[test]
    fn people_are_addressed_at_the_start_of_a_line() {
        assert_eq!(complete("an"), ["ana: ", "Anton: "]);
        assert_eq!(complete("hello b"), ["bob "]);
        assert_eq!(complete("hello @b"), ["@bob "]);
        assert_eq!(complete("/msg b"), ["bob "]);
        assert!(complete("").is_empty());
    }
}
