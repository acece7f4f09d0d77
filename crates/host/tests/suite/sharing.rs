//! A host whose load is shared, beside an agent that these tests are.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use protocol::{HostLoad, Limits};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::chain::{Chain, TOKEN, start_with};

/// What the agent was asked.
#[derive(Clone)]
struct Asked {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// A status, headers and a body.
type Said<H> = (u16, H, &'static str);
/// A header's name and value.
type Named = (&'static str, &'static str);

/// An agent that answers in turn: with a status, headers and a body; the last answer again and again.
#[derive(Clone, Default)]
struct Agent {
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Arc<Mutex<VecDeque<Said<Vec<Named>>>>>,
    /// It answers nobody before this.
    held: Option<Arc<Notify>>,
}

async fn hear(State(agent): State<Agent>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    agent.asked.lock().push(Asked { method, path: uri.path().to_owned(), headers, body });
    if let Some(held) = &agent.held {
        held.notified().await;
    }
    let mut answers = agent.answers.lock();
    let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
    let (status, headers, body) = answer.unwrap();
    let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
    response.headers_mut().remove("content-type");
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// Starts an agent; its address.
async fn start(agent: &Agent) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(axum::serve(listener, Router::new().fallback(hear).with_state(agent.clone())).into_future());
    address
}

const VALUE: Said<&[Named]> = (
    200,
    &[
        ("content-type", "application/json"),
        ("server-timing", "last;dur=1.000, last.fn;dur=0.500"),
        ("dyninka-version", "last@00000002"),
        ("dyninka-nodes", "edge-2"),
    ],
    "99",
);

fn agent(answers: &[Said<&[Named]>]) -> Agent {
    let answers = answers.iter().map(|(status, headers, body)| (*status, headers.to_vec(), *body)).collect();
    Agent { answers: Arc::new(Mutex::new(answers)), ..Agent::default() }
}

async fn tell(chain: &Chain, sharing: Value) -> reqwest::Response {
    let request = Client::new().put(chain.last.door("sharing")).bearer_auth(TOKEN).json(&sharing);
    request.send().await.unwrap()
}

/// One request is served here in a minute, others go to the agent.
async fn share(chain: &Chain, away: Option<&str>, more: Value) {
    let mut sharing = json!({ "epoch": "1", "ttl_ms": 60000, "limit": 0.0166, "burst": 1.0 });
    if let Some(away) = away {
        sharing["away"] = away.into();
    }
    sharing.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let told = tell(chain, sharing).await;
    assert!(told.status().is_success(), "{}", told.text().await.unwrap());
}

async fn ask(chain: &Chain) -> reqwest::Response {
    Client::new().get(format!("http://{}/", chain.last.address)).send().await.unwrap()
}

async fn load(chain: &Chain) -> HostLoad {
    let request = Client::new().get(chain.last.door("load")).bearer_auth(TOKEN);
    request.send().await.unwrap().json().await.unwrap()
}

fn header<'r>(response: &'r reqwest::Response, name: &str) -> &'r str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn end(chain: Chain) {
    chain.last.end().await;
    chain.first.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sharing_sends_what_does_not_fit_to_the_agent_and_hands_its_answer_back() {
    let chain = start_with(Limits::default(), false).await;
    // Without an agent everything is served here, whoever says they are a node.
    let before = Client::new().get(format!("http://{}/", chain.last.address)).header("dyninka-node", "edge-9").send();
    assert_eq!(before.await.unwrap().text().await.unwrap(), "14");
    assert_eq!(load(&chain).await.users, 0);
    let agent = agent(&[VALUE]);
    share(&chain, Some(&start(&agent).await), json!({})).await;
    let here = ask(&chain).await;
    assert_eq!(header(&here, "dyninka-nodes"), "");
    assert_eq!(here.text().await.unwrap(), "14");
    let url = format!("http://{}/", chain.last.address);
    let away = Client::new().post(url).header("dyninka-route", "first").header("dyninka-path", "user");
    let away = away.json(&json!({ "value": 3 })).send().await.unwrap();
    assert_eq!(away.status(), 200);
    assert_eq!(header(&away, "dyninka-nodes"), "edge-2");
    assert_eq!(header(&away, "dyninka-version"), "last@00000002");
    assert!(header(&away, "server-timing").starts_with("last;dur=1.000, last.fn;dur=0.500, last;dur="));
    assert_eq!(away.text().await.unwrap(), "99");
    let asked = agent.asked.lock()[0].clone();
    let said = |name: &str| asked.headers.get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!((asked.method, asked.path.as_str()), (Method::POST, "/away/app/last"));
    assert_eq!(asked.body, "{\"value\":3}");
    assert_eq!((said("authorization"), said("dyninka-route")), ("Bearer secret", "first"));
    // Callers as they were: the other host adds itself.
    assert_eq!((said("dyninka-services"), said("dyninka-path")), ("first", "user"));
    assert!(said("dyninka-deadline").parse::<u64>().unwrap() > 0 && said("traceparent").len() == 55);
    let counts = load(&chain).await;
    assert_eq!((counts.users, counts.away, counts.refused, counts.in_flight), (2, 1, 0, 0));
    assert!(counts.cpu_ns > 0 && counts.p50_ns > 0);
    let metrics = Client::new().get(format!("http://{}/metrics", chain.last.address)).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("dyninka_admitted_total{service=\"last\",class=\"user\"} 1"), "{metrics}");
    assert!(metrics.contains("dyninka_away_total{service=\"last\",outcome=\"answered\"} 1"), "{metrics}");
    end(chain).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sharing_passes_filtered_answers_and_problems_of_other_nodes_on() {
    let chain = start_with(Limits::default(), false).await;
    let problem = r#"{"type":"urn:dyninka:problem:panicked","status":500,"service":"first"}"#;
    let agent = agent(&[
        (204, &[("dyninka-filtered", "first")], ""),
        (500, &[("content-type", "application/problem+json")], problem),
        (200, &[("content-length", "9")], "cut"),
        (418, &[], "tea"),
    ]);
    share(&chain, Some(&start(&agent).await), json!({ "mode": { "split": { "local": 0.0, "reject": 0.0 } } })).await;
    let filtered = ask(&chain).await;
    assert_eq!((filtered.status().as_u16(), header(&filtered, "dyninka-filtered")), (204, "first"));
    let passed = ask(&chain).await;
    assert_eq!(passed.status(), 500);
    assert_eq!(passed.text().await.unwrap(), problem);
    let cut = ask(&chain).await;
    assert!(matches!(cut.status().as_u16(), 502 | 504), "{}", cut.status());
    assert!(cut.text().await.unwrap().contains("urn:dyninka:problem:"));
    let strange = ask(&chain).await;
    assert_eq!(strange.status(), 502);
    assert!(strange.text().await.unwrap().contains("another node answered 418"));
    end(chain).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sharing_refuses_with_retry_after_where_no_node_takes_a_request() {
    let chain = start_with(Limits::default(), false).await;
    let agent = agent(&[(429, &[], "")]);
    share(&chain, Some(&start(&agent).await), json!({})).await;
    assert_eq!(ask(&chain).await.status(), 200);
    let refused = ask(&chain).await;
    assert_eq!((refused.status().as_u16(), header(&refused, "retry-after")), (503, "1"));
    assert!(refused.text().await.unwrap().contains("no other node took the request"));
    // An agent that is not there is one that finds no node.
    share(&chain, Some("127.0.0.1:1"), json!({})).await;
    assert_eq!(ask(&chain).await.status(), 503);
    share(&chain, None, json!({})).await;
    assert_eq!(ask(&chain).await.status(), 503);
    let counts = load(&chain).await;
    assert_eq!((counts.refused, counts.waited, counts.away, counts.seq), (3, 3, 0, 1));
    // Served here all the same, with the body that the agent had seen.
    share(&chain, Some("127.0.0.1:1"), json!({ "over": "serve" })).await;
    let url = format!("http://{}/", chain.last.address);
    let served = Client::new().post(url).json(&json!({ "value": 3 })).send().await.unwrap();
    assert_eq!(served.text().await.unwrap(), "6");
    end(chain).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sharing_sends_no_guest_on_and_has_services_behind_it_know_a_guest() {
    let chain = start_with(Limits::default(), false).await;
    let agent = agent(&[VALUE]);
    let away = start(&agent).await;
    share(&chain, Some(&away), json!({})).await;
    let guest = || {
        let request = Client::new().get(format!("http://{}/", chain.last.address));
        request.header("dyninka-node", "edge-9").send()
    };
    assert_eq!(guest().await.unwrap().text().await.unwrap(), "14");
    let refused = guest().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(refused.text().await.unwrap().contains("urn:dyninka:problem:no-room"));
    assert!(agent.asked.lock().is_empty());
    // The first host has no room for guests, and this one's request of it is one.
    let first = json!({ "epoch": "1", "ttl_ms": 60000, "limit": 0.0166, "burst": 1.0, "away": away });
    let told = Client::new().put(chain.first.door("sharing")).bearer_auth(TOKEN).json(&first).send().await.unwrap();
    assert!(told.status().is_success());
    share(&chain, Some(&away), json!({ "limit": 1000000.0 })).await;
    assert_eq!(guest().await.unwrap().status(), 200);
    assert_eq!(guest().await.unwrap().status(), 429);
    assert!(agent.asked.lock().is_empty());
    end(chain).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sharing_names_a_node_that_had_the_request_and_ends_it_at_its_deadline() {
    let chain = start_with(Limits::default(), false).await;
    let agent = Agent { held: Some(Arc::new(Notify::new())), ..agent(&[VALUE]) };
    share(&chain, Some(&start(&agent).await), json!({ "mode": { "split": { "local": 0.0, "reject": 0.0 } } })).await;
    let request = Client::new().get(format!("http://{}/", chain.last.address)).header("dyninka-deadline", "50");
    let late = request.send().await.unwrap();
    assert_eq!(late.status(), 504);
    assert!(late.text().await.unwrap().contains("no other node answered before the deadline"));
    // A listener that hangs up after the question.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let hangs_up = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await.unwrap();
    });
    share(&chain, Some(&address), json!({ "mode": { "split": { "local": 0.0, "reject": 0.0 } } })).await;
    let lost = ask(&chain).await;
    assert_eq!(lost.status(), 504);
    assert!(lost.text().await.unwrap().contains("urn:dyninka:problem:node-lost"));
    hangs_up.await.unwrap();
    end(chain).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sharing_is_for_those_who_know_the_secret_and_says_what_is_wrong() {
    let chain = start_with(Limits::default(), false).await;
    let sharing = json!({ "epoch": "1", "ttl_ms": 3000 });
    let stranger = Client::new().put(chain.last.door("sharing")).json(&sharing).send().await.unwrap();
    assert_eq!(stranger.status(), 401);
    assert_eq!(Client::new().get(chain.last.door("load")).send().await.unwrap().status(), 401);
    for (wrong, words) in [
        (json!({ "epoch": "1", "ttl_ms": 0 }), "ttl_ms is 0"),
        (json!({ "epoch": "1", "ttl_ms": 1, "limit": -1.0 }), "limit is -1"),
        (json!({ "epoch": "1", "ttl_ms": 1, "limits": 1.0 }), "unknown field `limits`"),
    ] {
        let refused = tell(&chain, wrong).await;
        assert_eq!(refused.status(), 422);
        let said = refused.text().await.unwrap();
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(ask(&chain).await.status(), 200);
    end(chain).await;
}
