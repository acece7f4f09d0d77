//! What a recording of a million hops takes to open and list: `cargo bench -p recordings`.
//!
//! Fails where it is over 2 s or 200 MiB. The file has been written just before, so the disk has no part in it.

use std::sync::Arc;
use std::time::Instant;

use recordings::{Body, Bounds, FILE, Header, Outcome, Reader, RecordedHop, Request, Writer};

const REQUESTS: u64 = 250_000;
const MOST_SECONDS: f64 = 2.0;
const MOST_BYTES: u64 = 200 << 20;

fn main() {
    // In a process of its own, so that what writing took in memory is not counted.
    if let Some(folder) = std::env::args().skip_while(|argument| argument != "--open").nth(1) {
        return open(std::path::Path::new(&folder));
    }
    let folder = std::env::temp_dir().join(format!("dyninka-open-{}", std::process::id()));
    let outcome = std::panic::catch_unwind(|| measure(&folder));
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        eprintln!("{} stays: {error}", folder.display());
    }
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

fn measure(folder: &std::path::Path) {
    let begun = Instant::now();
    // As much of a queue as there are requests: what is measured is what it takes to write them all.
    let bounds = Bounds { queue: 1 << 18, queue_bytes: u64::MAX, ..Bounds::default() };
    let writer = Writer::create(folder, &Header::new("building", 0), bounds, |notice| panic!("{notice}"));
    let writer = writer.expect("a folder to write to");
    for at in 0..REQUESTS {
        writer.request(&Arc::new(request(at)));
    }
    let counts = writer.close();
    assert_eq!(counts.requests, REQUESTS, "{counts:?}");
    let size = std::fs::metadata(folder.join(FILE)).expect("what was written").len();
    println!("written: {} MiB in {:.2} s", size >> 20, begun.elapsed().as_secs_f64());

    let itself = std::env::current_exe().expect("Linux");
    let status = std::process::Command::new(itself).arg("--open").arg(folder).status().expect("a process");
    assert!(status.success(), "{status}");
}

fn open(folder: &std::path::Path) {
    let begun = Instant::now();
    let reader = Reader::open(folder).expect("what was written");
    let summary = reader.summary().expect("a folder to read");
    let longest = reader.entries().iter().map(|entry| entry.function_ns).max();
    let seconds = begun.elapsed().as_secs_f64();
    let bytes = peak();
    assert_eq!((summary.requests, summary.hops), (REQUESTS, 4 * REQUESTS));
    println!("opened and listed: {} hops in {seconds:.2} s, {} MiB; longest {longest:?} ns", summary.hops, bytes >> 20);
    let begun = Instant::now();
    for number in (0..reader.len()).rev().step_by(reader.len() / 1000) {
        reader.request(number).expect("a request");
    }
    println!("one request: {:.1} us", begun.elapsed().as_secs_f64() * 1000.0);
    assert!(seconds < MOST_SECONDS && bytes < MOST_BYTES, "{seconds} s, {bytes} bytes");
}

/// Of examples/building.rs.
fn request(at: u64) -> Request {
    let reading = format!(
        r#"{{"sensor":"sensor-{}","variable":"Temperature","units":"F","timestamp":"2026-01-01T00:00:00Z","value":{}.5}}"#,
        at % 50,
        at % 100
    );
    let hop = |service: &str, input: Option<&str>, output: &str| RecordedHop {
        span: format!("{at:016x}"),
        parent: Some(format!("{:016x}", at + 1)),
        service: service.to_owned(),
        version: format!("{service}@0123456789abcdef"),
        inputs: input.map(|input| Body::new(input.as_bytes())).into_iter().collect(),
        end: Outcome::Value(Body::new(output.as_bytes())),
        function_ns: at % 10_000,
        at_ns: 100_000,
        took_ns: 0,
        sequence: at,
        life: 0,
        calls: Vec::new(),
    };
    let hops = vec![
        hop("get", None, &reading),
        hop("filter", Some(&reading), &reading),
        hop("map", Some(&reading), "21.5"),
        hop("moving_avg", Some("21.5"), r#"{"average":21.5,"count":17}"#),
    ];
    Request { id: format!("{at:032x}"), at, route: None, headers: Vec::new(), hops }
}

/// The most memory this process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}
