//! The view on made-up data that moves: `cargo run -p tui --example view [--ascii] [--plain] [--services N] [--joined] [--fused] [--instances] [--jobs] [--data]`.

#[path = "../tests/screens/made.rs"]
mod made;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use session_api::measured::{HopComparison, SpeedVerdict};
use session_api::snapshot::{Condition, EditLine, EditOutcome, EditedService, Notice, Phase};
use session_api::{Answer, Command, EditTimes, Snapshot};
use tokio::sync::{mpsc, watch};
use tui::{Completions, Handler, Logged, ShownLine, ViewOptions, ViewSource};

/// A made session, and the option that shows it.
type Choice = (&'static str, fn() -> Snapshot);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let given = |name: &str| arguments.iter().position(|argument| argument == name);
    let services = given("--services").and_then(|at| arguments.get(at + 1)).map(|count| count.parse()).transpose()?;
    let mut options = ViewOptions::default();
    options.theme.ascii = given("--ascii").is_some();
    options.theme.colour &= given("--plain").is_none();
    let made: [Choice; 5] = [
        ("--joined", made::joined),
        ("--fused", made::fused),
        ("--instances", made::several),
        ("--jobs", made::flooded),
        ("--data", made::replicated),
    ];
    let shown = made.into_iter().find_map(|(name, shown)| given(name).map(|_| shown)).unwrap_or(made::serving);
    let base = services.map_or_else(shown, made::many);
    let file = std::env::temp_dir().join("tui-view-building.rs");
    std::fs::write(&file, made::SOURCE)?;
    let begun = Instant::now();
    let (pictures, snapshots) = watch::channel(Arc::new(at(&base, &file, 0)));
    let (lines, logs) = mpsc::channel(4_096);
    for (_, line) in made::logs().lines() {
        lines.send(Logged::Line(line.clone())).await?;
    }
    let moving = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(250));
        let (mut written, mut lost) = (0_u64, 0);
        loop {
            ticks.tick().await;
            let now = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let snapshot = at(&base, &file, now);
            let service = &snapshot.services[(written as usize * 7) % snapshot.services.len()];
            let line = format!("reading {written} was 21.{} °C", written % 10);
            let line = ShownLine { service: service.name.clone(), stderr: written % 9 == 4, at_ms: now, line };
            lost += u64::from(lines.try_send(Logged::Line(line)).is_err());
            if lost > 0 && lines.try_send(Logged::Lost(lost)).is_ok() {
                lost = 0;
            }
            written += 1;
            if pictures.send(Arc::new(snapshot)).is_err() {
                break;
            }
        }
    });
    let exit = tui::run(ViewSource { snapshots, logs, handler: Arc::new(Made), looks_at: None }, options).await;
    moving.abort();
    println!("{exit:?}");
    exit?;
    Ok(())
}

/// The session after so many milliseconds: it starts, serves, is edited, breaks, is mended, and a service goes down.
fn at(base: &Snapshot, file: &std::path::Path, now: u64) -> Snapshot {
    let mut snapshot = match now {
        0..2_000 => made::starting(),
        20_000..26_000 => made::broken(),
        34_000..40_000 => made::down(),
        _ => base.clone(),
    };
    snapshot.file = file.to_owned();
    for finding in &mut snapshot.diagnostics {
        finding.place.file = file.to_owned();
    }
    let past = base.now_ms;
    snapshot.now_ms = past + now;
    if (2_000..10_000).contains(&now) {
        snapshot.notices = vec![Notice { at_ms: past + 2_000, message: "every service serves".into() }];
    }
    for (depth, hop) in (1_u64..).zip(snapshot.hops.values_mut()) {
        let second = now / 1_000 + depth * 3;
        let wave = 1.0 + 0.5 * ((second as f64) / 5.0).sin();
        hop.per_second = (0..60).map(|ago| (100.0 + 80.0 * ((second + ago) as f64 / 5.0).sin()) as u32).collect();
        hop.in_flight = (now / 250 * depth % 5) as u32;
        for window in &mut hop.windows {
            window.rate *= wave;
            window.n += now / 10;
            for percentile in [&mut window.total.p50, &mut window.total.p90, &mut window.function.p50] {
                *percentile = (*percentile as f64 * wave) as u64;
            }
        }
    }
    if (12_000..12_400).contains(&now) {
        snapshot.phase = Phase::Building;
        snapshot.edit = 13;
        if let Some(service) = snapshot.services.last_mut() {
            service.state = Condition::Building;
        }
    }
    if (12_000..20_000).contains(&now) {
        edit(&mut snapshot, past + 12_000, now < 12_400);
    }
    for trace in &mut snapshot.traces {
        trace.at_ms += now;
    }
    snapshot
}

fn edit(snapshot: &mut Snapshot, at_ms: u64, open: bool) {
    let Some(service) = snapshot.services.last().map(|service| service.name.clone()) else { return };
    let ms = EditTimes { settle: 5.1, parse: 0.7, build: 81.0, takeover: 1.4, first_response: 1.0, total: 89.2 };
    snapshot.edits.push(EditLine {
        edit: 13,
        at_ms,
        outcome: if open { EditOutcome::Open } else { EditOutcome::Live },
        services: vec![EditedService {
            name: service.clone(),
            reason: "its body".into(),
            version: Some(format!("{service}@d00dfeed0001")),
        }],
        flow: false,
        ms: (!open).then_some(ms),
        judgement: None,
    });
    if let Some(hop) = snapshot.hops.get_mut(&service).filter(|_| !open) {
        let after_n = snapshot.now_ms.saturating_sub(at_ms) / 10;
        let verdict = if after_n > 200 { SpeedVerdict::Faster } else { SpeedVerdict::NoEvidence };
        hop.edit = Some(HopComparison { edit: 13, before_p50: 410, before_n: 4_000, after_p50: 350, after_n, verdict });
    }
}

/// Answers as a session might.
struct Made;

impl Handler for Made {
    fn complete(&self, line: &str, cursor: usize, snapshot: &Snapshot) -> Completions {
        let start = line[..cursor].rfind(' ').map_or(0, |space| space + 1);
        let word = &line[start..cursor];
        let names = snapshot.services.iter().map(|service| service.name.clone());
        Completions { start, words: names.filter(|name| name.starts_with(word)).collect() }
    }

    fn run(&self, line: String) -> BoxFuture<'static, Vec<String>> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            vec![format!("{{ \"ran\": \"{line}\" }}"), "200 in 1.24 ms".into()]
        })
    }

    fn say(&self, command: Command) -> BoxFuture<'static, Answer> {
        Box::pin(async move { Answer::Done { message: format!("{command:?} is done, had this been a session") } })
    }

    fn shell(&self) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async {
            let ended = tokio::process::Command::new("sh").status().await;
            ended.map(drop).map_err(|error| error.to_string())
        })
    }

    fn cluster(
        &self,
        local: watch::Receiver<Arc<Snapshot>>,
    ) -> BoxFuture<'static, Result<watch::Receiver<Arc<Snapshot>>, String>> {
        Box::pin(async move { Ok(local) })
    }

    fn log_files(&self, _: Option<&str>) -> Vec<PathBuf> {
        Vec::new()
    }
}
