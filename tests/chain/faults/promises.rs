//! What SECURITY.md promises.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::chain::Chain;
use support::hosts::ours;
use support::run;
use support::session::{Dev, PATIENCE};

support::on_both_backends!(
    the_session_and_its_doors_are_its_owners_alone,
    the_secret_is_told_to_nobody,
    a_service_is_no_proxy,
    a_name_that_leads_here_makes_no_page_the_apps_own,
);

/// The secret of a session and where its hosts find it.
fn secret(chain: &Chain) -> String {
    let config = chain.dev.socket_folder(&chain.file).join("services/leave/config.json");
    let config: Value = serde_json::from_slice(&fs::read(config).expect("a configuration")).expect("JSON");
    config["token"].as_str().expect("a token").to_owned()
}

fn client() -> reqwest::blocking::Client {
    reqwest::blocking::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client")
}

fn the_session_and_its_doors_are_its_owners_alone(on: &str) {
    let chain = Chain::start(on);
    let folder = chain.dev.socket_folder(&chain.file);
    let session: Value =
        serde_json::from_slice(&fs::read(folder.join("session.json")).expect("a session")).expect("JSON");
    let socket = Path::new(session["socket"].as_str().expect("its socket"));
    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode(socket), mode(&folder)), (0o600, 0o700));

    // A page that found a way to the socket says so in its requests.
    let page = reqwest::blocking::Client::builder().unix_socket(socket).no_proxy().build().expect("a client");
    let stop = |origin: Option<&str>| {
        let request = page.post("http://session/v1/commands").json(&json!({ "command": "state", "service": "leave" }));
        let request = origin.into_iter().fold(request, |request, origin| request.header("origin", origin));
        request.send().expect("an answer").status().as_u16()
    };
    assert_eq!((stop(None), stop(Some("http://evil.example")), stop(Some("null"))), (200, 403, 403));

    let token = secret(&chain);
    let url = chain.dev.url_of("leave");
    let state = |headers: &[(&str, &str)]| {
        let request = client().get(format!("{url}_dyninka/state/LEFT"));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().expect("an answer")
    };
    let bearer = format!("Bearer {token}");
    assert_eq!(state(&[("authorization", &bearer)]).status(), 200);
    for wrong in
        [&[][..], &[("authorization", "Bearer ")], &[("authorization", &token)], &[("authorization", "Bearer x")]]
    {
        assert_eq!(state(wrong).status(), 401, "{wrong:?}");
    }
    assert_eq!(state(&[("authorization", &bearer), ("origin", "http://127.0.0.1:8080")]).status(), 403);
    // No page may read what a service answers to it.
    let answer = client().get(&url).header("origin", "http://evil.example").send().expect("an answer");
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
    chain.dev.stop();
}

fn the_secret_is_told_to_nobody(on: &str) {
    let chain = Chain::start(on);
    let token = secret(&chain);
    assert!(token.len() >= 32, "{} characters", token.len());
    client().get(format!("{}_dyninka/hops", chain.dev.url_of("leave"))).bearer_auth(&token).send().expect("an answer");
    let mut told = vec![("events", json!(chain.dev.seen()).to_string()), ("ready", chain.dev.ready.to_string())];
    for command in ["status", "logs"] {
        let output = run(&[command.as_ref(), chain.file.as_os_str()]);
        told.push((command, format!("{output:?}")));
    }
    told.push(("status", format!("{:?}", run(&["status".as_ref(), chain.file.as_os_str(), "--json".as_ref()]))));
    told.push((
        "metrics",
        client()
            .get(format!("{}metrics", chain.dev.url()))
            .send()
            .and_then(reqwest::blocking::Response::text)
            .expect("text"),
    ));
    for host in ours(on, &chain.file) {
        told.push(match on {
            "docker" => ("container", inspect(&host).to_string()),
            // What every program of this machine sees of a process, and what its own children are given.
            _ => ("process", ["cmdline", "environ"].map(|name| read(&format!("/proc/{host}/{name}"))).concat()),
        });
    }
    for (about, text) in told {
        assert!(!text.is_empty() && !text.contains(&token), "{about}");
    }
    chain.dev.stop();
}

fn read(path: &str) -> String {
    String::from_utf8_lossy(&fs::read(path).expect("a file")).into_owned()
}

fn a_service_is_no_proxy(on: &str) {
    let chain = Chain::start(on);
    let url = chain.dev.url_of("leave");
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    elsewhere.set_nonblocking(true).expect("a listener that does not wait");
    let other = elsewhere.local_addr().expect("its address");
    for request in [
        format!("GET http://{other}/ HTTP/1.1\r\nhost: {other}\r\n"),
        format!("CONNECT {other} HTTP/1.1\r\nhost: {other}\r\n"),
        format!("GET / HTTP/1.1\r\nhost: {other}\r\nx-forwarded-host: {other}\r\nforwarded: host={other}\r\n"),
        format!("GET / HTTP/1.1\r\nhost: localhost\r\ndyninka-route: middle(http://{other}/)\r\n"),
        format!("GET / HTTP/1.1\r\nhost: localhost\r\ndyninka-route: \"{other}\"\r\n"),
        format!("GET / HTTP/1.1\r\nhost: localhost\r\ndyninka-path: {other}\r\n"),
    ] {
        let mut stream =
            TcpStream::connect(url.trim_start_matches("http://").trim_end_matches('/')).expect("a service");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(format!("{request}connection: close\r\n\r\n").as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        // Answered here, by the chain itself or with a refusal.
        assert!(answer.starts_with("HTTP/1.1 "), "{request}: {answer}");
        let asked = elsewhere.accept();
        assert!(asked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "{request} went elsewhere");
    }
    chain.dev.stop();
}

/// What a browser sends for a page of somebody who pointed his name at this machine, and for his pages elsewhere.
fn a_name_that_leads_here_makes_no_page_the_apps_own(on: &str) {
    let arguments = ["--on", on, "--port", "0", "--allow-host", "own.example"];
    let chain = Chain::start_with(|file| Dev::launch(file, &arguments));
    let token = secret(&chain);
    let status = |url: &str, headers: &[(&str, &str)]| {
        let request = client().get(url).bearer_auth(&token);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().expect("an answer").status().as_u16()
    };
    let doors = ["enter", "middle", "leave"].map(|service| chain.dev.url_of(service));
    for door in doors.iter().chain([&chain.dev.url()]) {
        let authority = door.trim_start_matches("http://").trim_end_matches('/');
        let port = authority.rsplit_once(':').expect("a port").1;
        for path in ["", "metrics", "healthz", "readyz", "_dyninka/hops", "nothing"] {
            let url = format!("{door}{path}");
            for name in
                ["evil.example".to_owned(), format!("evil.example:{port}"), format!("127.0.0.1.evil.example:{port}")]
            {
                assert_eq!(status(&url, &[("host", &name)]), 421, "{url} as {name}");
            }
            let foreign = [("origin", "http://evil.example")];
            assert_eq!(status(&url, &foreign), 403, "{url}");
            let picture =
                [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")];
            assert_eq!(status(&url, &picture), 403, "{url}");
        }
        for name in [
            authority.to_owned(),
            format!("localhost:{port}"),
            "[::1]".to_owned(),
            "middle".to_owned(),
            "own.example".to_owned(),
        ] {
            assert_eq!(status(&format!("{door}healthz"), &[("host", &name)]), 200, "{door} as {name}");
        }
        let own = [("host", "own.example"), ("origin", "https://own.example")];
        assert_eq!(status(&format!("{door}healthz"), &own), 200, "{door}");
    }
    chain.dev.stop();
}

#[test]
fn processes_listen_on_loopback_alone() {
    let chain = Chain::start("process");
    let mut pids = ours("process", &chain.file);
    pids.push(chain.dev.pid().to_string());
    assert_eq!(pids.len(), 4);
    let sockets: BTreeSet<String> = pids
        .iter()
        .flat_map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).expect("its files").flatten())
        .filter_map(|file| fs::read_link(file.path()).ok()?.to_str().map(str::to_owned))
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let mut listening = 0;
    for (table, loopback) in [("tcp", "0100007F:"), ("tcp6", "00000000000000000000000001000000:")] {
        for line in read(&format!("/proc/net/{table}")).lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            // 0A: it listens.
            if columns[3] == "0A" && sockets.contains(columns[9]) {
                listening += 1;
                assert!(columns[1].starts_with(loopback), "{table}: {line}");
            }
        }
    }
    assert!(listening >= 4, "three services and the public listener: {listening}");
    chain.dev.stop();
}

fn inspect(container: &str) -> Value {
    let output = Command::new("docker").args(["inspect", container]).output().expect("docker");
    let all: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    all[0].clone()
}

#[test]
fn containers_may_do_little() {
    let chain = Chain::start("docker");
    let containers = ours("docker", &chain.file);
    assert_eq!(containers.len(), 3);
    for container in containers.iter().map(|container| inspect(container)) {
        let (host, config) = (&container["HostConfig"], &container["Config"]);
        let user = config["User"].as_str().expect("a user");
        assert!(!["", "0", "root"].contains(&user.split(':').next().unwrap_or_default()), "{user}");
        for (name, expected) in [
            ("ReadonlyRootfs", json!(true)),
            ("Privileged", json!(false)),
            ("CapDrop", json!(["ALL"])),
            ("CapAdd", Value::Null),
            ("SecurityOpt", json!(["no-new-privileges"])),
            ("PidsLimit", json!(2048)),
            ("Memory", json!(256 << 20)),
            ("MemorySwap", json!(256 << 20)),
            ("PidMode", json!("")),
            ("Devices", Value::Null),
            ("LogConfig", json!({ "Type": "json-file", "Config": { "max-size": "8m", "max-file": "2" } })),
            ("Tmpfs", json!({ "/tmp": "rw,noexec,nosuid,nodev,size=64m" })),
        ] {
            assert_eq!(host[name], expected, "{name}");
        }
        let network = host["NetworkMode"].as_str().expect("a network");
        assert!(network.starts_with("dyninka-"), "{network}");
        let mounts: Vec<&Value> =
            container["Mounts"].as_array().expect("a list").iter().filter(|mount| mount["Type"] == "bind").collect();
        let inside: BTreeSet<&str> = mounts.iter().filter_map(|mount| mount["Destination"].as_str()).collect();
        assert_eq!(inside, BTreeSet::from(["/dyninka", "/dyninka-sockets"]));
        assert!(mounts.iter().all(|mount| mount["RW"] == false), "{mounts:?}");
        for bindings in host["PortBindings"].as_object().expect("ports").values() {
            for binding in bindings.as_array().expect("a list") {
                assert_eq!(binding["HostIp"], "127.0.0.1");
            }
        }
    }
    chain.dev.stop();
}
