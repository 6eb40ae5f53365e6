//! Streams that mean ill leave nothing.

use super::*;

/// A stream by hand: whatever names, kinds and targets.
struct Stream(Vec<u8>);

impl Stream {
    fn new() -> Self {
        Self(Vec::new()).with(b'5', "top/", "", "")
    }

    fn with(mut self, kind: u8, name: &str, link: &str, content: &str) -> Self {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o777);
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        header.set_entry_type(tar::EntryType::new(kind));
        let ustar = header.as_ustar_mut().unwrap();
        ustar.name[..name.len()].copy_from_slice(name.as_bytes());
        ustar.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(content.as_bytes());
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str) -> Self {
        self.with(b'0', name, "", "content")
    }

    /// Has the next thing another name, or a size that it does not have.
    fn saying(self, key: &str, value: &str) -> Self {
        let rest = format!(" {key}={value}\n");
        let length = (1..).find(|length| format!("{length}{rest}").len() == *length).unwrap();
        self.with(b'x', "extension", "", &format!("{length}{rest}"))
    }
}

#[test]
fn streams_that_mean_ill_leave_nothing_and_say_why() {
    let good = Stream::new().file("top/a").saying("path", "top/ü").file("").with(b'2', "top/b", "a", "");
    let large = "x".repeat(70_000);
    let deep = format!("top/{}", "d/".repeat(DEPTH_MAX + 1));
    let cut = Stream::new().file("top/a").0;
    let bad = [
        ("leads to another folder", Stream::new().file("top/../../x")),
        ("leads to another folder", Stream::new().file("../x")),
        ("slashes", Stream::new().file("/etc/x")),
        ("slashes", Stream::new().file("top//etc/x")),
        ("leads to another folder", Stream::new().file("./top/x")),
        ("U+001B", Stream::new().file("top/x\u{1b}[2J")),
        ("U+0000", Stream::new().saying("path", "top/x\0y").file("top/x")),
        ("leads to another folder", Stream::new().saying("path", "../x").file("top/x")),
        ("slashes", Stream::new().with(b'L', "@LongLink", "", "/etc/x\0").file("top/x")),
        ("device", Stream::new().file("top/CON")),
        ("leads out", Stream::new().with(b'2', "top/l", "/etc", "")),
        ("leads out", Stream::new().with(b'2', "top/l", "..", "")),
        ("leads out", Stream::new().with(b'2', "top/l", "../x", "")),
        ("leads out", Stream::new().with(b'2', "top/l", "a/../..", "")),
        ("leads out", Stream::new().with(b'2', "top/l", "", "")),
        ("leads out", Stream::new().saying("linkpath", "/etc").with(b'2', "top/l", "a", "")),
        (
            "as something else",
            Stream::new().with(b'5', "top/d/", "", "").with(b'2', "top/l", "d", "").file("top/l/x"),
        ),
        ("as something else", Stream::new().with(b'2', "top/l", "d", "").with(b'5', "top/l/", "", "")),
        ("twice", Stream::new().with(b'2', "top/l", "d", "").file("top/l")),
        ("neither", Stream::new().with(b'1', "top/hard", "top/a", "")),
        ("neither", Stream::new().with(b'3', "top/device", "", "")),
        ("neither", Stream::new().with(b'6', "top/pipe", "", "")),
        ("twice", Stream::new().file("top/a").file("top/a")),
        ("as something else", Stream::new().file("top/a").with(b'5', "top/a/", "", "")),
        ("as something else", Stream::new().file("top/a").file("top/a/b")),
        ("several folders", Stream::new().file("other/a")),
        ("several folders", Stream::new().with(b'5', "other/", "", "")),
        ("too long", Stream::new().with(b'x', "extension", "", &large)),
        ("too long", Stream::new().with(b'L', "@LongLink", "", &large)),
        ("two sizes", Stream::new().saying("size", "3").file("top/a")),
        ("holes", Stream::new().saying("GNU.sparse.major", "1").file("top/a")),
        ("deep", Stream::new().saying("path", &deep).with(b'5', "top/", "", "")),
        ("no folder", Stream(Vec::new()).file("top")),
        ("no folder", Stream(Vec::new()).with(b'2', "top", "a", "")),
        ("nothing in it", Stream(Vec::new())),
        ("without -r", Stream(b"no stream at all".repeat(100))),
        ("in the middle of top/a", Stream(cut[..cut.len() - 510].to_vec())),
    ];
    let home = tempfile::tempdir().unwrap();
    let within = home.path().join("within");
    fs::create_dir(&within).unwrap();
    assert_eq!(take(&within, &good.0, false), (Ok(()), None));
    fs::remove_dir_all(within.join("taken")).unwrap();
    for (number, (expected, Stream(stream))) in bad.iter().enumerate() {
        let (kept, why) = take(&within, stream, false);
        assert_eq!(kept, Err(LocalFailure::Mismatch), "{number}");
        assert!(why.as_ref().is_some_and(|why| why.contains(expected)), "{number}: {why:?}");
        assert_eq!(fs::read_dir(&within).unwrap().count(), 0, "{number}: nothing is left, hidden or not");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "{number}: nothing is anywhere else");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_a_stream_says_nothing_is_touched_outside(
        things in prop::collection::vec((
            prop::sample::select(b"0125xL".to_vec()),
            "(top/)?(a/|b/|\\.\\./|/|c/){0,3}(a|b|c|\\.\\.|x)/?",
            "(/|a|b|\\.\\./|c/){0,3}",
        ), 0..12),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let home = tempfile::tempdir().unwrap();
        let within = home.path().join("around/within");
        fs::create_dir_all(&within).unwrap();
        fs::write(home.path().join("around/x"), "untouched").unwrap();
        let mut stream = Stream::new();
        for (kind, name, link) in things {
            stream = match kind {
                b'x' => stream.saying("path", &name),
                b'L' => stream.with(kind, "@LongLink", "", &name),
                b'0' => stream.with(kind, &name, "", "content"),
                _ => stream.with(kind, &name, &link, ""),
            };
        }
        for (at, to) in flips {
            let at = at.index(stream.0.len());
            stream.0[at] = to;
        }
        let (kept, _) = take(&within, &stream.0, false);
        let expected = if kept.is_ok() { 1 } else { 0 };
        prop_assert_eq!(fs::read_dir(&within).unwrap().count(), expected);
        prop_assert_eq!(fs::read_dir(home.path().join("around")).unwrap().count(), 2);
        prop_assert_eq!(fs::read_to_string(home.path().join("around/x")).unwrap(), "untouched");
    }
}
