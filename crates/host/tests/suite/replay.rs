//! Functions run again: in a process of their own, with a state of their own, answered by what was recorded.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use protocol::body::{Body, Left, Outcome, RecordedCall};
use protocol::replay::{Ask, ReplayAnswer, RunResult};
use serde_json::value::to_raw_value;

/// Longer than any function here takes, however much else the machine does.
const LONG: u64 = 120_000;

/// The process; it ends with its standard input.
struct Worker {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start() -> Self {
        let mut command = Command::new(support::examples().join("replay_worker"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let (input, output) = (process.stdin.take(), BufReader::new(process.stdout.take().unwrap()));
        let mut worker = Self { process, input, output };
        worker.load("it");
        worker
    }

    fn load(&mut self, slot: &str) {
        let file = library();
        let Some(ReplayAnswer::Loaded(loaded)) =
            self.ask(Ask::Load { slot: slot.to_owned(), file, service: "odd".to_owned() })
        else {
            panic!("it does not load")
        };
        assert_eq!(
            (&*loaded.version, &loaded.inputs[..]),
            ("odd@00000001", &["deed".to_owned(), "seed".to_owned()][..])
        );
        assert_eq!(loaded.states, [("COUNT".to_owned(), "u64-1".to_owned())]);
    }

    /// The answer, or none when the process ended.
    fn ask(&mut self, ask: Ask) -> Option<ReplayAnswer> {
        let line = format!("{}\n", serde_json::to_string(&ask).unwrap());
        self.input.as_mut().unwrap().write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        (!answer.is_empty()).then(|| serde_json::from_str(&answer).unwrap())
    }

    fn run_within(
        &mut self,
        slot: &str,
        deed: &str,
        seed: u64,
        stand_ins: Vec<RecordedCall>,
        timeout_ms: u64,
    ) -> Option<RunResult> {
        let inputs = vec![Body::new(format!("{deed:?}").as_bytes()), number(seed)];
        match self.ask(Ask::Run { slot: slot.to_owned(), inputs, stand_ins, timeout_ms })? {
            ReplayAnswer::Ran(ran) => Some(ran),
            other => panic!("{other:?}"),
        }
    }

    fn run(&mut self, slot: &str, deed: &str, seed: u64) -> Outcome {
        self.run_within(slot, deed, seed, Vec::new(), LONG).unwrap().end
    }

    /// Whether it ended well, once nobody asks any more.
    fn ends_well(mut self) -> bool {
        drop(self.input.take());
        self.process.wait().unwrap().success()
    }
}

fn library() -> PathBuf {
    support::examples().join("libreplay_odd.so")
}

fn number(number: u64) -> Body {
    Body::new(number.to_string().as_bytes())
}

fn value(of: u64) -> Outcome {
    Outcome::Value(number(of))
}

fn failed(kind: &str, message: &str) -> Outcome {
    Outcome::Failed { kind: kind.to_owned(), message: message.to_owned() }
}

fn called(seed: u64, end: Outcome) -> RecordedCall {
    RecordedCall { service: "first".to_owned(), inputs: vec![number(seed)], end }
}

#[test]
fn each_slot_has_a_state_of_its_own() {
    let mut worker = Worker::start();
    worker.load("other");
    assert_eq!((worker.run("it", "count", 1), worker.run("it", "count", 1)), (value(101), value(102)));
    assert_eq!(worker.run("other", "count", 1), value(101), "the same file, another state");
    let restore = |value: &str, name: &str| Ask::Restore {
        slot: "it".to_owned(),
        name: name.to_owned(),
        value: to_raw_value(&serde_json::from_str::<serde_json::Value>(value).unwrap()).unwrap(),
    };
    assert_eq!(worker.ask(restore("7", "COUNT")), Some(ReplayAnswer::Restored));
    assert_eq!(worker.run("it", "count", 1), value(8));
    for (json, name) in [("\"x\"", "COUNT"), ("7", "NONE")] {
        assert!(matches!(worker.ask(restore(json, name)), Some(ReplayAnswer::Refused { .. })), "{json} {name}");
    }
    assert_eq!((worker.run("it", "count", 0), worker.run("other", "count", 0)), (value(8), value(101)));
    worker.load("it");
    assert_eq!(worker.run("it", "count", 0), value(100), "loaded anew, it begins anew");
    assert_eq!(worker.ask(Ask::Forget { slot: "it".to_owned() }), Some(ReplayAnswer::Forgotten));
    assert!(matches!(worker.ask(Ask::Forget { slot: "it".to_owned() }), Some(ReplayAnswer::Forgotten)));
    let run = Ask::Run { slot: "it".to_owned(), inputs: Vec::new(), stand_ins: Vec::new(), timeout_ms: LONG };
    assert_eq!(worker.ask(run), Some(ReplayAnswer::Refused { why: "no library is loaded as it".to_owned() }));
    assert!(worker.ends_well());
}

#[test]
fn what_fails_is_told_and_the_next_runs() {
    let mut worker = Worker::start();
    assert_eq!(worker.run("it", "panic", 3), failed("panicked", "on 3"));
    assert_eq!(worker.run("it", "dance", 3), failed("failed", "dance is nothing it does"));
    let run = |inputs| Ask::Run { slot: "it".to_owned(), inputs, stand_ins: Vec::new(), timeout_ms: LONG };
    let Some(ReplayAnswer::Ran(ran)) = worker.ask(run(vec![Body::new(b"\"count\""), Body::new(b"\xff")])) else {
        panic!()
    };
    assert!(
        matches!(&ran.end, Outcome::Failed { kind, message } if kind == "rejected" && message.starts_with("seed: "))
    );
    let Some(ReplayAnswer::Refused { why }) = worker.ask(run(vec![Body::Left { bytes: 9, why: Left::Size }])) else {
        panic!()
    };
    assert!(why.contains("too large to be kept"), "{why}");
    assert_eq!(worker.run("it", "print", 3), value(0), "standard input is empty, output is not among the answers");
    let load = Ask::Load { slot: "no".to_owned(), file: PathBuf::from("/proc/self/status"), service: "odd".to_owned() };
    assert!(matches!(worker.ask(load), Some(ReplayAnswer::Refused { .. })), "that is no library");
    worker.input.as_mut().unwrap().write_all(b"what\n").unwrap();
    let mut answer = String::new();
    worker.output.read_line(&mut answer).unwrap();
    assert!(answer.contains("does not read"), "{answer}");
    assert_eq!(worker.run("it", "count", 1), value(101));
    assert!(worker.ends_well());
}

#[test]
fn what_ends_the_process_ends_nothing_else() {
    for deed in ["abort", "overflow"] {
        let mut worker = Worker::start();
        assert_eq!(worker.run_within("it", deed, 0, Vec::new(), LONG), None);
        assert!(!worker.ends_well(), "{deed}");
    }
}

#[test]
fn one_that_never_ends_is_told_and_ends_the_process() {
    for deed in ["loop", "wait"] {
        let mut worker = Worker::start();
        let ran = worker.run_within("it", deed, 0, Vec::new(), 20).unwrap();
        assert_eq!(ran.end, failed("deadline", "it did not end within 20 ms"));
        assert!(ran.function_ns >= 20_000_000);
        assert!(worker.process.wait().is_ok(), "{deed}");
    }
}

#[test]
fn a_call_from_the_body_is_answered_as_it_was_then() {
    let mut worker = Worker::start();
    let then =
        vec![called(4, value(40)), called(5, value(51)), called(5, value(52)), called(6, failed("deadline", "late"))];
    let mut ask = |deed: &str, seed| worker.run_within("it", deed, seed, then.clone(), LONG).unwrap();
    let ran = ask("ask", 4);
    assert_eq!((ran.end, ran.calls), (value(40), vec![called(4, value(40))]));
    assert_eq!(ask("ask twice", 5).end, value(51_052), "in their order");
    assert_eq!(ask("ask twice", 4).end, value(40_040), "one more is answered as the last was");
    assert_eq!(ask("ask", 6).end, failed("upstream", "first: late"), "another's deadline is not its own");
    for deed in ["ask", "ask and pass over"] {
        let ran = ask(deed, 7);
        assert!(matches!(&ran.end, Outcome::Failed { kind, .. } if kind == "not-recorded"), "{:?}", ran.end);
        assert_eq!(ran.calls.len(), 1);
    }
    assert_eq!(ask("ask and pass over", 4).end, value(40), "a run knows nothing of the one before");
    assert!(worker.ends_well());
}
