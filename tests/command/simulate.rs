//! `dyn simulate`: scenarios by name and from files, and what is wrong with them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::Value;
use support::dyn_command;

fn simulate(folder: &Path, arguments: &[&str]) -> Output {
    dyn_command().arg("simulate").args(arguments).current_dir(folder).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn simulate_compares_strategies_of_a_published_test() {
    let folder = tempfile::tempdir().unwrap();
    let output = simulate(folder.path(), &["dfaas-1", "--strategy", "offer,recalc", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let success = |at: usize| answer["strategies"][at]["success"]["mean"].as_f64().unwrap();
    assert!(success(0) > 99.99 && (success(1) - 95.83).abs() < 1.0, "{answer}");
    assert_eq!(answer["strategies"][1]["published"], 95.58);
    assert_eq!(answer["strategies"][1]["runs"].as_array().unwrap().len(), 12);
    let table = simulate(folder.path(), &["dfaas-1", "--strategy", "recalc"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("95.833") && table.contains("DFaaS published: recalc 95.58"), "{table}");
}

#[test]
fn simulate_reads_a_scenario_and_an_instance_and_draws_one() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = "for = \"1m\"\nstrategy = \"all-local\"\n[nodes]\na = { f = 200 }\n\
                    [[load]]\nat = \"a\"\nservice = \"f\"\nrate = 250\n";
    fs::write(folder.path().join("one.toml"), scenario).unwrap();
    let output = simulate(folder.path(), &["one.toml", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["strategies"][0]["strategy"], "all-local");
    assert_eq!(answer["strategies"][0]["success"]["mean"], 80.0);
    let instance = r#"{"seed": 1, "node_0": {"node_type": "LIGHT", "neighbours": [], "load": [
        {"LOW_USAGE": {"functions": [{"function_name": "figlet", "function_rate": 360}], "total_rate": 360}}]}}"#;
    fs::write(folder.path().join("instance.json"), instance).unwrap();
    let output = simulate(folder.path(), &["instance.json", "--strategy", "all-local", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["strategies"][0]["runs"][0]["refused"], 35.0);
    let drawn = |seed: &str| simulate(folder.path(), &["erdos-renyi", "--nodes", "8", "--seed", seed, "--json"]).stdout;
    assert_eq!(drawn("7"), drawn("7"));
    assert_ne!(drawn("7"), drawn("8"));
}

#[test]
fn simulate_says_what_is_wrong_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str]| {
        let output = simulate(folder.path(), arguments);
        (output.status.code().unwrap(), stderr(&output))
    };
    let (code, words) = refused(&["dfass-1"]);
    assert!(
        code == 2 && words.contains("neither a scenario nor a file dfass-1") && words.contains("dfaas-1?"),
        "{words}"
    );
    let (code, words) = refused(&["dfaas-1", "--strategy", "recalk"]);
    assert!(
        code == 2 && words.contains("unknown strategy recalk") && words.contains("did you mean recalc?"),
        "{words}"
    );
    let (code, words) = refused(&["dfaas-1", "--period", "60"]);
    assert!(code == 2 && words.contains("--period is 60"), "{words}");
    let (code, words) = refused(&["dfaas-1", "--nodes", "5"]);
    assert!(code == 2 && words.contains("no options of dfaas-1"), "{words}");
    fs::write(folder.path().join("bad.toml"), "for = \"1m\"\n[nodes]\na = { f = 0 }\n").unwrap();
    let (code, words) = refused(&["bad.toml"]);
    assert!(code == 1 && words.contains("bad.toml:3:11: the limit of f is 0"), "{words}");
}

#[test]
fn simulate_serves_everything_here_and_says_so_where_no_model_answers() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens on this port.
    let arguments =
        ["dfaas-1", "--strategy", "remote", "--model", "http://127.0.0.1:1/action", "--repeat", "1", "--json"];
    let output = simulate(folder.path(), &arguments);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["strategies"][0]["success"]["mean"], 80.0);
    assert!(stderr(&output).contains("everything is served here"), "{}", stderr(&output));
    let (without, words) = {
        let output = simulate(folder.path(), &["dfaas-1", "--strategy", "remote"]);
        (output.status.code().unwrap(), stderr(&output))
    };
    assert!(without == 2 && words.contains("needs the URL of a model"), "{words}");
}

/// A model that answers every request alike, and sends each body on.
fn model(answer: &'static str) -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/action", listener.local_addr().unwrap());
    let (bodies, received) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, bodies) = (stream.unwrap(), bodies.clone());
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                loop {
                    let (mut length, mut line) = (0, String::new());
                    while reader.read_line(&mut line).unwrap() > 2 {
                        if let Some(said) = line.to_lowercase().strip_prefix("content-length: ") {
                            length = said.trim().parse().unwrap();
                        }
                        line.clear();
                    }
                    // An empty line ends the head; nothing at all ends the connection.
                    if line.is_empty() {
                        return;
                    }
                    let mut body = vec![0; length];
                    reader.read_exact(&mut body).unwrap();
                    // Nobody listens any more once the test has seen enough.
                    let _ = bodies.send(serde_json::from_slice(&body).unwrap());
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
                    write!(stream, "{head}{}\r\n\r\n{answer}", answer.len()).unwrap();
                }
            });
        }
    });
    (url, received)
}

#[test]
fn simulate_does_what_a_model_over_http_says() {
    let folder = tempfile::tempdir().unwrap();
    let (url, asked) = model(r#"{"local": 0.6, "reject": 0.4}"#);
    let arguments = ["dfaas-1", "--strategy", "remote", "--model", &url, "--repeat", "1", "--json"];
    let output = simulate(folder.path(), &arguments);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    // 150 of 250 are kept, which are fewer than fit.
    assert!((answer["strategies"][0]["success"]["mean"].as_f64().unwrap() - 60.0).abs() < 1e-6, "{answer}");
    assert_eq!(stderr(&output), "");
    let first = asked.recv().unwrap();
    assert_eq!(first["agent_parameters"]["explore"], false);
    assert_eq!(first["observation"]["previous_n_replicas"], 1.0);
    assert!(asked.try_iter().any(|body| body["observation"]["input_rate"] == 250.0));
}
