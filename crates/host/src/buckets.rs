//! Objects of buckets, which functions ask for: in a folder, or at a store by crate `storage`.

#[cfg(feature = "stores")]
mod store;
#[cfg(not(feature = "stores"))]
#[path = "buckets/store_absent.rs"]
mod store;

use std::ffi::c_void;
use std::sync::{OnceLock, Weak};

use bytes::Bytes;
use dyninka::border::{CallOutcome, Done, Kind, Slice};
use dyninka::{BucketAct, BucketAnswer, BucketAsk, BucketError, BucketErrorKind, BucketFolder};
use protocol::{BUCKETS_VARIABLE, BucketStores, STORES_VARIABLE};

use crate::body_call::{End, traveller};
use crate::near::NearCopies;
use crate::request_context::RequestContext;
use crate::shared::Shared;

/// Where the buckets of this host are.
enum Places {
    /// Its environment names none, as on a cluster.
    None,
    /// In a folder.
    Folder(BucketFolder),
    /// At stores that somebody runs.
    Stores(BucketStores),
    /// What its environment says does not read.
    Wrong(String),
}

/// What the environment says, which stays as it is for as long as the process is.
fn places() -> &'static Places {
    static PLACES: OnceLock<Places> = OnceLock::new();
    PLACES.get_or_init(|| {
        let said = |name| std::env::var(name).ok().filter(|said: &String| !said.is_empty());
        match (said(STORES_VARIABLE), said(BUCKETS_VARIABLE)) {
            (Some(text), _) => {
                serde_json::from_str(&text).map_or_else(|why| Places::Wrong(why.to_string()), Places::Stores)
            }
            (None, Some(folder)) => Places::Folder(BucketFolder::new(folder.into())),
            (None, None) => Places::None,
        }
    })
}

/// `Host::bucket` of the border.
pub(crate) unsafe extern "C" fn bucket(
    context: *const c_void,
    request: u64,
    ask: Slice,
    bytes: Slice,
    done: Done,
    done_context: *mut c_void,
) {
    let end = End { done, context: done_context };
    // SAFETY: the context is that of `body_call::table`, and the slices are lent for this call; copied here.
    let (host, ask, bytes) = unsafe {
        let host = &*context.cast::<Weak<Shared>>();
        (host, serde_json::from_slice::<BucketAsk>(ask.bytes()), Bytes::copy_from_slice(bytes.bytes()))
    };
    let error = |words: &str| BucketError::new(BucketErrorKind::Failed, "", "", words);
    let ask = match ask {
        Ok(ask) => ask,
        Err(why) => return end.with(outcome(Err(error(&format!("the library speaks another version: {why}"))))),
    };
    let Some((shared, request_context)) = traveller(host, request) else {
        return end.with(outcome(Err(error("the host of the calling function has ended"))));
    };
    let runtime = shared.runtime.clone();
    let left = shared.group.inline.ask();
    runtime.spawn(async move { end.with(outcome(answer(&shared, &request_context, ask, bytes).await)) });
    if left {
        // This worker is going to wait, and the task that was spawned last waits with it: tokio lets no other have it.
        runtime.spawn(async {});
    }
}

fn outcome(answer: Result<BucketAnswer, BucketError>) -> CallOutcome {
    match answer {
        Ok(answer) => CallOutcome::new(Kind::Value, answer.write()),
        // Texts alone: it cannot fail.
        Err(error) => CallOutcome::new(Kind::Failed, serde_json::to_vec(&error).unwrap_or_default()),
    }
}

async fn answer(
    shared: &Shared,
    request_context: &RequestContext,
    ask: BucketAsk,
    bytes: Bytes,
) -> Result<BucketAnswer, BucketError> {
    let late = ask.error(BucketErrorKind::Away, "there is no answer before the request's deadline");
    let work = async {
        match places() {
            Places::None => Err(ask.error(BucketErrorKind::Away, "this host has no folder and no store for buckets")),
            Places::Wrong(why) => {
                Err(ask.error(BucketErrorKind::Failed, format!("{STORES_VARIABLE} does not read: {why}")))
            }
            Places::Folder(folder) => in_folder(folder.clone(), ask, bytes).await,
            Places::Stores(stores) => {
                let copies = copies(shared, request_context, stores, &ask.bucket);
                let used = |store: &str| {
                    let settings = shared.settings.load();
                    let near = settings.config.near.as_ref();
                    let place = near.and_then(|near| shared.upstreams.near.place_of(near, &ask.bucket, store));
                    if let Some(place) = place {
                        request_context.used(&ask.bucket, &place);
                    }
                };
                let answered = store::answer(stores, copies, &ask, bytes, &used).await;
                let writes = matches!(ask.act, BucketAct::Put { .. } | BucketAct::Finish { .. } | BucketAct::Delete);
                // One that is not known to have failed may have been made.
                if let Some(near) = request_context.near.as_ref().filter(|_| writes) {
                    near.wrote(&ask.bucket);
                }
                answered
            }
        }
    };
    let wait = request_context.account.as_ref().map(|(_, waits)| waits.begin());
    let answered = tokio::time::timeout_at(request_context.deadline, work).await;
    drop(wait);
    answered.unwrap_or(Err(late))
}

/// The copies of a bucket, where the host knows of places; none: those that its environment names.
fn copies(
    shared: &Shared,
    request_context: &RequestContext,
    stores: &BucketStores,
    bucket: &str,
) -> Option<NearCopies> {
    let request = request_context.near.as_ref()?;
    let settings = shared.settings.load();
    shared.upstreams.near.copies(settings.config.near.as_ref()?, request, stores, bucket)
}

/// A folder's answer, on a thread that may wait for the disk.
async fn in_folder(folder: BucketFolder, ask: BucketAsk, bytes: Bytes) -> Result<BucketAnswer, BucketError> {
    let panicked = ask.error(BucketErrorKind::Failed, "the folder's thread panicked");
    tokio::task::spawn_blocking(move || folder.answer(&ask, &bytes)).await.unwrap_or(Err(panicked))
}
