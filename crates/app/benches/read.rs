//! How long a large app takes: read, planned and sliced. The limit is 300 ms for 10,000 lines and 200 services.

#[expect(unreachable_pub, reason = "other rooms use it, too")]
mod generate;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use app::Sources;

/// Runs of which the middle one counts.
const RUNS: usize = 9;

fn main() {
    let text = generate::program(200, 10_000);
    println!("{} lines, 200 services, {} kB", text.lines().count(), text.len() / 1000);
    let mut sources = Sources { root: PathBuf::from("app.rs"), ..Sources::default() };
    sources.texts.insert(sources.root.clone(), Arc::from(text.as_str()));
    let (app, findings) = app::parse(&sources);
    assert_eq!(findings, []);
    assert_eq!(app.services.len(), 200);

    let wanted = median(|| drop(app::wanted(&sources)));
    let parsed = median(|| drop(app::parse(&sources)));
    let sliced = median(|| app.services.iter().for_each(|service| drop(app.slice(&service.name))));
    let one = median(|| drop(app.slice("service_100")));
    let split = median(|| drop(app.split("service_100")));
    let edited = Sources {
        texts: [(sources.root.clone(), Arc::from(text.replacen("1.0", "2.0", 1)))].into(),
        ..sources.clone()
    };
    let (other, _) = app::parse(&edited);
    let compared = median(|| drop(app::compare(&app, &other)));
    // One function after the other is edited, as it is saved in a session.
    let mut memory = app::Incremental::default();
    drop(memory.parse(&sources));
    let mut edits = 0;
    let again = median_mut(|| {
        edits += 1;
        let text = text.replacen("1.0", &format!("{edits}.5"), 1);
        let edited = Sources { texts: [(sources.root.clone(), Arc::from(text))].into(), ..sources.clone() };
        memory.wanted(&edited);
        drop(memory.parse(&edited));
    });
    println!("wanted     {:8.1} ms", milliseconds(wanted));
    println!("parse      {:8.1} ms", milliseconds(parsed));
    println!("an edit    {:8.1} ms, wanted and parsed", milliseconds(again));
    println!("all slices {:8.1} ms, one {:.2} ms", milliseconds(sliced), milliseconds(one));
    println!("one split  {:8.2} ms", milliseconds(split));
    println!("compare    {:8.2} ms", milliseconds(compared));
    println!("in all     {:8.1} ms of 300", milliseconds(wanted + parsed + sliced + compared));
}

fn median(run: impl Fn()) -> Duration {
    median_mut(run)
}

fn median_mut(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[RUNS / 2]
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
