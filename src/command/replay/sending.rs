//! `dyn replay --send`: recorded requests once more, to the chain that runs.

use std::time::Duration;

use recordings::send::{self, Load, Outgoing, SendReport, WaitPercentiles};
use session::Home;

use super::material;
use crate::arguments::Replay;
use crate::fault::{Fault, Kind};
use crate::speech;

pub(super) async fn send(replay: &Replay) -> Result<(), Fault> {
    let app = material::load(&replay.file)?;
    let reader = material::open(&replay.file, &replay.recording)?;
    let place = Home::open()?.place(&replay.file)?;
    let last = app.last().ok_or_else(|| Fault::new(Kind::App, format!("{} has no flow to send to", app.name)))?;
    let url = session::running(&place).and_then(|running| running.url_of(last)).ok_or_else(|| {
        Fault::new(Kind::App, format!("no session serves {}", replay.file.display()))
            .hint(format!("`dyn dev {}` starts one", replay.file.display()))
    })?;
    let inputs =
        app.service(last).map(|service| service.inputs.iter().map(|input| input.name.clone()).collect::<Vec<_>>());
    let inputs = inputs.unwrap_or_default();
    let requests = material::read(&reader)?;
    let count = requests.len();
    let outgoing: Vec<_> = requests.iter().filter_map(|(_, request)| Outgoing::new(request, &inputs)).collect();
    if outgoing.len() < count {
        let left = count - outgoing.len();
        drop(speech::err(format_args!("notice: {left} requests are not sent: what they brought was not kept")));
    }
    if outgoing.is_empty() {
        return Err(Fault::new(Kind::App, format!("{} has no request that can be sent", replay.recording)));
    }
    let load = Load { tempo: replay.pace, at_once: replay.at_once, timeout: Duration::from_secs(60) };
    let report = send::send(&url, outgoing, &load).await;
    let report = report.map_err(|error| Fault::new(Kind::Machine, error.to_string()))?;
    if replay.json {
        let text = serde_json::to_string(&report);
        let text = text.map_err(|error| Fault::new(Kind::Machine, format!("cannot write JSON: {error}")))?;
        drop(speech::out(text));
    } else {
        drop(say(&report));
    }
    if report.is_well() { Ok(()) } else { Err(Fault::said(Kind::App)) }
}

fn say(report: &SendReport) -> std::io::Result<()> {
    let SendReport { sent, seconds, per_second, .. } = report;
    speech::out(format_args!("{sent} requests in {seconds:.2} s, {per_second:.0} a second"))?;
    for (outcome, count) in &report.outcomes {
        speech::out(format_args!("  {count} {outcome}"))?;
    }
    speech::out(format_args!("  ms      {:>9} {:>9} {:>9} {:>9} {:>9}", "p50", "p90", "p99", "p99.9", "max"))?;
    for (word, percentiles) in [("due", report.corrected), ("sent", report.uncorrected)] {
        let WaitPercentiles { p50, p90, p99, p999, max } = percentiles;
        let [p50, p90, p99, p999, max] = [p50, p90, p99, p999, max].map(|ns| ns as f64 / 1e6);
        speech::out(format_args!("  {word:<7} {p50:>9.2} {p90:>9.2} {p99:>9.2} {p999:>9.2} {max:>9.2}"))?;
    }
    speech::out(
        "  due: from when a request should have been sent, as its caller would have waited; sent: from sending on",
    )
}
