//! Files: shared, listed, taken and deleted; resumed whatever goes away meanwhile; and names that want to be elsewhere.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use palabre_core::{config::FilesConfig, limits::Limits};
use rustix::process::Signal;

use super::support::{Finished, House, Running, until};

/// A house whose server takes files, and in which somebody has an account.
fn house() -> House {
    let house = House::with_files(Limits::open(), FilesConfig::Accounts);
    let made = house.run_with(["register", "ana", "--password-stdin"], "correct horse\n");
    assert_eq!(made.code, 0, "{made:?}");
    house
}

/// A file with content of its own, that does not repeat.
fn file(house: &House, name: &str, size: usize) -> PathBuf {
    let path = house.path(name);
    let mut content = Vec::with_capacity(size + 32);
    let mut block = *blake3::hash(name.as_bytes()).as_bytes();
    while content.len() < size {
        content.extend(block);
        block = *blake3::hash(&block).as_bytes();
    }
    content.truncate(size);
    fs::write(&path, content).unwrap();
    path
}

fn run(house: &House, arguments: &[&str]) -> Finished {
    house.run(arguments)
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_file_is_shared_listed_taken_and_deleted_and_the_room_is_told() {
    let house = house();
    let report = file(&house, "report.iso", 3_000_000);
    let shared = run(&house, &["upload", text(&report)]);
    assert_eq!((shared.code, shared.output.as_str()), (0, "#lobby/report.iso\n"), "{shared:?}");
    let listed = run(&house, &["files", "--json"]).records();
    assert_eq!((&listed[0]["name"], &listed[0]["size"]), (&"report.iso".into(), &3_000_000.into()));
    let folder = house.path("taken");
    fs::create_dir(&folder).unwrap();
    let taken = run(&house, &["download", "report.iso", "-o", text(&folder)]);
    assert_eq!(taken.code, 0, "{taken:?}");
    assert!(fs::read(folder.join("report.iso")).unwrap() == fs::read(&report).unwrap());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left there");
    assert_eq!(run(&house, &["rm", "report.iso"]).code, 0);
    assert_eq!(run(&house, &["files"]).output, "");
    assert_eq!(run(&house, &["download", "report.iso", "-f", "-o", text(&folder)]).code, 3);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left of what is not there");
    let told = run(&house, &["history", "#lobby"]);
    assert!(told.output.contains("* ana shared report.iso (2.9 MiB)"), "{told:?}");
    assert!(told.output.contains("* ana deleted report.iso (2.9 MiB)"), "{told:?}");
    let records = run(&house, &["history", "#lobby", "--json"]).records();
    assert_eq!((&records[0]["type"], &records[0]["name"]), (&"file-shared".into(), &"report.iso".into()));
}

#[test]
fn files_are_shared_and_taken_while_one_chats() {
    let house = house();
    let notes = file(&house, "notes.txt", 5_000);
    let shared = house.run_with(["connect"], &format!("/upload {0}\n/upload {0}\n", text(&notes)));
    assert_eq!(shared.code, 0, "{shared:?}");
    for name in ["notes.txt", "notes (2).txt"] {
        assert!(shared.errors.contains(&format!("is shared as #lobby/{name} (4.9 KiB)")), "{shared:?}");
    }
    let listed = house.run_with(["connect"], "/files\n/upload nowhere.txt\n");
    assert!(listed.output.contains("notes (2).txt  4.9 KiB  from ana"), "{listed:?}");
    assert!(listed.errors.contains("nowhere.txt"), "{listed:?}");
    assert_eq!(listed.code, 3, "{listed:?}");
    let folder = house.path("taken");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    let mut command = house.command(["connect"]);
    command.current_dir(&folder);
    let mut chat = Running::start(command);
    chat.write("/download notes.txt\n/quit\n");
    assert_eq!(chat.wait(), 0);
    assert_eq!(fs::read(folder.join("notes.txt")).unwrap(), b"mine");
    assert_eq!(fs::read(folder.join("notes (2).txt")).unwrap(), fs::read(&notes).unwrap());
}

#[test]
fn the_ancestors_spelling_does_the_same() {
    let house = house();
    let server = house.server_name();
    let notes = file(&house, "notes.txt", 100);
    assert_eq!(run(&house, &[&server, "-upload", text(&notes)]).code, 0);
    assert_eq!(run(&house, &[&server, "-list"]).output, "notes.txt\n");
    let taken = run(&house, &[&server, "-download", "notes.txt", "-o", text(&house.path("copy.txt"))]);
    assert_eq!(taken.code, 0, "{taken:?}");
    assert_eq!(fs::read(house.path("copy.txt")).unwrap(), fs::read(&notes).unwrap());
    assert_eq!(run(&house, &[&server, "-delete", "notes.txt"]).code, 0);
    assert_eq!(run(&house, &[&server, "-ping"]).code, 0);
}

#[test]
fn a_name_is_not_taken_twice_unasked_at_either_end() {
    let house = house();
    let first = file(&house, "a.txt", 10);
    assert_eq!(run(&house, &["upload", text(&first)]).code, 0);
    fs::write(&first, "another").unwrap();
    let second = run(&house, &["upload", text(&first)]);
    assert_eq!(second.code, 6, "{second:?}");
    assert_eq!(run(&house, &["upload", text(&first), "--force"]).code, 0);
    let both = run(&house, &["upload", text(&first), "--keep-both"]);
    assert_eq!((both.code, both.output.as_str()), (0, "#lobby/a (2).txt\n"), "{both:?}");
    let there = house.path("there.txt");
    fs::write(&there, "mine").unwrap();
    let taken = run(&house, &["download", "a.txt", "-o", text(&there)]);
    assert_eq!(taken.code, 6, "{taken:?}");
    assert_eq!(fs::read_to_string(&there).unwrap(), "mine");
    assert_eq!(run(&house, &["transfers"]).output, "", "there is nothing to go on with");
    assert_eq!(run(&house, &["download", "a.txt", "-f", "-o", text(&there)]).code, 0);
    assert_eq!(fs::read_to_string(&there).unwrap(), "another");
}

#[test]
fn standard_streams_people_shelves_and_programs() {
    let house = house();
    let piped = house.run_with(["upload", "-", "--as", "piped.txt", "--to", "~"], "from a pipe");
    assert_eq!((piped.code, piped.output.as_str()), (0, "~/piped.txt\n"), "{piped:?}");
    assert_eq!(run(&house, &["download", "~/piped.txt", "-o", "-"]).output, "from a pipe\n");
    assert_eq!(run(&house, &["files", "~"]).output, "piped.txt\n");
    assert_eq!(run(&house, &["files"]).output, "");
    let script = file(&house, "run.sh", 10);
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(run(&house, &["upload", text(&script), "--to", "#tools"]).code, 0);
    let copy = house.path("copy.sh");
    assert_eq!(run(&house, &["download", "#tools/run.sh", "-o", text(&copy)]).code, 0);
    assert_ne!(fs::metadata(&copy).unwrap().permissions().mode() & 0o100, 0);
    let empty = file(&house, "empty", 0);
    assert_eq!(run(&house, &["upload", text(&empty)]).code, 0);
    assert_eq!(run(&house, &["download", "empty", "-o", text(&house.path("nothing"))]).code, 0);
    assert_eq!(fs::metadata(house.path("nothing")).unwrap().len(), 0);
}

#[test]
fn guests_take_files_and_share_none() {
    let house = house();
    let a = file(&house, "a", 10);
    assert_eq!(run(&house, &["upload", text(&a)]).code, 0);
    let guest = run(&house, &["upload", text(&a), "--force", "--nick", "bob"]);
    assert_eq!(guest.code, 4, "{guest:?}");
    let taken = run(&house, &["download", "a", "-o", text(&house.path("b")), "--nick", "bob"]);
    assert_eq!(taken.code, 0, "{taken:?}");
    assert_eq!(run(&house, &["rm", "a", "--nick", "bob"]).code, 4);
}

#[test]
fn an_upload_goes_on_after_the_server_was_stopped_and_after_the_client_was_killed() {
    let mut house = house();
    let big = file(&house, "big", 24 << 20);
    let mut upload = house.start(["upload", text(&big), "--limit-rate", "6M", "--progress", "plain"]);
    let stored = house.path("data/files/uploads");
    let arrived = || {
        let entries = fs::read_dir(&stored).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).max().unwrap_or(0)
    };
    until("something has arrived", || arrived() > 2 << 20);
    house.stop_server();
    house.start_server();
    upload.error_with("goes on at");
    until("more has arrived", || arrived() > 8 << 20);
    upload.signal(Signal::KILL);
    upload.wait();
    let listed = run(&house, &["transfers", "--json"]).records();
    assert_eq!((&listed[0]["direction"], &listed[0]["file"]), (&"upload".into(), &"#lobby/big".into()));
    let resumed = run(&house, &["transfers", "resume"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert!(resumed.errors.contains("were there already"), "{resumed:?}");
    assert_eq!(run(&house, &["transfers"]).output, "");
    let copy = house.path("copy");
    assert_eq!(run(&house, &["download", "big", "-o", text(&copy)]).code, 0);
    assert!(fs::read(copy).unwrap() == fs::read(big).unwrap());
    assert_eq!(fs::read_dir(&stored).unwrap().count(), 0, "nothing is left of the upload");
}

#[test]
fn a_download_goes_on_after_an_interruption_and_what_is_cancelled_leaves_nothing() {
    let house = house();
    let big = file(&house, "big", 8 << 20);
    assert_eq!(run(&house, &["upload", text(&big)]).code, 0);
    let folder = house.path("taken");
    fs::create_dir(&folder).unwrap();
    let interrupt = || {
        let mut download = house.start(["download", "big", "-o", text(&folder), "--limit-rate", "2M"]);
        until("something has arrived", || {
            let mut entries = fs::read_dir(&folder).unwrap().flatten();
            entries.any(|entry| entry.metadata().is_ok_and(|metadata| metadata.len() > 1 << 20))
        });
        download.signal(Signal::INT);
        let said = download.error_with("cli transfers resume");
        assert_eq!(download.wait(), 130, "{said}");
    };
    interrupt();
    let id = run(&house, &["transfers", "--json"]).records()[0]["id"].to_string();
    let resumed = run(&house, &["transfers", "resume", &id]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert!(resumed.errors.contains("were there already"), "{resumed:?}");
    assert!(fs::read(folder.join("big")).unwrap() == fs::read(&big).unwrap());
    fs::remove_file(folder.join("big")).unwrap();
    interrupt();
    let id = run(&house, &["transfers", "--json"]).records()[0]["id"].to_string();
    assert_eq!(run(&house, &["transfers", "cancel", &id]).code, 0);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    assert_eq!(run(&house, &["transfers"]).output, "");
}

#[test]
fn a_part_of_a_file_is_taken_and_verified_without_the_rest() {
    let house = house();
    // More than one stretch, of which the last is short.
    let big = file(&house, "big", (64 << 20) + 5_000);
    assert_eq!(run(&house, &["upload", text(&big)]).code, 0);
    let content = fs::read(&big).unwrap();
    let part = house.path("part");
    let take = |range: &str| run(&house, &["download", "big", "--range", range, "-f", "-o", text(&part)]);
    let edge = 64 << 20;
    for (range, expected) in
        [("64M..", &content[edge..]), ("67108868..67108964", &content[edge + 4..edge + 100])]
    {
        let taken = take(range);
        assert_eq!(taken.code, 0, "{taken:?}");
        assert!(fs::read(&part).unwrap() == expected, "{range}");
    }
    assert_eq!(run(&house, &["transfers"]).output, "");
    let before = fs::read(&part).unwrap();
    let past = take("65M..");
    assert!(past.code == 1 && past.errors.contains("has only 67113864 bytes"), "{past:?}");
    let beyond = take("1G..");
    assert!(beyond.code == 1 && beyond.errors.contains("has only 67113864 bytes"), "{beyond:?}");
    assert!(fs::read(&part).unwrap() == before, "what failed takes the place of nothing");
    // On the disk of the server a byte of each stretch changes, and what is known of them is lost.
    let blobs = |ending: &'static str| {
        let mut folders = vec![house.path("data/files/blobs")];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_str().unwrap().ends_with(".sums") == (ending == ".sums") {
                    found.push(path);
                }
            }
        }
        found
    };
    let blob = blobs("").remove(0);
    let mut damaged = content.clone();
    damaged[edge + 50] ^= 1;
    fs::write(&blob, &damaged).unwrap();
    let refused = take("64M..");
    assert_eq!(refused.code, 9, "{refused:?}");
    assert!(fs::read(&part).unwrap() == content[edge + 4..edge + 100], "nothing takes its place");
    let outline = blobs(".sums").remove(0);
    let known = fs::read(&outline).unwrap();
    fs::write(&blob, &content).unwrap();
    fs::write(&outline, "nonsense").unwrap();
    let taken = take("64M..67108874");
    assert_eq!(taken.code, 0, "{taken:?}");
    assert!(fs::read(&part).unwrap() == content[edge..edge + 10]);
    let piped = run(&house, &["download", "big", "--range", "64M..67108874", "-o", "-"]);
    assert!(piped.code == 0 && !piped.output.is_empty() && piped.output.len() < 100, "{piped:?}");
    assert!(fs::read(&outline).unwrap() == known, "it was found out once more");
    let told =
        run(&house, &["download", "big", "--range", "1..2", "-f", "-o", text(&part), "--json"]).records();
    assert_eq!((&told[0]["range"], &told[0]["size"]), (&"1..2".into(), &67_113_864.into()));
    let hidden = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().contains(".part");
    let here = fs::read_dir(part.parent().unwrap()).unwrap().flatten();
    assert_eq!(here.filter(hidden).count(), 0, "nothing is left of those that failed");
    assert_eq!(run(&house, &["rm", "big"]).code, 0);
    until("nothing is left of it", || blobs("").is_empty() && blobs(".sums").is_empty());
    assert_eq!(run(&house, &["download", "a", "b", "--range", "1..2"]).code, 2);
}

#[test]
fn two_that_share_one_name_at_once_do_not_mix() {
    let house = house();
    let (one, other) = (file(&house, "one", 3 << 20), file(&house, "other", 3 << 20));
    let start = |path: &PathBuf| house.start(["upload", text(path), "--as", "same", "--limit-rate", "4M"]);
    let (first, second) = (start(&one), start(&other));
    let ended = [first, second].map(Running::finish);
    let mut codes = ended.each_ref().map(|finished| finished.code);
    codes.sort_unstable();
    assert_eq!(codes, [0, 6], "{ended:?}");
    let won = if ended[0].code == 0 { one } else { other };
    let copy = house.path("copy");
    assert_eq!(run(&house, &["download", "same", "-o", text(&copy)]).code, 0);
    assert!(fs::read(copy).unwrap() == fs::read(won).unwrap());
}

#[test]
fn what_is_there_is_shared_again_without_being_sent() {
    let house = house();
    for (name, size) in [("small", 900), ("large", 3 << 20)] {
        let path = file(&house, name, size);
        assert_eq!(run(&house, &["upload", text(&path)]).code, 0);
        let told = run(&house, &["stat", name]);
        assert!(told.output.contains(&blake3::hash(&fs::read(&path).unwrap()).to_string()), "{told:?}");
        let shared = run(&house, &["share", name, "--to", "~", "--as", &format!("kept/{name}")]);
        assert_eq!(shared.output, format!("~/kept/{name}\n"), "{shared:?}");
        assert_eq!(run(&house, &["share", name, "--to", "~", "--as", &format!("kept/{name}")]).code, 6);
        assert_eq!(run(&house, &["rm", name]).code, 0);
        let copy = house.path("copy");
        let taken = run(&house, &["download", &format!("~/kept/{name}"), "-f", "-o", text(&copy)]);
        assert_eq!(taken.code, 0, "{taken:?}");
        assert!(fs::read(copy).unwrap() == fs::read(path).unwrap());
    }
    let missing = run(&house, &["share", "small", "--to", "~"]);
    assert_eq!(missing.code, 3, "{missing:?}");
    assert!(missing.errors.contains("small") && missing.errors.contains("cli files"), "{missing:?}");
    // What was sent once is not sent again, though it goes elsewhere: it would take an hour.
    let large = house.path("large");
    let again = ["upload", text(&large), "--to", "~", "--limit-rate", "1k"];
    let again = run(&house, &again);
    assert_eq!(again.code, 0, "{again:?}");
}

#[test]
fn hundreds_of_small_files_go_at_once() {
    let mut house = house();
    let names: Vec<_> = (0..300).map(|number| format!("f{number}")).collect();
    let paths: Vec<_> = names.iter().enumerate().map(|(size, name)| file(&house, name, size)).collect();
    let arguments = ["upload", "--to", "~"].into_iter().chain(paths.iter().map(|path| text(path)));
    let shared = house.run(arguments);
    assert_eq!((shared.code, shared.output.lines().count()), (0, 300), "{shared:?}");
    assert_eq!(fs::read_dir(house.path("data/files/blobs")).unwrap().count(), 0, "they are in the database");
    house.stop_server();
    house.start_server();
    let folder = house.path("taken");
    fs::create_dir(&folder).unwrap();
    let remotes: Vec<_> = names.iter().map(|name| format!("~/{name}")).collect();
    let arguments = ["download", "-o", text(&folder)].into_iter().chain(remotes.iter().map(String::as_str));
    assert_eq!(house.run(arguments).code, 0);
    for (name, path) in names.iter().zip(&paths) {
        assert!(fs::read(folder.join(name)).unwrap() == fs::read(path).unwrap(), "{name}");
    }
}

#[test]
fn a_quota_is_exact_to_the_byte() {
    let limits = Limits { user_files_bytes_max: 10_000, file_bytes_max: 9_000, ..Limits::open() };
    let house = House::with_files(limits, FilesConfig::Everybody);
    let share = |size: usize, name: &str| {
        let path = file(&house, name, size);
        run(&house, &["upload", text(&path), "--to", "~", "--nick", "bob"]).code
    };
    assert_eq!(share(9_001, "too-large"), 7);
    assert_eq!(share(9_000, "fits"), 0);
    // Each command is a guest of its own, so that an account is needed to count.
    let made = house.run_with(["register", "ana", "--password-stdin"], "correct horse\n");
    assert_eq!(made.code, 0, "{made:?}");
    let share = |size: usize, name: &str| {
        let path = file(&house, name, size);
        run(&house, &["upload", text(&path), "--to", "~"]).code
    };
    assert_eq!(share(6_000, "first"), 0);
    assert_eq!(share(4_001, "one-too-many"), 7);
    assert_eq!(share(4_000, "exact"), 0);
    assert_eq!(share(1, "another"), 7);
    assert_eq!(run(&house, &["rm", "~/first"]).code, 0);
    assert_eq!(share(6_000, "again"), 0);
    let piped = house.run_with(["upload", "-", "--as", "piped", "--to", "~"], "x");
    assert_eq!(piped.code, 7, "{piped:?}");
}

#[test]
fn names_that_want_to_be_elsewhere_are_refused() {
    let house = house();
    let long = "x".repeat(4_096);
    for name in
        ["../x", "/etc/x", "C:\\x", "CON", "a\u{1b}[2Jb", "a\u{202e}b", "..", "x/../../y", long.as_str()]
    {
        let remote = format!("#lobby/{name}");
        for command in [&["download", &remote][..], &["rm", &remote], &["upload", "-", "--as", name]] {
            let refused = run(&house, command);
            assert_eq!(refused.code, 2, "{command:?} {refused:?}");
            assert!(
                !refused.errors.contains('\u{1b}') && !refused.errors.contains('\u{202e}'),
                "{refused:?}"
            );
        }
    }
    let composed = house.run_with(["upload", "-", "--as", "caf\u{e9}"], "one");
    assert_eq!(composed.code, 0, "{composed:?}");
    let decomposed = house.run_with(["upload", "-", "--as", "cafe\u{301}"], "two");
    assert_eq!(decomposed.code, 6, "they are one name: {decomposed:?}");
}
