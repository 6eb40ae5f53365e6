//! Governing a room, by scripts and in a chat.

use super::{
    accounts::{elsewhere, register},
    support::House,
};

#[test]
fn who_makes_a_room_governs_it_by_scripts_and_in_a_chat() {
    let house = House::new();
    register(&house);
    assert_eq!(house.run_with(["connect"], "/join tea\n/mode topic-locked slow 1h\nnews\n").code, 0);
    let mode = house.run(["mode", "#tea", "--json"]).records();
    assert_eq!((&mode[0]["type"], &mode[0]["slow_seconds"]), (&"mode".into(), &3_600.into()));
    assert_eq!(mode[0]["topic_locked"], true);

    let bob = elsewhere(&house, &["register", "bob", "--password-stdin"], "correct horse\n");
    assert_eq!(bob.code, 0, "{bob:?}");
    assert_eq!(elsewhere(&house, &["send", "#tea", "one"], "").code, 0);
    let slow = elsewhere(&house, &["send", "#tea", "two"], "");
    assert_eq!(slow.code, 5, "{slow:?}");
    let refused = elsewhere(&house, &["kick", "#tea", "ana"], "");
    assert_eq!(refused.code, 4, "{refused:?}");

    let ban = house.run(["ban", "#tea", "bob", "--for", "7d", "--reason", "spam", "--json"]);
    assert_eq!(ban.code, 0, "{ban:?}");
    let banned = elsewhere(&house, &["send", "#tea", "three"], "");
    assert_eq!(banned.code, 4, "{banned:?}");
    assert!(banned.errors.contains("banned from #tea"), "{banned:?}");
    let rights = house.run(["rights", "#tea", "--json"]).records();
    let shown: Vec<_> = rights.iter().map(|one| (one["name"].as_str(), one["banned"].as_bool())).collect();
    assert_eq!(shown, [(Some("ana"), Some(false)), (Some("bob"), Some(true))]);
    assert_eq!(rights[0]["role"], "owner");
    assert_eq!(house.run(["unban", "#tea", "bob"]).code, 0);
    assert_eq!(house.run(["op", "#tea", "bob"]).code, 0);
    assert_eq!(elsewhere(&house, &["send", "#tea", "four"], "").code, 0);

    let log = house.run(["history", "#tea", "--json"]).records();
    let acts: Vec<_> = log.iter().filter_map(|record| record["act"].as_str()).collect();
    assert_eq!(acts, ["mode", "ban", "unban", "op"]);
    let ban = log.iter().find(|record| record["act"] == "ban").unwrap();
    assert_eq!((&ban["name"], &ban["text"], &ban["from"]), (&"bob".into(), &"spam".into(), &"ana".into()));
    assert!(ban["until"].is_string());
    let members = elsewhere(&house, &["members", "#tea"], "");
    assert!(members.output.contains("ana  (owner"), "{members:?}");
}
