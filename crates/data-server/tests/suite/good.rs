//! Days on which nothing ends.

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Server, hashes, noise, write};

#[test]
fn copies_follow_their_master_and_a_plan_comes_first() {
    let server = Server::of_folders("replicas = 2\n");
    server.whole();
    for number in 0..150 {
        write(&server.objects("hpc"), &format!("a/{number:03}"), &noise(number, 100 + number as usize));
    }
    write(&server.objects("hpc"), "large", &noise(1, 20 << 20));
    server.whole();
    let master = hashes(&server.objects("hpc"));
    assert_eq!(master.len(), 151);
    assert_eq!(hashes(&server.objects("cc1")), master);
    assert_eq!(hashes(&server.objects("cc2")), master);
    // Through the server: written, overwritten and deleted.
    let version = server.put("a/000", b"new");
    assert_eq!(server.ask(Method::DELETE, "objects/images/a/001", None).0, 204);
    server.put("odd ü%20key", b"x");
    server.whole();
    let master = hashes(&server.objects("hpc"));
    assert_eq!(hashes(&server.objects("cc1")), master);
    assert!(!master.contains_key("a/001") && master.contains_key("odd ü key"), "{:?}", master.keys());
    // Nothing to do: a comparison finds nothing, and copies nothing.
    let head = server.bucket()["head"].clone();
    server.whole();
    assert_eq!(server.bucket()["head"], head);
    // Read your writes: the stores that have the change.
    let places = server.get(&format!("where/images?at_least={version}&zone=fast"));
    let names: Vec<&str> =
        places.as_array().expect("places").iter().map(|at| at["store"].as_str().expect("a name")).collect();
    assert_eq!(names, ["cc1", "hpc"], "{places}");
    assert_eq!(server.read("a/000?store=cc2"), (200, b"new".to_vec()));
    // Fewer copies: the plan says which goes, and it goes with its bytes.
    let mut settings = server.get("settings")["settings"].take();
    settings["buckets"]["images"]["replicas"] = json!(1);
    let plan = server.post("plan", &json!({ "settings": settings }));
    let removed =
        plan["steps"].as_array().expect("steps").iter().find(|step| step["step"] == "remove").expect("a removal");
    let gone = removed["store"].as_str().expect("a store").to_owned();
    assert_eq!(server.bucket()["replicas"].as_object().expect("copies").len(), 2);
    let (status, _) = server.apply(|settings| settings["buckets"]["images"]["replicas"] = json!(1), false);
    assert_eq!(status, 200);
    server.until("one copy", |bucket| bucket["replicas"].as_object().is_some_and(|replicas| replicas.len() == 1));
    assert!(!server.objects(&gone).exists(), "{gone} keeps its copy");
    let kept = if gone == "cc1" { "cc2" } else { "cc1" };
    assert_eq!(hashes(&server.objects(kept)), hashes(&server.objects("hpc")));
    // A plan for settings of before is refused.
    let body = json!({ "settings": settings, "revision": 1 });
    let (status, problem) = server.ask(Method::POST, "apply", Some(&body));
    assert_eq!((status, problem["type"].as_str()), (409, Some("urn:dyninka:problem:outdated")));
}

#[test]
fn patterns_quotas_and_pauses_are_kept() {
    let server = Server::of_folders(
        "at = [\"cc1\"]\nonly = [\"photos/**\"]\nexcept = [\"**/*.tmp\"]\nquota = { bytes = \"1000\" }\ndeletes = \"keep\"\n",
    );
    server.put("photos/a", b"a");
    server.put("photos/a.tmp", b"b");
    server.put("other", b"c");
    server.whole();
    assert_eq!(hashes(&server.objects("cc1")).keys().collect::<Vec<_>>(), ["photos/a"]);
    assert_eq!(hashes(&server.objects("hpc")).len(), 3);
    let refused = server.try_put("photos/b", &noise(1, 2_000));
    assert_eq!(refused.status().as_u16(), 507);
    // What stops matching is removed from the copy; what was deleted at the master stays there.
    assert_eq!(server.ask(Method::DELETE, "objects/images/photos/a", None).0, 204);
    server.whole();
    assert_eq!(hashes(&server.objects("cc1")).len(), 1);
    server.put("photos/c", b"c");
    server.whole();
    let (status, answer) = server.apply(|settings| settings["buckets"]["images"]["only"] = json!(["other"]), false);
    assert_eq!(status, 200, "{answer}");
    server.whole();
    let left: Vec<String> = hashes(&server.objects("cc1")).into_keys().collect();
    assert_eq!(left, ["other", "photos/a"]);
    // A bucket that is paused is written, and not copied.
    server.post("buckets/images/pause", &Value::Null);
    server.put("other", b"later");
    assert_eq!(server.bucket()["state"], "paused");
    server.post("buckets/images/resume", &Value::Null);
    server.whole();
    assert_eq!(hashes(&server.objects("cc1"))["other"], blake3::hash(b"later").to_string());
}

#[test]
fn the_api_is_for_the_bearer_of_the_token() {
    let server = Server::of_folders("replicas = 1\n");
    server.put("a", b"a");
    let address = std::fs::read_to_string(server.path("address")).expect("an address");
    let client = reqwest::blocking::Client::builder().no_proxy().build().expect("a client");
    let hook = server.hook("hpc");
    for (method, path) in [
        (Method::GET, "v1/catalog"),
        (Method::GET, "v1/settings"),
        (Method::GET, "v1/objects/images/a"),
        (Method::PUT, "v1/objects/images/a"),
        (Method::DELETE, "v1/objects/images/a"),
        (Method::POST, "v1/apply"),
        (Method::POST, "v1/buckets/images/promote"),
        (Method::GET, "v1/stores/hpc/hook"),
        (Method::GET, "v1/events"),
        (Method::GET, "metrics"),
        (Method::POST, "v1/notify/hpc"),
    ] {
        for token in ["", "dynd_0", if path.contains("notify") { "x" } else { &hook }] {
            let request = client.request(method.clone(), format!("http://{address}/{path}")).bearer_auth(token);
            let answer = request.send().expect("an answer");
            assert_eq!(answer.status().as_u16(), 401, "{method} {path} {token}");
        }
    }
    let page = client.get(format!("http://{address}/healthz")).header("origin", "http://evil.example").send();
    assert_eq!(page.expect("an answer").status().as_u16(), 403);
    // A hook is for events of its own store alone.
    assert_eq!((server.event("hpc", "a", &hook), server.event("cc1", "a", &hook)), (204, 401));
    // No answer has a token but the one that is asked for it, and the file is its owner's.
    let token = std::fs::read_to_string(server.path("token")).expect("a token");
    for path in ["catalog", "settings", "events", "conflicts", "objects/images", "where/images"] {
        let text = server.get(path).to_string();
        assert!(!text.contains(token.trim()) && !text.contains("dynh_"), "{path}");
    }
    let about = std::fs::metadata(server.path("token")).expect("a file");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o777, 0o600);
}
