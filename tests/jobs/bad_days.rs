//! More bad days: full disks, poison, one key from everywhere, cancels at any instant, readers that never read.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use support::app;
use support::disk::Disk;

use crate::counter::Counter;
use crate::server::{Jobs, LOOK, Server, Told, told};

fn keyed(server: &Server, key: &str, body: &Value) -> Result<Told, reqwest::Error> {
    told(server.request(Method::POST, "jobs").header("idempotency-key", key).json(body))
}

/// Memory that a process has, in bytes.
fn resident(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// D13: fifty connections with one key are one job, also over a kill of the server. D14: a cancel is an end or comes too late,
/// at any instant. D21: readers that never read move nothing. D24: dead letters come back batch by batch.
#[test]
fn one_key_is_one_job_a_cancel_is_one_end_and_dead_letters_come_back() {
    let counter = Counter::start();
    let naps = "#[service]\nasync fn naps(ms: u64) -> u64 { tokio::time::sleep(std::time::Duration::from_millis(ms)).await; ms }\n\n#[service]\nfn fails(";
    let (_folder, file) = app(&counter.app().replacen("#[service]\nfn fails(", naps, 1));
    fs::write(file.with_file_name("dyn.toml"), "[jobs]\nfunctions = true\n").expect("settings");
    let jobs = Jobs::start(&file);
    let generous = told(jobs.request(Method::PATCH, "tenants/default").json(&json!({ "rate": 1e6, "burst": 1e6 })));
    assert_eq!(generous.expect("an answer").status, 200);
    // D13.
    let body = json!({ "inputs": { "id": 1, "ms": 0 } });
    let asked: Vec<Told> = std::thread::scope(|scope| {
        let askers: Vec<_> =
            (0..50).map(|_| scope.spawn(|| keyed(&jobs.server, "one", &body).expect("an answer"))).collect();
        askers.into_iter().map(|asker| asker.join().expect("it asks")).collect()
    });
    let id = asked[0].body["id"].as_str().expect("an id").to_owned();
    assert!(asked.iter().all(|told| told.body["id"] == id.as_str()), "{asked:?}");
    assert_eq!(asked.iter().filter(|told| told.status == 202).count(), 1, "{asked:?}");
    let other = json!({ "inputs": { "id": 2, "ms": 0 } });
    assert_eq!(keyed(&jobs.server, "one", &other).expect("an answer").status, 422);
    assert!(jobs.kill(), "there is a server");
    let again = loop {
        match keyed(&jobs.server, "one", &body) {
            Ok(told) => break told,
            Err(_) => std::thread::sleep(LOOK),
        }
    };
    assert_eq!((again.status, again.body["id"].as_str()), (200, Some(id.as_str())), "{again:?}");
    jobs.end_of(&id);
    assert_eq!(counter.counts().get("1"), Some(&1));
    // D14: an asynchronous function and one of a tenant end with their job.
    let sleeps = "async function sleeps() { await new Promise(done => setTimeout(done, 60000)); }";
    let put = jobs.request(Method::PUT, "functions/sleeps").header("content-type", "text/javascript").body(sleeps);
    assert_eq!(told(put).expect("an answer").status, 201);
    for job in
        [json!({ "service": "naps", "inputs": { "ms": 60_000 } }), json!({ "function": "sleeps", "timeout": "2m" })]
    {
        let id = jobs.ask(&job);
        while jobs.get(&format!("jobs/{id}")).body["state"] != "running" {
            std::thread::sleep(LOOK);
        }
        let cancelled = jobs.post(&format!("jobs/{id}/cancel"), &json!({}));
        assert_eq!(
            (cancelled.body["state"].as_str(), cancelled.body["still_runs"].as_bool()),
            (Some("cancelled"), Some(false)),
            "{job}: {cancelled:?}"
        );
    }
    // At the instant of its end: whichever came first, and once.
    for number in 100..130_u64 {
        let id = jobs.ask(&json!({ "inputs": { "id": number, "ms": number % 10 } }));
        let cancelled = jobs.post(&format!("jobs/{id}/cancel"), &json!({}));
        let job = jobs.end_of(&id);
        let is_cancelled = cancelled.status == 200;
        assert_eq!(job["state"], if is_cancelled { "cancelled" } else { "done" }, "{cancelled:?} {job}");
        assert!(job["history"].as_array().is_none_or(|all| all.len() <= 1), "{job}");
        assert!(counter.counts().get(&number.to_string()).copied().unwrap_or(0) <= 1);
    }
    // D21: readers that never read.
    let address = jobs.url.trim_start_matches("http://").trim_end_matches("/v1").to_owned();
    let reader = || {
        let mut stream = TcpStream::connect(&address).expect("a connection");
        // The system takes little for them, so that it is the server that has to hold back.
        rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 4 << 10).expect("a small buffer");
        let request =
            format!("GET /v1/events HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\r\n", jobs.token);
        stream.write_all(request.as_bytes()).expect("it is sent");
        stream
    };
    let readers: Vec<TcpStream> = (0..100).map(|_| reader()).collect();
    let pid = jobs.pid().expect("a server");
    let before = resident(pid);
    // D24.
    let dead = || {
        jobs.get("dead").body.as_array().expect("groups").iter().map(|of| of["jobs"].as_u64().unwrap_or(0)).sum::<u64>()
    };
    let many = |from: u64, count: u64| {
        let all: Vec<Value> = (from..from + count)
            .map(|id| json!({ "service": "fails", "inputs": { "id": id }, "attempts": 1 }))
            .collect();
        assert_eq!(jobs.post("jobs/batch", &json!({ "jobs": all })).status, 200);
    };
    many(0, 1_000);
    many(1_000, 100);
    while dead() < 1_100 {
        std::thread::sleep(LOOK);
    }
    let begun = jobs.post("dead/retry", &json!({ "service": "fails" }));
    assert_eq!((begun.status, &begun.body["retried"]), (202, &json!(1_000)), "{begun:?}");
    let number = begun.body["id"].as_u64().expect("a number");
    let progress = || {
        let all = jobs.get("dead/retry").body;
        all.as_array().expect("redrives").iter().find(|one| one["id"] == number).expect("it is told of").clone()
    };
    while progress()["state"] == "running" {
        std::thread::sleep(LOOK);
    }
    // Those that fail again meanwhile are not taken a second time.
    assert_eq!((&progress()["state"], &progress()["retried"]), (&json!("done"), &json!(1_100)));
    while dead() < 1_100 {
        std::thread::sleep(LOOK);
    }
    let stopped = jobs.post("dead/retry", &json!({}));
    let path = format!("dead/retry/{}", stopped.body["id"]);
    let left = told(jobs.request(Method::DELETE, &path)).expect("an answer");
    assert!(["cancelled", "done"].contains(&left.body["state"].as_str().unwrap_or_default()), "{left:?}");
    assert_eq!(told(jobs.request(Method::DELETE, "dead/retry/4711")).expect("an answer").status, 404);
    let grown = resident(pid).saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more for readers that never read");
    drop(readers);
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

/// D5: without room nothing new is accepted, what runs is stored, reads answer; with room again all goes on.
#[test]
fn a_full_disk_refuses_new_jobs_and_loses_none() {
    let counter = Counter::start();
    let disk = Disk::new("256m");
    let file = disk.path().join("app.rs");
    fs::write(&file, counter.app()).expect("the app");
    fs::write(disk.path().join("dyn.toml"), "[jobs]\nstore = \"jobs.db\"\n").expect("settings");
    let jobs = Jobs::start(&file);
    let running = jobs.ask(&json!({ "inputs": { "id": 1, "ms": 1_500 } }));
    let waiting = jobs.ask(&json!({ "inputs": { "id": 2, "ms": 0 }, "delay": "1s" }));
    while !counter.counts().contains_key("1") {
        std::thread::sleep(LOOK);
    }
    disk.fill();
    let mut refused = jobs.post("jobs", &json!({ "inputs": { "id": 3, "ms": 0 } }));
    // The first that meets the full disk gives the reserve up for what runs.
    while refused.status == 202 {
        refused = jobs.post("jobs", &json!({ "inputs": { "id": 3, "ms": 0 } }));
    }
    assert_eq!(
        (refused.status, refused.body["type"].as_str()),
        (507, Some("urn:dyninka:problem:storage-full")),
        "{refused:?}"
    );
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    assert_eq!(jobs.get("jobs").status, 200);
    for id in [&running, &waiting] {
        assert_eq!(jobs.end_of(id)["state"], "done");
    }
    disk.empty();
    let again = loop {
        let told = jobs.post("jobs", &json!({ "inputs": { "id": 4, "ms": 0 } }));
        if told.status == 202 {
            break told;
        }
        assert_eq!(told.status, 507, "{told:?}");
        std::thread::sleep(LOOK);
    };
    assert_eq!(jobs.end_of(again.body["id"].as_str().expect("an id"))["state"], "done");
    assert_eq!([1, 2, 4].map(|id| counter.counts().get(&id.to_string()).copied()), [Some(1); 3]);
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

/// D8: a job that ends its host each time fails as poison; others go on, and the version that ran it stays. D23: a run ends on
/// the version that it began on, whatever is edited meanwhile. D10: a result that is too large is told as such.
#[test]
fn poison_ends_its_job_alone_and_a_run_keeps_its_version_over_an_edit() {
    let counter = Counter::start();
    let more = "#[service(backoff = \"1ms..1ms\")]\nfn dies(id: u64) -> u64 { if id == 13 { std::process::abort() } id }\n\n#[service]\nfn large(mb: usize) -> String { \"x\".repeat(mb << 20) }\n\n#[service]\nfn fails(";
    let text = counter.app().replacen("#[service]\nfn fails(", more, 1);
    let (_folder, file) = app(&text);
    let mut jobs = Jobs::start(&file);
    // D23.
    let long = jobs.ask(&json!({ "inputs": { "id": 21, "ms": 3_000 } }));
    while !counter.counts().contains_key("21") {
        std::thread::sleep(LOOK);
    }
    fs::write(&file, text.replace("id * 2", "id * 3").replace("abort() } id }", "abort() } id + 100 }"))
        .expect("an edit");
    jobs.dev.wait_for("live");
    let after = jobs.ask(&json!({ "inputs": { "id": 22, "ms": 0 } }));
    let (long, after) = (jobs.end_of(&long), jobs.end_of(&after));
    let result = |job: &Value| jobs.get(&format!("jobs/{}/result", job["id"].as_str().expect("an id"))).body;
    assert_eq!((result(&long), result(&after)), (json!(42), json!(66)));
    assert_ne!(long["versions"], after["versions"]);
    assert_eq!((&long["attempt"], &after["attempt"]), (&json!(1), &json!(1)), "no run is repeated for an edit");
    // D8.
    let poison = jobs.ask(&json!({ "service": "dies", "inputs": { "id": 13 } }));
    let beside = jobs.ask(&json!({ "inputs": { "id": 23, "ms": 0 } }));
    let poison = jobs.end_of(&poison);
    assert_eq!((&poison["state"], &poison["kind"]), (&json!("failed"), &json!("poison")), "{poison}");
    let outcomes: Vec<&Value> =
        poison["history"].as_array().expect("attempts").iter().map(|of| &of["outcome"]).collect();
    assert_eq!(outcomes, ["lost", "lost", "lost"], "{poison}");
    assert_eq!(jobs.end_of(&beside)["state"], "done");
    let well = jobs.end_of(&jobs.ask(&json!({ "service": "dies", "inputs": { "id": 1 } })));
    assert_eq!((well["state"].as_str(), result(&well)), (Some("done"), json!(101)), "the edit stays: {well}");
    // D10.
    let large = jobs.end_of(&jobs.ask(&json!({ "service": "large", "inputs": { "mb": 100 } })));
    assert_eq!((&large["state"], &large["used"]), (&json!("failed"), &json!(1)), "{large}");
    let kind = large["problem"]["type"].as_str().unwrap_or_default();
    assert!(kind.ends_with(":too-large"), "{large}");
    let server = resident(jobs.pid().expect("a server"));
    assert!(server < 128 << 20, "the server has {server} bytes");
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

/// D12 in full: 1,000,000 jobs of one tenant wait, and 500 connections ask for more; the other tenant's jobs do not wait for
/// them. How long they wait beside a flood, over without, is a figure of `bench jobs`.
#[test]
#[ignore = "long: a million jobs, five minutes"]
fn a_flood_of_a_million_jobs_keeps_no_other_tenant_waiting() {
    let counter = Counter::start();
    let (_folder, file) = app(&counter.app());
    fs::write(file.with_file_name("dyn.toml"), "[jobs]\nstore = \"jobs.db\"\n").expect("settings");
    let jobs = Jobs::start(&file);
    let free = json!({ "rate": 1e9, "burst": 1e9, "queued": 1_000_100, "running": 32 });
    for (name, limits) in [("flood", &free), ("quiet", &json!({}))] {
        let added = jobs.post("tenants", &json!({ "name": name, "limits": limits }));
        assert_eq!(added.status, 201, "{added:?}");
    }
    let server = jobs.server.clone();
    let by = |tenant: &str, method: Method, path: &str| server.request(method, path).header("dyninka-tenant", tenant);
    let p99 = || {
        let mut waits: Vec<u64> = (0..100)
            .map(|id| {
                let asked = told(by("quiet", Method::POST, "jobs").json(&json!({ "inputs": { "id": id, "ms": 0 } })));
                let id = asked.expect("an answer").body["id"].as_str().expect("an id").to_owned();
                jobs.end_of(&id)["waited_us"].as_u64().expect("a wait")
            })
            .collect();
        waits.sort_unstable();
        waits[98]
    };
    let alone = p99();
    let batch: Vec<Value> = (0..1_000).map(|id| json!({ "inputs": { "id": id, "ms": 20 } })).collect();
    for _ in 0..1_000 {
        let told = told(by("flood", Method::POST, "jobs/batch").json(&json!({ "jobs": batch }))).expect("an answer");
        assert_eq!(told.status, 200, "{told:?}");
    }
    let size = fs::metadata(file.with_file_name("jobs.db")).expect("the store").len();
    assert!(size / 1_000_000 <= 600, "{} bytes a job", size / 1_000_000);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    // Written once: what is measured is the server, beside which five hundred writers would leave no processor.
    let body = serde_json::to_vec(&json!({ "jobs": batch })).expect("JSON");
    let with = std::thread::scope(|scope| {
        for _ in 0..500 {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    let asked = told(by("flood", Method::POST, "jobs/batch").body(body.clone()));
                    assert!(asked.is_ok_and(|told| [200, 429, 503].contains(&told.status)));
                }
            });
        }
        let with = p99();
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        with
    });
    // All that wait, 20 ms each in 32 slots: a fair turn comes long before a hundredth of them, on a busy machine as well.
    let backlog = Duration::from_millis(1_000_000 * 20 / 32);
    eprintln!("p99 from accepted to begun: {with} µs beside a flood, {alone} µs alone");
    assert!(u128::from(with) <= backlog.as_micros() / 100, "p99 {with} µs beside a flood, {alone} µs alone");
    let size = resident(jobs.pid().expect("a server"));
    assert!(size < 256 << 20, "the server has {size} bytes");
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}
