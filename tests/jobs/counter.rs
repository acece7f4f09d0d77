//! A process outside the app, as far as its functions know: it counts what they did, whatever dies.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

/// Counts the lines that functions send.
#[derive(Clone)]
pub(crate) struct Counter {
    pub(crate) address: SocketAddr,
    counts: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Counter {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let counter = Self { address: listener.local_addr().expect("an address"), counts: Arc::default() };
        let counts = counter.counts.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counts = counts.clone();
                std::thread::spawn(move || {
                    let mut answer = stream.try_clone().expect("a stream");
                    for line in BufReader::new(stream).lines().map_while(Result::ok) {
                        *counts.lock().expect("counts").entry(line).or_default() += 1;
                        // Only now the function goes on: nothing that it did is missed.
                        if answer.write_all(b"\n").is_err() {
                            return;
                        }
                    }
                });
            }
        });
        counter
    }

    /// How often each line came.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.counts.lock().expect("counts").clone()
    }

    /// An app whose last function sends a line for each run, and then takes some milliseconds.
    pub(crate) fn app(&self) -> String {
        format!(
            "use dyninka::prelude::*;
use std::io::{{Read, Write}};

#[service]
fn seed() -> u64 {{ 7 }}

#[service]
fn work(id: u64, ms: u64) -> u64 {{
    let mut stream = std::net::TcpStream::connect(\"{}\").expect(\"the counter\");
    stream.write_all(format!(\"{{id}}\\n\").as_bytes()).expect(\"a line is sent\");
    stream.read_exact(&mut [0]).expect(\"it is counted\");
    std::thread::sleep(std::time::Duration::from_millis(ms));
    id * 2
}}

#[service]
fn fails(id: u64) -> Result<u64> {{ Err(Error::new(format!(\"no {{id}}\"))) }}

#[dyninka::main]
fn main() {{ work(seed(), seed()) }}
",
            self.address
        )
    }
}
