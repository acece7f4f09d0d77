//! Callbacks and schedules: what comes to pass without anybody asking.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};
use support::app;
use support::session::PATIENCE;

use crate::counter::Counter;
use crate::server::{Jobs, LOOK, told};

/// A receiver of callbacks that answers with these statuses in turn; what it was sent, with its id and signature.
fn receiver(statuses: &'static [u16]) -> (SocketAddr, Receiver<(String, String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, sent) = channel();
    std::thread::spawn(move || {
        for (stream, status) in listener.incoming().flatten().zip(statuses) {
            let mut reader = BufReader::new(stream);
            let (mut id, mut signature, mut length) = (String::new(), String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("a header");
                let Some((name, value)) = line.trim().split_once(": ") else {
                    if line.trim().is_empty() {
                        break;
                    }
                    continue;
                };
                match name.to_ascii_lowercase().as_str() {
                    "webhook-id" => id = value.to_owned(),
                    "webhook-signature" => signature = value.to_owned(),
                    "content-length" => length = value.parse().expect("a length"),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            reader.get_mut().write_all(answer.as_bytes()).expect("an answer");
            if sender.send((id, signature, serde_json::from_slice(&body).expect("JSON"))).is_err() {
                return;
            }
        }
    });
    (address, sent)
}

/// D15, from outside: a callback that is refused comes again with the same id, and over a kill of the server.
#[test]
fn the_end_of_a_job_is_sent_until_it_is_taken() {
    let counter = Counter::start();
    let (folder, file) = app(&counter.app());
    let table = "[jobs.callbacks]\nallow = [\"127.0.0.1\"]\ninsecure = true\n";
    std::fs::write(folder.path().join("dyn.toml"), table).expect("dyn.toml");
    let jobs = Jobs::start(&file);
    let (address, sent) = receiver(&[500, 204]);
    let id =
        jobs.ask(&json!({ "inputs": { "id": 1, "ms": 0 }, "callback": { "url": format!("http://{address}/hook") } }));
    let first = sent.recv_timeout(PATIENCE).expect("a callback");
    assert!(jobs.kill(), "there is a server");
    let second = sent.recv_timeout(PATIENCE).expect("the callback again");
    assert_eq!((&first.0, &first.2["data"]["id"]), (&second.0, &json!(id)));
    assert_eq!(first.2["type"], "job.done");
    assert!(first.1.starts_with("v1,"), "{first:?}");
    // One that leads inside is refused where it is asked for.
    let refused = jobs.post("jobs", &json!({ "callback": { "url": "https://169.254.169.254/latest" } }));
    assert_eq!((refused.status, refused.body["at"].as_str()), (422, Some("callback.url")));
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

#[test]
fn a_schedule_asks_for_its_job_once_a_time() {
    use reqwest::Method;
    let counter = Counter::start();
    let (_folder, file) = app(&counter.app());
    let jobs = Jobs::start(&file);
    let put = |body: &Value| told(jobs.request(Method::PUT, "schedules/tick").json(body)).expect("an answer");
    for (body, at) in [
        (json!({ "cron": "61 * * * *", "job": {} }), "cron"),
        (json!({ "cron": "@daily", "zone": "Mars/Olympus", "job": {} }), "zone"),
        (json!({ "cron": "@daily", "job": { "inputs": { "di": 1 } } }), "inputs.di"),
    ] {
        let refused = put(&body);
        assert_eq!((refused.status, refused.body["at"].as_str()), (422, Some(at)), "{body}");
    }
    let made = put(&json!({ "cron": "* * * * * *", "job": { "inputs": { "id": 1, "ms": 0 } } }));
    assert_eq!((made.status, made.body["next"].as_array().map(Vec::len)), (201, Some(5)), "{made:?}");
    let count = || counter.counts().get("1").copied().unwrap_or_default();
    while count() < 2 {
        std::thread::sleep(LOOK);
    }
    assert!(jobs.kill(), "there is a server");
    while count() < 5 {
        std::thread::sleep(LOOK);
    }
    let removed = told(jobs.request(Method::DELETE, "schedules/tick")).expect("an answer");
    assert_eq!(removed.status, 204);
    // Each time has one job, and each of them ran once.
    let all = jobs.get("jobs?limit=500").body;
    let asked = all["jobs"].as_array().expect("jobs");
    for job in asked {
        jobs.end_of(job["id"].as_str().expect("an id"));
    }
    assert!(asked.len() >= 5, "{asked:?}");
    assert_eq!(count(), asked.len() as u64, "each ran once");
    assert_eq!(jobs.get("schedules").body, json!([]));
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}
