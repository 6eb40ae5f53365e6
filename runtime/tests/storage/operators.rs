use palabre_core::rights::Role;
use palabre_runtime::{
    operators::{self, OperatorError},
    storage::SqliteOptions,
};

use crate::support::*;

#[test]
fn an_account_becomes_an_owner_and_member_of_the_operators_room() {
    let directory = tempfile::tempdir().unwrap();
    let (mut storage, _) = open(directory.path());
    execute_batch(&mut storage, vec![create_account("Ada", 1)]);
    drop(storage);
    for _ in 0..2 {
        assert_eq!(&*operators::add(SqliteOptions::new(directory.path()), "ada").unwrap(), "Ada");
    }
    let (_, recovered) = open(directory.path());
    let [room] = &recovered.rooms[..] else { panic!("one room was made: {:?}", recovered.rooms) };
    let roles: Vec<_> = room.standings.iter().map(|standing| (&*standing.name, standing.role)).collect();
    assert_eq!(roles, [("Ada", Role::Owner)]);
    assert_eq!((recovered.accounts[0].rooms.as_slice(), room.last.get()), ([room.id].as_slice(), 2));
}

#[test]
fn nobody_but_an_account_there_is_becomes_an_operator() {
    let directory = tempfile::tempdir().unwrap();
    let options = || SqliteOptions::new(directory.path());
    assert!(matches!(operators::add(options(), "ada"), Err(OperatorError::NoDatabase(_))));
    let (mut storage, _) = open(directory.path());
    execute_batch(&mut storage, vec![create_account("Ada", 1)]);
    assert!(matches!(operators::add(options(), "ada"), Err(OperatorError::Data(_))), "it is in use");
    drop(storage);
    let error = operators::add(options(), "Adda").unwrap_err();
    assert_eq!(error.to_string(), "There is no account Adda; did you mean Ada?");
    assert!(matches!(operators::add(options(), "a b"), Err(OperatorError::Name(..))));
}
