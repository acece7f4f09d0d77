//! What a store really does, tried out.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::ObjectStore;
use crate::digest::{Md5Sum, parts_tag};
use crate::error::StorageError;
use crate::object::{ObjectHead, ObjectHeaders};

/// The bucket that is tried out in: it is ours.
const BUCKET: &str = "dyninka-store";
/// What S3 takes as a part that is not the last.
const PART: usize = 5 << 20;

/// What a store was seen to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreAbilities {
    /// The tag of a small object is the MD5 of its bytes.
    pub md5_tags: bool,
    /// The tag of an object in parts is made of those of its parts.
    pub md5_part_tags: bool,
    /// It says how large the parts of an object are.
    pub part_sizes: bool,
    /// A put that is to make a new object is refused where there is one.
    pub put_if_absent: bool,
    /// A put that is to replace one version is refused where there is another, and taken where it is that one.
    pub put_if_match: bool,
    /// A get of a version that is not there any more is refused.
    pub get_if_match: bool,
    /// A listing begins after a key that is given.
    pub listing_after: bool,
}

/// Whether the tag of a small object is the MD5 of its bytes: what copying has to know. One small object.
pub async fn has_md5_tags(store: &ObjectStore) -> Result<bool, StorageError> {
    let bytes = Bytes::from_static(b"dyninka");
    store.make_bucket(BUCKET).await?;
    let tag = store.put(BUCKET, "probe/tag", bytes.clone(), &ObjectHeaders::new()).await?;
    store.delete(BUCKET, "probe/tag").await?;
    Ok(tag == Md5Sum::of(&bytes).hex())
}

/// Tries a store out, with small objects below `probe/` in the bucket `dyninka-store`.
pub async fn probe(store: &ObjectStore) -> Result<StoreAbilities, StorageError> {
    let md5_tags = has_md5_tags(store).await?;
    let none = ObjectHeaders::new();
    let put = |key: &'static str, bytes: &'static [u8]| store.put(BUCKET, key, Bytes::from_static(bytes), &none);
    let tag = put("probe/a", b"one").await?;
    put("probe/b", b"two").await?;
    let (put_if_absent, put_if_match) = conditions(store, "probe", &tag).await?;
    let tag = put("probe/a", b"one").await?;
    let stale = store.get(BUCKET, "probe/a", None, Some("00000000000000000000000000000000")).await;
    let fresh = store.get(BUCKET, "probe/a", None, Some(&tag)).await;
    let get_if_match = matches!(stale, Err(StorageError::Changed)) && fresh.is_ok();
    let page = store.list(BUCKET, "probe/", "probe/a").await?;
    let listing_after = page.objects.first().is_some_and(|first| first.key == "probe/b");
    let (md5_part_tags, part_sizes) = parts(store).await?;
    for key in ["probe/a", "probe/b", "probe/parts"] {
        store.delete(BUCKET, key).await?;
    }
    Ok(StoreAbilities { md5_tags, md5_part_tags, part_sizes, put_if_absent, put_if_match, get_if_match, listing_after })
}

/// Whether a store keeps the two conditions of a put: that there is no object, and that there is one version. A few small
/// objects, of names that no other probe has.
pub async fn keeps_conditions(store: &ObjectStore) -> Result<(bool, bool), StorageError> {
    let under = format!("probe-{:016x}", rand::random::<u64>());
    let none = ObjectHeaders::new();
    store.make_bucket(BUCKET).await?;
    let tag = store.put(BUCKET, &format!("{under}/a"), Bytes::from_static(b"one"), &none).await?;
    store.put(BUCKET, &format!("{under}/b"), Bytes::from_static(b"two"), &none).await?;
    let kept = conditions(store, &under, &tag).await?;
    for key in ["a", "b", "parts"] {
        store.delete(BUCKET, &format!("{under}/{key}")).await?;
    }
    Ok(kept)
}

/// Whether conditions of a put are kept, tried both ways: some refuse all, and some take all.
async fn conditions(store: &ObjectStore, under: &str, tag: &str) -> Result<(bool, bool), StorageError> {
    // A folder has no such conditions.
    let ObjectStore::S3(s3) = store else { return Ok((false, false)) };
    let put = |key: &'static str, name: &'static str, value: String| async move {
        let key = format!("{under}/{key}");
        // One that does not know of it fails in ways of its own.
        s3.put_under(BUCKET, &key, Bytes::from_static(b"new"), (name, &value)).await.ok()
    };
    store.delete(BUCKET, &format!("{under}/parts")).await?;
    let on_none = put("parts", "if-none-match", "*".to_owned()).await;
    let on_one = put("a", "if-none-match", "*".to_owned()).await;
    let wrong = put("b", "if-match", "\"00000000000000000000000000000000\"".to_owned()).await;
    // The put before may have been taken, so that the tag is asked for anew.
    let now = store.head(BUCKET, &format!("{under}/a")).await?.map_or_else(|| tag.to_owned(), |head| head.tag);
    let right = put("a", "if-match", format!("\"{now}\"")).await;
    Ok(((on_none, on_one) == (Some(true), Some(false)), (right, wrong) == (Some(true), Some(false))))
}

async fn parts(store: &ObjectStore) -> Result<(bool, bool), StorageError> {
    let none = ObjectHeaders::new();
    let key = "probe/parts";
    let id = store.begin(BUCKET, key, PART as u64, &none).await?;
    let first = store.part(BUCKET, key, &id, 1, Bytes::from(vec![0; PART])).await?;
    let second = store.part(BUCKET, key, &id, 2, Bytes::from_static(b"rest")).await?;
    let tags = [first, second];
    let tag = store.finish(BUCKET, key, &id, &tags).await?;
    let head = ObjectHead { tag: tag.clone(), size: PART as u64 + 4, headers: none };
    let layout = store.layout(BUCKET, key, &head).await?;
    let is_right = layout.is_some_and(|layout| layout.part_size == PART as u64 && layout.parts == 2);
    Ok((parts_tag(&tags).as_ref() == Some(&tag), is_right))
}
