use palabre_core::{
    ids::{Seq, UserId},
    storage::{Appended, EventKind, StorageOperation, StorageOutcome, StoredEvent, Unfit, Whose},
};
use palabre_runtime::storage::{SqliteOptions, SqliteStorage};

use crate::support::*;

/// A room in which user 1 said `secret`.
fn said(storage: &mut dyn Subject) {
    storage.execute(open_room("lobby")).unwrap();
    assert_eq!(storage.execute(post(1, 10, "secret")), stored(1));
}

fn edit(author: u64, nonce: u64, text: &str, message: u64) -> StorageOperation {
    about_message(1, (author, nonce), EventKind::Edited, text, message, Whose::Own)
}

fn delete(author: u64, nonce: u64, message: u64, whose: Whose) -> StorageOperation {
    about_message(1, (author, nonce), EventKind::Deleted, "", message, whose)
}

fn texts(events: &[StoredEvent]) -> Vec<(&str, Option<u64>)> {
    events.iter().map(|event| (&*event.text, event.revised.map(Seq::get))).collect()
}

const fn unfit(unfit: Unfit) -> Answer {
    Ok(StorageOutcome::Appended(Appended::Unfit(unfit)))
}

#[test]
fn a_message_reads_as_its_last_edit_says_and_a_deletion_empties_them_all() {
    on_both(|storage| {
        said(storage);
        assert_eq!(storage.execute(edit(1, 11, "a secret", 1)), stored(2));
        let (_, events) = page(storage.execute(read_all(1)));
        assert_eq!(texts(&events), [("a secret", Some(2)), ("a secret", None)]);
        assert_eq!(storage.execute(delete(1, 12, 1, Whose::Own)), stored(3));
        let (_, events) = page(storage.execute(read_all(1)));
        assert_eq!(texts(&events), [("", Some(3)), ("", Some(3)), ("", None)]);
    });
}

/// N4, S2: in one transaction with the text.
#[test]
fn an_edited_message_is_found_by_its_new_words_alone_and_a_deleted_one_by_none() {
    on_both(|storage| {
        said(storage);
        storage.execute(post(1, 20, "a secret of somebody else")).unwrap();
        let found =
            |storage: &mut dyn Subject, text: &str| hits(storage.execute(search(&[1], text, None, 9))).0;
        storage.execute(edit(1, 11, "nothing much", 1)).unwrap();
        assert_eq!(found(storage, "secret"), [(1, 2)]);
        assert_eq!(found(storage, "nothing"), [(1, 1)]);
        let StorageOutcome::Hits { hits, .. } = storage.execute(search(&[1], "nothing", None, 9)).unwrap()
        else {
            panic!("a page of hits")
        };
        assert_eq!(hits[0].event.revised, Some(Seq::new(3)));
        storage.execute(edit(1, 12, "a secret again", 1)).unwrap();
        assert_eq!((found(storage, "secret"), found(storage, "nothing")), (vec![(1, 2), (1, 1)], vec![]));
        storage.execute(delete(1, 13, 1, Whose::Own)).unwrap();
        assert_eq!((found(storage, "secret"), found(storage, "again")), (vec![(1, 2)], vec![]));
    });
}

#[test]
fn who_may_not_changes_nothing() {
    on_both(|storage| {
        said(storage);
        assert_eq!(storage.execute(edit(2, 11, "mine", 1)), unfit(Unfit::NotTheirs));
        let all_but_ada = Whose::AllBut([UserId::new(1)].into());
        assert_eq!(storage.execute(delete(2, 12, 1, all_but_ada.clone())), unfit(Unfit::Outranked));
        for message in [0, 2, u64::MAX] {
            assert_eq!(storage.execute(edit(1, 13, "x", message)), unfit(Unfit::NoSuchMessage));
        }
        assert_eq!(storage.execute(delete(1, 14, 1, all_but_ada)), stored(2));
        assert_eq!(storage.execute(edit(1, 15, "x", 1)), unfit(Unfit::Deleted));
        assert_eq!(storage.execute(edit(1, 16, "x", 2)), unfit(Unfit::NoSuchMessage));
    });
}

#[test]
fn what_was_changed_since_is_still_the_same_post() {
    on_both(|storage| {
        said(storage);
        storage.execute(edit(1, 11, "a secret", 1)).unwrap();
        storage.execute(delete(1, 12, 1, Whose::Own)).unwrap();
        assert_eq!(storage.execute(post(1, 10, "secret")), repeated(1, 10));
        assert_eq!(storage.execute(edit(1, 11, "a secret", 1)), repeated(2, 11));
        assert_eq!(storage.execute(edit(1, 11, "a secret", 2)), NONCE_REUSED);
        assert_eq!(storage.execute(delete(1, 12, 1, Whose::Own)), repeated(3, 12));
    });
}

/// N4: gone from the file, too, once its log has been moved into it.
#[test]
fn no_file_of_the_database_has_a_deleted_text() {
    let directory = tempfile::tempdir().unwrap();
    let open = || SqliteStorage::open(SqliteOptions::new(directory.path()), 1).unwrap().0;
    let mut storage = open();
    let words = ["plutonium in the teapot", "palladium in the teapot"];
    execute_batch(&mut storage, vec![open_room("lobby"), post(1, 10, words[0]), edit(1, 11, words[1], 1)]);
    drop(storage);
    let mut storage = open();
    execute_batch(&mut storage, vec![delete(1, 12, 1, Whose::Own)]);
    drop(storage);
    drop(open());
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for word in words {
            let is_there = bytes.windows(word.len()).any(|window| window == word.as_bytes());
            assert!(!is_there, "{}: {word}", path.display());
        }
    }
}
