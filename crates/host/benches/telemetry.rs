//! What measuring costs, and what recording costs besides: the chain `first -> last` with and without it, in turns, so
//! that what else the machine does befalls both. With: a reader asks every host for what it has and reads it, as a
//! session does, in the same process, so that its work counts too.
//!
//! `cargo bench -p host`

#[path = "../tests/suite/chain.rs"]
mod chain;

use std::time::{Duration, Instant};

use chain::{Chain, TOKEN, start};
use protocol::fold::Fold;
use protocol::record::RecordLine;
use protocol::{Batch, Limits, header, otlp};
use reqwest::Client;
use tokio::task::JoinSet;

/// Turns of both; odd, so that the median is one of them. Short, so that what else the machine does lasts for longer
/// than a pair of them.
const TURNS: usize = 101;
const TURN: Duration = Duration::from_millis(100);
/// Callers at the same time: the busiest of the project's figures, and one alone.
const CALLERS: [usize; 2] = [32, 1];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("threads").block_on(measure());
}

async fn measure() {
    let detail = Limits::default().detail;
    compare("measuring", start(0, false).await, start(detail, false).await).await;
    compare("recording", start(detail, false).await, start(detail, true).await).await;
}

/// Both chains are measured where they are to be; the second is read for what the first has not.
async fn compare(what: &str, without: Chain, with: Chain) {
    let hosts = |chain: &Chain| [chain.first.door("hops"), chain.last.door("hops")];
    let mut read = Vec::from(hosts(&with).map(|door| tokio::spawn(follow(door))));
    if what == "recording" {
        read.extend(hosts(&without).map(|door| tokio::spawn(follow(door))));
        read.extend([&with.first, &with.last].map(|host| tokio::spawn(follow_records(host.door("records")))));
    }
    for callers in CALLERS {
        // Their connections are kept from turn to turn.
        let clients: Vec<_> = (0..callers).map(|_| client()).collect();
        for chain in [&without, &with] {
            load(chain, &clients).await;
        }
        let mut turns = Vec::new();
        for turn in 0..TURNS {
            // Whoever goes second finds another machine: they take turns in that too.
            let (a, b);
            if turn % 2 == 0 {
                a = load(&without, &clients).await;
                b = load(&with, &clients).await;
            } else {
                b = load(&with, &clients).await;
                a = load(&without, &clients).await;
            }
            turns.push((a, b));
        }
        report(what, callers, &turns);
    }
    for task in read {
        task.abort();
    }
    for host in [without.last, without.first, with.last, with.first] {
        host.end().await;
    }
}

/// Requests a second, and their median in microseconds.
type Figures = (f64, f64);

fn report(what: &str, callers: usize, turns: &[(Figures, Figures)]) {
    let of = |part: &dyn Fn(&(Figures, Figures)) -> f64| median(turns.iter().map(part).collect());
    println!(
        "{what}: {callers:>2} callers, n {} pairs of {} ms: without {:.0} req/s, p50 {:.0} µs; with {:.0} req/s, p50 {:.0} µs; \
         with/without, median of pairs: req/s {:.3}, p50 {:.3}",
        turns.len(),
        TURN.as_millis(),
        of(&|(a, _)| a.0),
        of(&|(a, _)| a.1),
        of(&|(_, b)| b.0),
        of(&|(_, b)| b.1),
        of(&|(a, b)| b.0 / a.0),
        of(&|(a, b)| b.1 / a.1),
    );
}

async fn load(chain: &Chain, clients: &[Client]) -> Figures {
    let url = format!("http://{}/", chain.last.address);
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for client in clients {
        let (client, url) = (client.clone(), url.clone());
        tasks.spawn(async move {
            let mut times = Vec::new();
            while begun.elapsed() < TURN {
                let sent = Instant::now();
                let answer = client.get(&url).send().await.expect("an answer");
                assert_eq!(answer.status(), 200);
                answer.bytes().await.expect("its body");
                times.push(sent.elapsed().as_secs_f64() * 1e6);
            }
            times
        });
    }
    let times: Vec<f64> = tasks.join_all().await.concat();
    (times.len() as f64 / begun.elapsed().as_secs_f64(), median(times))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn client() -> Client {
    Client::builder().no_proxy().tcp_nodelay(true).build().expect("a client")
}

/// Reads what a host measured for as long as it is let.
async fn follow(door: String) {
    let (client, mut fold, mut query, begun) = (client(), Fold::default(), String::new(), Instant::now());
    loop {
        let answer = client.get(format!("{door}?{query}")).bearer_auth(TOKEN).send().await.expect("a batch");
        let text = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
        let number = |name| text(name).parse().expect("a number");
        query = format!("after={}", text(header::CURSOR));
        let (requests, errors) = (number(header::REQUESTS), number(header::ERRORS));
        let (in_flight, now) = (number(header::IN_FLIGHT), number(header::NOW));
        let spans = otlp::decode(&answer.bytes().await.expect("its body")).expect("spans").spans;
        fold.add(begun.elapsed(), "one", Batch { now, in_flight, requests, errors, spans, ..Batch::default() });
    }
}

/// Reads what a host recorded for as long as it is let.
async fn follow_records(door: String) {
    let (client, mut query) = (client(), String::new());
    loop {
        let answer = client.get(format!("{door}?{query}")).bearer_auth(TOKEN).send().await.expect("a batch");
        query = format!("after={}", answer.headers()[header::CURSOR].to_str().expect("text"));
        let body = answer.bytes().await.expect("its body");
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            serde_json::from_slice::<RecordLine>(line).expect("a record");
        }
    }
}
