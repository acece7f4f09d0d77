//! Jobs that functions of services ask for: taken from their hosts, accepted as any other, and told with their ids.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use protocol::asks::{AskAnswer, AskAnswers, AskEnd, JobAsk};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::task::JoinHandle;

use crate::core::{Core, DEFAULT_TENANT};
use crate::http;

/// Between two looks at which hosts there are.
const LOOKS: Duration = Duration::from_millis(200);
/// Before a host is asked again that did not answer, or that had nothing to tell and did not wait.
const AGAIN: Duration = Duration::from_millis(100);

/// Asks all hosts for such jobs until the server ends.
pub(crate) async fn follow(core: Arc<Core>) {
    let mut followed: HashMap<String, Follower> = HashMap::new();
    let mut ticks = tokio::time::interval(LOOKS);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let config = core.config();
        followed.retain(|at, _| config.targets.values().any(|target| target.at == *at));
        for target in config.targets.values() {
            if !followed.contains_key(&target.at) {
                let follower = Follower(tokio::spawn(one(core.clone(), target.at.clone())));
                followed.insert(target.at.clone(), follower);
            }
        }
    }
}

/// Follows a host, and ends with this.
struct Follower(JoinHandle<()>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn one(core: Arc<Core>, at: String) {
    loop {
        let told = core.hosts.asks(&at).await.unwrap_or_default();
        if told.asks.is_empty() {
            tokio::time::sleep(AGAIN).await;
            continue;
        }
        // Together: what is accepted at once is one commit.
        let answers = join_all(told.asks.into_iter().map(|ask| answer(&core, ask))).await;
        // Where the host does not hear it, it tells of them again, and by their keys they are the same jobs.
        core.hosts.answer_asks(&at, &AskAnswers { epoch: told.epoch, answers }).await;
    }
}

async fn answer(core: &Arc<Core>, ask: JobAsk) -> AskAnswer {
    let JobAsk { number, key, account, service, inputs, trace } = ask;
    let tenant = account.unwrap_or_else(|| DEFAULT_TENANT.to_owned());
    let inputs = RawValue::from_string(inputs).ok();
    let job = json!({ "service": service, "inputs": inputs }).to_string();
    let end = match http::ask_for(core, tenant, job.as_bytes(), key, trace).await {
        Ok(id) => AskEnd::Accepted(id),
        Err(problem) => AskEnd::Refused(problem.value()),
    };
    AskAnswer { number, end }
}
