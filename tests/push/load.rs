//! Requests all the time, and what became of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Callers that call until they are told to stop: some keep their connection, some open one for each request.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<Answers>>,
}

/// What came back.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) bodies: Vec<String>,
    pub(crate) failures: Vec<String>,
    /// Answers of other nodes of the fleet, by their names; the empty name's were answered where they were asked.
    pub(crate) nodes: BTreeMap<String, usize>,
}

impl Load {
    pub(crate) fn start(url: &str) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let callers = [true, true, false, false].map(|keeps| {
            let (url, stop, answered) = (url.to_owned(), stop.clone(), answered.clone());
            std::thread::spawn(move || call(&url, keeps, &stop, &answered))
        });
        Self { stop, answered, callers: callers.into() }
    }

    /// Waits until so many more were answered, well or not.
    pub(crate) fn wait(&self, more: usize) {
        let before = self.answered.load(Ordering::Relaxed);
        while self.answered.load(Ordering::Relaxed) < before + more {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn end(self) -> Answers {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Answers::default();
        for caller in self.callers {
            let answers = caller.join().unwrap();
            all.bodies.extend(answers.bodies);
            all.failures.extend(answers.failures);
            for (node, count) in answers.nodes {
                *all.nodes.entry(node).or_default() += count;
            }
        }
        all
    }
}

fn call(url: &str, keeps: bool, stop: &AtomicBool, answered: &AtomicUsize) -> Answers {
    // Longer than a service waits for another: where one hangs, its name is in the answer.
    let client = reqwest::blocking::Client::builder().no_proxy().timeout(Duration::from_secs(45));
    let client = client.pool_max_idle_per_host(usize::from(keeps)).build().unwrap();
    let mut answers = Answers::default();
    while !stop.load(Ordering::Relaxed) {
        match client.get(url).send().and_then(|answer| Ok((answer.status(), node(&answer), answer.text()?))) {
            Ok((status, node, body)) if status.is_success() => {
                answers.bodies.push(body);
                *answers.nodes.entry(node).or_default() += 1;
            }
            Ok((status, _, body)) => answers.failures.push(format!("{status}: {body}")),
            Err(error) => answers.failures.push(format!("{error:?}")),
        }
        answered.fetch_add(1, Ordering::Relaxed);
        // Fifty requests a second in all.
        std::thread::sleep(Duration::from_millis(80));
    }
    answers
}

/// The other node that answered; empty: none.
pub(crate) fn node(answer: &reqwest::blocking::Response) -> String {
    let header = answer.headers().get("dyninka-nodes");
    header.map(|name| name.to_str().unwrap().to_owned()).unwrap_or_default()
}
