use std::path::Path;

use super::*;

/// A bucket that is written to one store and read at another; `master` and `copy` are folders.
fn stores(folder: &Path) -> BucketStores {
    // Stores are known by their names for as long as the process is.
    let own = folder.file_name().unwrap().to_string_lossy().into_owned();
    let names = ["master", "copy"].map(|name| format!("{own}-{name}"));
    let roots = ["master", "copy"].map(|name| folder.join(name));
    for root in &roots {
        std::fs::create_dir_all(root.join("acme-images")).unwrap();
    }
    let [writes, reads] = names.clone().map(|store| BucketCopy { store, name: "acme-images".to_owned() });
    BucketStores {
        stores: names.into_iter().zip(roots.map(StoreAccess::Folder)).collect(),
        buckets: BTreeMap::from([("images".to_owned(), BucketHome { reads, writes, near: BTreeMap::new() })]),
    }
}

async fn act(stores: &BucketStores, key: &str, act: BucketAct, bytes: &[u8]) -> Result<BucketAnswer, BucketErrorKind> {
    let ask = BucketAsk { bucket: "images".to_owned(), key: key.to_owned(), act };
    answer(stores, None, &ask, Bytes::copy_from_slice(bytes), &|_| ()).await.map_err(|error| error.kind())
}

fn read(from: u64, length: Option<u64>) -> BucketAct {
    BucketAct::Read { from, length, tag: None }
}

#[tokio::test]
async fn writes_go_to_the_master_and_reads_to_the_nearest_copy() {
    let folder = tempfile::tempdir().unwrap();
    let stores = stores(folder.path());
    let put = act(&stores, "cats/1", BucketAct::Put { rule: PutRule::Always }, b"meow").await.unwrap();
    let written = put.reply.object.unwrap();
    assert_eq!(std::fs::read(folder.path().join("master/acme-images/cats/1")).unwrap(), b"meow");
    let copies = folder.path().join("copy/acme-images");
    let got = act(&stores, "cats/1", read(0, None), &[]).await.unwrap();
    assert_eq!(got.bytes, b"meow", "there is no copy yet: the master is read");
    assert_eq!(act(&stores, "cats/2", BucketAct::Head, &[]).await, Err(BucketErrorKind::NotFound));
    std::fs::create_dir_all(copies.join("cats")).unwrap();
    std::fs::write(copies.join("cats/1"), "meow").unwrap();
    let got = act(&stores, "cats/1", read(0, None), &[]).await.unwrap();
    assert_eq!((got.bytes.as_slice(), got.reply.object.unwrap().size), (b"meow".as_slice(), written.size));
    for (from, length, bytes) in
        [(1, Some(2), "eo"), (2, None, "ow"), (4, Some(1), ""), (9, None, ""), (1, Some(0), "")]
    {
        let got = act(&stores, "cats/1", read(from, length), &[]).await.unwrap();
        assert_eq!(got.bytes, bytes.as_bytes(), "{from} {length:?}");
        assert_eq!(got.reply.object.unwrap().size, 4);
    }
    let other = BucketAct::Read { from: 0, length: Some(1), tag: Some("other".to_owned()) };
    assert_eq!(act(&stores, "cats/1", other, &[]).await, Err(BucketErrorKind::Changed));
    let page = act(&stores, "cats/", BucketAct::List { after: String::new() }, &[]).await.unwrap().reply.page.unwrap();
    assert_eq!(page.objects.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), ["cats/1"]);
    let url = act(&stores, "cats/1", BucketAct::Url { seconds: 60 }, &[]).await.unwrap().reply.text.unwrap();
    assert_eq!(url, format!("file://{}", copies.join("cats/1").display()));
    act(&stores, "cats/1", BucketAct::Delete, &[]).await.unwrap();
    assert!(!folder.path().join("master/acme-images/cats").exists() && copies.join("cats/1").exists());
}

#[tokio::test]
async fn reads_go_to_the_next_copy_where_a_store_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let stores = stores(folder.path());
    act(&stores, "cats/1", BucketAct::Put { rule: PutRule::Always }, b"meow").await.unwrap();
    std::fs::rename(folder.path().join("copy"), folder.path().join("lost")).unwrap();
    assert_eq!(act(&stores, "cats/1", read(0, None), &[]).await.unwrap().bytes, b"meow");
    assert_eq!(act(&stores, "cats/1", BucketAct::Head, &[]).await.unwrap().reply.object.unwrap().size, 4);
    let page = act(&stores, "", BucketAct::List { after: String::new() }, &[]).await.unwrap().reply.page.unwrap();
    assert_eq!(page.objects.len(), 1);
    let ask = BucketAsk { bucket: "images".to_owned(), key: "cats/1".to_owned(), act: BucketAct::Head };
    let told = Mutex::new(Vec::new());
    answer(&stores, None, &ask, Bytes::new(), &|store| told.lock().push(store.to_owned())).await.unwrap();
    assert_eq!(*told.lock(), [stores.buckets["images"].writes.store.as_str()], "the copy that was read");
    // A write has one place.
    std::fs::rename(folder.path().join("master"), folder.path().join("gone")).unwrap();
    let written = act(&stores, "cats/2", BucketAct::Put { rule: PutRule::Always }, b"x").await;
    assert_eq!(written.map(drop), Err(BucketErrorKind::Away));
    assert_eq!(act(&stores, "cats/1", read(0, None), &[]).await.map(drop), Err(BucketErrorKind::Away));
}

#[tokio::test]
async fn an_upload_in_parts_is_one_object_and_what_is_not_known_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let stores = stores(folder.path());
    let upload = act(&stores, "large", BucketAct::Begin, &[]).await.unwrap().reply.text.unwrap();
    let (mut tags, parts) = (Vec::new(), [vec![7; PART as usize], vec![8; 3]]);
    for (number, part) in (1..).zip(&parts) {
        let part = act(&stores, "large", BucketAct::Part { upload: upload.clone(), number }, part).await.unwrap();
        tags.push(part.reply.text.unwrap());
    }
    let finish = BucketAct::Finish { upload, tags, size: PART + 3 };
    assert_eq!(act(&stores, "large", finish, &[]).await.unwrap().reply.object.unwrap().size, PART + 3);
    assert_eq!(std::fs::read(folder.path().join("master/acme-images/large")).unwrap(), parts.concat());
    // A folder is not known to keep them.
    for rule in [PutRule::IfAbsent, PutRule::IfMatch("t".to_owned())] {
        let put = act(&stores, "new", BucketAct::Put { rule }, b"x").await;
        assert_eq!(put, Err(BucketErrorKind::NotSupported));
    }
    assert!(!folder.path().join("master/acme-images/new").exists());
    let ask = BucketAsk { bucket: "image".to_owned(), key: "a".to_owned(), act: BucketAct::Head };
    let error = answer(&stores, None, &ask, Bytes::new(), &|_| ()).await.unwrap_err();
    assert!(error.to_string().contains("buckets: images"), "{error}");
}

#[test]
fn each_fault_of_a_store_has_its_kind_and_its_store() {
    let ask = BucketAsk { bucket: "images".to_owned(), key: "a".to_owned(), act: BucketAct::Head };
    let text = || "x".to_owned();
    for (error, kind) in [
        (StorageError::NoObject, BucketErrorKind::NotFound),
        (StorageError::NoBucket(text()), BucketErrorKind::NotFound),
        (StorageError::Changed, BucketErrorKind::Changed),
        (StorageError::Refused { code: text(), message: text() }, BucketErrorKind::Forbidden),
        (StorageError::Never(text()), BucketErrorKind::Invalid),
        (StorageError::Busy, BucketErrorKind::Away),
        (StorageError::Away(text()), BucketErrorKind::Away),
        (StorageError::Failing { code: text(), message: text() }, BucketErrorKind::Failed),
        (StorageError::Settings(text()), BucketErrorKind::Failed),
    ] {
        let told = at_store(&ask, "hpc", &error);
        assert_eq!(told.kind(), kind, "{error}");
        assert!(told.to_string().starts_with("images/a: ") && told.to_string().contains("(store hpc)"), "{told}");
    }
}
