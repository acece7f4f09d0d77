//! `dyn mcp`: an agent's client breaks the file, reads why, mends it, reads the verdict, and looks a call up.

use std::fs;
use std::path::Path;

use rmcp::ServiceExt;
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::TokioChildProcess;
use serde_json::{Value, json};
use support::session::Dev;

const CHAIN: &str = "use dyninka::prelude::*;

#[placed(plus)]
static SUM: Placed<u64> = Placed::new(|| 0);

#[service]
fn source() -> u64 { println!(\"asked\"); 10 }

#[service]
fn plus(value: u64) -> u64 { SUM.update(|sum| { *sum += value; *sum }) }

#[service]
fn double(value: u64) -> u64 { value * 2 }

#[service]
fn large(length: usize) -> String { \"x\".repeat(length) }

#[dyninka::main]
fn main() { source().plus().double() }
";

/// An agent that speaks to `dyn mcp`.
struct Agent(RunningService<RoleClient, ()>);

impl Agent {
    async fn start(file: &Path) -> Self {
        let mut command = tokio::process::Command::from(support::dyn_command());
        command.arg("mcp").arg(file);
        Self(().serve(TokioChildProcess::new(command).expect("a server")).await.expect("the protocol"))
    }

    /// A tool's answer, and whether it is an error.
    async fn ask(&self, tool: &'static str, arguments: Value) -> (String, bool) {
        let mut params = CallToolRequestParams::new(tool);
        params.arguments = arguments.as_object().cloned();
        let CallToolResult { content, is_error, .. } = self.0.call_tool(params).await.expect("an answer");
        let text = content.first().and_then(|content| content.as_text()).map(|text| text.text.clone());
        let text = text.expect("text");
        assert!(text.len() <= 20_000, "{tool}: {} bytes", text.len());
        (text, is_error == Some(true))
    }

    /// A tool's answer as JSON.
    async fn read(&self, tool: &'static str, arguments: Value) -> Value {
        let (text, is_error) = self.ask(tool, arguments).await;
        assert!(!is_error, "{tool}: {text}");
        super::json(&text)
    }
}

#[tokio::test]
async fn an_agent_breaks_the_file_mends_it_and_traces_a_call() {
    let (_folder, file) = support::app(CHAIN);
    let dev = Dev::start(&file, "process");
    for _ in 0..3 {
        reqwest::get(dev.url()).await.expect("an answer");
    }
    let agent = Agent::start(&file).await;
    let words = agent.0.peer_info().and_then(|info| info.instructions.clone()).expect("instructions");
    assert!(words.contains("wait_for_edit"), "{words}");

    fs::write(&file, CHAIN.replace("value * 2", "value * two")).expect("a save");
    let broken = agent.read("wait_for_edit", json!({})).await;
    assert_eq!((&broken["outcome"], &broken["edit"]), (&json!("broken"), &json!(1)), "{broken:#}");
    let diagnostic = &broken["diagnostics"][0];
    assert_eq!(diagnostic["line"], 13, "{broken:#}");
    assert!(diagnostic["message"].as_str().expect("words").contains("two"), "{broken:#}");

    fs::write(&file, CHAIN.replace("value * 2", "value * 3")).expect("a save");
    let live = agent.read("wait_for_edit", json!({})).await;
    assert_eq!((&live["outcome"], &live["edit"]), (&json!("live"), &json!(2)), "{live:#}");
    assert_eq!((&live["results_changed"], &live["diagnostics"]), (&json!(true), &Value::Null), "{live:#}");
    assert!(live["verdict"][0].as_str().expect("a line").starts_with("double: changed 3 of 3"), "{live:#}");

    let called = agent.read("call", json!({ "service": "double", "inputs": {} })).await;
    assert_eq!((&called["status"], &called["value"]), (&json!(200), &json!(120)), "{called:#}");
    let traced = agent.read("request", json!({ "trace": called["trace"] })).await;
    let hops: Vec<(&Value, &Value, &Value)> = traced["hops"]
        .as_array()
        .expect("hops")
        .iter()
        .map(|hop| (&hop["service"], &hop["inputs"], &hop["end"]))
        .collect();
    let wanted = [
        (json!("source"), json!([]), json!(10)),
        (json!("plus"), json!([10]), json!(40)),
        (json!("double"), json!([40]), json!(120)),
    ];
    assert_eq!(hops, wanted.iter().map(|(service, inputs, end)| (service, inputs, end)).collect::<Vec<_>>());

    let listed = agent.read("requests", json!({ "query": "service:double 120" })).await;
    assert_eq!(listed["requests"][0]["trace"], called["trace"], "{listed:#}");
    let number = listed["requests"][0]["number"].clone();
    let (replayed, _) = agent.ask("replay", json!({ "request": number })).await;
    assert!(replayed.contains("double: same 1 of 1"), "{replayed}");
    assert_eq!(agent.read("state", json!({ "service": "plus" })).await, json!({ "SUM": 40 }));
    let given = agent.read("call", json!({ "service": "plus", "inputs": { "value": 2 } })).await;
    assert_eq!(given["value"], 42, "{given:#}");
    let edits = agent.read("edits", json!({})).await;
    assert_eq!((&edits["edits"][0]["edit"], &edits["edits"][1]["outcome"]), (&json!(2), &json!("broken")), "{edits:#}");
    let whole = agent.read("edits", json!({ "edit": 2 })).await;
    assert_eq!(whole["judgement"]["verdicts"][0]["service"], "double", "{whole:#}");
    agent.0.cancel().await.expect("an end");
    dev.stop();
}

#[tokio::test]
async fn tools_say_what_writes_and_what_is_wrong() {
    let (_folder, file) = support::app(CHAIN);
    let agent = Agent::start(&file).await;
    let tools = agent.0.list_all_tools().await.expect("tools");
    let mut names: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
    names.sort_unstable();
    let all = [
        "call",
        "check",
        "edits",
        "graph",
        "logs",
        "push_plan",
        "replay",
        "request",
        "requests",
        "services",
        "state",
        "wait_for_edit",
    ];
    assert_eq!(names, all);
    let is_read_only = |tool: &&rmcp::model::Tool| {
        tool.annotations.as_ref().and_then(|annotations| annotations.read_only_hint) == Some(true)
    };
    let writing: Vec<&str> = tools.iter().filter(|tool| !is_read_only(tool)).map(|tool| &*tool.name).collect();
    assert_eq!(writing.len(), 2, "{writing:?}");
    assert!(writing.contains(&"call") && writing.contains(&"push_plan"), "{writing:?}");
    assert!(tools.iter().all(|tool| tool.description.as_ref().is_some_and(|words| words.len() > 30)));

    // Without a session the file can be read, and all else says what to start.
    assert_eq!(agent.read("check", json!({})).await["flow"], "double(plus(source))");
    assert!(agent.ask("graph", json!({})).await.0.contains("source -> u64"));
    let (words, is_error) = agent.ask("services", json!({})).await;
    assert!(is_error && words.contains("dyn dev"), "{words}");
    agent.0.cancel().await.expect("an end");
}

#[tokio::test]
async fn long_answers_say_how_to_get_the_rest() {
    let (_folder, file) = support::app(CHAIN);
    let dev = Dev::start(&file, "process");
    let agent = Agent::start(&file).await;
    let services = agent.read("services", json!({ "service": "plus" })).await;
    assert_eq!(services["input_schema"]["properties"]["value"]["type"], "integer", "{services:#}");
    let (words, is_error) = agent.ask("call", json!({ "service": "large", "inputs": {} })).await;
    assert!(is_error && words.contains("length: usize"), "{words}");
    let (words, is_error) = agent.ask("call", json!({ "service": "large", "inputs": { "size": 1 } })).await;
    assert!(is_error && words.contains("large"), "{words}");

    let called = agent.read("call", json!({ "service": "large", "inputs": { "length": 50_000 } })).await;
    assert_eq!(called["value"]["bytes"], 50_002, "{called:#}");
    let traced = agent.read("request", json!({ "trace": called["trace"] })).await;
    assert_eq!(traced["hops"][0]["end"]["bytes"], 50_002);
    let (mut offset, mut read) = (0, String::new());
    loop {
        let (part, is_error) =
            agent.ask("request", json!({ "number": traced["number"], "hop": 1, "offset": offset })).await;
        assert!(!is_error, "{part}");
        let Some((head, words)) = part.split_once("\n[") else {
            read += &part;
            break;
        };
        read += head;
        offset = words.rsplit_once('=').expect("an offset").1.trim_end_matches(']').parse::<usize>().expect("a number");
    }
    assert_eq!(super::json(&read)[0]["end"].as_str().map(str::len), Some(50_000));

    for _ in 0..5 {
        reqwest::get(dev.url()).await.expect("an answer");
    }
    agent.read("request", json!({ "trace": agent.read("call", json!({ "service": "double" })).await["trace"] })).await;
    let page = agent.read("requests", json!({ "limit": 4 })).await;
    let last = page["requests"][3]["number"].as_u64().expect("a number");
    assert_eq!(page["more"], format!("call requests with before={last}"));
    let next = agent.read("requests", json!({ "limit": 4, "before": last })).await;
    assert!(next["requests"][0]["number"].as_u64() < Some(last), "{next:#}");
    let lines = agent.read("logs", json!({ "service": "source", "limit": 2 })).await;
    assert_eq!((lines["lines"].as_array().map(Vec::len), &lines["lines"][1]["line"]), (Some(2), &json!("asked")));
    assert!(lines["more"].as_str().is_some_and(|words| words.contains("before=")), "{lines:#}");
    let (words, is_error) = agent.ask("wait_for_edit", json!({ "timeout_s": 0 })).await;
    assert!(is_error && words.contains("saved"), "{words}");
    agent.0.cancel().await.expect("an end");
    dev.stop();
}
