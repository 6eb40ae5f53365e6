use palabre_core::{
    ids::{RoomId, UserId},
    rights::{RightChange, RoomChange, Term},
    storage::StorageFailure,
    time::WallTime,
};
use palabre_runtime::storage::OpenError;
use rusqlite::Connection;

use crate::support::*;

#[test]
fn an_account_is_stored_with_its_first_device() {
    on_both(|storage| {
        assert_eq!(storage.execute(create_account("ada", 1)), account(1, 1));
        let stored = storage.accounts();
        let [ada] = &stored[..] else { panic!("one account is stored, not {stored:?}") };
        assert_eq!((ada.user.get(), &*ada.nick, &ada.record), (1, "ada", &record(0)));
        let [laptop] = &ada.devices[..] else { panic!("one device is stored, not {:?}", ada.devices) };
        assert_eq!((laptop.device.get(), &*laptop.name), (1, "laptop"));
        assert_eq!(laptop.token.hash, new_device(1).token_hash);
        assert_eq!((laptop.since, laptop.seen), (new_device(1).at, new_device(1).at));
    });
}

#[test]
fn an_account_that_is_created_again_by_the_same_token_is_answered_and_left_alone() {
    on_both(|storage| {
        assert_eq!(storage.execute(create_account("ada", 1)), account(1, 1));
        assert_eq!(storage.execute(set_password(1, 5, 1)), DONE);
        let before = storage.accounts();
        assert_eq!(storage.execute(create_account("ada", 1)), account(1, 1));
        assert_eq!(storage.execute(create_account("bob", 1)), account(1, 1));
        assert_eq!(storage.accounts(), before);
        assert_eq!(storage.execute(create_account("bob", 2)), account(2, 2));
    });
}

#[test]
fn a_second_account_of_a_name_fails_and_takes_no_number() {
    on_both(|storage| {
        assert_eq!(storage.execute(create_account("ada", 1)), account(1, 1));
        assert_eq!(storage.execute(create_account("ada", 2)), Err(StorageFailure::Failed));
        assert_eq!(storage.execute(create_account("Ada", 2)), account(2, 2));
    });
}

#[test]
fn guests_and_accounts_are_numbered_together() {
    on_both(|storage| {
        assert_eq!(storage.execute(create_guest("gus", 1)), guest(1));
        assert_eq!(storage.execute(create_account("ada", 1)), account(2, 1));
        assert_eq!(storage.execute(create_guest("gil", 2)), guest(3));
    });
}

#[test]
fn removing_or_updating_a_guest_never_touches_an_account() {
    on_both(|storage| {
        storage.execute(open_room("lobby")).unwrap();
        assert_eq!(storage.execute(create_account("ada", 1)), account(1, 1));
        assert_eq!(storage.execute(set_member(1, 1, true)), DONE);
        let before = storage.accounts();
        assert_eq!(before[0].rooms, [RoomId::new(1)]);
        assert_eq!(storage.execute(remove_guest(1)), DONE);
        assert_eq!(storage.execute(update_guest(1, "eve", Some(5))), DONE);
        assert_eq!(storage.accounts(), before);
    });
}

#[test]
fn a_device_is_added_once_for_each_token() {
    on_both(|storage| {
        assert_eq!(storage.execute(create_account("ada", 1)), account(1, 1));
        assert_eq!(storage.execute(add_device(1, 2)), device(2));
        assert_eq!(storage.execute(add_device(1, 2)), device(2));
        assert_eq!(storage.execute(add_device(1, 3)), device(3));
        assert_eq!(device_ids(&storage.accounts()[0]), [1, 2, 3]);
    });
}

#[test]
fn nobody_and_guests_have_neither_devices_nor_passwords() {
    on_both(|storage| {
        assert_eq!(storage.execute(create_guest("gus", 1)), guest(1));
        for user in [1, 7] {
            assert_eq!(storage.execute(add_device(user, 1)), Err(StorageFailure::NoSuchUser));
            assert_eq!(storage.execute(set_password(user, 1, 1)), Err(StorageFailure::NoSuchUser));
        }
        assert_eq!(storage.accounts(), []);
        assert_eq!(storage.execute(create_account("ada", 1)), account(2, 1));
    });
}

#[test]
fn a_removed_device_is_gone_and_its_number_is_not_given_again() {
    on_both(|storage| {
        assert_eq!(storage.execute(create_account("ada", 1)), account(1, 1));
        assert_eq!(storage.execute(add_device(1, 2)), device(2));
        assert_eq!(storage.execute(remove_device(2)), DONE);
        assert_eq!(storage.execute(remove_device(2)), DONE);
        assert_eq!(device_ids(&storage.accounts()[0]), [1]);
        assert_eq!(storage.execute(add_device(1, 2)), device(3));
        assert_eq!(storage.execute(remove_device(1)), DONE);
        assert_eq!(storage.execute(remove_device(3)), DONE);
        assert_eq!(storage.accounts()[0].devices, []);
    });
}

#[test]
fn what_an_account_has_read_of_a_room_ends_with_the_act_that_puts_it_out() {
    let for_good = Term { since: WallTime::from_millis(1), until: None };
    for change in [RightChange::Kicked, RightChange::Banned(Some(for_good))] {
        on_both(|storage| {
            assert_eq!(storage.execute(create_account("ada", 1)), account(1, 1));
            assert_eq!(room_id(storage.execute(open_room("#tea"))), 1);
            assert_eq!(storage.execute(set_member(1, 1, true)), DONE);
            assert_eq!(storage.execute(set_read(1, 1, 3)), DONE);
            assert_eq!(storage.accounts()[0].read.len(), 1);
            storage.execute(act(1, 9, RoomChange::Right(UserId::new(1), change))).expect("it can");
            assert_eq!(storage.accounts()[0].read, []);
        });
    }
}

#[test]
fn when_a_device_was_seen_is_kept_beside_when_it_logged_in() {
    on_both(|storage| {
        assert_eq!(storage.execute(create_account("ada", 1)), account(1, 1));
        assert_eq!(storage.execute(see_device(1, u64::MAX)), DONE);
        assert_eq!(storage.execute(see_device(7, 5)), DONE);
        let laptop = storage.accounts()[0].devices.remove(0);
        assert_eq!((laptop.since, laptop.seen.as_millis()), (new_device(1).at, u64::MAX));
    });
}

#[test]
fn another_password_ends_all_devices_of_the_account_but_one() {
    on_both(|storage| {
        assert_eq!(storage.execute(create_account("ada", 1)), account(1, 1));
        assert_eq!(storage.execute(create_account("bob", 2)), account(2, 2));
        assert_eq!(storage.execute(add_device(1, 3)), device(3));
        assert_eq!(storage.execute(add_device(1, 4)), device(4));
        assert_eq!(storage.execute(set_password(1, 9, 3)), DONE);
        let accounts = storage.accounts();
        assert_eq!((&accounts[0].record, device_ids(&accounts[0])), (&record(9), vec![3]));
        assert_eq!((&accounts[1].record, device_ids(&accounts[1])), (&record(0), vec![2]));
        // A device of somebody else is kept, and none of the account's own.
        assert_eq!(storage.execute(set_password(1, 9, 2)), DONE);
        assert_eq!(storage.accounts().iter().map(device_ids).collect::<Vec<_>>(), [vec![], vec![2]]);
    });
}

#[test]
fn an_account_whose_record_cannot_be_read_keeps_the_database_closed() {
    let version_9 = [&[9], &record_bytes(0)[1..]].concat();
    for (bytes, next_step) in [(vec![1, 2, 3], "backup"), (version_9, "newer")] {
        let directory = tempfile::tempdir().unwrap();
        execute_batch(
            &mut open(directory.path()).0,
            vec![create_account("ada", 1), create_account("bob", 2)],
        );
        let path = directory.path().join("palabre.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute("UPDATE accounts SET record = ?1 WHERE nick = 'bob'", [&bytes]).unwrap();
        drop(connection);
        let error = refusal(directory.path());
        assert!(matches!(&error, OpenError::Account { user: 2, nick, .. } if nick == "bob"), "{error}");
        let text = error.to_string();
        assert!(text.contains("\"bob\"") && text.contains(next_step), "{text}");
        assert!(text.contains(&*path.to_string_lossy()), "{text}");
        // What the sentence proposes for a damaged one works, and takes the devices along.
        if let Some((_, statements)) = text.split_once(".db \"") {
            let statements = statements.trim_end_matches("\"`.");
            Connection::open(&path).unwrap().execute_batch(statements).unwrap();
            let accounts = open(directory.path()).1.accounts;
            assert_eq!(accounts.iter().map(|account| &*account.nick).collect::<Vec<_>>(), ["ada"]);
        } else {
            assert_eq!(next_step, "newer", "{text}");
        }
    }
}
