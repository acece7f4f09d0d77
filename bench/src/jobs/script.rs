//! A function of a tenant's, in JavaScript.

use reqwest::Method;
use serde_json::json;

use super::Run;
use super::ours::Ours;
use super::rival::{Kind, Rival};
use crate::chain::cell::ratio;
use crate::report::{Row, Target};
use crate::sample::Sample;

/// Slots, and jobs of the tenant at a time.
const BUSY: u32 = 32;
/// Jobs one after the other.
const ALONE: u64 = 40;
const SOURCE: &str = "function add(a, b) { return a + b; }";

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let ours = Ours::start(run, "functions = true").await?;
    ours.tenant("works", 1.0, BUSY).await?;
    let put = ours.ask(Method::PUT, "v1/functions/add", Some("works")).header("content-type", "text/javascript");
    ours.good(put.body(SOURCE)).await?;
    let (add, service) = (json!({ "function": "add", "args": [4, 7] }), json!({ "inputs": { "us": 1 } }));
    let mut contexts = Rival::start(Kind::Contexts).await;
    let (mut own, mut theirs, mut more) = (Vec::new(), Vec::new(), Sample::default());
    for _ in 0..run.options.rounds {
        own.push(ours.drain("works", &add, u64::from(run.options.jobs)).await?);
        if let Ok(rival) = &mut contexts {
            theirs.push(rival.done(BUSY, run.options.seconds * 3.0).await?);
        }
        more.push(ours.idle("works", &add, ALONE).await? - ours.idle("works", &service, ALONE).await?);
    }
    let mut sample = Sample::default();
    own.iter().for_each(|rate| sample.push(*rate));
    let name = "JavaScript add: done/s, over node workers with a new context each time";
    let beside = match contexts {
        Ok(rival) => Row::sample(name, "", "x", &ratio(&own, &theirs), Some(Target::P50AtLeast(2.0)))
            .note(format!("{}; ours is the whole of a job, its store included", rival.kind.note())),
        Err(error) => Row::absent(name, "", &format!("{error:#}")),
    };
    Ok(vec![
        Row::sample("JavaScript add: done", "", "jobs/s", &sample, None),
        beside,
        Row::sample(
            "JavaScript add: asked to done when idle, more than a service",
            "",
            "ms",
            &more,
            Some(Target::P50(0.5)),
        ),
    ])
}
