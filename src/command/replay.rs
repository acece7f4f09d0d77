//! `dyn replay`: recorded inputs on the code as it is, and what it returns otherwise; or recorded requests sent again.

mod material;
mod sending;

use recordings::replay::{FunctionRuns, Pace, ReplayVerdict};
use recordings::{Difference, ValueChange, Worker};
use serde_json::json;

use crate::arguments::Replay;
use crate::fault::{Fault, Kind};
use crate::speech;

pub(crate) use material::cases;

pub(crate) fn run(replay: &Replay) -> Result<(), Fault> {
    super::dev::runtime()?.block_on(async {
        let mut signals = super::dev::Signals::new()?;
        let work = async { if replay.send { sending::send(replay).await } else { judge(replay).await } };
        tokio::select! {
            ended = work => ended,
            // Dropped, the work ends rustc and the process that runs functions.
            _ = signals.next() => Err(Fault::said(Kind::Interrupted)),
        }
    })
}

async fn judge(replay: &Replay) -> Result<(), Fault> {
    let material = material::gather(replay).await?;
    let program = std::env::current_exe();
    let program =
        program.map_err(|error| Fault::new(Kind::Machine, format!("cannot find this program's own file: {error}")))?;
    let mut worker = Worker::new(program, material.libraries, material.environments);
    let (mut verdicts, mut is_read) = (Vec::new(), true);
    for service in &material.services {
        let verdict = material.question.judge(service, &mut worker).await;
        let verdict = verdict.map_err(|error| Fault::new(Kind::Machine, error.to_string()))?;
        // Said as it is known: a recording may be long. The exit code holds where nobody reads on.
        if !replay.json && is_read {
            is_read = say(&verdict).is_ok();
        }
        verdicts.push(verdict);
    }
    let changed = verdicts.iter().any(is_otherwise) || !material.gone.is_empty();
    let compared: usize = verdicts.iter().map(compared).sum();
    if replay.json {
        let report = json!({
            "recording": material.name, "app": material.question_of, "requests": material.question.requests.len(),
            "gone": material.gone, "notices": material.notices, "changed": changed, "compared": compared, "verdicts": verdicts,
        });
        drop(speech::json(report));
    } else {
        for service in &material.gone {
            drop(speech::out(format_args!("{service}: it is no service of the app any more")));
        }
    }
    if changed {
        return Err(Fault::said(Kind::App));
    }
    if verdicts.is_empty() {
        return Err(Fault::new(
            Kind::Uncompared,
            format!("nothing to run: {} has no request that reads", material.name),
        ));
    }
    if compared == 0 {
        let message = format!("nothing of {} could be compared, so it says nothing of the code", material.name);
        return Err(Fault::new(Kind::Uncompared, message).hint(match replay.json {
            true => "`skipped` of each verdict says why",
            false => "the lines above say why, service by service",
        }));
    }
    Ok(())
}

/// Calls that were run and looked at, as the same or not.
fn compared(verdict: &ReplayVerdict) -> usize {
    let findings = std::iter::once(&verdict.findings).chain(verdict.downstream.values());
    findings.map(|findings| findings.same + findings.differ + findings.unstable).sum()
}

/// What fails a test of it: other ends, and inputs that do not read any more.
fn is_otherwise(verdict: &ReplayVerdict) -> bool {
    verdict.differs() || verdict.findings.unread > 0
}

fn say(verdict: &ReplayVerdict) -> std::io::Result<()> {
    say_findings(&verdict.service, &verdict.findings)?;
    for (word, pace) in [("slower", verdict.slower), ("faster", verdict.faster)] {
        if let Some(Pace { was_ns, now_ns, n, p }) = pace {
            let micros = |ns: u64| ns as f64 / 1e3;
            speech::out(format_args!(
                "  {word}: {:.1} µs, was {:.1} µs (n {n}, p {p:.1e})",
                micros(now_ns),
                micros(was_ns)
            ))?;
        }
    }
    for (service, findings) in &verdict.downstream {
        say_findings(&format!("{} → {service}", verdict.service), findings)?;
    }
    Ok(())
}

fn say_findings(name: &str, findings: &FunctionRuns) -> std::io::Result<()> {
    let FunctionRuns { recorded, same, differ, unstable, .. } = *findings;
    let mut words = vec![format!("{same} of {recorded} the same")];
    words.extend((differ > 0).then(|| format!("{differ} changed")));
    words.extend((unstable > 0).then(|| format!("{unstable} differ from run to run")));
    speech::out(format_args!("{name}: {}", words.join(", ")))?;
    for (why, count) in &findings.skipped {
        speech::out(format_args!("  {count} not replayed: {why}"))?;
    }
    for note in &findings.notes {
        speech::out(format_args!("  note: {note}"))?;
    }
    for case in findings.changed.chunk_by(|a, b| a.at == b.at) {
        let changes: Vec<ValueChange> = case.iter().map(|case| case.change.clone()).collect();
        let text = Difference(&changes).to_string().replace('\n', "\n    ");
        speech::out(format_args!("  request {}\n    {text}", case[0].at))?;
    }
    if findings.more > 0 {
        speech::out(format_args!("  and {} more differences", findings.more))?;
    }
    Ok(())
}
