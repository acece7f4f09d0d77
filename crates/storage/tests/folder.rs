//! A folder as a store, and copies from one to another.

use bytes::Bytes;
use std::sync::Mutex;
use storage::{CopyAsk, ObjectHeaders, ObjectStore, SavedUpload, StorageError, UploadBook, copy, write};

/// Uploads of one object.
#[derive(Default)]
struct Book(Mutex<Option<SavedUpload>>);

impl UploadBook for Book {
    async fn find(&self) -> Option<SavedUpload> {
        self.0.lock().expect("whole").clone()
    }

    async fn keep(&self, upload: &SavedUpload) {
        *self.0.lock().expect("whole") = Some(upload.clone());
    }

    async fn forget(&self) {
        *self.0.lock().expect("whole") = None;
    }
}

async fn store() -> (tempfile::TempDir, ObjectStore) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = ObjectStore::folder(folder.path().to_owned());
    store.make_bucket("images").await.expect("a bucket");
    (folder, store)
}

async fn put(store: &ObjectStore, key: &str, bytes: &'static [u8]) -> String {
    store
        .put("images", key, Bytes::from_static(bytes), &ObjectHeaders::new())
        .await
        .unwrap_or_else(|error| panic!("{key}: {error}"))
}

async fn keys(store: &ObjectStore, prefix: &str, after: &str) -> Vec<String> {
    let page = store.list("images", prefix, after).await.expect("a page");
    page.objects.into_iter().map(|object| object.key).collect()
}

#[tokio::test]
async fn objects_are_files_with_their_tag_and_headers() {
    let (folder, store) = store().await;
    let headers = ObjectHeaders::from([
        ("content-type".to_owned(), "text/plain".to_owned()),
        ("x-amz-meta-of".to_owned(), "me".to_owned()),
    ]);
    let tag = store.put("images", "a/b.txt", Bytes::from_static(b"hello"), &headers).await.expect("a tag");
    assert_eq!(tag, "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(std::fs::read(folder.path().join("images/a/b.txt")).expect("a file"), b"hello");
    let head = store.head("images", "a/b.txt").await.expect("an answer").expect("an object");
    assert_eq!((head.tag.as_str(), head.size, head.headers), (tag.as_str(), 5, headers));
    let part = store.get("images", "a/b.txt", Some((1, 3)), Some(&tag)).await.expect("a range");
    assert_eq!((part.length, &part.collect().await.expect("bytes")[..]), (3, &b"ell"[..]));
    assert!(matches!(store.get("images", "a/b.txt", None, Some("other")).await, Err(StorageError::Changed)));
    // Somebody writes the file by hand: another version, without headers.
    std::fs::write(folder.path().join("images/a/b.txt"), "other").expect("written");
    let head = store.head("images", "a/b.txt").await.expect("an answer").expect("an object");
    assert!(head.tag.starts_with("file-") && head.headers.is_empty(), "{head:?}");
    store.delete("images", "a/b.txt").await.expect("deleted");
    store.delete("images", "a/b.txt").await.expect("deleted twice");
    assert_eq!(store.head("images", "a/b.txt").await, Ok(None));
    assert!(!folder.path().join("images/a").exists());
    assert_eq!(store.head("nothing", "a").await, Err(StorageError::NoBucket("nothing".to_owned())));
    store.remove_bucket("images").await.expect("removed");
    assert_eq!(store.has_bucket("images").await, Ok(false));
}

#[tokio::test]
async fn listings_are_in_the_order_of_keys_and_go_on_after_any() {
    let (folder, store) = store().await;
    let mut all: Vec<String> = ["a", "a-b", "a.d/x", "a0", "b/c/d", "b/c.d", "ä", "z/1"].map(str::to_owned).to_vec();
    all.extend((0..1_200).map(|number| format!("many/{number:04}")));
    for key in &all {
        put(&store, key, b"x").await;
    }
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("images/link")).expect("a link");
    all.sort_unstable();
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = store.list("images", "", &after).await.expect("a page");
        assert!(page.objects.len() <= 1_000);
        found.extend(page.objects.into_iter().map(|object| object.key));
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(found, all);
    for after in ["a", "a-", "a.", "a.d/x", "b/", "b/c", "many/0100", "zz", "ä"] {
        let expected: Vec<_> = all.iter().filter(|key| key.as_str() > after).take(1_000).cloned().collect();
        assert_eq!(keys(&store, "", after).await, expected, "{after}");
    }
    assert_eq!(keys(&store, "b/c", "").await, ["b/c.d", "b/c/d"]);
    // What is a link is no object.
    assert_eq!(store.head("images", "link").await, Ok(None));
}

/// F15: keys that a folder cannot hold are refused with the reason, and nothing is written elsewhere.
#[tokio::test]
async fn keys_that_no_file_can_have_are_refused() {
    let (folder, store) = store().await;
    put(&store, "a", b"x").await;
    let long = "k".repeat(256);
    for key in ["a/b", "../x", "x/../y", "./x", "e//x", "d/", "/x", "", "z\0", &long] {
        let refused = store.put("images", key, Bytes::from_static(b"y"), &ObjectHeaders::new()).await;
        assert!(matches!(refused, Err(StorageError::Never(_))), "{key:?}: {refused:?}");
    }
    put(&store, "b/c", b"x").await;
    let refused = store.put("images", "b", Bytes::from_static(b"y"), &ObjectHeaders::new()).await;
    assert!(matches!(refused, Err(StorageError::Never(_))), "{refused:?}");
    assert_eq!(keys(&store, "", "").await, ["a", "b/c"]);
    let beside: Vec<_> =
        std::fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(beside.len(), 2, "{beside:?}");
    put(&store, "ü %2F+\u{1f600}\u{1}", b"x").await;
    assert_eq!(keys(&store, "ü", "").await, ["ü %2F+\u{1f600}\u{1}"]);
}

#[tokio::test]
async fn a_large_object_is_copied_in_its_parts_and_goes_on_where_it_was() {
    let ((_one, from), (_two, to)) = (store().await, store().await);
    let bytes: Vec<u8> = (0..20_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let pieces = bytes.chunks(1_000_003).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect::<Vec<_>>();
    let headers = ObjectHeaders::from([("content-type".to_owned(), "image/x".to_owned())]);
    let (tag, size) =
        write(&from, "images", "large", &headers, futures_util::stream::iter(pieces)).await.expect("written");
    assert_eq!((size, tag.ends_with("-3")), (20_000_000, true));
    let ask =
        CopyAsk { from: &from, from_bucket: "images", to: &to, to_bucket: "images", key: "large", trusts_tags: true };
    // An upload that was begun before, with one part there.
    let book = Book::default();
    let id = to.begin("images", "large", 8 << 20, &headers).await.expect("an upload");
    to.part("images", "large", &id, 2, Bytes::copy_from_slice(&bytes[8 << 20..16 << 20])).await.expect("a part");
    book.keep(&SavedUpload { id, tag: tag.clone(), part_size: 8 << 20 }).await;
    let done = copy(&ask, &book).await.expect("a copy");
    assert_eq!((done.tag.as_str(), done.is_verified, done.moved), (tag.as_str(), true, 20_000_000 - (8 << 20)));
    assert_eq!(book.find().await, None);
    let copied = to.get("images", "large", None, None).await.expect("the copy");
    assert_eq!(copied.head.headers, headers);
    assert!(copied.collect().await.expect("bytes") == bytes, "other bytes");
    // One that is gone is begun anew; one of another version is aborted.
    book.keep(&SavedUpload { id: "abc".to_owned(), tag: tag.clone(), part_size: 8 << 20 }).await;
    assert_eq!(copy(&ask, &book).await.expect("a copy").moved, 20_000_000);
    let id = to.begin("images", "large", 8 << 20, &headers).await.expect("an upload");
    book.keep(&SavedUpload { id: id.clone(), tag: "old".to_owned(), part_size: 8 << 20 }).await;
    assert_eq!(copy(&ask, &book).await.expect("a copy").moved, 20_000_000);
    assert_eq!(to.parts("images", "large", &id).await, Err(StorageError::NoUpload));
}

#[tokio::test]
async fn what_is_gone_is_told_from_a_folder_that_is_not_there() {
    let ((folder, from), (_two, to)) = (store().await, store().await);
    let ask = CopyAsk { from: &from, from_bucket: "images", to: &to, to_bucket: "images", key: "x", trusts_tags: true };
    assert_eq!(copy(&ask, &Book::default()).await.map(|done| done.tag), Err(StorageError::NoObject));
    std::fs::remove_dir_all(folder.path().join("images")).expect("removed");
    assert_eq!(
        copy(&ask, &Book::default()).await.map(|done| done.tag),
        Err(StorageError::NoBucket("images".to_owned()))
    );
    std::fs::remove_dir_all(folder.path()).expect("removed");
    assert!(matches!(copy(&ask, &Book::default()).await, Err(StorageError::Away(_))));
    assert!(matches!(from.list("images", "", "").await, Err(StorageError::Away(_))));
    assert!(matches!(from.make_bucket("images").await, Err(StorageError::Away(_))));
}

#[tokio::test]
async fn a_folder_is_probed() {
    let (_folder, store) = store().await;
    let found = storage::probe::probe(&store).await.expect("a probe");
    assert!(
        found.md5_tags && found.md5_part_tags && found.part_sizes && found.get_if_match && found.listing_after,
        "{found:?}"
    );
    assert!(!found.put_if_absent && !found.put_if_match);
    assert_eq!(store.list("dyninka-store", "", "").await.expect("a page").objects, []);
}
