//! Tenants: what they see of each other, which is nothing, and whose turn it is.

use serde_json::{Value, json};
use support::app;

use crate::counter::Counter;
use crate::server::{Jobs, LOOK, Told, told};

fn token(jobs: &Jobs, tenant: &str, limits: &Value) -> String {
    let added = jobs.post("tenants", &json!({ "name": tenant, "limits": limits }));
    assert_eq!(added.status, 201, "{added:?}");
    let made = jobs.post(&format!("tenants/{tenant}/tokens"), &json!({}));
    made.body["token"].as_str().expect("a token").to_owned()
}

/// A request with a tenant's token.
fn by(jobs: &Jobs, token: &str, method: reqwest::Method, path: &str, body: Option<&Value>) -> Told {
    let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
    let request = client.request(method, format!("{}/{path}", jobs.url)).bearer_auth(token);
    let request = body.into_iter().fold(request, |request, body| request.json(body));
    told(request).expect("the server answers")
}

/// D16: a tenant reads, cancels, lists and bills nothing of another; wrong tokens open nothing.
#[test]
fn tenants_see_nothing_of_each_other() {
    use reqwest::Method;
    let counter = Counter::start();
    let (_folder, file) = app(&counter.app());
    let jobs = Jobs::start(&file);
    let (alice, bob) = (token(&jobs, "alice", &json!({})), token(&jobs, "bob", &json!({ "queued": 1 })));
    let asked = by(&jobs, &alice, Method::POST, "jobs", Some(&json!({ "inputs": { "id": 1, "ms": 0 } })));
    let id = asked.body["id"].as_str().expect("an id").to_owned();
    assert_eq!(jobs.end_of(&id)["tenant"], "alice");
    for (method, path) in [
        (Method::GET, format!("jobs/{id}")),
        (Method::GET, format!("jobs/{id}/result")),
        (Method::GET, format!("jobs/{id}/events")),
        (Method::POST, format!("jobs/{id}/cancel")),
        (Method::POST, format!("jobs/{id}/retry")),
        (Method::DELETE, format!("jobs/{id}")),
    ] {
        assert_eq!(by(&jobs, &bob, method.clone(), &path, None).status, 404, "{method} {path}");
    }
    assert_eq!(by(&jobs, &bob, Method::GET, "jobs", None).body["jobs"], json!([]));
    assert_eq!(by(&jobs, &bob, Method::GET, "usage", None).body["rows"], json!([]));
    assert_eq!(by(&jobs, &bob, Method::GET, "summary", None).body["tenants"], json!({}));
    let bill = by(&jobs, &alice, Method::GET, "usage?by=service", None);
    assert!(bill.body["rows"].as_array().expect("rows").iter().all(|row| row["tenant"] == "alice"), "{bill:?}");
    assert_eq!(bill.body["total_calls"], 1, "{bill:?}");
    // A tenant is no operator, and names no service that is not open.
    for path in ["tenants", "metrics"] {
        assert_ne!(by(&jobs, &alice, Method::GET, path, None).status, 200, "{path}");
    }
    let closed = by(&jobs, &alice, Method::POST, "jobs", Some(&json!({ "service": "fails", "inputs": { "id": 1 } })));
    assert_eq!((closed.status, closed.body["at"].as_str()), (422, Some("service")));
    // Bob may have one job waiting.
    let waits = json!({ "inputs": { "id": 2, "ms": 0 }, "delay": "1h" });
    assert_eq!(by(&jobs, &bob, Method::POST, "jobs", Some(&waits)).status, 202);
    let over = by(&jobs, &bob, Method::POST, "jobs", Some(&waits));
    assert_eq!((over.status, over.body["quota"].as_str()), (429, Some("queued")), "{over:?}");
    assert!(over.headers.contains_key("retry-after"));
    let left = over.headers.get("ratelimit").map(String::as_str).unwrap_or_default();
    assert!(left.starts_with("\"rate\";r=") && left.ends_with(", \"queued\";r=0"), "{over:?}");
    assert_eq!(over.headers["ratelimit-policy"], "\"rate\";q=400;w=2, \"queued\";q=1");
    // Beyond the rate, of which one is given back in a hundred seconds.
    let slow = token(&jobs, "slow", &json!({ "rate": 0.01, "burst": 2 }));
    let batch = json!({ "jobs": [waits, waits] });
    let both = by(&jobs, &slow, Method::POST, "jobs/batch", Some(&batch));
    assert_eq!((both.status, both.headers["ratelimit"].as_str()), (200, "\"rate\";r=0;t=200, \"queued\";r=99998"));
    let beyond = by(&jobs, &slow, Method::POST, "jobs", Some(&waits));
    assert_eq!((beyond.status, beyond.body["quota"].as_str()), (429, Some("rate")), "{beyond:?}");
    assert_eq!(beyond.headers["ratelimit-policy"], "\"rate\";q=2;w=200, \"queued\";q=100000");
    assert!(beyond.headers["ratelimit"].starts_with("\"rate\";r=0;t="), "{beyond:?}");
    // Expired: told when, and what to do.
    let short = jobs.post("tenants/alice/tokens", &json!({ "expires": "1ms" }));
    let short = short.body["token"].as_str().expect("a token").to_owned();
    let expired = loop {
        let told = by(&jobs, &short, Method::GET, "jobs", None);
        if told.status != 200 {
            break told;
        }
        std::thread::sleep(LOOK);
    };
    assert_eq!((expired.status, expired.headers["www-authenticate"].as_str()), (401, "Bearer"), "{expired:?}");
    assert_eq!(expired.headers["content-type"], "application/problem+json");
    let detail = expired.body["detail"].as_str().expect("words");
    assert!(detail.starts_with("the token expired at 20") && detail.contains("dyn jobs token FILE alice"), "{detail}");
    let asked = by(&jobs, &short, Method::POST, "jobs", Some(&json!({ "inputs": { "id": 7, "ms": 0 } })));
    assert_eq!(asked.status, 401, "{asked:?}");
    // Cut, made up, revoked.
    for wrong in ["", "dyn_", &alice[..alice.len() - 1], &alice.replace("dyn_", "dyn_x")] {
        let refused = by(&jobs, wrong, Method::GET, "jobs", None);
        assert_eq!(refused.status, 401, "{wrong}");
    }
    assert!(jobs.url.starts_with("http://127.0.0.1:"), "{}", jobs.url);
    let page = told(jobs.request(Method::GET, "jobs").header("origin", "http://localhost:3000")).expect("an answer");
    assert_eq!(page.status, 403);
    let name = alice.split('_').nth(1).expect("the id of the token");
    let revoked = told(jobs.request(Method::DELETE, &format!("tenants/alice/tokens/{name}"))).expect("an answer");
    assert_eq!(revoked.status, 204);
    assert_eq!(by(&jobs, &alice, Method::GET, "jobs", None).status, 401);
    assert_eq!(by(&jobs, &bob, Method::GET, "jobs", None).status, 200);
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

/// D12, small: one tenant has queued much, and another's job begins after the rest of one running job of each slot, and not
/// after all of them.
#[test]
fn a_flood_of_one_tenant_keeps_no_other_waiting() {
    use reqwest::Method;
    let counter = Counter::start();
    let (_folder, file) = app(&counter.app());
    let jobs = Jobs::start(&file);
    let flood = token(&jobs, "flood", &json!({ "rate": 100_000, "burst": 100_000, "running": 32 }));
    let quiet = token(&jobs, "quiet", &json!({}));
    let many: Vec<Value> = (0..1_000).map(|id| json!({ "inputs": { "id": id, "ms": 50 } })).collect();
    for _ in 0..3 {
        let batch = by(&jobs, &flood, Method::POST, "jobs/batch", Some(&json!({ "jobs": many })));
        assert_eq!(batch.status, 200, "{batch:?}");
    }
    let id = by(&jobs, &quiet, Method::POST, "jobs", Some(&json!({ "inputs": { "id": 9_999, "ms": 0 } })));
    let id = id.body["id"].as_str().expect("an id").to_owned();
    jobs.end_of(&id);
    let ended = by(&jobs, &flood, Method::GET, "summary", None);
    let of_flood = &ended.body["tenants"]["flood"];
    let waits = of_flood["queued"].as_u64().expect("a count");
    assert!(waits > 1_000, "the quiet tenant's job ended while most of the flood still waits: {ended:?}");
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}
