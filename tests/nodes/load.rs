//! Users: requests at a pace, each counted by its status and by the node that served it.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The other node that served it; empty: none did.
    pub(crate) node: String,
    pub(crate) body: String,
    pub(crate) took: Duration,
}

/// One caller, with a connection of its own.
pub(crate) struct Caller {
    host: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Caller {
    pub(crate) fn new(host: &str) -> Self {
        Self { host: host.to_owned(), stream: None }
    }

    /// Asks for a banner.
    pub(crate) fn ask(&mut self, headers: &str) -> io::Result<Answer> {
        let begun = Instant::now();
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect((self.host.as_str(), 8080))?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(Duration::from_secs(40)))?;
                BufReader::new(stream)
            }
        };
        write!(stream.get_mut(), "GET / HTTP/1.1\r\nhost: {}\r\n{headers}\r\n", self.host)?;
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no answer: {line:?}")))?;
        let (mut length, mut node, mut keeps) = (0, String::new(), true);
        loop {
            line.clear();
            stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
                "dyninka-nodes" => value.trim().clone_into(&mut node),
                "connection" => keeps = value.trim() != "close",
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        if keeps {
            self.stream = Some(stream);
        }
        Ok(Answer { status, node, body: String::from_utf8_lossy(&body).into_owned(), took: begun.elapsed() })
    }
}

/// Callers at a pace until they are told to end.
pub(crate) struct Users {
    ends: Arc<AtomicBool>,
    answers: Arc<Mutex<Vec<Answer>>>,
    callers: Vec<JoinHandle<()>>,
}

impl Users {
    /// So many requests a second at a host, by so many callers.
    pub(crate) fn at(host: &str, rate: u32, callers: u32) -> Self {
        let (ends, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let begun = Instant::now();
        let call = |number: u32| {
            let (ends, answers, host) = (ends.clone(), answers.clone(), host.to_owned());
            std::thread::spawn(move || {
                let mut caller = Caller::new(&host);
                let mut due = begun + Duration::from_secs(1) * number / rate;
                while !ends.load(Ordering::Relaxed) {
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let answer = caller.ask("").expect("the host answers");
                    answers.lock().unwrap().push(answer);
                    // A machine that stood still makes no burst of what it missed.
                    due = (due + Duration::from_secs(1) * callers / rate).max(Instant::now());
                }
            })
        };
        let callers = (0..callers).map(call).collect();
        Self { ends, answers, callers }
    }

    /// Waits until so many more were answered.
    pub(crate) fn wait(&self, count: usize) {
        let before = self.answers.lock().unwrap().len();
        while self.answers.lock().unwrap().len() < before + count {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends them; every answer there was.
    pub(crate) fn end(self) -> Vec<Answer> {
        self.ends.store(true, Ordering::Relaxed);
        self.callers.into_iter().for_each(|caller| caller.join().unwrap());
        std::mem::take(&mut self.answers.lock().unwrap())
    }
}

/// Answers by status and node.
pub(crate) fn counted(answers: &[Answer]) -> BTreeMap<(u16, String), usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry((answer.status, answer.node.clone())).or_insert(0) += 1;
    }
    counts
}
