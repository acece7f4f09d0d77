//! `dyn jobs`: what a session with `--jobs` accepts, seen and asked for from a shell.

mod functions;

use std::path::Path;

use job_server::{JobServerConfig, config};
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};
use session::Home;

use super::invoke;
use super::jobs_beside::folder;
use crate::arguments::{Jobs, JobsRun};
use crate::fault::{Fault, Kind};
use crate::{finding, speech, start};

pub(crate) fn run(jobs: &Jobs) -> Result<(), Fault> {
    start::runtime()?.block_on(async {
        match jobs {
            Jobs::Run(asked) => ask(asked).await,
            Jobs::List { file, state, json } => list(&Server::of(file)?, state.as_deref(), *json).await,
            Jobs::Show { file, id } => Server::of(file)?.print(Method::GET, &format!("jobs/{id}")).await,
            Jobs::Result { file, id, wait } => result(&Server::of(file)?, id, *wait).await,
            Jobs::Cancel { file, id } => Server::of(file)?.print(Method::POST, &format!("jobs/{id}/cancel")).await,
            Jobs::Retry { file, id: Some(id), .. } => {
                Server::of(file)?.print(Method::POST, &format!("jobs/{id}/retry")).await
            }
            Jobs::Retry { file, id: None, .. } => Server::of(file)?.print(Method::POST, "dead/retry").await,
            Jobs::Dead { file } => dead(&Server::of(file)?).await,
            Jobs::Usage { file, by, csv } => usage(&Server::of(file)?, by, *csv).await,
            Jobs::Status { file } => status(&Server::of(file)?).await,
            Jobs::Tenant { file, name, limits } => tenant(&Server::of(file)?, name, limits).await,
            Jobs::Token { file, tenant, expires, scopes } => {
                token(&Server::of(file)?, tenant, expires.as_deref(), scopes).await
            }
            Jobs::Function(act) => functions::run(act).await,
            Jobs::Openapi => {
                drop(speech::out(job_server::openapi()));
                Ok(())
            }
        }
    })
}

/// The job server of an app's session.
struct Server {
    client: reqwest::Client,
    config: JobServerConfig,
    token: String,
}

impl Server {
    fn of(file: &Path) -> Result<Self, Fault> {
        let place = Home::open()?.place(file)?;
        let none = || {
            Fault::new(Kind::App, format!("no session of {} accepts jobs", file.display()))
                .hint(format!("`dyn dev {} --jobs` starts one", file.display()))
        };
        if session::attach(&place).is_none() {
            return Err(none());
        }
        let config = config::read(&folder(&place)).map_err(|_| none())?;
        let path = &config.operator;
        let token = std::fs::read_to_string(path);
        let token =
            token.map_err(|error| Fault::new(Kind::Machine, format!("cannot read {}: {error}", path.display())))?;
        let client = reqwest::Client::builder().no_proxy().build();
        let client = client.map_err(|error| Fault::new(Kind::Machine, error))?;
        Ok(Self { client, config, token: token.trim().to_owned() })
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("http://{}/v1/{path}", self.config.listen)).bearer_auth(&self.token)
    }

    /// The answer to a request, whatever its status.
    async fn send(&self, request: reqwest::RequestBuilder) -> Result<(StatusCode, String), Fault> {
        let unreachable = |error: reqwest::Error| {
            let why = protocol::error_chain(&error);
            Fault::new(Kind::App, format!("cannot reach the job server at {}: {why}", self.config.listen))
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        Ok((status, answer.text().await.map_err(unreachable)?))
    }

    /// The answer to a request, where it is a good one.
    async fn good(&self, request: reqwest::RequestBuilder) -> Result<String, Fault> {
        let (status, text) = self.send(request).await?;
        if status.is_success() { Ok(text) } else { Err(refusal(status, &text)) }
    }

    async fn value(&self, request: reqwest::RequestBuilder) -> Result<Value, Fault> {
        let text = self.good(request).await?;
        serde_json::from_str(&text)
            .map_err(|error| Fault::new(Kind::App, format!("the job server answered no JSON: {error}")))
    }

    async fn print(&self, method: Method, path: &str) -> Result<(), Fault> {
        let text = self.good(self.request(method, path)).await?;
        drop(speech::json(text));
        Ok(())
    }
}

/// A problem document in words.
fn refusal(status: StatusCode, text: &str) -> Fault {
    let problem: Value = serde_json::from_str(text).unwrap_or_default();
    let at = problem["at"].as_str().map(|at| format!("{at}: ")).unwrap_or_default();
    match problem["detail"].as_str() {
        Some(detail) => Fault::new(Kind::App, format!("{at}{detail} ({})", status.as_u16())),
        None => Fault::new(Kind::App, format!("{status}: {text}")),
    }
}

async fn ask(asked: &JobsRun) -> Result<(), Fault> {
    let JobsRun { file, service, inputs, key, delay, priority, tenant, wait } = asked;
    let server = Server::of(file)?;
    let mut job = Map::from_iter([("priority".to_owned(), json!(priority))]);
    if let Some(name) = service.as_ref().and_then(|name| name.strip_prefix("fn:")) {
        let read = |text: &String| {
            let wrong = |error| Fault::new(Kind::Usage, format!("{text} is no JSON: {error}"));
            serde_json::from_str::<Value>(text).map_err(wrong)
        };
        job.insert("function".to_owned(), json!(name));
        job.insert("args".to_owned(), inputs.iter().map(read).collect::<Result<_, _>>()?);
    } else if let Some(name) = service {
        let (app, diagnostics, _) = session::load(file);
        if finding::any_error(&diagnostics) {
            finding::print(&diagnostics);
            return Err(Fault::said(Kind::App));
        }
        let given = invoke::inputs(invoke::find(&app, name)?, inputs)?;
        job.insert("service".to_owned(), json!(name));
        job.insert("inputs".to_owned(), Value::Object(given));
    }
    if let Some(delay) = delay {
        job.insert("delay".to_owned(), json!(delay));
    }
    let body = protocol::exact::write(&Value::Object(job));
    let mut request = server.request(Method::POST, "jobs").header("content-type", "application/json").body(body);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    if let Some(tenant) = tenant {
        request = request.header("dyninka-tenant", tenant);
    }
    let accepted = server.value(request).await?;
    let id = accepted["id"].as_str().unwrap_or_default();
    if *wait {
        return result(&server, id, true).await;
    }
    drop(speech::out(id));
    Ok(())
}

async fn result(server: &Server, id: &str, wait: bool) -> Result<(), Fault> {
    loop {
        let (status, text) = server.send(server.request(Method::GET, &format!("jobs/{id}/result"))).await?;
        match status {
            StatusCode::OK => {
                drop(speech::json(text));
                return Ok(());
            }
            StatusCode::NO_CONTENT => {
                drop(speech::err("filtered"));
                return Ok(());
            }
            StatusCode::ACCEPTED if wait => {
                server.good(server.request(Method::GET, &format!("jobs/{id}?wait=30"))).await?;
            }
            StatusCode::ACCEPTED => {
                return Err(
                    Fault::new(Kind::App, format!("the job {id} has not ended")).hint("--wait waits for its end")
                );
            }
            _ => {
                let problem: Value = serde_json::from_str(&text).unwrap_or_default();
                let cause = problem["cause"]["detail"].as_str();
                let fault = refusal(status, &text);
                return Err(cause.into_iter().fold(fault, Fault::hint));
            }
        }
    }
}

async fn list(server: &Server, state: Option<&str>, json: bool) -> Result<(), Fault> {
    let state = state.map(|state| format!("&state={state}")).unwrap_or_default();
    let found = server.value(server.request(Method::GET, &format!("jobs?limit=500{state}"))).await?;
    if json {
        drop(speech::json(found));
        return Ok(());
    }
    for job in found["jobs"].as_array().into_iter().flatten() {
        let text = |name: &str| job[name].as_str().unwrap_or("-").to_owned();
        let attempts = format!("{}/{}", job["used"], job["attempts"]);
        let (id, tenant, service, state) = (text("id"), text("tenant"), text("service"), text("state"));
        let kind = job["kind"].as_str().unwrap_or_default();
        // Whoever reads it may have seen enough.
        drop(speech::out(format_args!("{id}  {state:9}  {attempts:5}  {tenant}  {service}  {kind}")));
    }
    if let Some(next) = found["next"].as_str() {
        drop(speech::err(format_args!("there are more after {next}")));
    }
    Ok(())
}

async fn dead(server: &Server) -> Result<(), Fault> {
    let groups = server.value(server.request(Method::GET, "dead")).await?;
    for group in groups.as_array().into_iter().flatten() {
        let text = |name: &str| group[name].as_str().unwrap_or("-").to_owned();
        let (tenant, service, kind, example) = (text("tenant"), text("service"), text("kind"), text("example"));
        drop(speech::out(format_args!("{}  {kind}  {tenant}  {service}  such as {example}", group["jobs"])));
    }
    Ok(())
}

async fn usage(server: &Server, by: &str, csv: bool) -> Result<(), Fault> {
    let mut request = server.request(Method::GET, &format!("usage?by={by}"));
    if csv {
        request = request.header("accept", "text/csv");
        let text = server.good(request).await?;
        drop(speech::script(text.as_bytes()));
        return Ok(());
    }
    let bill = server.value(request).await?;
    for row in bill["rows"].as_array().into_iter().flatten() {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let (tenant, service, version, day) = (text("tenant"), text("service"), text("version"), text("day"));
        let ms = row["function_ns"].as_f64().unwrap_or_default() / 1e6;
        drop(speech::out(format_args!("{day:10}  {tenant}  {service}  {version}  {} calls  {ms:.3} ms", row["calls"])));
    }
    Ok(())
}

async fn status(server: &Server) -> Result<(), Fault> {
    let summary = server.value(server.request(Method::GET, "summary")).await?;
    drop(speech::out(format_args!("workers {}/{}  dead {}", summary["busy"], summary["workers"], summary["dead"])));
    for (tenant, states) in summary["tenants"].as_object().into_iter().flatten() {
        let counts: Vec<String> =
            states.as_object().into_iter().flatten().map(|(state, count)| format!("{state} {count}")).collect();
        drop(speech::out(format_args!("  {tenant}  {}", counts.join("  "))));
    }
    Ok(())
}

async fn tenant(server: &Server, name: &str, given: &[String]) -> Result<(), Fault> {
    let mut limits = Map::new();
    for text in given {
        let wrong =
            || Fault::new(Kind::Usage, format!("{text} is no limit")).hint("write NAME=VALUE, such as weight=2");
        let (name, value) = text.split_once('=').ok_or_else(wrong)?;
        // What is no number is a text, such as 1h.
        limits.insert(name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| json!(value)));
    }
    let add = server.request(Method::POST, "tenants").json(&json!({ "name": name, "limits": limits }));
    let (status, text) = server.send(add).await?;
    let text = match status {
        StatusCode::CONFLICT => {
            server.good(server.request(Method::PATCH, &format!("tenants/{name}")).json(&limits)).await?
        }
        _ if status.is_success() => text,
        _ => return Err(refusal(status, &text)),
    };
    drop(speech::json(text));
    Ok(())
}

async fn token(server: &Server, tenant: &str, expires: Option<&str>, scopes: &[String]) -> Result<(), Fault> {
    let mut body = Map::new();
    if !scopes.is_empty() {
        body.insert("scopes".to_owned(), json!(scopes));
    }
    if let Some(expires) = expires {
        body.insert("expires".to_owned(), json!(expires));
    }
    let made = server
        .value(server.request(Method::POST, &format!("tenants/{}/tokens", tenant.replace('/', "%2F"))).json(&body))
        .await?;
    drop(speech::out(made["token"].as_str().unwrap_or_default()));
    Ok(())
}
