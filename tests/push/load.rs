//! Requests all the time, and what became of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Callers that call until they are told to stop: some keep their connection, some open one for each request.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    callers: Vec<JoinHandle<Answers>>,
}

/// What came back.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) bodies: Vec<String>,
    pub(crate) failures: Vec<String>,
}

impl Load {
    pub(crate) fn start(url: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let callers = [true, true, false, false].map(|keeps| {
            let (url, stop) = (url.to_owned(), stop.clone());
            std::thread::spawn(move || call(&url, keeps, &stop))
        });
        Self { stop, callers: callers.into() }
    }

    pub(crate) fn end(self) -> Answers {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Answers::default();
        for caller in self.callers {
            let answers = caller.join().unwrap();
            all.bodies.extend(answers.bodies);
            all.failures.extend(answers.failures);
        }
        all
    }
}

fn call(url: &str, keeps: bool, stop: &AtomicBool) -> Answers {
    // Longer than a service waits for another: where one hangs, its name is in the answer.
    let client = reqwest::blocking::Client::builder().no_proxy().timeout(Duration::from_secs(45));
    let client = client.pool_max_idle_per_host(usize::from(keeps)).build().unwrap();
    let mut answers = Answers::default();
    while !stop.load(Ordering::Relaxed) {
        match client.get(url).send().and_then(|answer| Ok((answer.status(), answer.text()?))) {
            Ok((status, body)) if status.is_success() => answers.bodies.push(body),
            Ok((status, body)) => answers.failures.push(format!("{status}: {body}")),
            Err(error) => answers.failures.push(format!("{error:?}")),
        }
        // Fifty requests a second in all.
        std::thread::sleep(Duration::from_millis(80));
    }
    answers
}
