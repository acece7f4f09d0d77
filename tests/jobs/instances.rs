//! Jobs of a service with several hosts: they run in its first instance, each once in the life of that host.

use serde_json::{Value, json};
use support::app;
use support::hosts::kill;
use support::session::Client;

use crate::counter::Counter;
use crate::server::{Jobs, LOOK};

/// The counter's app, whose `work` is not the last service, so that it may have instances.
fn text(counter: &Counter) -> String {
    let text = counter.app();
    let last = "#[service]\nfn last(n: u64) -> u64 { n }\n\n#[dyninka::main]";
    text.replacen("#[dyninka::main]", last, 1).replacen(
        "main() { work(seed(), seed()) }",
        "main() { last(work(seed(), seed())) }",
        1,
    )
}

fn job(id: u64, ms: u64) -> Value {
    json!({ "service": "work", "inputs": { "id": id, "ms": ms } })
}

#[test]
fn jobs_run_in_the_first_instance_once_and_wait_for_it_where_it_ends() {
    let counter = Counter::start();
    let (_folder, file) = app(&text(&counter));
    let mut jobs = Jobs::start_with(&file, &["--together", "none", "--instances", "work=2"]);
    let outcomes = |job: &Value| -> Vec<String> {
        let history = job["history"].as_array().expect("attempts").iter();
        history.map(|attempt| attempt["outcome"].as_str().expect("an outcome").to_owned()).collect()
    };
    let begun = |id: u64| {
        while !counter.counts().contains_key(&id.to_string()) {
            std::thread::sleep(LOOK);
        }
    };
    let asked: Vec<String> = (101..=120).map(|id| jobs.ask(&job(id, 20))).collect();
    for id in &asked {
        assert_eq!(outcomes(&jobs.end_of(id)), ["value"]);
    }
    let url = |instance: usize| {
        let output = support::run(&["status".as_ref(), file.as_os_str(), "--json".as_ref()]);
        let status: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let work = status["services"].as_array().expect("services").iter().find(|of| of["name"] == "work");
        work.expect("it runs")["instances"][instance]["url"].as_str().expect("a URL").to_owned()
    };
    let second = url(1);
    let answered = || -> u64 {
        let text = Client::default().get(&format!("{second}metrics")).body;
        let values = text.lines().filter(|line| line.contains("requests_total") && line.contains("value"));
        values.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    assert_eq!(answered(), 0, "the first instance ran them all");
    // Jobs of one that asks it reach both.
    let above: Vec<String> = (0..20).map(|_| jobs.ask(&json!({ "service": "last" }))).collect();
    for id in &above {
        assert_eq!(jobs.end_of(id)["state"], "done");
    }
    assert!(answered() > 0);
    // The end of another instance takes no run with it.
    let runs = jobs.ask(&job(121, 2_000));
    begun(121);
    kill("process", &file, "work.2");
    assert_eq!(jobs.dev.wait_for("down")["service"], "work.2");
    let runs = jobs.end_of(&runs);
    assert_eq!(outcomes(&runs), ["value"], "{runs}");
    jobs.dev.wait_for("up");
    // The end of the first loses what ran there, which runs again once that is back. What waits is held meanwhile.
    let lost = jobs.ask(&job(122, 2_000));
    begun(122);
    kill("process", &file, "work");
    let waits: Vec<String> = (123..=130).map(|id| jobs.ask(&job(id, 0))).collect();
    let lost = jobs.end_of(&lost);
    assert_eq!(outcomes(&lost), ["lost", "value"], "{lost}");
    for id in &waits {
        let job = jobs.end_of(id);
        let outcomes = outcomes(&job);
        let (last, before) = outcomes.split_last().expect("an attempt");
        assert!(last == "value" && before.iter().all(|one| one == "held" || one == "lost"), "{job}");
    }
    let counts = counter.counts();
    assert!((101..=121).all(|id: u64| counts[&id.to_string()] == 1), "{counts:?}");
    assert_eq!(counts["122"], 2);
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}
