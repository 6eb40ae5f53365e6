//! Folders: shared and taken whole or not at all, resumed, and replaced only if that is asked.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use palabre_core::{config::FilesConfig, limits::Limits};
use rustix::process::Signal;

use super::support::{Finished, House, Running, until};

/// A house whose server takes files, in which somebody has an account, and a folder.
fn house() -> (House, PathBuf) {
    let house = House::with_files(Limits::open(), FilesConfig::Accounts);
    let made = house.run_with(["register", "ana", "--password-stdin"], "correct horse\n");
    assert_eq!(made.code, 0, "{made:?}");
    let base = house.path("proj");
    fs::create_dir_all(base.join("src/deep")).unwrap();
    fs::create_dir(base.join("empty")).unwrap();
    fs::write(base.join("README"), "read me\n").unwrap();
    fs::write(base.join("src/größe.txt"), "").unwrap();
    fs::write(base.join("src/deep").join("x".repeat(180)), "far").unwrap();
    fs::write(base.join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(base.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    (house, base)
}

/// Content that does not repeat.
fn noise(size: usize) -> Vec<u8> {
    let mut content = vec![0; size];
    blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut content);
    content
}

/// All that is beneath a folder: path, whether it may be run, and content.
fn listed(base: &Path) -> Vec<(PathBuf, bool, Vec<u8>)> {
    let (mut found, mut left) = (Vec::new(), vec![base.to_path_buf()]);
    while let Some(path) = left.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            b"a folder".to_vec()
        } else {
            fs::read(&path).unwrap()
        };
        let runs = metadata.is_file() && metadata.permissions().mode() & 0o100 != 0;
        found.push((path.strip_prefix(base).unwrap().to_path_buf(), runs, content));
    }
    found.sort();
    found
}

fn run(house: &House, arguments: &[&str]) -> Finished {
    house.run(arguments)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_folder_is_shared_and_taken_whole() {
    let (house, base) = house();
    let refused = run(&house, &["upload", text(&base)]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.errors.contains("cli upload -r"), "{refused:?}");
    let shared = run(&house, &["upload", "-r", text(&base)]);
    assert_eq!((shared.code, shared.output.as_str()), (0, "#lobby/proj.tar\n"), "{shared:?}");
    let taken = house.path("taken");
    fs::create_dir(&taken).unwrap();
    for name in ["proj", "#lobby/proj.tar"] {
        let done = run(&house, &["download", "-r", name, "-o", text(&taken)]);
        let path = taken.join("proj");
        assert_eq!((done.code, done.output.trim_end()), (0, text(&path)), "{done:?}");
        assert_eq!(listed(&path), listed(&base));
        assert_eq!(fs::read_dir(&taken).unwrap().count(), 1, "nothing else is left there");
        fs::remove_dir_all(path).unwrap();
    }
    // As a file it is what `tar` reads; and a file that `tar` made is a folder.
    let stream = taken.join("any.tar");
    assert_eq!(run(&house, &["download", "proj.tar", "-o", text(&stream)]).code, 0);
    assert_eq!(run(&house, &["upload", text(&stream), "--to", "~"]).code, 0);
    let named =
        run(&house, &["download", "-r", "~/any", "-o", text(&taken.join("other")), "--json"]).records();
    assert_eq!(named[0]["path"], text(&taken.join("other")));
    assert_eq!(listed(&taken.join("other")), listed(&base));
    let empty = house.path("nothing");
    fs::create_dir(&empty).unwrap();
    let missing = run(&house, &["download", "-r", "nothing", "-o", text(&empty)]);
    assert_eq!(missing.code, 3, "{missing:?}");
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0, "nothing is left of what is not there");
}

#[test]
fn a_folder_is_replaced_only_if_that_is_asked_at_either_end() {
    let (house, base) = house();
    assert_eq!(run(&house, &["upload", "-r", text(&base), "--as", "kept"]).output, "#lobby/kept.tar\n");
    assert_eq!(run(&house, &["download", "-r", "kept", "-o", text(&house.path("mine"))]).code, 0);
    fs::write(house.path("mine/more"), "mine").unwrap();
    fs::write(base.join("README"), "another").unwrap();
    assert_eq!(run(&house, &["upload", "-r", text(&base), "--as", "kept"]).code, 6);
    let both = run(&house, &["upload", "-r", text(&base), "--as", "kept.tar", "--keep-both"]);
    assert_eq!(both.output, "#lobby/kept (2).tar\n", "{both:?}");
    assert_eq!(run(&house, &["upload", "-r", text(&base), "--as", "kept", "--force"]).code, 0);
    let within = house.path("taken");
    fs::create_dir(&within).unwrap();
    fs::rename(house.path("mine"), within.join("kept")).unwrap();
    let taken = run(&house, &["download", "-r", "kept", "-o", text(&within)]);
    assert_eq!(taken.code, 6, "{taken:?}");
    assert!(within.join("kept/more").exists());
    assert_eq!(run(&house, &["download", "-r", "kept", "-o", text(&within), "--force"]).code, 0);
    assert_eq!(listed(&within.join("kept")), listed(&base));
    assert_eq!(fs::read_dir(&within).unwrap().count(), 1, "nothing else is left there");
}

#[test]
fn what_is_left_out_is_told_and_what_nobody_could_take_is_refused() {
    let (house, base) = house();
    symlink("README", base.join("link")).unwrap();
    let shared = run(&house, &["upload", "-r", text(&base)]);
    assert!(shared.errors.contains("left out: 1 symbolic links (--links keep"), "{shared:?}");
    assert_eq!(run(&house, &["upload", "-r", text(&base), "--force", "--links", "keep"]).code, 0);
    let taken = house.path("taken");
    assert_eq!(run(&house, &["download", "-r", "proj", "-o", text(&taken)]).code, 0);
    assert_eq!(fs::read_link(taken.join("link")).unwrap(), Path::new("README"));
    fs::write(base.join("a\u{1b}[2Jb"), "").unwrap();
    let refused = run(&house, &["upload", "-r", text(&base), "--as", "other"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.errors.contains("rename it") && !refused.errors.contains('\u{1b}'), "{refused:?}");
    assert_eq!(run(&house, &["files"]).output, "proj.tar\n");
}

#[test]
fn an_upload_of_a_folder_goes_on_after_the_client_was_killed_if_it_is_the_same() {
    let (house, base) = house();
    let size = 16 << 20;
    fs::write(base.join("src/large"), noise(size)).unwrap();
    let stored = house.path("data/files/uploads");
    let arrived = || {
        let entries = fs::read_dir(&stored).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).max().unwrap_or(0)
    };
    let kill = |name: &str| {
        let mut upload = house.start(["upload", "-r", text(&base), "--as", name, "--limit-rate", "6M"]);
        until("it is half there", || arrived() > 8 << 20);
        upload.signal(Signal::KILL);
        upload.wait();
    };
    kill("proj");
    let listing = run(&house, &["transfers", "--json"]).records();
    assert_eq!((&listing[0]["file"], &listing[0]["folder"]), (&"#lobby/proj.tar".into(), &true.into()));
    let resumed = run(&house, &["transfers", "resume"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert!(resumed.errors.contains("were there already"), "{resumed:?}");
    let taken = house.path("taken");
    assert_eq!(run(&house, &["download", "-r", "proj", "-o", text(&taken)]).code, 0);
    assert!(listed(&taken) == listed(&base));
    kill("changed");
    fs::write(base.join("README"), "another").unwrap();
    let refused = run(&house, &["transfers", "resume"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.errors.contains("it has changed since; upload it anew"), "{refused:?}");
}

#[test]
fn a_download_of_a_folder_goes_on_and_what_is_cancelled_leaves_nothing() {
    let (house, base) = house();
    fs::write(base.join("src/large"), noise(8 << 20)).unwrap();
    assert_eq!(run(&house, &["upload", "-r", text(&base)]).code, 0);
    let within = house.path("taken");
    fs::create_dir(&within).unwrap();
    let names = || {
        let entries = fs::read_dir(&within).unwrap().flatten();
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let kill = || {
        let mut download = house.start(["download", "-r", "proj", "-o", text(&within), "--limit-rate", "2M"]);
        until("something has arrived", || {
            let mut entries = fs::read_dir(&within).unwrap().flatten();
            entries.any(|entry| entry.metadata().is_ok_and(|metadata| metadata.len() > 1 << 20))
        });
        download.signal(Signal::KILL);
        download.wait();
        assert!(names().iter().all(|name| name.starts_with(".proj.")), "{:?}", names());
    };
    kill();
    // As if it had been killed while it was unpacked.
    let hidden = names().remove(0).replace(".part", ".folder");
    fs::create_dir_all(within.join(&hidden).join("left/over")).unwrap();
    let resumed = run(&house, &["transfers", "resume"]);
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert!(resumed.errors.contains("were there already"), "{resumed:?}");
    assert!(listed(&within.join("proj")) == listed(&base));
    assert_eq!(names(), ["proj"]);
    fs::remove_dir_all(within.join("proj")).unwrap();
    kill();
    fs::create_dir_all(within.join(&hidden).join("left/over")).unwrap();
    assert_eq!(run(&house, &["transfers", "cancel", "1"]).code, 0);
    assert!(names().is_empty(), "{:?}", names());
}

#[test]
fn a_stream_that_means_ill_makes_nothing() {
    let (house, _) = house();
    let mut stream = tar::Builder::new(Vec::new());
    for name in ["top/a", "top/../../evil\u{1b}[2J"] {
        let mut header = tar::Header::new_ustar();
        header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(0);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_cksum();
        stream.append(&header, &[][..]).unwrap();
    }
    let path = house.path("evil.tar");
    fs::write(&path, stream.into_inner().unwrap()).unwrap();
    assert_eq!(run(&house, &["upload", text(&path)]).code, 0);
    fs::create_dir_all(house.path("around/within")).unwrap();
    let refused = run(&house, &["download", "-r", "evil", "-o", text(&house.path("around/within/"))]);
    assert_eq!(refused.code, 9, "{refused:?}");
    assert!(refused.errors.contains("nothing was made of it"), "{refused:?}");
    assert!(!refused.errors.contains('\u{1b}'), "{refused:?}");
    assert_eq!(fs::read_dir(house.path("around")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(house.path("around/within")).unwrap().count(), 0);
    assert_eq!(run(&house, &["transfers"]).output, "");
}

#[test]
fn a_folder_is_shared_and_taken_while_one_chats() {
    let (house, base) = house();
    symlink("/etc/passwd", base.join("link")).unwrap();
    let shared = house.run_with(["connect"], &format!("/upload {}\n", text(&base)));
    assert_eq!(shared.code, 0, "{shared:?}");
    assert!(shared.errors.contains("is shared as #lobby/proj.tar"), "{shared:?}");
    assert!(shared.errors.contains("link"), "what was left out is said: {shared:?}");
    fs::remove_file(base.join("link")).unwrap();
    let folder = house.path("taken");
    fs::create_dir_all(folder.join("proj")).unwrap();
    let mut command = house.command(["connect"]);
    command.current_dir(&folder);
    let mut chat = Running::start(command);
    chat.write("/download -r proj\n/quit\n");
    assert_eq!(chat.wait(), 0);
    assert_eq!(listed(&folder.join("proj (2)")), listed(&base));
    assert_eq!(fs::read_dir(folder.join("proj")).unwrap().count(), 0, "what was there is left alone");
}
