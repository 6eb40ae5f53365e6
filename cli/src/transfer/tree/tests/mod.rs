//! What goes out is what comes in.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use palabre_core::{client::LocalFailure, transfer::BlobHash};
use palabre_runtime::client::LocalFile as _;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::transfer::Destination;

mod hostile;

/// A folder with all that a folder may have.
fn sample() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let base = home.path().join("proj");
    fs::create_dir_all(base.join("src/deep/er")).unwrap();
    fs::create_dir(base.join("empty")).unwrap();
    fs::write(base.join("README"), "read me\n").unwrap();
    fs::write(base.join("nothing"), "").unwrap();
    fs::write(base.join("exactly"), vec![7; 512]).unwrap();
    fs::write(base.join("src/large"), vec![1; 300_000]).unwrap();
    fs::write(base.join("src/Übung 日本.txt"), "été").unwrap();
    let long = format!("src/deep/er/{}", "x".repeat(200));
    fs::write(base.join(&long), "far").unwrap();
    fs::create_dir(base.join("y".repeat(120))).unwrap();
    fs::write(base.join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(base.join("run.sh"), Permissions::from_mode(0o4755)).unwrap();
    let old = fs::File::options().write(true).open(base.join("README")).unwrap();
    old.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).unwrap();
    (home, base)
}

/// All that is beneath a folder, in an order of its own: path, whether it may be run, and content, or where it leads.
fn listed(base: &Path) -> Vec<(PathBuf, bool, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![base.to_path_buf()];
    while let Some(path) = left.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_symlink() {
            fs::read_link(&path).unwrap().to_str().unwrap().into()
        } else if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            b"a folder".to_vec()
        } else {
            fs::read(&path).unwrap()
        };
        let runs = metadata.is_file() && metadata.mode() & 0o100 != 0;
        found.push((path.strip_prefix(base).unwrap().to_path_buf(), runs, content));
    }
    found.sort();
    found
}

fn open(base: &Path, links: Links) -> TreeSource {
    TreeSource::open(base, "proj", links).unwrap()
}

fn whole(base: &Path, links: Links) -> Vec<u8> {
    let mut source = open(base, links);
    let size = source.stamp().size;
    source.read(0, usize::try_from(size).unwrap() + 1).unwrap()
}

/// Takes a stream as a folder `taken` of this one.
fn take(within: &Path, stream: &[u8], force: bool) -> (Result<(), LocalFailure>, Option<String>) {
    let part = Destination::open(within, "taken", ".taken.part", true, force).unwrap();
    let verdict = Verdict::default();
    let mut tree = TreeDestination::new(part, ".taken.folder".into(), true, verdict.clone()).unwrap();
    tree.write(0, stream).unwrap();
    let hash = BlobHash(*blake3::hash(stream).as_bytes());
    let kept = tree.keep(stream.len() as u64, hash, false);
    (kept, verdict.sentence().map(str::to_owned))
}

#[test]
fn a_folder_is_the_same_on_the_other_side() {
    let (home, base) = sample();
    let stream = whole(&base, Links::Skip);
    assert_eq!(take(home.path(), &stream, false), (Ok(()), None));
    let taken = home.path().join("taken");
    assert_eq!(listed(&taken), listed(&base));
    assert_eq!(fs::metadata(taken.join("run.sh")).unwrap().mode() & 0o7000, 0, "only that it runs is kept");
    assert_eq!(fs::metadata(taken.join("README")).unwrap().mtime(), 1_000_000_000);
    assert_eq!(fs::metadata(&taken).unwrap().mtime(), fs::metadata(&base).unwrap().mtime());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2, "nothing else is left");
    assert_eq!(whole(&taken, Links::Skip), whole(&taken, Links::Skip), "the same bytes each time");
}

#[test]
fn anybody_else_reads_the_stream_as_well() {
    let (home, base) = sample();
    let theirs = home.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    let stream = whole(&base, Links::Skip);
    tar::Archive::new(&*stream).unpack(&theirs).unwrap();
    assert_eq!(listed(&theirs.join("proj")), listed(&base));
    let mut program = std::process::Command::new("tar");
    let program = program.args(["-x", "-C"]).arg(home.path()).stdin(std::process::Stdio::piped()).spawn();
    if let Ok(mut program) = program {
        fs::rename(&base, home.path().join("was")).unwrap();
        std::io::Write::write_all(&mut program.stdin.take().unwrap(), &stream).unwrap();
        assert!(program.wait().unwrap().success());
        assert_eq!(listed(&base), listed(&home.path().join("was")));
    }
}

#[test]
fn what_others_made_by_tar_is_a_folder() {
    let (home, base) = sample();
    symlink("../README", base.join("src/link")).unwrap();
    let mut theirs = tar::Builder::new(Vec::new());
    theirs.follow_symlinks(false);
    theirs.append_dir_all("anything", &base).unwrap();
    let stream = theirs.into_inner().unwrap();
    assert_eq!(take(home.path(), &stream, false), (Ok(()), None));
    assert_eq!(listed(&home.path().join("taken")), listed(&base));
}

#[test]
fn links_are_left_out_followed_or_kept() {
    let (home, base) = sample();
    fs::write(home.path().join("outside"), "secret").unwrap();
    symlink("../README", base.join("src/inside")).unwrap();
    symlink("../../outside", base.join("src/outside")).unwrap();
    symlink("deep", base.join("src/folder")).unwrap();
    symlink("..", base.join("src/up")).unwrap();
    symlink("nowhere/at/all", base.join("dangling")).unwrap();
    symlink("/etc/passwd", base.join("absolute")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        base.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let told = |links| open(&base, links).warnings().collect::<Vec<_>>();
    let names = |links| {
        let stream = whole(&base, links);
        let mut archive = tar::Archive::new(&*stream);
        let paths = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned());
        paths.collect::<Vec<_>>()
    };
    let has = |names: &[PathBuf], path: &str| names.iter().any(|name| name == Path::new(path));
    let skipped = names(Links::Skip);
    assert!(!has(&skipped, "proj/src/inside") && !has(&skipped, "proj/pipe"));
    assert!(told(Links::Skip)[0].starts_with("left out: 6 symbolic links"), "{:?}", told(Links::Skip));
    assert!(told(Links::Skip)[1].starts_with("left out: 1 sockets, devices or pipes"));
    let followed = names(Links::Follow);
    assert!(has(&followed, "proj/src/outside") && has(&followed, "proj/src/folder/er/"));
    assert!(!has(&followed, "proj/dangling") && !has(&followed, "proj/src/up/"));
    assert!(told(Links::Follow)[0].starts_with("left out: 2 symbolic links"), "{:?}", told(Links::Follow));
    let kept = names(Links::Keep);
    assert!(has(&kept, "proj/src/inside") && has(&kept, "proj/dangling") && has(&kept, "proj/src/up"));
    assert!(!has(&kept, "proj/src/outside") && !has(&kept, "proj/absolute"));
    assert!(told(Links::Keep)[0].starts_with("left out: 2 symbolic links"), "{:?}", told(Links::Keep));
    assert_eq!(take(home.path(), &whole(&base, Links::Keep), false), (Ok(()), None));
    assert_eq!(fs::read_link(home.path().join("taken/src/inside")).unwrap(), Path::new("../README"));
}

#[test]
fn a_folder_that_changes_meanwhile_is_not_sent_as_if_it_had_not() {
    let (_home, base) = sample();
    let mut source = open(&base, Links::Skip);
    fs::write(base.join("src/large"), vec![2; 300_001]).unwrap();
    assert_eq!(source.read(0, 400_000), Err(LocalFailure::Changed));
    assert_ne!(open(&base, Links::Skip).stamp(), source.stamp());
    let mut source = open(&base, Links::Skip);
    let size = source.stamp().size;
    source.read(0, usize::try_from(size).unwrap()).unwrap();
    fs::write(base.join("one more"), "").unwrap();
    assert_eq!(source.hash(size), Err(LocalFailure::Changed));
    // As large as before and as old, but another.
    let mut source = open(&base, Links::Skip);
    fs::remove_file(base.join("src/large")).unwrap();
    symlink("/etc/passwd", base.join("src/large")).unwrap();
    assert_eq!(source.read(0, 400_000), Err(LocalFailure::Changed));
}

#[test]
fn names_that_nobody_could_take_are_refused_before_anything_is_sent() {
    use std::os::unix::ffi::OsStrExt as _;
    for name in [&b"a:b"[..], b"con", b"esc\x1b[2J", b"end.", b"\xff\xfe", "a\u{202e}b".as_bytes()] {
        let (_home, base) = sample();
        fs::write(base.join(std::ffi::OsStr::from_bytes(name)), "").unwrap();
        let Err(failure) = TreeSource::open(&base, "proj", Links::Skip) else { panic!("{name:?}") };
        assert_eq!(failure.code, "usage");
        assert!(failure.sentence.contains("rename it"), "{failure}");
    }
}

#[test]
fn what_is_there_is_replaced_only_if_that_is_asked() {
    let (home, base) = sample();
    let stream = whole(&base, Links::Skip);
    let taken = home.path().join("taken");
    assert_eq!(take(home.path(), &stream, false), (Ok(()), None));
    fs::write(taken.join("mine"), "mine").unwrap();
    let part = Destination::open(home.path(), "taken", ".taken.part", true, false);
    assert!(matches!(part, Err(LocalFailure::Exists)));
    assert_eq!(take(home.path(), &stream, true), (Ok(()), None));
    assert_eq!(listed(&taken), listed(&base), "what was there before is not mixed with it");
    fs::remove_dir_all(&taken).unwrap();
    fs::write(&taken, "a file").unwrap();
    assert_eq!(take(home.path(), &stream, true), (Ok(()), None));
    assert_eq!(listed(&taken), listed(&base));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 2, "nothing else is left");
}

#[test]
fn two_do_not_take_the_same_at_once() {
    let home = tempfile::tempdir().unwrap();
    let open = || Destination::open(home.path(), "taken", ".taken.part", true, false);
    let first = open().unwrap_or_else(|failure| panic!("{failure:?}"));
    assert!(matches!(open(), Err(LocalFailure::Failed(_))));
    drop(first);
    assert!(open().is_ok());
}

#[test]
fn what_was_left_of_an_earlier_attempt_is_not_in_the_folder() {
    let (home, base) = sample();
    fs::create_dir_all(home.path().join(".taken.folder/left/over")).unwrap();
    symlink("/etc", home.path().join(".taken.folder/link")).unwrap();
    assert_eq!(take(home.path(), &whole(&base, Links::Skip), false), (Ok(()), None));
    assert_eq!(listed(&home.path().join("taken")), listed(&base));
    assert!(Path::new("/etc/passwd").exists());
}

#[test]
fn a_file_of_any_size_has_a_header() {
    for size in [0, 1, (8 << 30) - 1, 8 << 30, 1 << 50] {
        let bytes = header::header("proj/x", &header::Kind::File { size, executable: false }, 1).unwrap();
        assert_eq!(tar::Header::from_byte_slice(&bytes).entry_size().unwrap(), size);
    }
}

#[test]
fn names_on_the_server_have_an_ending_that_need_not_be_said() {
    let stored = |name| stored_name(name).unwrap().to_string();
    assert_eq!([stored("src"), stored("src.tar"), stored("a/b")], ["src.tar", "src.tar", "a/b.tar"]);
    let local = |name| folder_name(&FileName::parse(name).unwrap()).to_owned();
    assert_eq!([local("a/src.tar"), local("x.tar.tar"), local(".tar")], ["src", "x.tar", ".tar"]);
}

#[test]
fn links_stay_inside_if_they_begin_with_as_many_dots_as_there_are_folders() {
    for (target, depth) in [("a", 0), ("a/b", 0), ("..", 1), ("../a", 1), ("../../a/b", 2), ("..a", 0)] {
        assert!(stays_inside(target, depth), "{target}");
    }
    for (target, depth) in [
        ("", 0),
        ("..", 0),
        ("../a", 0),
        ("../..", 1),
        ("a/..", 9),
        ("/", 9),
        ("/a", 9),
        ("..//a", 9),
        ("../", 9),
    ] {
        assert!(!stays_inside(target, depth), "{target}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_stream_is_the_same_wherever_it_is_read(reads in prop::collection::vec((any::<prop::sample::Index>(), 1..70_000_usize), 1..8)) {
        let (_home, base) = sample();
        let stream = whole(&base, Links::Skip);
        let mut source = open(&base, Links::Skip);
        for (at, count) in reads {
            let at = at.index(stream.len() + 1);
            let expected = &stream[at..(at + count).min(stream.len())];
            prop_assert_eq!(source.read(at as u64, count).unwrap(), expected);
        }
        let hash = source.hash(stream.len() as u64).unwrap();
        prop_assert_eq!(hash.0, *blake3::hash(&stream).as_bytes());
    }
}
