//! Callbacks: the end of a job is sent to where it asked for, signed, and never to an address that is this network's own.

mod address;
mod receivers;
mod send;
mod signature;

use std::sync::Arc;
use std::time::Duration;

use crate::books::{Delivered, DueDelivery};
use crate::core::Core;

pub(crate) use address::{check, host};
use receivers::{AT_ONCE, Receivers, TO_ONE};
pub(crate) use signature::{base, secret};

/// Between two looks at what is due.
const LOOKS: Duration = Duration::from_millis(500);
/// Waits between deliveries of one callback: 5 s, four times as long each time, 8 h at most. Ten take a day.
const FIRST_MS: u64 = 5_000;
const GROWTH: u64 = 4;
const LONGEST_MS: u64 = 8 * 3_600_000;

/// Delivers until the server ends.
pub(crate) async fn deliver(core: Arc<Core>) {
    let receivers = Arc::new(Receivers::default());
    // The host that was looked at last: the next look goes on behind it.
    let mut after = String::new();
    let mut ticks = tokio::time::interval(LOOKS);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_silent = false;
    loop {
        ticks.tick().await;
        // What the store does not say now is looked for again.
        let found = core.books.due_deliveries(core.clock.now(), after, (TO_ONE, AT_ONCE)).await;
        if let Err(error) = &found
            && !is_silent
        {
            eprintln!("dyninka: callbacks wait: the store does not answer: {error}");
        }
        is_silent = found.is_err();
        let due = found.unwrap_or_default();
        after = due.last().map(|delivery| delivery.host.clone()).unwrap_or_default();
        for delivery in due {
            let Some(mut place) = receivers.enter(&delivery.host) else { continue };
            if core.books.begin_delivery(delivery.seq).await.is_ok_and(|begun| begun) {
                let core = core.clone();
                tokio::spawn(async move {
                    place.ended(one(&core, delivery).await);
                });
            }
        }
    }
}

/// Sends a callback; whether its receiver answered.
async fn one(core: &Core, delivery: DueDelivery) -> bool {
    let settings = core.config().settings.callbacks.clone();
    let at = core.clock.now() / 1_000;
    let id = format!("msg_{}_{}", delivery.job, delivery.seq);
    let signature = signature::sign(&secret(&core.callback_key, &delivery.tenant), &id, at, &delivery.body);
    let sent = send::send(
        &delivery,
        &settings,
        &[("webhook-id", &id), ("webhook-timestamp", &at.to_string()), ("webhook-signature", &signature)],
    )
    .await;
    let has_answered = sent.is_ok();
    let attempts = delivery.attempts + 1;
    let outcome = match sent {
        Ok(status) if (200..300).contains(&status) => Delivered::Done,
        // The receiver is gone for good.
        Ok(410) => Delivered::GivenUp { said: "410 Gone".to_owned() },
        Ok(status) if attempts < settings.attempts => {
            Delivered::Again { said: format!("it answered {status}"), at: again(core, attempts) }
        }
        Err(send::Undelivered::Later(said)) if attempts < settings.attempts => {
            Delivered::Again { said, at: again(core, attempts) }
        }
        Ok(status) => Delivered::GivenUp { said: format!("it answered {status}") },
        Err(send::Undelivered::Later(said) | send::Undelivered::Never(said)) => Delivered::GivenUp { said },
    };
    // Where the store does not take it, the delivery is repeated: its receiver knows it by its id.
    drop(core.books.end_delivery(delivery.seq, outcome).await);
    has_answered
}

fn again(core: &Core, attempts: u32) -> i64 {
    let jittered = wait_ms(attempts) as f64 * (0.8 + 0.4 * core.instance().chance);
    core.clock.now().saturating_add_unsigned(jittered as u64)
}

/// The wait after so many deliveries, before chance has its part in it.
fn wait_ms(attempts: u32) -> u64 {
    FIRST_MS.saturating_mul(GROWTH.saturating_pow(attempts.saturating_sub(1))).min(LONGEST_MS)
}

#[cfg(test)]
mod tests;
