//! The NodeJS FaaS's API over functions that truly run: its README's flow, its documents, and none of its defects.

mod memory;

use functions::kumori::{FaasAccess, FaasRequest, answer};
use memory::Memory;
use serde_json::{Value, json};

use crate::rig::pool;

/// The API, as somebody who asks sees it.
struct Api {
    memory: Memory,
}

impl Api {
    fn new() -> Self {
        Self { memory: Memory::new(pool()) }
    }

    async fn ask_as(&self, access: FaasAccess<'_>, method: &str, path: &str, body: &str) -> (u16, Value) {
        let request = FaasRequest { method, path, body: body.as_bytes(), access };
        let answered = answer(&self.memory, request).await;
        (answered.status, serde_json::from_str(&answered.body).unwrap())
    }

    /// The answer to an open request, with status 200.
    async fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, answered) = self.ask_as(FaasAccess::Open, method, path, body).await;
        assert_eq!(status, 200, "{answered}");
        answered
    }

    async fn res(&self, method: &str, path: &str, body: &str) -> Value {
        let answered = self.ask(method, path, body).await;
        assert_eq!(answered["error"], false, "{method} {path}: {answered}");
        answered["res"].clone()
    }

    async fn error(&self, method: &str, path: &str, body: &str) -> String {
        let answered = self.ask(method, path, body).await;
        assert_eq!(answered["error"], true, "{method} {path}: {answered}");
        answered["res"].as_str().unwrap().to_owned()
    }

    /// A user with a function.
    async fn register(&self, user: &str, name: &str, source: &str) {
        assert_eq!(self.res("POST", &format!("/u/{user}"), "").await, 1);
        assert_eq!(self.res("POST", &format!("/u/{user}/fn/{name}"), source).await, 1);
    }

    async fn submit(&self, user: &str, name: &str, argv: &str) -> String {
        self.res("POST", &format!("/u/{user}/fn/{name}/run"), argv).await.as_str().unwrap().to_owned()
    }

    /// The text that a job ends with.
    async fn outcome(&self, id: &str) -> Value {
        while self.res("GET", &format!("/j/{id}"), "").await != 1 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        self.res("GET", &format!("/j/{id}/res"), "").await
    }

    async fn run(&self, user: &str, name: &str, argv: &str) -> Value {
        let id = self.submit(user, name, argv).await;
        self.outcome(&id).await
    }
}

#[tokio::test]
async fn the_flow_of_its_readme_runs() {
    let api = Api::new();
    assert_eq!(api.res("POST", "/u/user1", "").await, 1);
    assert_eq!(api.res("POST", "/u/user1/fn/add", "function add(a,b) { return a + b; }").await, 1);
    let delayed =
        "async function add_with_delay(a,b) { await (new Promise((res,_) => setTimeout(res, 1000))); return a + b; }";
    assert_eq!(api.res("POST", "/u/user1/fn/add_with_delay", delayed).await, 1);
    let mut last = String::new();
    for name in ["add", "add_with_delay"] {
        last = api.submit("user1", name, "[4,7]").await;
        assert_eq!(api.outcome(&last).await, "11", "{name}");
    }
    let time = api.res("GET", "/u/user1/time", "").await;
    assert!(time.as_u64().is_some_and(|time| time >= 1_000), "{time}");
    assert_eq!(api.res("DELETE", &format!("/j/{last}"), "").await, 1);
    assert_eq!(api.res("DELETE", "/u/user1", "").await, 1);
}

#[tokio::test]
async fn every_route_answers_as_documented() {
    let api = Api::new();
    // KUM-10: registering again removes functions and time. KUM-11: 1 even where there is nobody.
    assert_eq!(api.res("DELETE", "/u/nobody", "").await, 1);
    api.register("a", "spin", "() => { const end = Date.now() + 20; while (Date.now() < end); }").await;
    api.run("a", "spin", "[]").await;
    assert!(api.res("GET", "/u/a/time", "").await.as_u64().unwrap() >= 19);
    assert_eq!(api.res("POST", "/u/a", "").await, 1);
    assert_eq!(api.res("GET", "/u/a/time", "").await, 0);
    assert_eq!(api.res("GET", "/u/a/fn", "").await, json!({}));
    // KUM-13, KUM-14, KUM-15: a map, the documented names, any text as a source, replaced by the next.
    assert_eq!(api.res("POST", "/u/a/fn/f", "no function at all").await, 1);
    assert_eq!(api.res("POST", "/u/a/fn/f", "() => 1").await, 1);
    assert_eq!(api.res("POST", "/u/a/fn/g", "() => 2").await, 1);
    assert_eq!(api.res("GET", "/u/a/fn", "").await, json!({ "f": "() => 1", "g": "() => 2" }));
    assert_eq!(api.res("GET", "/u/a/fn/f/", "").await, json!({ "f_name": "f", "src": "() => 1" }));
    // KUM-16.
    assert_eq!(api.res("DELETE", "/u/a/fn/g", "").await, 1);
    assert_eq!(api.res("DELETE", "/u/a/fn/g", "").await, 1);
    // KUM-17, KUM-18, KUM-19, KUM-20.
    let held = api.memory.hold();
    let id = api.submit("a", "f", " [1, 2]\n").await;
    assert_eq!(api.res("GET", &format!("/j/{id}"), "").await, 0);
    assert_eq!(api.error("GET", &format!("/j/{id}/res"), "").await, format!("[ERR] Job <{id}> has not ended."));
    drop(held);
    assert_eq!(api.outcome(&id).await, "1");
    assert_eq!(api.res("DELETE", &format!("/j/{id}"), "").await, 1);
    assert_eq!(api.res("DELETE", &format!("/j/{id}"), "").await, 0);
    // What is no route.
    for (method, path) in
        [("GET", "/"), ("GET", "/u/a"), ("PUT", "/u/a"), ("GET", "/u/a/fn/f/run"), ("POST", "/j/1"), ("GET", "/x")]
    {
        let (status, answered) = api.ask_as(FaasAccess::Open, method, path, "").await;
        assert_eq!((status, &answered["error"]), (404, &json!(true)), "{method} {path}");
    }
}

#[tokio::test]
async fn errors_have_its_words() {
    let api = Api::new();
    api.register("a", "f", "() => 1").await;
    // KUM-21.
    let no_user = "[ERR] User <b> does not exist.";
    for (method, path) in [
        ("GET", "/u/b/time"),
        ("GET", "/u/b/fn"),
        ("GET", "/u/b/fn/f"),
        ("POST", "/u/b/fn/f"),
        ("DELETE", "/u/b/fn/f"),
        ("POST", "/u/b/fn/f/run"),
    ] {
        assert_eq!(api.error(method, path, "[]").await, no_user, "{method} {path}");
    }
    assert_eq!(api.error("GET", "/u/a/fn/g", "").await, "[ERR] User function <g> does not exist.");
    assert_eq!(api.error("POST", "/u/a/fn/g/run", "[]").await, "[ERR] User function <g> does not exist.");
    assert_eq!(api.error("POST", "/u/a/fn/f/run", "[1,").await, "[ERR] Invalid argv ([1,) - invalid JSON");
    assert_eq!(api.error("POST", "/u/a/fn/f/run", "").await, "[ERR] Invalid argv () - invalid JSON");
    assert_eq!(api.error("POST", "/u/a/fn/f/run", "{\"a\":1}").await, "[ERR] Invalid argv ({\"a\":1}) - not an array");
    for path in ["/j/7", "/j/7/res"] {
        assert_eq!(api.error("GET", path, "").await, "[ERR] Invalid job_id (7)");
    }
    assert_eq!(api.error("DELETE", "/j/7", "").await, "[ERR] Invalid job_id (7)");
    // What it has no words for.
    let long = api.error("POST", "/u/a/fn/f/run", &"x".repeat(2 << 20)).await;
    assert!(long.ends_with("…) - larger than 1 MiB") && long.len() < 400, "{long}");
    let name = "x".repeat(200);
    assert!(api.error("POST", &format!("/u/{name}"), "").await.starts_with("[ERR] Invalid user name ("));
    assert!(api.error("POST", "/u/a/fn/a%0Ab", "() => 1").await.starts_with("[ERR] Invalid function name ("));
    let source = "x".repeat(300 << 10);
    assert_eq!(
        api.error("POST", "/u/a/fn/f", &source).await,
        "[ERR] Invalid source of <f> - 307200 bytes, at most 262144"
    );
    let request = FaasRequest { method: "POST", path: "/u/a/fn/f", body: b"\xff", access: FaasAccess::Open };
    assert!(answer(&api.memory, request).await.body.contains("[ERR] Invalid source of <f> - not UTF-8"));
    api.memory.is_broken(true);
    assert_eq!(api.error("GET", "/u/a/fn", "").await, "[ERR] the store does not answer");
    assert_eq!(api.error("DELETE", "/j/000000000000000000000001", "").await, "[ERR] the store does not answer");
}

/// A line for each defect of the NodeJS FaaS that facts about it list, as far as this API shows it.
#[tokio::test]
async fn its_defects_are_not_there() {
    let api = Api::new();
    api.register("a", "f", "x => x").await;
    // KUM-12: the time of a user ends the front end there.
    assert_eq!(api.res("GET", "/u/a/time", "").await, 0);
    // KUM-14: the documented name of a field, and not another.
    assert_eq!(api.res("GET", "/u/a/fn/f", "").await["f_name"], "f");
    // KUM-18: there is no answer at all for a job that is not there.
    let unknown = "00000000000000000000beef";
    assert_eq!(api.error("GET", &format!("/j/{unknown}"), "").await, format!("[ERR] Job <{unknown}> does not exist."));
    // KUM-19: arrays and objects are lost in conversion.
    assert_eq!(api.run("a", "f", "[[1,[2]]]").await, "[1,[2]]");
    assert_eq!(api.run("a", "f", "[{\"a\":{\"b\":1}}]").await, "{\"a\":{\"b\":1}}");
    // And what is not lost is as there: always a string.
    for (argv, text) in [("[11]", "11"), ("[\"x\"]", "x"), ("[true]", "true"), ("[null]", "null"), ("[]", "undefined")]
    {
        assert_eq!(api.run("a", "f", argv).await, text);
    }
    // KUM-32: a promise that never settles keeps a worker for ever; whatever is thrown is the result.
    api.register("b", "never", "() => new Promise(() => {})").await;
    assert!(api.run("b", "never", "[]").await.as_str().unwrap().starts_with("never-settles: "));
    assert_eq!(api.res("POST", "/u/b/fn/throws", "() => { throw new TypeError('no') }").await, 1);
    assert_eq!(api.run("b", "throws", "[]").await, "TypeError: no");
    assert_eq!(api.res("POST", "/u/b/fn/three", "() => { throw 3 }").await, 1);
    assert_eq!(api.run("b", "three", "[]").await, "3");
    // KUM-33: 30 ms are 30 ms, and no thousandfold of their nanoseconds.
    api.register("c", "nap", "async () => { await new Promise(done => setTimeout(done, 30)) }").await;
    api.run("c", "nap", "[]").await;
    let time = api.res("GET", "/u/c/time", "").await.as_u64().unwrap();
    assert!((30..10_000).contains(&time), "{time}");
    // A deleted function with queued jobs: told as what it is, and no TypeError.
    let held = api.memory.hold();
    let id = api.submit("a", "f", "[1]").await;
    assert_eq!(api.res("DELETE", "/u/a/fn/f", "").await, 1);
    drop(held);
    assert_eq!(api.outcome(&id).await, "gone: the function f was removed");
    // Names with dots, and others that are paths or methods elsewhere.
    for name in ["a.b", "$set", "constructor", "__proto__", "..", "a%2Fb"] {
        assert_eq!(api.res("POST", &format!("/u/a/fn/{name}"), "x => x").await, 1, "{name}");
        assert_eq!(api.run("a", name, "[5]").await, "5", "{name}");
    }
    // Nothing of the store's own can be called from outside.
    for path in ["/close", "/reset_db", "/u/a/close", "/u/a/reset_db"] {
        let (status, _) = api.ask_as(FaasAccess::Open, "POST", path, "").await;
        assert_eq!(status, 404, "{path}");
    }
    // A function that reaches for the worker's own process finds none, where `vm` is left by one line.
    let escape = "function f() { return this.constructor.constructor('return typeof process')() }";
    assert_eq!(api.res("POST", "/u/a/fn/escape", escape).await, 1);
    assert_eq!(api.run("a", "escape", "[]").await, "undefined");
}

#[tokio::test]
async fn with_tokens_nobody_sees_what_is_anothers() {
    let api = Api::new();
    let (alice, bob) = (FaasAccess::User("alice"), FaasAccess::User("bob"));
    for user in ["alice", "bob"] {
        assert_eq!(api.ask_as(FaasAccess::Operator, "POST", &format!("/u/{user}"), "").await.1["res"], 1);
    }
    assert_eq!(api.ask_as(alice, "POST", "/u/alice/fn/f", "() => 'secret'").await.1["res"], 1);
    let id = api.ask_as(alice, "POST", "/u/alice/fn/f/run", "[]").await.1["res"].as_str().unwrap().to_owned();
    assert_eq!(api.outcome(&id).await, "secret");
    // Another's user and job are not there, as far as he can see.
    for (method, path) in
        [("GET", "/u/alice/fn"), ("GET", "/u/alice/time"), ("POST", "/u/alice/fn/f/run"), ("DELETE", "/u/alice/fn/f")]
    {
        let answered = api.ask_as(bob, method, path, "[]").await.1;
        assert_eq!(answered, json!({ "error": true, "res": "[ERR] User <alice> does not exist." }), "{method} {path}");
    }
    for path in [format!("/j/{id}"), format!("/j/{id}/res")] {
        let answered = api.ask_as(bob, "GET", &path, "").await.1;
        assert_eq!(answered["res"], format!("[ERR] Job <{id}> does not exist."), "{path}");
    }
    assert_eq!(api.ask_as(bob, "DELETE", &format!("/j/{id}"), "").await.1["res"], 0);
    assert_eq!(api.ask_as(alice, "DELETE", &format!("/j/{id}"), "").await.1["res"], 1);
    // Registering and removing users is the operator's.
    for method in ["POST", "DELETE"] {
        let answered = api.ask_as(alice, method, "/u/alice", "").await.1;
        assert_eq!(answered["res"], "[ERR] Only the operator may register and remove users.");
    }
    assert_eq!(api.ask_as(alice, "POST", "/u/bob", "").await.1["error"], true);
    // Without a token nothing is told, not even whether something is there.
    for path in ["/u/alice/fn", "/u/nobody/fn", "/j/7"] {
        let (status, answered) = api.ask_as(FaasAccess::Nobody, "GET", path, "").await;
        assert_eq!((status, &answered["res"]), (401, &json!("[ERR] A token is needed.")), "{path}");
    }
}
