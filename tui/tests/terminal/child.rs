//! The view in a process of its own, on the terminal it was started on.

#[path = "../screens/made.rs"]
#[expect(dead_code, reason = "other tests use the other sessions")]
mod made;

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use session_api::{Answer, Command, Snapshot};
use tokio::sync::{mpsc, watch};
use tui::{Completions, Handler, Logged, ShownLine, ViewOptions, ViewSource};

type Pictures = Arc<Mutex<Option<watch::Sender<Arc<Snapshot>>>>>;

#[test]
#[ignore = "run by the other tests, on a pseudo-terminal"]
fn view() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let said = runtime.block_on(show(&std::env::var("DYNINKA_TEST_SESSION").expect("which session")));
    println!("{said}");
}

async fn show(session: &str) -> String {
    let (pictures, snapshots) = watch::channel(Arc::new(made::serving()));
    let pictures = Arc::new(Mutex::new(Some(pictures)));
    let (lines, logs) = mpsc::channel(1_024);
    let storm = (session == "storm").then(|| tokio::spawn(storm(Arc::clone(&pictures), lines.clone())));
    let handler = Arc::new(Made { pictures, cluster: Mutex::default() });
    let exit = tui::run(ViewSource { snapshots, logs, handler, looks_at: None }, ViewOptions::default()).await;
    if let Some(storm) = storm {
        storm.abort();
    }
    drop(lines);
    match exit {
        Ok(exit) => format!("exit {exit:?}"),
        Err(error) => error.to_string(),
    }
}

/// Pictures and lines as fast as they can be made.
async fn storm(pictures: Pictures, lines: mpsc::Sender<Logged>) {
    for at in 0_u64.. {
        let mut snapshot = made::serving();
        snapshot.now_ms += at;
        if let Some(pictures) = pictures.lock().expect("nobody panics with it").as_ref() {
            pictures.send_replace(Arc::new(snapshot));
        }
        let line = format!("storm line {at}");
        let line = ShownLine { service: "map".into(), stderr: false, at_ms: at, line };
        // A line that finds no room is lost, as it would be in a session.
        drop(lines.try_send(Logged::Line(line)));
        tokio::task::yield_now().await;
    }
}

struct Made {
    pictures: Pictures,
    cluster: Mutex<Option<watch::Sender<Arc<Snapshot>>>>,
}

impl Handler for Made {
    fn complete(&self, _: &str, _: usize, _: &Snapshot) -> Completions {
        Completions::default()
    }

    fn run(&self, line: String) -> BoxFuture<'static, Vec<String>> {
        match line.as_str() {
            "panic" => panic!("somebody typed {line}"),
            "panic elsewhere" => drop(tokio::spawn(async move { panic!("somebody typed {line}") })),
            "end" => drop(self.pictures.lock().expect("nobody panics with it").take()),
            _ => {}
        }
        Box::pin(std::future::pending())
    }

    fn say(&self, _: Command) -> BoxFuture<'static, Answer> {
        Box::pin(std::future::pending())
    }

    fn shell(&self) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async {
            println!("away {}, say something", tui::is_away());
            std::io::stdout().flush().map_err(|error| error.to_string())?;
            let read = tokio::task::spawn_blocking(|| std::io::stdin().lock().lines().next());
            match read.await {
                Ok(Some(Ok(line))) => Err(format!("you said {line}")),
                read => Err(format!("{read:?}")),
            }
        })
    }

    /// The first time there is a cluster with one service; from then on there is none.
    fn cluster(
        &self,
        _: watch::Receiver<Arc<Snapshot>>,
    ) -> BoxFuture<'static, Result<watch::Receiver<Arc<Snapshot>>, String>> {
        let (pictures, there) = watch::channel(Arc::new(made::many(2)));
        let first = self.cluster.lock().expect("nobody panics with it").replace(pictures).is_none();
        Box::pin(async move { if first { Ok(there) } else { Err("the cluster is away".to_owned()) } })
    }

    fn log_files(&self, _: Option<&str>) -> Vec<PathBuf> {
        Vec::new()
    }
}
