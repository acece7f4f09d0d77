//! How many jobs are accepted and done, and how soon one is, beside what one would pick instead. All in turn, each round
//! beginning with another one.

use serde_json::json;

use super::Run;
use super::ours::Ours;
use super::rival::{Kind, Rival};
use crate::chain::cell::ratio;
use crate::report::{Row, Target};
use crate::sample::Sample;

/// Clients that ask at a time, and workers.
const BUSY: u32 = 32;
/// Jobs one after the other.
const ALONE: u64 = 40;

/// Figures of each round; one that failed is no number, and is in no ratio.
#[derive(Debug, Default)]
struct Rates {
    accepted: Vec<f64>,
    done: Vec<f64>,
    idle: Vec<f64>,
}

/// A queue, and why it is not measured any more.
struct Party {
    rival: Rival,
    rates: Rates,
    failed: Option<String>,
}

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let ours = Ours::start(run, "").await?;
    for tenant in ["accepts", "works"] {
        ours.tenant(tenant, 1.0, BUSY).await?;
    }
    let mut rows = Vec::new();
    let mut parties = Vec::new();
    for kind in Kind::QUEUES {
        match Rival::start(kind).await {
            Ok(rival) => parties.push(Party { rival, rates: Rates::default(), failed: None }),
            Err(error) => rows.push(Row::absent(&format!("jobs over {}'s", kind.name()), "", &format!("{error:#}"))),
        }
    }
    let mut own = Rates::default();
    let count = parties.len() + 1;
    for round in 0..run.options.rounds as usize {
        for turn in 0..count {
            match (round + turn) % count {
                0 => own.add(us(run, &ours).await?),
                at => parties[at - 1].turn(run).await,
            }
        }
    }
    rows.extend(own.told("dyninka", ""));
    for Party { rival, rates, failed } in &parties {
        let kind = rival.kind;
        let [accepted, done, idle] = targets(kind);
        rows.extend(rates.told(kind.name(), kind.note()));
        for (what, own, rates, target) in [
            ("accepted/s at 32 clients", &own.accepted, &rates.accepted, accepted.map(Target::P50AtLeast)),
            ("done/s at 32 workers", &own.done, &rates.done, done.map(Target::P50AtLeast)),
            ("asked to done when idle, p50", &own.idle, &rates.idle, idle.map(Target::P50)),
        ] {
            if rates.iter().any(|value| value.is_finite()) {
                let row = Row::sample(&format!("{what}, over {}'s", kind.name()), "", "x", &ratio(own, rates), target);
                rows.push(row.note(kind.note()));
            }
        }
        rows.extend(failed.as_ref().map(|why| Row::failed(&format!("jobs over {}'s", kind.name()), "", why)));
    }
    Ok(rows)
}

/// Least ratios of jobs accepted and done a second, and the most of the time from asked to done.
fn targets(kind: Kind) -> [Option<f64>; 3] {
    match kind {
        Kind::Bullmq => [Some(3.0), Some(4.0), Some(0.6)],
        Kind::BullmqEverysec => [None, Some(1.0), None],
        Kind::PgBoss => [Some(5.0), Some(15.0), None],
        Kind::Graphile => [Some(5.0), Some(4.0), None],
        Kind::Celery => [None, Some(20.0), None],
        Kind::Contexts => [None; 3],
    }
}

async fn us(run: &Run<'_>, ours: &Ours) -> anyhow::Result<[f64; 3]> {
    let job = json!({ "inputs": { "us": 1 }, "tags": ["bench"] });
    let accepted = ours.accept("accepts", run.load(BUSY as usize)).await?;
    let done = ours.drain("works", &job, u64::from(run.options.jobs)).await?;
    Ok([accepted, done, ours.idle("works", &job, ALONE).await?])
}

impl Party {
    async fn turn(&mut self, run: &Run<'_>) {
        if self.failed.is_some() {
            return;
        }
        match self.measured(run).await {
            Ok(figures) => self.rates.add(figures),
            Err(error) => {
                self.rates.add([f64::NAN; 3]);
                self.failed = Some(format!("{error:#}"));
            }
        }
    }

    async fn measured(&mut self, run: &Run<'_>) -> anyhow::Result<[f64; 3]> {
        let seconds = run.options.seconds;
        let accepted = self.rival.accept(BUSY, seconds).await?;
        let done = self.rival.done(BUSY, seconds * 3.0).await?;
        let mut idle = Sample::default();
        self.rival.idle(ALONE).await?.into_iter().for_each(|ms| idle.push(ms));
        Ok([accepted, done, idle.spread().map_or(f64::NAN, |spread| spread.p50)])
    }
}

impl Rates {
    fn add(&mut self, [accepted, done, idle]: [f64; 3]) {
        self.accepted.push(accepted);
        self.done.push(done);
        self.idle.push(idle);
    }

    /// What was measured, without a target.
    fn told(&self, name: &str, note: &str) -> Vec<Row> {
        let row = |what: &str, unit, values: &[f64]| {
            let mut sample = Sample::default();
            values.iter().filter(|value| value.is_finite()).for_each(|value| sample.push(*value));
            (sample.len() > 0).then(|| Row::sample(&format!("{name}: {what}"), "", unit, &sample, None).note(note))
        };
        let rows = [
            row("accepted at 32 clients", "jobs/s", &self.accepted),
            row("done at 32 workers", "jobs/s", &self.done),
            row("asked to done when idle, p50", "ms", &self.idle),
        ];
        rows.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_has_no_idle_figure_has_no_row_of_it() {
        let mut rates = Rates::default();
        rates.add([100.0, 50.0, f64::NAN]);
        let names: Vec<String> = rates.told("celery", "").into_iter().map(|row| row.name).collect();
        assert_eq!(names, ["celery: accepted at 32 clients", "celery: done at 32 workers"]);
    }
}
