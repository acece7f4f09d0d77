//! A `dyn` that is still at work.

use std::io::{BufRead, BufReader, Lines, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::cluster::Ran;

/// A `dyn` that is still at work. Dropping it ends it.
pub(crate) struct Underway {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    events: Vec<Value>,
    stderr: Option<JoinHandle<String>>,
}

impl Underway {
    /// Starts a command that tells events, one a line.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            said.read_to_string(&mut text).unwrap();
            text
        });
        Self { child, lines, events: Vec::new(), stderr: Some(stderr) }
    }

    /// Reads on until an event is what is waited for.
    pub(crate) fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        for line in self.lines.by_ref() {
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            self.events.push(event.clone());
            if wanted(&event) {
                return event;
            }
        }
        let said = self.stderr.take().unwrap().join().unwrap();
        panic!("it ended before that: {said}\n{:#?}", self.events);
    }

    /// Until the next event of a kind.
    pub(crate) fn until_event(&mut self, kind: &str) -> Value {
        self.until(|event| event["event"] == kind)
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ran {
        for line in self.lines.by_ref() {
            self.events.push(serde_json::from_str(&line.unwrap()).unwrap());
        }
        let code = self.child.wait().unwrap().code();
        let stderr = self.stderr.take().unwrap().join().unwrap();
        Ran { code, events: std::mem::take(&mut self.events), stderr }
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        // One that has ended is ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
