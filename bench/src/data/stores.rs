//! Objects at stores, written and looked at past all that is measured.

use anyhow::{Context, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng as _, SeedableRng as _};
use storage::{ListedObject, ObjectHeaders, ObjectStore};

/// Objects that are written at a time.
const AT_ONCE: usize = 16;

/// Bytes at random, the same for the same number.
pub(super) fn noise(number: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    Xoshiro256PlusPlus::seed_from_u64(number).fill_bytes(&mut bytes);
    bytes
}

/// Makes a bucket of so many objects of one size.
pub(super) async fn fill(store: &ObjectStore, bucket: &str, count: u32, size: usize) -> anyhow::Result<()> {
    store.make_bucket(bucket).await.with_context(|| format!("make {bucket}"))?;
    let none = ObjectHeaders::new();
    let puts = (0..count).map(|number| {
        let (store, none) = (store.clone(), &none);
        async move { store.put(bucket, &key(number), noise(u64::from(number), size).into(), none).await.map(drop) }
    });
    stream::iter(puts).buffer_unordered(AT_ONCE).try_collect::<()>().await.with_context(|| format!("fill {bucket}"))
}

pub(super) fn key(number: u32) -> String {
    format!("k/{number:07}")
}

/// All objects of a bucket.
pub(super) async fn list(store: &ObjectStore, bucket: &str) -> anyhow::Result<Vec<ListedObject>> {
    let (mut all, mut next) = (Vec::new(), Some(String::new()));
    while let Some(after) = next {
        let page = store.list(bucket, "", &after).await.with_context(|| format!("list {bucket}"))?;
        all.extend(page.objects);
        next = page.next;
    }
    Ok(all)
}

/// Whether a copy has the keys, sizes and bytes of its original. Tags say so, or the bytes where an object was cut otherwise.
pub(super) async fn same(from: (&ObjectStore, &str), to: (&ObjectStore, &str)) -> anyhow::Result<()> {
    let (original, copy) = (list(from.0, from.1).await?, list(to.0, to.1).await?);
    let (count, found) = (original.len(), copy.len());
    let names = |all: &[ListedObject]| all.iter().map(|one| (one.key.clone(), one.size)).collect::<Vec<_>>();
    let is_same = names(&original) == names(&copy);
    ensure!(is_same, "the copy {} is another one than {}: {found} objects of {count}", to.1, from.1);
    for (original, copy) in original.iter().zip(&copy).filter(|(original, copy)| original.tag != copy.tag) {
        let read = async |(store, bucket): (&ObjectStore, &str)| {
            store.get(bucket, &copy.key, None, None).await?.collect().await
        };
        ensure!(read(from).await? == read(to).await?, "{} of {} has other bytes", original.key, to.1);
    }
    Ok(())
}
