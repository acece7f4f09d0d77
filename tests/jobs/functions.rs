//! Functions that tenants register at run time: from registered to billed, and the API of the NodeJS FaaS.

use std::fs;
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::blocking::Client;
use serde_json::{Value, json};
use support::session::PATIENCE;
use support::{app, dyn_command};

use crate::counter::Counter;
use crate::server::{Jobs, LOOK, Told, told};

/// A session with these settings.
fn start(settings: &str) -> (Counter, tempfile::TempDir, std::path::PathBuf, Jobs) {
    let counter = Counter::start();
    let (folder, file) = app(&counter.app());
    fs::write(file.with_file_name("dyn.toml"), settings).expect("settings");
    let jobs = Jobs::start(&file);
    (counter, folder, file, jobs)
}

fn put(jobs: &Jobs, name: &str, source: &str) -> Told {
    let request = jobs.request(Method::PUT, &format!("functions/{name}")).header("content-type", "text/javascript");
    told(request.body(source.to_owned())).expect("an answer")
}

/// The end of a job of a function, and the job.
fn run(jobs: &Jobs, name: &str, job: &Value) -> Value {
    let mut job = job.clone();
    job["function"] = name.into();
    jobs.end_of(&jobs.ask(&job))
}

fn result(jobs: &Jobs, job: &Value) -> Value {
    jobs.get(&format!("jobs/{}/result", job["id"].as_str().expect("an id"))).body
}

#[test]
fn a_function_is_registered_run_billed_and_removed() {
    let (counter, _folder, file, jobs) = start("[jobs]\nfunctions = true\nopen = [\"work\"]\n");
    // Registered; a source that does not read is refused with its place.
    let made = put(&jobs, "add", "function add(a, b) { return a + b; }");
    assert_eq!((made.status, &made.body["parameters"]), (201, &json!(["a", "b"])), "{made:?}");
    let first = made.body["version"].clone();
    let wrong = put(&jobs, "wrong", "function (a) {\n  return a +;\n}");
    assert_eq!((wrong.status, &wrong.body["line"]), (422, &json!(2)), "{wrong:?}");
    assert!(wrong.body["column"].as_u64().is_some(), "{wrong:?}");
    let typed = told(jobs.request(Method::PUT, "functions/x").header("content-type", "application/wasm").body("x"));
    assert_eq!(typed.expect("an answer").status, 415);
    // Run, by both ways to ask.
    let done = run(&jobs, "add", &json!({ "args": [4, 7] }));
    assert_eq!(
        (&done["state"], &done["service"], &done["versions"]),
        (&json!("done"), &json!("fn:add"), &json!([first]))
    );
    assert_eq!(result(&jobs, &done), 11);
    let asked = jobs.post("functions/add/jobs", &json!(["4", 7]));
    assert_eq!(asked.status, 202, "{asked:?}");
    let id = asked.body["id"].as_str().expect("an id");
    jobs.end_of(id);
    assert_eq!(jobs.get(&format!("jobs/{id}/result")).body, "47");
    // The commands do the same.
    let by_command = |words: &[&str]| {
        let output = dyn_command().arg("jobs").args(words).output().expect("dyn runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let app = file.to_str().expect("a name");
    let source = file.with_file_name("twice.js");
    fs::write(&source, "x => 2 * x").expect("a source");
    let few = file.with_file_name("few.js");
    fs::write(&few, "() => { throw new Error('no'); }").expect("a source");
    let put_it = by_command(&["function", "put", app, "twice", source.to_str().expect("a name")]);
    assert!(put_it.0, "{put_it:?}");
    let ran = by_command(&["run", app, "fn:twice", "21", "--wait"]);
    assert_eq!((ran.0, ran.1.as_str()), (true, "42"), "{ran:?}");
    let listed = by_command(&["function", "list", app]);
    assert!(listed.1.contains("default  twice(x)  twice@"), "{listed:?}");
    assert!(by_command(&["function", "remove", app, "twice"]).0);
    let again = by_command(&["function", "remove", app, "twice"]);
    assert!(!again.0 && again.2.contains("there is no function twice"), "{again:?}");
    // Replaced: the next run is the new one's. Sources of both are kept.
    let replaced = put(&jobs, "add", "(a, b) => a * b");
    assert_eq!(replaced.status, 200, "{replaced:?}");
    assert_ne!(replaced.body["version"], first);
    let version = first.as_str().expect("a version");
    let sources = [
        by_command(&["function", "source", app, "add"]),
        by_command(&["function", "source", app, "add", "--version", version]),
    ];
    assert!(sources.iter().all(|said| said.0), "{sources:?}");
    assert_eq!(sources.map(|said| said.1), ["(a, b) => a * b", "function add(a, b) { return a + b; }"]);
    let unknown = jobs.get("functions/add/source?version=add@00000000");
    assert_eq!(unknown.status, 404);
    assert!(unknown.body["detail"].as_str().is_some_and(|said| said.contains("its latest 5 are kept")), "{unknown:?}");
    assert_eq!(result(&jobs, &run(&jobs, "add", &json!({ "args": [4, 7] }))), 28);
    assert_eq!(jobs.get("functions").body.as_array().map(Vec::len), Some(1));
    // What it throws, and limits, by name.
    put(&jobs, "throws", "() => { throw new TypeError('no'); }");
    let failed = run(&jobs, "throws", &json!({ "attempts": 1 }));
    assert_eq!((&failed["state"], &failed["kind"]), (&json!("failed"), &json!("failed")));
    assert_eq!(failed["problem"]["detail"], "TypeError: no");
    put(&jobs, "never", "() => new Promise(() => {})");
    assert_eq!(run(&jobs, "never", &json!({ "attempts": 1 }))["kind"], "never-settles");
    put(&jobs, "spins", "() => { for (;;) {} }");
    let late = run(&jobs, "spins", &json!({ "attempts": 1, "timeout": "200ms" }));
    assert_eq!(late["kind"], "deadline", "{late}");
    assert!(late["function_us"].as_u64() >= Some(100_000), "charged up to its end: {late}");
    bounds_of_a_function(
        &jobs,
        by_command(&["function", "put", app, "few", few.to_str().expect("a name"), "--attempts=2"]),
    );
    // It calls what is open, and nothing else.
    put(&jobs, "calls", "async id => 1 + await dyn.call('work', { id, ms: 0 })");
    let called = run(&jobs, "calls", &json!({ "args": [21] }));
    assert_eq!(result(&jobs, &called), 43, "{called}");
    put(&jobs, "closed", "() => dyn.call('fails', { id: 1 })");
    let closed = run(&jobs, "closed", &json!({ "attempts": 1 }));
    assert!(closed["problem"]["detail"].as_str().is_some_and(|said| said.contains("may not call fails")), "{closed}");
    // The bill is the sum of what the jobs say, to the nanosecond of a call each.
    let bill = jobs.get("usage?by=service");
    let rows = bill.body["rows"].as_array().expect("rows");
    let row = |service: &str| rows.iter().find(|row| row["service"] == service).unwrap_or_else(|| panic!("{bill:?}"));
    assert_eq!((&row("fn:add")["calls"], &row("fn:spins")["calls"]), (&json!(3), &json!(1)), "{bill:?}");
    let ns = row("fn:spins")["function_ns"].as_u64().expect("a number");
    assert_eq!(late["usage_ns"], json!({ "fn:spins": ns }), "the job and the bill say the same");
    assert_eq!(Some(ns / 1_000), late["function_us"].as_u64());
    assert_eq!(row("work")["calls"], 1, "a call of a function is its tenant's: {bill:?}");
    // Wrong requests.
    for (job, at) in [
        (json!({ "function": "nobody" }), "function"),
        (json!({ "function": "add", "args": { "a": 1 } }), "args"),
        (json!({ "function": "add", "inputs": { "a": 1 } }), "inputs"),
        (json!({ "function": "add", "service": "work" }), "function"),
        (json!({ "service": "work", "args": [1] }), "args"),
    ] {
        let told = jobs.post("jobs", &job);
        assert_eq!((told.status, told.body["at"].as_str()), (422, Some(at)), "{told:?}");
    }
    // D19: queued jobs of one that is removed end as gone.
    let waits = jobs.ask(&json!({ "function": "add", "delay": "1h" }));
    assert_eq!(told(jobs.request(Method::DELETE, "functions/add")).expect("an answer").status, 204);
    let gone = jobs.end_of(&waits);
    assert_eq!((&gone["state"], &gone["kind"]), (&json!("failed"), &json!("gone")), "{gone}");
    assert_eq!(jobs.get("functions/add").status, 404);
    // A tenant sees nothing of another's.
    assert_eq!(jobs.post("tenants", &json!({ "name": "bob" })).status, 201);
    let of_bob = told(jobs.request(Method::GET, "functions").header("dyninka-tenant", "bob")).expect("an answer");
    assert_eq!(of_bob.body, json!([]));
    let foreign = jobs.request(Method::POST, "jobs").header("dyninka-tenant", "bob");
    assert_eq!(told(foreign.json(&json!({ "function": "calls", "args": [1] }))).expect("an answer").status, 422);
    drop((counter, file));
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

/// What an author says of runs holds where the job says nothing, is kept with the version, and lies within the server's bounds.
fn bounds_of_a_function(jobs: &Jobs, put_by_command: (bool, String, String)) {
    let send = |query: &str| {
        let request = jobs.request(Method::PUT, &format!("functions/grows?{query}"));
        let grows = "n => 'x'.repeat(n << 20).length";
        told(request.header("content-type", "text/javascript").body(grows)).expect("an answer")
    };
    let all = send("timeout=20s&memory=8MiB&attempts=1");
    assert_eq!(
        (all.status, &all.body["timeout"], &all.body["memory"], &all.body["attempts"]),
        (201, &json!("20s"), &json!(8 << 20), &json!(1)),
        "{all:?}"
    );
    let small = run(jobs, "grows", &json!({ "args": [1] }));
    assert_eq!((&small["state"], &small["attempts"]), (&json!("done"), &json!(1)), "{small}");
    assert_eq!(run(jobs, "grows", &json!({ "args": [24] }))["kind"], "memory");
    let more = send("memory=64MiB");
    assert_eq!((more.status, more.body.get("attempts")), (200, None), "{more:?}");
    assert_ne!(more.body["version"], all.body["version"], "other bounds are another version");
    let large = run(jobs, "grows", &json!({ "args": [24] }));
    assert_eq!((&large["state"], &large["attempts"]), (&json!("done"), &json!(5)), "{large}");
    for (query, at, words) in [
        ("timeout=16m", "timeout", "15m"),
        ("timeout=0s", "timeout", "15m"),
        ("memory=65MiB", "memory", "64MiB"),
        ("memory=64", "memory", "64MiB"),
        ("attempts=26", "attempts", "25"),
        ("attempts=none", "attempts", "25"),
    ] {
        let refused = send(query);
        assert_eq!((refused.status, refused.body["at"].as_str()), (422, Some(at)), "{query}: {refused:?}");
        assert!(refused.body["detail"].as_str().is_some_and(|said| said.contains(words)), "{query}: {refused:?}");
    }
    assert_eq!(jobs.get("functions/grows").body["version"], more.body["version"], "what is refused changes nothing");
    assert!(put_by_command.0, "{put_by_command:?}");
    let failed = run(jobs, "few", &json!({ "backoff": { "first": "1ms", "most": "1ms" } }));
    assert_eq!((&failed["used"], &failed["attempts"]), (&json!(2), &json!(2)), "{failed}");
}

/// A run ends with the server that it is a run of: it is lost and repeated by the job's rules, and what was registered stays.
#[test]
fn a_run_that_was_under_way_is_lost_with_the_server_and_a_cancelled_one_is_charged() {
    let (_counter, _folder, _file, jobs) = start("[jobs]\nfunctions = true\n");
    put(&jobs, "waits", "ms => new Promise(done => setTimeout(() => done(ms), ms))");
    // Waits until a run of a job is under way, and answers the job.
    let begun = |id: &str, attempt: u32| {
        let since = Instant::now();
        loop {
            if let Ok(told) = told(jobs.request(Method::GET, &format!("jobs/{id}")))
                && told.body["state"] == "running"
                && told.body["attempt"] == attempt
            {
                return told.body;
            }
            assert!(since.elapsed() < PATIENCE, "{id} does not begin");
            std::thread::sleep(LOOK);
        }
    };
    let job = |lost: &str| {
        let backoff = json!({ "first": "10ms" });
        json!({ "function": "waits", "args": [900_000], "timeout": "15m", "lost": lost, "backoff": backoff })
    };
    let (again, once) = (jobs.ask(&job("retry")), jobs.ask(&job("fail")));
    begun(&again, 1);
    begun(&once, 1);
    assert!(jobs.kill(), "there is a server");
    assert_eq!(jobs.end_of(&once)["kind"], "lost");
    assert_eq!(begun(&again, 2)["history"][0]["outcome"], "lost");
    // A cancelled run ends, and is charged up to its end.
    assert_eq!(jobs.get("usage").body["total_calls"], 0, "what nobody measured is nobody's bill");
    assert_eq!(jobs.post(&format!("jobs/{again}/cancel"), &json!({})).status, 200);
    let since = Instant::now();
    while jobs.get("usage").body["total_calls"] != 1 {
        assert!(since.elapsed() < PATIENCE, "a cancelled run ends long before it would");
        std::thread::sleep(LOOK);
    }
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

#[test]
fn functions_are_off_where_nothing_says_so() {
    let (_counter, _folder, file, jobs) = start("[jobs]\n");
    let off = put(&jobs, "add", "(a, b) => a + b");
    assert_eq!(off.status, 501, "{off:?}");
    assert!(off.body["detail"].as_str().is_some_and(|said| said.contains("functions = true")), "{off:?}");
    assert_eq!(jobs.post("jobs", &json!({ "function": "add" })).status, 501);
    let root = jobs.url.trim_end_matches("/v1").to_owned();
    let client = Client::builder().no_proxy().build().expect("a client");
    assert_eq!(client.post(format!("{root}/u/user1")).send().expect("an answer").status().as_u16(), 404);
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
    // One without the other is told before anything starts.
    fs::write(file.with_file_name("dyn.toml"), "[jobs]\nkumori = true\n").expect("settings");
    let output = dyn_command().args(["check"]).arg(&file).output().expect("dyn runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("functions = true"), "{said}");
}

/// What the NodeJS FaaS loses with its queue and its workers: jobs that wait run after the end of the server, and those that ran
/// come to an end that says so. There, the first fail on what was read back, and the others have status 0 for ever.
#[test]
fn jobs_of_the_nodejs_faas_outlive_the_end_of_the_server() {
    let (_counter, _folder, _file, jobs) = start("[jobs]\nfunctions = true\nkumori = true\n");
    let root = jobs.url.trim_end_matches("/v1").to_owned();
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().expect("a client");
    let res = |method: Method, path: &str, body: &str| {
        let since = Instant::now();
        loop {
            match told(client.request(method.clone(), format!("{root}{path}")).body(body.to_owned())) {
                Ok(answer) if answer.body["error"] == false => return answer.body["res"].clone(),
                // The server is being started again.
                Err(_) if since.elapsed() < PATIENCE => std::thread::sleep(LOOK),
                other => panic!("{path}: {other:?}"),
            }
        }
    };
    assert_eq!(res(Method::POST, "/u/user1", ""), 1);
    let nap = "async id => { await new Promise(done => setTimeout(done, 2000)); return id; }";
    assert_eq!(res(Method::POST, "/u/user1/fn/nap", nap), 1);
    let ids: Vec<Value> = (0..40).map(|id| res(Method::POST, "/u/user1/fn/nap/run", &format!("[{id}]"))).collect();
    let states = || jobs.get("jobs?limit=500").body["jobs"].as_array().cloned().unwrap_or_default();
    while states().iter().filter(|job| job["state"] == "running").count() < 16 {
        std::thread::sleep(LOOK);
    }
    assert!(jobs.kill(), "there is a server");
    let since = Instant::now();
    let mut lost = 0;
    for (number, id) in ids.iter().enumerate() {
        let id = id.as_str().expect("an id");
        while res(Method::GET, &format!("/j/{id}"), "") != 1 {
            assert!(since.elapsed() < PATIENCE, "{id} does not end");
            std::thread::sleep(LOOK);
        }
        let result = res(Method::GET, &format!("/j/{id}/res"), "");
        let result = result.as_str().expect("a text");
        assert!(result == number.to_string() || result.contains("lost"), "{result}");
        lost += usize::from(result.contains("lost"));
    }
    // There are 32 workers, and all that waited for one ran.
    assert!((1..=32).contains(&lost), "{lost} were lost");
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}

/// The flow of the NodeJS FaaS's README, as its users run it.
#[test]
fn the_flow_of_the_nodejs_faas_runs_as_it_stands() {
    let (_counter, _folder, _file, jobs) = start("[jobs]\nfunctions = true\nkumori = true\n");
    let root = jobs.url.trim_end_matches("/v1").to_owned();
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().expect("a client");
    let send = |method: Method, path: &str, body: &str| {
        let answer = client.request(method, format!("{root}{path}")).body(body.to_owned()).send().expect("an answer");
        assert_eq!(answer.status().as_u16(), 200, "{path}");
        serde_json::from_slice::<Value>(&answer.bytes().expect("a body")).expect("JSON")
    };
    let res = |method: Method, path: &str, body: &str| {
        let answer = send(method, path, body);
        assert_eq!(answer["error"], false, "{path}: {answer}");
        answer["res"].clone()
    };
    let ended = |job: &str| {
        let since = Instant::now();
        while res(Method::GET, &format!("/j/{job}"), "") != 1 {
            assert!(since.elapsed() < PATIENCE, "{job} does not end");
            std::thread::sleep(LOOK);
        }
        res(Method::GET, &format!("/j/{job}/res"), "")
    };
    assert_eq!(res(Method::POST, "/u/user1", ""), 1);
    let add = "function add(a,b) { return a + b; }";
    let delayed =
        "async function add_with_delay(a,b) { await (new Promise((res,_) => setTimeout(res, 1000))); return a + b; }";
    assert_eq!(res(Method::POST, "/u/user1/fn/add", add), 1);
    assert_eq!(res(Method::POST, "/u/user1/fn/add_with_delay", delayed), 1);
    assert_eq!(res(Method::GET, "/u/user1/fn/add", ""), json!({ "f_name": "add", "src": add }));
    let mut job = String::new();
    for name in ["add", "add_with_delay"] {
        job = res(Method::POST, &format!("/u/user1/fn/{name}/run"), "[4,7]").as_str().expect("an id").to_owned();
        assert_eq!(ended(&job), "11");
    }
    let time = res(Method::GET, "/u/user1/time", "").as_u64().expect("milliseconds");
    assert!(time >= 1_000, "awaits count: {time}");
    // A mistake is an error of the run, and what is removed while it waits ends.
    res(Method::POST, "/u/user1/fn/bad", "function bad( {");
    let bad = res(Method::POST, "/u/user1/fn/bad/run", "[]").as_str().expect("an id").to_owned();
    assert!(ended(&bad).as_str().is_some_and(|said| said.starts_with("SyntaxError: ")));
    assert_eq!(send(Method::POST, "/u/user1/fn/none/run", "[]")["error"], true);
    // Registered anew: no functions, and time from 0, while the bill keeps what was.
    assert_eq!(res(Method::POST, "/u/user1", ""), 1);
    assert_eq!((res(Method::GET, "/u/user1/fn", ""), res(Method::GET, "/u/user1/time", "")), (json!({}), json!(0)));
    let bill = jobs.get("usage?by=service");
    assert!(bill.body["rows"].as_array().expect("rows").iter().any(|row| row["tenant"] == "kumori/user1"), "{bill:?}");
    assert_eq!(res(Method::DELETE, &format!("/j/{job}"), ""), 1);
    assert_eq!(res(Method::DELETE, &format!("/j/{job}"), ""), 0);
    assert_eq!(res(Method::DELETE, "/u/user1", ""), 1);
    assert_eq!(send(Method::GET, "/u/user1/time", "")["error"], true);
    // Jobs of tenants are none of this API's, and other names of this machine none of its names.
    let id = jobs.ask(&json!({ "inputs": { "id": 1, "ms": 0 } }));
    assert_eq!(send(Method::GET, &format!("/j/{id}"), "")["error"], true);
    let elsewhere = client.get(format!("{root}/u/user1/time")).header("host", "evil.example").send();
    assert_eq!(elsewhere.expect("an answer").status().as_u16(), 403);
    let (status, stderr) = jobs.dev.stop();
    assert!(status.success(), "{stderr}");
}
