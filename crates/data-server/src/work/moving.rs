//! A master that moves: writes wait until its copy has every change, and go to the copy from then on.

use std::sync::Arc;
use std::time::Duration;

use data::CatalogChange;
use tokio::time::Instant;

use super::{Stopped, audit, look};
use crate::core::Core;

/// Writes wait while the copy lacks no more changes than this.
const NEAR: u64 = 500;
/// Writes are let in again after this, and the master moves later. They wait a little longer themselves.
const CLOSED: Duration = Duration::from_secs(8);
/// Between two looks at what is lacking.
const LOOK: Duration = Duration::from_millis(10);

/// How far the copy is that is to be the master.
struct Target {
    store: String,
    lacking: u64,
    /// Listings agreed, and nothing changed since.
    is_whole: bool,
}

/// Goes on with a master that moves. Nothing happens before its copy is nearly whole.
pub(crate) async fn go_on(core: &Arc<Core>, bucket: &str) -> Result<(), Stopped> {
    if target(core, bucket).await?.is_none_or(|target| target.lacking > NEAR) {
        return Ok(());
    }
    let pulse = core.pulse(bucket);
    let _closed = pulse.gate.write().await;
    let until = Instant::now() + CLOSED;
    // Writes that came last, and those that went past the server.
    let hints = pulse.take_hints();
    look::look(core, bucket, &hints).await?;
    while Instant::now() < until {
        let Some(target) = target(core, bucket).await? else { return Ok(()) };
        if target.is_whole {
            core.change(CatalogChange::Promoted { bucket: bucket.to_owned(), store: target.store }).await?;
            pulse.want_audit();
            return Ok(());
        }
        if target.lacking == 0 {
            audit::audit(core, bucket).await?;
        } else {
            tokio::time::sleep(LOOK).await;
        }
    }
    Ok(())
}

/// The store that the master moves to; none where it does not move, or cannot now.
async fn target(core: &Arc<Core>, bucket: &str) -> Result<Option<Target>, Stopped> {
    let catalog = core.catalog();
    let Some(record) = catalog.buckets.get(bucket) else { return Ok(None) };
    let Some(store) = record.moving.clone().filter(|_| record.hold.is_none()) else { return Ok(None) };
    let Some(replica) = record.replicas.get(&store).filter(|replica| replica.is_ours && replica.trouble.is_none())
    else {
        return Ok(None);
    };
    let counts = core.ledger.counts().await?;
    let count = counts.get(bucket);
    let head = count.map_or(0, |count| count.head);
    let lacking = count.and_then(|count| count.pending.get(&store)).map_or(0, |count| count.pending);
    Ok(Some(Target { lacking, is_whole: lacking == 0 && replica.checked == Some(head), store }))
}
