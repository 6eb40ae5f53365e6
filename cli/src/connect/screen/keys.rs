//! What each key does, and how that can be changed.

use std::collections::BTreeMap;

use palabre_core::name::nearest;

use super::terminal::{Key, NoKey};

macro_rules! actions {
    ($($variant:ident = $name:literal, [$($key:literal),*], $help:literal;)*) => {
        /// What a key does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Action {
            $(#[doc = $help] $variant,)*
        }

        /// Every action: itself, its name, its keys unless said, and what it does.
        const ACTIONS: &[(Action, &str, &[&str], &str)] =
            &[$((Action::$variant, $name, &[$($key),*], $help)),*];
    };
}

actions! {
    Send = "send", ["enter"], "send the message, or do the command";
    NewLine = "new-line", ["alt-enter", "shift-enter", "ctrl-j"], "begin another line of the message";
    Complete = "complete", ["tab"], "complete a name, a room, a command, an :emoji:";
    CompleteBack = "complete-back", ["shift-tab"], "choose the one before in the list";
    Left = "left", ["left", "ctrl-b"], "move left";
    Right = "right", ["right"], "move right";
    WordLeft = "word-left", ["alt-b", "ctrl-left"], "move a word left";
    WordRight = "word-right", ["alt-f", "ctrl-right"], "move a word right";
    LineStart = "line-start", ["ctrl-a", "home"], "move to the start of the line";
    LineEnd = "line-end", ["ctrl-e", "end"], "move to the end of the line";
    Up = "up", ["up"], "the line above, or what was sent before; on an empty line, write your last message anew";
    Down = "down", ["down"], "the line below, or what was sent after";
    SearchSent = "search-sent", ["ctrl-r"], "search what was sent";
    DeleteLeft = "delete-left", ["backspace", "ctrl-h"], "delete the character before";
    DeleteRight = "delete-right", ["delete", "ctrl-d"], "delete the character after; on an empty line, leave";
    CutWordLeft = "cut-word-left", ["ctrl-w", "alt-backspace"], "cut the word before";
    CutWordRight = "cut-word-right", ["alt-d"], "cut the word after";
    CutToStart = "cut-to-start", ["ctrl-u"], "cut to the start of the line";
    CutToEnd = "cut-to-end", ["ctrl-k"], "cut to the end of the line";
    PutBack = "put-back", ["ctrl-y"], "put back what was cut";
    Transpose = "transpose", ["ctrl-t"], "swap two characters";
    Undo = "undo", ["ctrl-_", "ctrl-/"], "undo a change of the line";
    Edit = "edit", ["ctrl-x"], "write the message in $EDITOR";
    SelectUp = "select-up", ["alt-up"], "select the message before, to answer, edit or delete it";
    SelectDown = "select-down", ["alt-down"], "select the message after";
    Reply = "reply", ["alt-q"], "answer the selected message, or the last of somebody else";
    EditMessage = "edit-message", ["alt-e"], "write the selected message anew, or your last";
    DeleteMessage = "delete-message", ["alt-x"], "delete the selected message, or your last, with Enter";
    React = "react", ["alt-k"], "react to the selected message, or to the last of somebody else";
    PageUp = "page-up", ["pageup"], "earlier messages";
    PageDown = "page-down", ["pagedown"], "later messages";
    ScrollUp = "scroll-up", ["shift-up", "ctrl-up"], "a row up";
    ScrollDown = "scroll-down", ["shift-down", "ctrl-down"], "a row down";
    Bottom = "bottom", ["escape"], "close what is open, else go to the newest message";
    NextRoom = "next-room", ["alt-right", "ctrl-n"], "the room below";
    PreviousRoom = "previous-room", ["alt-left"], "the room above";
    NextUnread = "next-unread", ["alt-a"], "the next room with something unread";
    Switcher = "switcher", ["ctrl-p"], "go to a room by its name";
    Find = "find", ["ctrl-f"], "find in the messages that are here";
    Found = "found", ["alt-s"], "what was found by /search, once more";
    Members = "members", ["alt-m"], "show or hide who is here";
    Rooms = "rooms", ["alt-r"], "show or hide the rooms";
    Mouse = "mouse", ["alt-o"], "use the mouse here, or leave it to the terminal";
    Notices = "notices", ["alt-n"], "notices of this room: all, mentions, none";
    Redraw = "redraw", ["ctrl-l"], "draw everything anew";
    Suspend = "suspend", ["ctrl-z"], "stop, to go on with fg";
    Interrupt = "interrupt", ["ctrl-c"], "give the line up; on an empty line, leave";
    Help = "help", ["f1"], "show the keys; so does ? on an empty line";
    Room1 = "room-1", ["alt-1"], "the first room";
    Room2 = "room-2", ["alt-2"], "the second room";
    Room3 = "room-3", ["alt-3"], "the third room";
    Room4 = "room-4", ["alt-4"], "the fourth room";
    Room5 = "room-5", ["alt-5"], "the fifth room";
    Room6 = "room-6", ["alt-6"], "the sixth room";
    Room7 = "room-7", ["alt-7"], "the seventh room";
    Room8 = "room-8", ["alt-8"], "the eighth room";
    Room9 = "room-9", ["alt-9"], "the ninth room";
}

/// Which key does what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bindings {
    actions: BTreeMap<Key, Action>,
}

/// Why keys cannot be bound so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeysError {
    #[error("there is no action {name}{}", suggestion(.meant))]
    NoAction { name: String, meant: Option<&'static str> },
    #[error("{action}: {error}")]
    NoKey { action: String, error: NoKey },
    #[error("{key} is bound twice: to {first} and to {second}")]
    Twice { key: Key, first: &'static str, second: &'static str },
}

fn suggestion(meant: &Option<&'static str>) -> String {
    meant.map_or_else(|| "; F1 shows those there are".into(), |meant| format!("; did you mean {meant}?"))
}

impl Bindings {
    /// The bindings that there are unless said, changed as is said: an action with its keys.
    pub(crate) fn new<'a>(
        changes: impl IntoIterator<Item = (&'a str, &'a [String])>,
    ) -> Result<Self, KeysError> {
        let mut keys: BTreeMap<Action, Vec<Key>> = BTreeMap::new();
        for (action, _, names, _) in ACTIONS {
            keys.insert(*action, names.iter().filter_map(|name| name.parse().ok()).collect());
        }
        for (name, new) in changes {
            let Some((action, ..)) = ACTIONS.iter().find(|(_, known, ..)| *known == name) else {
                let meant = nearest(name, ACTIONS.iter().map(|(_, known, ..)| *known));
                return Err(KeysError::NoAction { name: name.into(), meant });
            };
            let parse =
                |key: &String| key.parse().map_err(|error| KeysError::NoKey { action: name.into(), error });
            keys.insert(*action, new.iter().map(parse).collect::<Result<_, _>>()?);
        }
        let mut actions = BTreeMap::new();
        for (action, keys) in keys {
            for key in keys {
                if let Some(first) = actions.insert(key, action).filter(|first| *first != action) {
                    return Err(KeysError::Twice { key, first: first.name(), second: action.name() });
                }
            }
        }
        Ok(Self { actions })
    }

    /// What a key does.
    pub(crate) fn action(&self, key: Key) -> Option<Action> {
        self.actions.get(&key).copied()
    }

    /// Lines of help: the keys of an action, and what it does.
    pub(crate) fn help(&self) -> Vec<(String, &'static str)> {
        let rooms = Action::Room1..=Action::Room9;
        let lines = ACTIONS.iter().filter(|(action, ..)| !rooms.contains(action) || *action == Action::Room1);
        lines
            .map(|(action, _, _, help)| {
                if *action == Action::Room1 {
                    let (first, last) = (self.keys_of(Action::Room1), self.keys_of(Action::Room9));
                    return (format!("{first} … {last}"), "the first to the ninth room");
                }
                (self.keys_of(*action), *help)
            })
            .collect()
    }

    fn keys_of(&self, action: Action) -> String {
        let keys: Vec<String> = self
            .actions
            .iter()
            .filter(|(_, bound)| **bound == action)
            .map(|(key, _)| key.to_string())
            .collect();
        if keys.is_empty() { "(no key)".into() } else { keys.join(", ") }
    }
}

impl Action {
    fn name(self) -> &'static str {
        ACTIONS.iter().find(|(action, ..)| *action == self).map_or("", |(_, name, ..)| name)
    }

    /// Which room it goes to, counted from 0.
    pub(crate) fn room(self) -> Option<usize> {
        let first = ACTIONS.iter().position(|(action, ..)| *action == Self::Room1)?;
        let here = ACTIONS.iter().position(|(action, ..)| *action == self)?;
        here.checked_sub(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_keys_and_none_has_two_actions() {
        let bindings = Bindings::new([]).unwrap();
        for (action, name, keys, _) in ACTIONS {
            assert!(!keys.is_empty(), "{name}");
            for key in *keys {
                assert_eq!(bindings.action(key.parse().unwrap()), Some(*action), "{name}: {key}");
            }
        }
        assert_eq!(Action::Room3.room(), Some(2));
        assert_eq!(Action::Help.room(), None);
    }

    #[test]
    fn keys_can_be_bound_anew() {
        let keys = ["f5".to_owned()];
        let bindings = Bindings::new([("find", keys.as_slice())]).unwrap();
        assert_eq!(bindings.action("f5".parse().unwrap()), Some(Action::Find));
        assert_eq!(bindings.action("ctrl-f".parse().unwrap()), None);
    }

    #[test]
    fn a_key_that_is_bound_twice_is_found() {
        let keys = ["ctrl-p".to_owned()];
        let error = Bindings::new([("find", keys.as_slice())]).unwrap_err();
        assert_eq!(error.to_string(), "ctrl-p is bound twice: to switcher and to find");
        let error = Bindings::new([("fidn", keys.as_slice())]).unwrap_err();
        assert_eq!(error.to_string(), "there is no action fidn; did you mean find?");
        let keys = ["ctrl-".to_owned()];
        assert!(Bindings::new([("find", keys.as_slice())]).is_err());
    }
}
