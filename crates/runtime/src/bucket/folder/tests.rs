use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::bucket::stream::PIECE;

/// A folder that goes with this.
struct Temporary(BucketFolder);

impl Temporary {
    fn new() -> Self {
        Self(BucketFolder::new(std::env::temp_dir().join(format!("dyninka-{}", version::id()))))
    }

    fn act(&self, key: &str, act: BucketAct, bytes: &[u8]) -> Result<BucketAnswer, BucketErrorKind> {
        let ask = BucketAsk { bucket: "images".to_owned(), key: key.to_owned(), act };
        self.0.answer(&ask, bytes).map_err(|error| error.kind())
    }

    fn put(&self, key: &str, bytes: &[u8], rule: PutRule) -> Result<String, BucketErrorKind> {
        self.act(key, BucketAct::Put { rule }, bytes).map(|answer| answer.reply.object.expect("an object").tag)
    }

    fn read(&self, key: &str, from: u64, length: Option<u64>, tag: Option<&str>) -> Result<Vec<u8>, BucketErrorKind> {
        let tag = tag.map(str::to_owned);
        self.act(key, BucketAct::Read { from, length, tag }, &[]).map(|answer| answer.bytes)
    }

    fn get(&self, key: &str) -> Result<Vec<u8>, BucketErrorKind> {
        self.read(key, 0, None, None)
    }

    fn list(&self, prefix: &str, after: &str) -> (Vec<String>, Option<String>) {
        let answer = self.act(prefix, BucketAct::List { after: after.to_owned() }, &[]).expect("a page");
        let page = answer.reply.page.expect("a page");
        (page.objects.into_iter().map(|object| object.key).collect(), page.next)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0.root));
    }
}

#[test]
fn an_object_is_read_as_it_was_written_whole_and_in_ranges() {
    let folder = Temporary::new();
    assert_eq!(folder.get("cats/1.jpg"), Err(BucketErrorKind::NotFound));
    assert_eq!(folder.list("", ""), (vec![], None), "a bucket that nobody wrote to is empty");
    let tag = folder.put("cats/1.jpg", b"meow", PutRule::Always).unwrap();
    assert_eq!(folder.get("cats/1.jpg").unwrap(), b"meow");
    for (from, length, bytes) in
        [(0, Some(2), "me"), (1, None, "eow"), (3, Some(9), "w"), (4, Some(1), ""), (9, None, "")]
    {
        assert_eq!(folder.read("cats/1.jpg", from, length, None).unwrap(), bytes.as_bytes(), "{from} {length:?}");
    }
    assert_eq!(folder.get("cats"), Err(BucketErrorKind::NotFound), "a folder is no object");
    assert_eq!(folder.get("cats/1.jpg/a"), Err(BucketErrorKind::NotFound));
    assert_eq!(folder.put("cats", b"", PutRule::Always), Err(BucketErrorKind::Invalid));
    assert_eq!(folder.put("cats/1.jpg/a", b"", PutRule::Always), Err(BucketErrorKind::Invalid));
    // The same bytes are another version.
    let again = folder.put("cats/1.jpg", b"meow", PutRule::Always).unwrap();
    assert_ne!(tag, again);
    assert_eq!(folder.read("cats/1.jpg", 0, None, Some(&tag)), Err(BucketErrorKind::Changed));
    assert_eq!(folder.read("cats/1.jpg", 0, None, Some(&again)).unwrap(), b"meow");
    let url = folder.act("cats/1.jpg", BucketAct::Url { seconds: 1 }, &[]).unwrap().reply.text.unwrap();
    assert_eq!(url, format!("file://{}", folder.0.root.join("images/cats/1.jpg").display()));
    assert!(
        folder.act("cats/1.jpg", BucketAct::Delete, &[]).is_ok()
            && folder.act("cats/1.jpg", BucketAct::Delete, &[]).is_ok()
    );
    assert_eq!(folder.get("cats/1.jpg"), Err(BucketErrorKind::NotFound));
    assert!(!folder.0.root.join("images/cats").exists(), "an empty folder is removed");
    assert_eq!(fs::read_dir(folder.0.root.join(OWN).join("aside")).unwrap().count(), 0);
}

#[test]
fn no_key_leads_out_of_its_bucket() {
    let folder = Temporary::new();
    folder.put("a", b"a", PutRule::Always).unwrap();
    fs::write(folder.0.root.join("secret"), "s").unwrap();
    std::os::unix::fs::symlink(folder.0.root.join("secret"), folder.0.root.join("images/link")).unwrap();
    for key in ["../secret", "a/../../secret", "/etc/passwd", "link", ".", ""] {
        assert!(folder.get(key).is_err(), "{key}");
        assert!(key == "link" || folder.put(key, b"x", PutRule::Always).is_err(), "{key}");
    }
    // The link is replaced, and not followed.
    folder.put("link", b"mine", PutRule::Always).unwrap();
    assert_eq!(fs::read(folder.0.root.join("secret")).unwrap(), b"s");
    fs::create_dir(folder.0.root.join("outside")).unwrap();
    fs::write(folder.0.root.join("outside/a"), "o").unwrap();
    std::os::unix::fs::symlink(folder.0.root.join("outside"), folder.0.root.join("images/folder")).unwrap();
    assert_eq!(folder.get("folder/a"), Err(BucketErrorKind::Forbidden));
    assert_eq!(folder.put("folder/b", b"x", PutRule::Always), Err(BucketErrorKind::Forbidden));
    assert_eq!(folder.act("folder/a", BucketAct::Delete, &[]).map(drop), Err(BucketErrorKind::Forbidden));
    assert_eq!(folder.list("", "").0, ["a", "link"]);
    assert_eq!(fs::read(folder.0.root.join("outside/a")).unwrap(), b"o");
    let ask = |bucket: &str| BucketAsk { bucket: bucket.to_owned(), key: "locks".to_owned(), act: BucketAct::Delete };
    for bucket in [".dyninka", "..", "a/b"] {
        assert_eq!(folder.0.answer(&ask(bucket), &[]).unwrap_err().kind(), BucketErrorKind::Invalid);
    }
}

#[test]
fn conditions_hold_and_of_many_writers_one_wins() {
    let folder = Temporary::new();
    let first = folder.put("count", b"0", PutRule::IfAbsent).unwrap();
    assert_eq!(folder.put("count", b"1", PutRule::IfAbsent), Err(BucketErrorKind::Changed));
    let second = folder.put("count", b"1", PutRule::IfMatch(first.clone())).unwrap();
    assert_eq!(folder.put("count", b"2", PutRule::IfMatch(first)), Err(BucketErrorKind::Changed));
    assert_eq!(folder.put("other", b"2", PutRule::IfMatch(second)), Err(BucketErrorKind::Changed));
    // Each adds one, as long as nobody else has: no addition is lost.
    let lost = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    loop {
                        let answer =
                            folder.act("count", BucketAct::Read { from: 0, length: None, tag: None }, &[]).unwrap();
                        let number: u64 = String::from_utf8(answer.bytes).unwrap().parse().unwrap();
                        let rule = PutRule::IfMatch(answer.reply.object.unwrap().tag);
                        match folder.put("count", (number + 1).to_string().as_bytes(), rule) {
                            Ok(_) => break,
                            Err(kind) => assert_eq!(kind, BucketErrorKind::Changed),
                        }
                        lost.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(folder.get("count").unwrap(), b"101", "{lost:?} were tried again");
}

#[test]
fn a_listing_has_all_keys_in_the_order_of_their_bytes_in_pages() {
    let folder = Temporary::new();
    let mut keys: Vec<String> = (0..1_200).map(|number| format!("n/{number}")).collect();
    keys.extend(["a", "a-b", "a.b/c", "a0", "m/x/y", "m/x0", "n0", "ä"].map(str::to_owned));
    for key in &keys {
        let path = folder.0.root.join("images").join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    keys.sort();
    for prefix in ["", "n", "n/", "n/1", "m/x", "m/x/y", "a", "z"] {
        let (mut all, mut after, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let (page, next) = folder.list(prefix, &after);
            assert!(page.len() <= 1_000);
            all.extend(page);
            pages += 1;
            match next {
                Some(next) => after = next,
                None => break,
            }
        }
        let wanted: Vec<_> = keys.iter().filter(|key| key.starts_with(prefix)).cloned().collect();
        assert_eq!(pages, wanted.len().div_ceil(1_000).max(1), "{prefix}");
        assert_eq!(all, wanted, "{prefix}");
    }
    assert_eq!(folder.list("", "n/998").0[0], "n/999");
    assert_eq!(folder.list("a", "a-b").0, ["a.b/c", "a0"]);
}

#[test]
fn an_upload_is_there_once_it_is_finished_and_one_that_is_given_up_leaves_nothing() {
    let folder = Temporary::new();
    let begin = || folder.act("large", BucketAct::Begin, &[]).unwrap().reply.text.unwrap();
    let part = |upload: &str, number, bytes: &[u8]| {
        folder.act("large", BucketAct::Part { upload: upload.to_owned(), number }, bytes).map(drop)
    };
    let finish = |upload: &str, parts: usize, size: usize| {
        let (tags, size) = (vec![String::new(); parts], size as u64);
        folder.act("large", BucketAct::Finish { upload: upload.to_owned(), tags, size }, &[]).map(drop)
    };
    let upload = begin();
    part(&upload, 2, b"end").unwrap();
    part(&upload, 1, &vec![7; PIECE]).unwrap();
    assert_eq!(folder.get("large"), Err(BucketErrorKind::NotFound));
    assert_eq!(finish(&upload, 2, PIECE + 3), Ok(()));
    assert_eq!(folder.read("large", PIECE as u64 - 1, None, None).unwrap(), b"\x07end");
    let given_up = begin();
    part(&given_up, 1, b"x").unwrap();
    folder.act("large", BucketAct::Abort { upload: given_up.clone() }, &[]).unwrap();
    assert_eq!(part(&given_up, 2, b"x"), Err(BucketErrorKind::NotFound));
    let short = begin();
    part(&short, 1, b"x").unwrap();
    assert_eq!(finish(&short, 2, 2), Err(BucketErrorKind::Invalid), "a part is missing");
    for id in ["", "../../images/large", &"g".repeat(32)] {
        assert_eq!(finish(id, 1, 1), Err(BucketErrorKind::NotFound), "{id}");
    }
    assert_eq!(fs::read_dir(folder.0.root.join(OWN).join("uploads")).unwrap().count(), 0);
    let left = begin();
    let old = std::time::UNIX_EPOCH;
    File::options()
        .write(true)
        .open(folder.0.root.join(OWN).join("uploads").join(&left))
        .unwrap()
        .set_modified(old)
        .unwrap();
    begin();
    assert_eq!(part(&left, 1, b"x"), Err(BucketErrorKind::NotFound), "it was left behind a day ago");
}
