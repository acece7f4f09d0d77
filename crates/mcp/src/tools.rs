//! The tools. Each asks the session once, or a few times, and shortens its answer.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rmcp::handler::server::wrapper::Parameters;
use rmcp::{tool, tool_router};
use serde_json::{Map, Value, json};
use session_api::command::{Answer, CallTree, Feed, Goal, Then};
use session_api::snapshot::{ServiceView, Snapshot};
use session_api::verdict::{Judgement, Verdict};
use session_api::{Client, Command};

use crate::answer::{list, part, shortened, value};
use crate::ask::{Call, Edits, Logs, Part, PushPlan, Replay, Request, Requests, Services, StateOf, WaitForEdit};
use crate::edit;
use crate::server::SessionServer;

/// Bytes of one value in an answer that has several.
const MOST_OF_VALUE: usize = 4_000;
/// The time that a request which has ended needs at most to come into memory.
const ON_ITS_WAY: Duration = Duration::from_secs(10);
/// The time that the replay of an edit's inputs is waited for.
const REPLAY: Duration = Duration::from_secs(60);
/// Between two looks for it.
const LOOK: Duration = Duration::from_millis(50);

#[tool_router(vis = "pub(crate)")]
impl SessionServer {
    /// Check the file as it stands: services, flow, and diagnostics with line and hint. Needs no session. What rustc says
    /// comes from wait_for_edit
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn check(&self, Parameters(Part { offset }): Parameters<Part>) -> Result<String, String> {
        part(&self.read(|source| source.check()).await?.to_string(), offset, "check")
    }

    /// Draw which service feeds which, the last one first. Needs no session
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn graph(&self, Parameters(Part { offset }): Parameters<Part>) -> Result<String, String> {
        part(&self.read(|source| source.graph()).await??, offset, "graph")
    }

    /// List services with state, version, and figures of the last minute; or tell all about one: inputs with JSON Schema,
    /// answer, URL, placed values, why it is down
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn services(&self, Parameters(asked): Parameters<Services>) -> Result<String, String> {
        let (_, snapshot) = self.looked().await?;
        let answer = match asked.service {
            None => json!({
                "app": snapshot.app, "phase": snapshot.phase, "url": snapshot.url, "flow": snapshot.flow, "edit": snapshot.edit,
                "services": snapshot.services.iter().map(|service| summary(&snapshot, service)).collect::<Vec<_>>(),
            }),
            Some(name) => {
                let service = known(&snapshot, &name)?;
                let mut whole = value(service)?;
                whole["last_minute"] = figures(&snapshot, &name);
                if let Some((inputs, output)) = self.read(move |source| source.schemas(&name)).await? {
                    whole["input_schema"] = inputs;
                    whole["output_schema"] = output;
                }
                whole
            }
        };
        part(&answer.to_string(), asked.offset, "services")
    }

    /// Call a service in the running session and answer with its value, the time of every hop, and the trace id. It runs the
    /// user's functions: placed values and whatever they write may change
    #[tool(annotations(read_only_hint = false, destructive_hint = false, open_world_hint = true))]
    async fn call(&self, Parameters(asked): Parameters<Call>) -> Result<String, String> {
        let (client, snapshot) = self.looked().await?;
        let call = tree(&snapshot, &asked.service, asked.inputs)?;
        let Answer::Called(called) = say(&client, Command::Invoke { call }).await? else {
            return Err("the session answers a call with something else".to_owned());
        };
        let how = format!("request with trace={}, and with a hop for its values whole", called.trace);
        let mut answer = value(&called)?;
        answer["value"] = shortened(answer["value"].take(), 3 * MOST_OF_VALUE, &how);
        answer["hops"] = shortened(answer["hops"].take(), MOST_OF_VALUE, &how);
        Ok(answer.to_string())
    }

    /// List recorded requests in memory, newest first, filtered by words
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn requests(&self, Parameters(asked): Parameters<Requests>) -> Result<String, String> {
        let client = self.client()?;
        let found =
            client.requests(&asked.query, asked.before, asked.limit).await.map_err(|error| error.to_string())?;
        let members =
            Map::from_iter([("newest".to_owned(), json!(found.newest)), ("oldest".to_owned(), json!(found.oldest))]);
        let more = |last: &session_api::requests::RequestLine| format!("call requests with before={}", last.number);
        list("requests", &found.requests, !found.whole, more, members)
    }

    /// Show one recorded request hop by hop, with inputs, outputs, and times: the trace of a call. Give number or trace
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn request(&self, Parameters(asked): Parameters<Request>) -> Result<String, String> {
        let client = self.client()?;
        let number = match (asked.number, &asked.trace) {
            (Some(number), _) => number,
            (None, Some(trace)) => find(&client, trace).await?,
            (None, None) => return Err("name a request by number or by trace".to_owned()),
        };
        let Answer::Stepped { steps, .. } =
            say(&client, Command::Step { request: number, hop: asked.hop, inputs: None }).await?
        else {
            return Err("the session answers with something else than a request".to_owned());
        };
        if asked.hop.is_some() {
            return part(&value(&steps)?.to_string(), asked.offset, "request");
        }
        let steps = steps.iter().map(|step| {
            let how = format!("request with number={number} and hop={}", step.number);
            let mut told = value(step)?;
            for name in ["inputs", "end"] {
                told[name] = shortened(told[name].take(), MOST_OF_VALUE, &how);
            }
            Ok(told)
        });
        let steps: Vec<Value> = steps.collect::<Result<_, String>>()?;
        let snapshot = client.snapshot().await.map_err(|error| error.to_string())?;
        let trace = asked.trace.as_ref().and_then(|id| snapshot.traces.iter().find(|trace| trace.id == *id));
        let answer = json!({ "number": number, "hops": steps, "trace": trace });
        part(&answer.to_string(), asked.offset, "request")
    }

    /// List the latest log lines of services, oldest first
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn logs(&self, Parameters(asked): Parameters<Logs>) -> Result<String, String> {
        let (client, snapshot) = self.looked().await?;
        if let Some(name) = &asked.service {
            known(&snapshot, name)?;
        }
        // Of earlier lines all are read: only the session's own numbers tell where a page ends.
        let most = if asked.before.is_some() { usize::MAX } else { asked.limit.saturating_add(1) };
        let mut lines = client.logs(asked.service.as_deref(), most).await.map_err(|error| error.to_string())?;
        lines.retain(|line| asked.before.is_none_or(|before| line.seq < before));
        let is_cut = lines.len() > asked.limit;
        lines.reverse();
        lines.truncate(asked.limit);
        let more = |last: &session_api::LogLine| format!("call logs with before={}", last.seq);
        let answer = list("lines", &lines, is_cut, more, Map::new())?;
        let mut answer: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
        if let Some(lines) = answer["lines"].as_array_mut() {
            lines.reverse();
        }
        Ok(answer.to_string())
    }

    /// List edits, newest first: outcome, services, time, verdict; or one of them whole
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn edits(&self, Parameters(asked): Parameters<Edits>) -> Result<String, String> {
        let (_, snapshot) = self.looked().await?;
        if let Some(number) = asked.edit {
            let line = snapshot.edits.iter().find(|line| line.edit == number);
            let line = line.ok_or_else(|| format!("edit {number} is not known: the last one is {}", snapshot.edit))?;
            return part(&value(line)?.to_string(), asked.offset, "edits");
        }
        let lines = snapshot.edits.iter().rev().filter(|line| asked.before.is_none_or(|before| line.edit < before));
        let told: Vec<Value> = lines.map(|line| edit::told(&snapshot, line)).collect::<Result<_, _>>()?;
        let more = |last: &Value| format!("call edits with before={}", last["edit"]);
        list("edits", &told, false, more, Map::new())
    }

    /// Wait until the last save is live, unchanged, broken, or rolled back, and judged. Broken: the compiler's words with
    /// file and line. Live: the verdict of recorded inputs on the new code. Call it after you save the file
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn wait_for_edit(&self, Parameters(asked): Parameters<WaitForEdit>) -> Result<String, String> {
        let (client, snapshot) = self.looked().await?;
        // A session that began anew counts from the beginning.
        let seen = self.seen.load(Ordering::Relaxed).min(snapshot.edit);
        let after = asked.after.unwrap_or(seen);
        let patience = Duration::from_secs(asked.timeout_s);
        match edit::wait(&client, patience, |snapshot| edit::is_over(snapshot, after)).await? {
            Some(snapshot) => {
                let line = edit::latest(&snapshot).ok_or("the session knows of no edit")?;
                self.seen.store(line.edit, Ordering::Relaxed);
                Ok(edit::told(&snapshot, line)?.to_string())
            }
            None => Err(format!(
                "no edit after {after} came to its end within {} s: is the file saved, and does it differ?",
                asked.timeout_s
            )),
        }
    }

    /// Run recorded inputs again in a sandbox, with the code as it is now: of a recording, of one request, or for the last
    /// edit; what differs is told with the request and the field
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn replay(&self, Parameters(asked): Parameters<Replay>) -> Result<String, String> {
        let (client, snapshot) = self.looked().await?;
        let command = match (asked.recording, asked.request) {
            (Some(_), Some(_)) => return Err("name a recording or a request, not both".to_owned()),
            (None, Some(request)) => Command::Diff { request },
            (name, None) => Command::Replay { name },
        };
        match say(&client, command).await? {
            Answer::Judged { verdicts } => {
                let lines: Vec<String> = verdicts.iter().flat_map(Verdict::lines).collect();
                part(&lines.join("\n"), asked.offset, "replay")
            }
            // For the last edit: the verdict comes to the edit.
            Answer::Done { message } => {
                let judged = snapshot.edits.iter().rev().find(|line| line.judgement.is_some());
                let Some(number) = judged.map(|line| line.edit) else { return Ok(message) };
                let is_judged = move |snapshot: &Snapshot| {
                    let line = snapshot.edits.iter().find(|line| line.edit == number);
                    line.is_none_or(|line| line.judgement != Some(Judgement::Running))
                };
                let settled = edit::wait(&client, REPLAY, is_judged).await?;
                let snapshot = settled.ok_or("the replay goes on: call edits later")?;
                let line = snapshot.edits.iter().find(|line| line.edit == number);
                Ok(edit::told(&snapshot, line.ok_or("the edit is not known any more")?)?.to_string())
            }
            other => Err(format!("the session answers with something else: {other:?}")),
        }
    }

    /// Read the placed values of a service
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn state(&self, Parameters(asked): Parameters<StateOf>) -> Result<String, String> {
        let client = self.client()?;
        match say(&client, Command::State { service: asked.service }).await? {
            Answer::State { values } => part(&value(&values)?.to_string(), asked.offset, "state"),
            other => Err(format!("the session answers with something else: {other:?}")),
        }
    }

    /// Plan a push of the app to a cluster: what would change there, and why. Builds what differs and changes nothing on the
    /// cluster. With ask the plan waits in `dyn` until the user says yes or no there: no tool does
    #[tool(annotations(read_only_hint = false, destructive_hint = false, open_world_hint = true))]
    async fn push_plan(&self, Parameters(asked): Parameters<PushPlan>) -> Result<String, String> {
        let client = self.client()?;
        let command = Command::Push {
            goal: Goal { context: asked.context, namespace: asked.namespace },
            services: asked.services,
            with_dependents: false,
            then: if asked.ask { Then::Ask } else { Then::End },
        };
        match say(&client, command).await? {
            Answer::Planned { push } => {
                let mut lines = push.plan();
                lines.push(push.stage.to_string());
                if asked.ask && push.is_open() {
                    lines.push("the user answers in `dyn dev`, or in `dyn shell`".to_owned());
                }
                part(&lines.join("\n"), 0, "push_plan with fewer services, instead of the whole app,")
            }
            other => Err(format!("the session answers with something else: {other:?}")),
        }
    }
}

/// The session's answer; what it will not do is an error, with its hint.
async fn say(client: &Client, command: Command) -> Result<Answer, String> {
    match client.say(&command).await.map_err(|error| error.to_string())? {
        Answer::Refused { message, hint } => {
            Err(hint.into_iter().fold(message, |message, hint| format!("{message}; {hint}")))
        }
        answer => Ok(answer),
    }
}

/// The number of the request with a trace, once it has come.
async fn find(client: &Client, trace: &str) -> Result<u64, String> {
    let begun = Instant::now();
    loop {
        let found = client.requests(&format!("trace:{trace}"), None, 1).await.map_err(|error| error.to_string())?;
        match found.requests.first() {
            Some(line) => return Ok(line.number),
            None if begun.elapsed() > ON_ITS_WAY => {
                return Err(format!(
                    "no request in memory has the trace {trace}: it may be too old, or not measured in detail"
                ));
            }
            None => tokio::time::sleep(LOOK).await,
        }
    }
}

/// A call with inputs by name; what is missing comes as the flow has it.
fn tree(snapshot: &Snapshot, name: &str, mut inputs: Map<String, Value>) -> Result<CallTree, String> {
    let service = known(snapshot, name)?;
    let is_in_flow = snapshot.edges.iter().any(|edge| edge.input.is_some() && (edge.to == name || edge.from == name));
    if inputs.is_empty() && (is_in_flow || service.inputs.is_empty()) {
        return Ok(CallTree { service: name.to_owned(), inputs: None });
    }
    let feeds = service.inputs.iter().map(|input| {
        let given = inputs.remove(&input.name).map(Feed::Value);
        let fed = || Some(Feed::Call(CallTree { service: feeder(snapshot, name, &input.name)?, inputs: None }));
        given.or_else(fed).ok_or_else(|| format!("{name} wants the input {}: {}", input.name, input.ty))
    });
    let feeds = feeds.collect::<Result<Vec<_>, _>>()?;
    match inputs.keys().next() {
        Some(unknown) => {
            let known: Vec<&str> = service.inputs.iter().map(|input| input.name.as_str()).collect();
            Err(format!("{name} has no input {unknown}; its inputs: {}", known.join(", ")))
        }
        None => Ok(CallTree { service: name.to_owned(), inputs: Some(feeds) }),
    }
}

/// The service that feeds an input in the flow.
fn feeder(snapshot: &Snapshot, service: &str, input: &str) -> Option<String> {
    let feeds = |edge: &&session_api::snapshot::FlowEdge| edge.to == service && edge.input.as_deref() == Some(input);
    snapshot.edges.iter().find(feeds).map(|edge| edge.from.clone())
}

fn known<'s>(snapshot: &'s Snapshot, name: &str) -> Result<&'s ServiceView, String> {
    snapshot.service(name).ok_or_else(|| {
        let names: Vec<&str> = snapshot.services.iter().map(|service| service.name.as_str()).collect();
        format!("{name} is no service of {}; its services: {}", snapshot.app, names.join(", "))
    })
}

/// A service in a line.
fn summary(snapshot: &Snapshot, service: &ServiceView) -> Value {
    let inputs: Vec<String> = service.inputs.iter().map(|input| format!("{}: {}", input.name, input.ty)).collect();
    json!({
        "name": service.name, "state": service.state, "version": service.version, "why": service.why,
        "inputs": inputs.join(", "), "output": service.output, "last_minute": figures(snapshot, &service.name),
    })
}

/// What a service did in the last minute; null: nothing.
fn figures(snapshot: &Snapshot, service: &str) -> Value {
    let minute = snapshot.hops.get(service).and_then(|hop| hop.windows.iter().find(|window| window.seconds == 60));
    minute.filter(|window| window.n > 0).map_or(Value::Null, |window| {
        json!({ "requests": window.n, "errors": window.errors, "p50_us": window.total.p50, "p99_us": window.total.p99 })
    })
}
