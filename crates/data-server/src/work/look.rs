//! A task of each bucket: keys that events name are looked at as they are now.

use std::sync::Arc;
use std::time::Duration;

use data::compare::{MasterFinding, SeenObject};
use data::guard;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{Job, Stopped, complain, identity};
use crate::clock;
use crate::core::Core;

/// Keys that are looked at at a time.
const AT_ONCE: usize = 16;
/// Between two tries where a store does not answer.
const AGAIN: Duration = Duration::from_secs(1);

/// Looks at keys as hints come.
pub(crate) async fn follow(core: Arc<Core>, bucket: String) {
    let pulse = core.pulse(&bucket);
    loop {
        pulse.hints.notified().await;
        let keys = pulse.take_hints();
        if keys.is_empty() {
            continue;
        }
        match look(&core, &bucket, &keys).await {
            Ok(()) => {}
            // The next comparison of listings finds what was hinted at: it follows every hold and every absence.
            Err(Stopped::Wait(_)) => {}
            Err(error) => {
                if matches!(error, Stopped::Ledger(_)) {
                    complain("the catalog cannot be written", &error);
                }
                pulse.hint(keys);
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Looks at keys at the master, and notes what changed.
pub(crate) async fn look(core: &Arc<Core>, bucket: &str, keys: &[String]) -> Result<(), Stopped> {
    let job = Job::of(core, bucket)?;
    let heads = keys.iter().cloned().map(|key| {
        let (source, name) = (job.source.clone(), job.at_master().to_owned());
        async move {
            let head = source.head(&name, &key).await?;
            Ok::<_, Stopped>((key, head))
        }
    });
    let heads: Vec<_> = stream::iter(heads).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut findings = Vec::new();
    let mut gone = 0;
    for (key, head) in heads {
        match head {
            Some(head) => findings.push(MasterFinding::Changed(SeenObject { key, etag: head.tag, size: head.size })),
            None if core.ledger.object(bucket, &key).await?.is_some_and(|known| !known.is_gone) => {
                gone += 1;
                findings.push(MasterFinding::Gone(key));
            }
            None => {}
        }
    }
    if gone > 0 {
        let (known, _) = core.ledger.size(bucket).await?;
        let is_same = identity::check(core, &job.settings.master).await?;
        if !is_same || guard::is_too_much(gone, known, job.settings.guard()) {
            // The comparison of listings decides, and holds.
            core.pulse(bucket).want_audit();
            findings.retain(|finding| matches!(finding, MasterFinding::Changed(_)));
        }
    }
    if core.ledger.note(bucket, job.copies(), findings, clock::now()).await?.is_some() {
        core.pulse(bucket).work();
    }
    Ok(())
}
