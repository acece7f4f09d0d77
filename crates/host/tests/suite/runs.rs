//! Runs of jobs, asked for as a job server does, and the meters that bills rest on.

use std::collections::BTreeMap;

use protocol::Limits;
use protocol::runs::{MeterLine, RunList, RunState, account, add_usage};
use serde_json::Value;

use crate::chain::{Chain, TOKEN, start_with};

struct Asked<'a> {
    run: &'a str,
    epoch: Option<&'a str>,
    secret: &'a str,
    body: &'a str,
}

async fn ask(chain: &Chain, asked: Asked<'_>) -> (u16, String) {
    let answer = answer(chain, asked).await;
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn answer(chain: &Chain, asked: Asked<'_>) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.post(format!("http://{}/", chain.last.address)).bearer_auth(asked.secret);
    request = request.header("dyninka-run", asked.run).header("dyninka-account", account("alice", TOKEN));
    if let Some(epoch) = asked.epoch {
        request = request.header("dyninka-epoch", epoch);
    }
    request.header("content-type", "application/json").body(asked.body.to_owned()).send().await.unwrap()
}

async fn list(of: std::net::SocketAddr) -> RunList {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("http://{of}/_dyninka/runs")).bearer_auth(TOKEN).send().await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_happens_once_in_the_life_of_a_host() {
    let chain = start_with(Limits::default(), false).await;
    let run = |body| Asked { run: "job-1.1", epoch: None, secret: TOKEN, body };
    let (one, other) = tokio::join!(ask(&chain, run("{\"value\":4}")), ask(&chain, run("{\"value\":4}")));
    assert_eq!((one.clone(), other), ((200, "8".to_owned()), one));
    // The same id is the same run, whatever is sent with it.
    assert_eq!(ask(&chain, run("{\"value\":5}")).await, (200, "8".to_owned()));
    let known = list(chain.last.address).await;
    assert_eq!(known.runs.len(), 1);
    assert_eq!((known.runs[0].run.as_str(), known.runs[0].state), ("job-1.1", RunState::Over));
    assert_eq!(known.meter.iter().map(|line| (line.account.as_str(), line.calls)).collect::<Vec<_>>(), [("alice", 1)]);
    // Another life of the host is meant: nothing runs.
    let elsewhere = Asked { run: "job-2.1", epoch: Some("0"), secret: TOKEN, body: "{\"value\":1}" };
    assert_eq!(ask(&chain, elsewhere).await.0, 412);
    let here = Asked { run: "job-2.1", epoch: Some(&known.epoch), secret: TOKEN, body: "{\"value\":1}" };
    assert_eq!(ask(&chain, here).await, (200, "2".to_owned()));
    // Stored, and so forgotten: the same id would run again.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let forget = client.post(format!("http://{}/_dyninka/runs/forget", chain.last.address)).bearer_auth(TOKEN);
    assert_eq!(forget.json(&["job-1.1"]).send().await.unwrap().status(), 204);
    assert_eq!(list(chain.last.address).await.runs.len(), 1);
    assert_eq!(ask(&chain, run("{\"value\":5}")).await, (200, "10".to_owned()));
    chain.last.end().await;
    chain.first.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_and_meters_are_for_who_knows_the_secret() {
    let chain = start_with(Limits::default(), false).await;
    let stranger = |body| Asked { run: "job-1.1", epoch: None, secret: "guess", body };
    // For a stranger the header means nothing: each request is one of its own.
    assert_eq!(ask(&chain, stranger("{\"value\":4}")).await, (200, "8".to_owned()));
    assert_eq!(ask(&chain, stranger("{\"value\":5}")).await, (200, "10".to_owned()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for (method, path) in [
        (reqwest::Method::GET, "runs"),
        (reqwest::Method::POST, "runs/forget"),
        (reqwest::Method::DELETE, "runs/job-1.1"),
    ] {
        let request = client.request(method, format!("http://{}/_dyninka/{path}", chain.last.address));
        assert_eq!(request.bearer_auth("guess").json(&[""; 0]).send().await.unwrap().status(), 401, "{path}");
    }
    // An account that the secret did not sign is charged nothing.
    let request =
        client.post(format!("http://{}/", chain.last.address)).header("dyninka-account", account("bob", "guess"));
    let answer = request.header("content-type", "application/json").body("{\"value\":1}").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let meter = list(chain.last.address).await.meter;
    assert!(meter.iter().all(|line| line.account == "alice"), "{meter:?}");
    for wrong in ["job", "job.x", "../x.1"] {
        let (status, body) = ask(&chain, Asked { run: wrong, epoch: None, secret: TOKEN, body: "{\"value\":1}" }).await;
        assert_eq!(status, 400, "{body}");
        assert!(serde_json::from_str::<Value>(&body).unwrap()["detail"].as_str().unwrap().contains("JOB.ATTEMPT"));
    }
    chain.last.end().await;
    chain.first.end().await;
}

/// The account goes along with what a function calls, and its wait is none of its own time. The answer says the same as the
/// meters, to the nanosecond.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_service_of_a_request_is_charged_its_own_time() {
    let chain = start_with(Limits::default(), false).await;
    let run = Asked { run: "job-1.1", epoch: None, secret: TOKEN, body: "{\"value\":11}" };
    let answer = answer(&chain, run).await;
    assert_eq!(answer.status().as_u16(), 200, "{answer:?}");
    let (last, first) = (list(chain.last.address).await, list(chain.first.address).await);
    let calls = |list: &RunList| list.meter.iter().map(|line| (line.account.clone(), line.calls)).collect::<Vec<_>>();
    assert_eq!((calls(&last), calls(&first)), (vec![("alice".to_owned(), 1)], vec![("alice".to_owned(), 1)]));
    assert!(last.runs.len() == 1 && first.runs.is_empty(), "a run belongs to the host that was asked");
    let mut said = BTreeMap::new();
    add_usage(&mut said, answer.headers()["dyninka-usage"].to_str().unwrap());
    let service = |line: &MeterLine| line.version.split('@').next().unwrap().to_owned();
    let lines = last.meter.iter().chain(&first.meter);
    let metered: BTreeMap<String, u64> = lines.map(|line| (service(line), line.ns.try_into().unwrap())).collect();
    assert_eq!((said.len(), &said), (2, &metered));
    // Other requests charge no account, so their answers have no such header.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let plain = client.post(format!("http://{}/", chain.last.address)).header("content-type", "application/json");
    let plain = plain.body("{\"value\":11}").send().await.unwrap();
    assert!(plain.status() == 200 && !plain.headers().contains_key("dyninka-usage"), "{plain:?}");
    chain.last.end().await;
    chain.first.end().await;
}
