//! `dyn cluster events` and the hops of `dyn cluster status`: what the view's `c` shows, for faces without a screen.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use session::Measured;
use tokio::sync::watch;

use super::cluster::load;
use super::observe::{Observed, hosts, observe};
use crate::arguments::Goal;
use crate::fault::Fault;
use crate::speech;

/// Figures are told once a second: they change with every request.
const SOONEST: Duration = Duration::from_secs(1);
/// Hosts that answer later than this are left out of a single look.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// What hosts kept takes its time to be put into order and counted, once they have answered.
const COUNTED_WITHIN: Duration = Duration::from_secs(1);

/// Tells hosts, hops and troubles as JSON lines, whenever they change, until Ctrl-C.
pub(crate) fn run(file: &Path, goal: &Goal) -> Result<(), Fault> {
    let (app, _, settings) = load(file)?;
    let name = settings.name_of(&app).to_owned();
    super::dev::runtime()?.block_on(async {
        let hosts = hosts(file, &name, goal).await?;
        let (shown, mut observed) = watch::channel(Observed::default());
        let mut signals = super::dev::Signals::new()?;
        super::dev::insist()?;
        let mut observing = std::pin::pin!(observe(hosts, shown));
        let mut told = Observed::default();
        let mut due = tokio::time::interval(SOONEST);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let is_due = tokio::select! {
                ended = &mut observing => return ended,
                Ok(()) = observed.changed() => false,
                _ = due.tick() => true,
                _ = signals.next() => return Ok(()),
            };
            let now = observed.borrow_and_update().clone();
            // Whoever read them has gone.
            if lines(&mut told, now, is_due).into_iter().any(|line| speech::json(line).is_err()) {
                return Ok(());
            }
        }
    })
}

/// What is new, as lines: hosts and troubles at once, figures when it is time for them.
fn lines(told: &mut Observed, now: Observed, is_due: bool) -> Vec<Value> {
    let mut lines = Vec::new();
    if told.census.hosts != now.census.hosts {
        let hosts: serde_json::Map<String, Value> = now
            .census
            .hosts
            .iter()
            .map(|(pod, host)| {
                let told = json!({
                    "service": host.service, "version": host.version, "ready": host.ready, "running": host.running,
                    "going": host.going, "restarts": host.restarts, "why": host.why,
                });
                (pod.clone(), told)
            })
            .collect();
        lines.push(json!({ "event": "hosts", "hosts": hosts }));
    }
    if told.troubles != now.troubles {
        lines.push(json!({ "event": "trouble", "troubles": now.troubles }));
    }
    let measured = if is_due && told.measured != now.measured {
        let Measured { hops, traces, dropped, .. } = &*now.measured;
        lines.push(json!({ "event": "hops", "hops": hops, "traces": traces, "dropped": dropped }));
        now.measured.clone()
    } else {
        told.measured.clone()
    };
    *told = Observed { measured, ..now };
    lines
}

/// What hosts measured in the last minutes, looked at once, and what was in the way.
pub(crate) async fn look(file: &Path, app: &str, goal: &Goal) -> Result<(Arc<Measured>, Vec<String>), Fault> {
    let hosts = hosts(file, app, goal).await?;
    let (shown, mut observed) = watch::channel(Observed::default());
    let answered = async {
        let all = observed.wait_for(|observed| observed.complete);
        let is_complete = tokio::time::timeout(ANSWER_WITHIN, all).await.is_ok();
        if is_complete {
            tokio::time::sleep(COUNTED_WITHIN).await;
        }
        let seen = observed.borrow().clone();
        let mut troubles = seen.troubles;
        if !seen.complete {
            troubles.push(format!("not all hosts answered within {} s", ANSWER_WITHIN.as_secs()));
        }
        (seen.measured, troubles)
    };
    tokio::select! {
        ended = observe(hosts, shown) => ended.map(|()| Default::default()),
        seen = answered => Ok(seen),
    }
}

#[cfg(test)]
mod tests {
    use kubernetes::hosts::{Census, PodHost};

    use super::*;

    #[test]
    fn what_is_new_is_told_once_and_figures_when_it_is_time() {
        let hosts = [("map-1".to_owned(), PodHost { service: "map".into(), ready: true, ..PodHost::default() })];
        let census = Census { hosts: hosts.into(), trouble: None };
        let measured = Arc::new(Measured { dropped: 3, ..Measured::default() });
        let now = Observed { census, measured, troubles: vec!["cut off".into()], ..Observed::default() };
        let mut told = Observed::default();
        let mut kinds = |now: &Observed, is_due| -> Vec<String> {
            lines(&mut told, now.clone(), is_due).iter().map(|line| line["event"].to_string()).collect()
        };
        assert_eq!(kinds(&now, false), ["\"hosts\"", "\"trouble\""]);
        assert_eq!(kinds(&now, false), [""; 0]);
        assert_eq!(kinds(&now, true), ["\"hops\""]);
        assert_eq!(kinds(&now, true), [""; 0]);
    }
}
