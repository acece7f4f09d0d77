//! What time does: jobs that waited too long expire, and what is old is removed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::books::Bounds;
use crate::core::Core;

/// Between two looks at what expires.
const EXPIRES: Duration = Duration::from_secs(1);
/// Looks until what is old is removed.
const TIDIES: u64 = 30;
/// Events are kept for an hour, and so many at most.
const EVENT_MS: i64 = 3_600_000;
const EVENTS: i64 = 100_000;

/// Sweeps until the server ends. What the store does not do now is done at the next look.
pub(crate) async fn sweep(core: Arc<Core>) {
    let mut ticks = tokio::time::interval(EXPIRES);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for tick in 0_u64.. {
        ticks.tick().await;
        expire(&core).await;
        core.tidy_waiters();
        if tick % TIDIES == 0 {
            let bounds =
                Bounds { job_ms: core.config().settings.limits.keep_job_ms, event_ms: EVENT_MS, events: EVENTS };
            while core.books.tidy(core.clock.now(), bounds).await.is_ok_and(|more| more) {}
        }
    }
}

async fn expire(core: &Core) {
    while let Ok(expired) = core.books.expire(core.clock.now()).await {
        if expired.is_empty() {
            return;
        }
        let moved: Vec<_> = expired.iter().map(|(_, moved)| moved.clone()).collect();
        core.moved(&moved);
        expired.iter().for_each(|(id, _)| core.over(id));
    }
}
