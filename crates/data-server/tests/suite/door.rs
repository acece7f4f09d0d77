//! The door: requests from outside go to functions in places that hold their data.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use reqwest::Method;
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};

use crate::functions::Functions;
use crate::server::{LOOK, PATIENCE, Server};

/// Three places with a store and functions each, and a bucket that is in hpc and cc1.
struct Case {
    server: Server,
    functions: [Functions; 3],
    door: String,
    client: Client,
}

impl Case {
    fn start(more: &str) -> Self {
        let functions = ["hpc", "cc1", "cc2"].map(Functions::start);
        let mut text = String::new();
        for (name, at) in ["hpc", "cc1", "cc2"].iter().zip(&functions) {
            text += &format!(
                "[places.{name}]\n[stores.{name}]\nplace = \"{name}\"\nfolder = \"FOLDER/{name}\"\n\
                 [endpoints.{name}]\nplace = \"{name}\"\nurl = \"{}\"\n",
                at.url()
            );
        }
        let server = Server::start(&format!(
            "{text}[server]\nplace = \"hpc\"\npolicy = \"round_robin\"\nheader = \"X-FaDO-Bucket\"\n{more}\
             [buckets.images]\nmaster = \"hpc\"\nat = [\"cc1\"]\n[buckets.models]\nmaster = \"cc2\"\n"
        ));
        server.whole();
        let door = std::fs::read_to_string(server.path("door")).expect("an address");
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client");
        let case = Self { server, functions, door, client };
        // The next look at what copies lack shows the copy.
        case.until_asked("images", &["cc1", "hpc"]);
        case
    }

    fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Response {
        let mut request = self.client.request(method, format!("http://{}{path}", self.door));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body).send().expect("the door answers")
    }

    fn get(&self, headers: &[(&str, &str)]) -> (u16, Value) {
        let answer = self.send(Method::GET, "/f", headers, Vec::new());
        (answer.status().as_u16(), answer.json().expect("JSON"))
    }

    /// The servers that answer nine requests, each once.
    fn asked(&self, headers: &[(&str, &str)]) -> Vec<String> {
        let mut names: Vec<String> = (0..9)
            .map(|_| {
                let (status, answer) = self.get(headers);
                assert_eq!(status, 200, "{answer}");
                answer["SERVER_NAME"].as_str().expect("a name").to_owned()
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn until_asked(&self, bucket: &str, wanted: &[&str]) {
        let begun = Instant::now();
        while self.asked(&[("dyninka-data", bucket)]) != wanted {
            assert!(begun.elapsed() < PATIENCE, "never {wanted:?}");
            std::thread::sleep(LOOK);
        }
    }

    fn apply(&self, change: impl FnOnce(&mut Value)) {
        let (status, answer) = self.server.apply(change, false);
        assert_eq!(status, 200, "{answer}");
    }
}

const IMAGES: (&str, &str) = ("dyninka-data", "images/cats/1.jpg");

#[test]
fn requests_reach_no_endpoint_outside_their_bounds_and_rules_go_before_places() {
    let case = Case::start("");
    case.apply(|settings| {
        settings["places"]["hpc"] = json!({ "zones": ["germany"] });
        settings["places"]["cc1"] = json!({ "zones": ["us"], "labels": ["gpu"] });
    });
    for (header, value, asked) in [
        ("dyninka-zone", "germany", vec!["hpc"]),
        ("dyninka-zone", "!us", vec!["hpc"]),
        ("dyninka-zone", "germany, us", vec!["cc1", "hpc"]),
        ("dyninka-needs", "gpu", vec!["cc1"]),
        ("dyninka-needs", "hpc, !gpu", vec!["hpc"]),
    ] {
        assert_eq!(case.asked(&[IMAGES, (header, value)]), asked, "{header}: {value}");
    }
    let before: u64 = case.functions.iter().map(Functions::requests).sum();
    let (status, answer) = case.get(&[IMAGES, ("dyninka-zone", "germany"), ("dyninka-needs", "gpu")]);
    assert_eq!((status, answer["type"].as_str()), (503, Some("urn:dyninka:problem:no-place")));
    assert_eq!(answer["endpoints"]["hpc"], "hpc does not have gpu", "{answer}");
    for (header, value) in
        [("dyninka-zone", "a=b"), ("dyninka-zone", ""), ("dyninka-needs", "!"), ("dyninka-needs", "a, !a")]
    {
        let (status, answer) = case.get(&[IMAGES, (header, value)]);
        let words = answer["detail"].as_str().unwrap_or_default().to_owned();
        assert!(status == 400 && words.contains("does not read at character"), "{header}: {value}: {status} {answer}");
    }
    let (status, _) = case.get(&[IMAGES, ("dyninka-zone", "germany"), ("dyninka-zone", "us")]);
    assert_eq!((status, case.functions.iter().map(Functions::requests).sum::<u64>()), (400, before));
    case.apply(|settings| {
        settings["routes"] = json!([
            { "match": { "bucket": "images", "prefix": "cats/", "header": { "X-Tier": "gold" } }, "endpoints": ["cc2"] },
            { "match": { "header": { "X-Tier": "silver" } }, "places": ["cc1"] },
        ]);
    });
    assert_eq!(case.asked(&[IMAGES, ("x-tier", "gold")]), ["cc2"]);
    assert_eq!(case.asked(&[("dyninka-data", "images/dogs/1"), ("x-tier", "gold")]), ["cc1", "hpc"]);
    assert_eq!(case.asked(&[("x-tier", "silver")]), ["cc1"], "no bucket is named");
    assert_eq!(case.get(&[("x-tier", "silver"), ("dyninka-zone", "germany")]).0, 503);
    let (status, answer) = case.server.apply(|settings| settings["routes"] = json!([{ "places": ["mars"] }]), false);
    assert!(status == 422 && answer.to_string().contains("routes[0].places"), "{answer}");
}

#[test]
fn requests_pass_unchanged_to_functions_where_their_data_is() {
    let case = Case::start("");
    assert_eq!(case.asked(&[("x-fado-bucket", "images")]), ["cc1", "hpc"]);
    assert_eq!(case.asked(&[("dyninka-data", "models")]), ["cc2"]);
    let answer = case.send(Method::PUT, "/a/b%20c?d=e&f", &[IMAGES, ("x-own", "1")], vec![7; 3_000_000]);
    let place = answer.headers()["dyninka-place"].to_str().expect("text").to_owned();
    let answer: Value = answer.json().expect("JSON");
    let name = answer["SERVER_NAME"].as_str().expect("a name");
    assert_eq!(place, format!("{name}@{name}"));
    let asked = (answer["method"].as_str(), answer["path"].as_str(), answer["body"].as_u64());
    assert_eq!(asked, (Some("PUT"), Some("/a/b%20c?d=e&f"), Some(3_000_000)));
    let headers = answer["headers"].to_string();
    assert!(
        headers.contains("[\"x-own\",\"1\"]") && headers.contains("[\"dyninka-data\",\"images/cats/1.jpg\"]"),
        "{headers}"
    );
    assert!(
        headers.contains("[\"x-forwarded-for\",\"127.0.0.1\"]") && headers.contains("x-forwarded-host"),
        "{headers}"
    );
    let head = case.send(Method::HEAD, "/", &[IMAGES], Vec::new());
    assert_eq!((head.status().as_u16(), head.text().expect("nothing").as_str()), (200, ""));
    // What is not routed has its reason, and comes to nobody.
    let before: u64 = case.functions.iter().map(Functions::requests).sum();
    let problem = |headers: &[(&str, &str)]| {
        let (status, answer) = case.get(headers);
        (status, answer["type"].as_str().unwrap_or_default().replace("urn:dyninka:problem:", ""), answer.to_string())
    };
    let (status, kind, words) = problem(&[]);
    assert_eq!((status, kind.as_str()), (404, "no-bucket-named"));
    assert!(words.contains("Dyninka-Data or X-FaDO-Bucket"), "{words}");
    for unknown in [("dyninka-data", "image"), ("x-fado-bucket", "image"), ("x-fado-bucket", "../images")] {
        assert_eq!(problem(&[unknown]).1, "no-such-bucket");
    }
    let (status, kind, words) = problem(&[("dyninka-data", "images, models")]);
    assert_eq!((status, kind.as_str()), (503, "no-place"));
    assert!(words.contains("cc2 has no copy of images"), "{words}");
    for wrong in [("dyninka-data", "Images"), ("dyninka-data-version", "images=18446744073709551616")] {
        assert_eq!(problem(&[IMAGES, wrong]).0, 400);
    }
    let after: u64 = case.functions.iter().map(Functions::requests).sum();
    assert_eq!(after, before);
    // Nothing of the API is here, with its token neither.
    let token = std::fs::read_to_string(case.server.path("token")).expect("a token");
    let bearer = format!("Bearer {}", token.trim());
    for path in ["/v1/catalog", "/v1/settings", "/healthz", "/metrics"] {
        let answer = case.send(Method::GET, path, &[("authorization", &bearer)], Vec::new());
        assert_eq!(answer.status().as_u16(), 404, "{path}");
    }
}

#[test]
fn reads_of_what_was_written_go_where_it_is() {
    let case = Case::start("");
    case.server.post("buckets/images/pause", &Value::Null);
    let version = case.server.put("new", b"new");
    let at_least = format!("images={version}");
    let versions: [&str; 2] = [&at_least, "images=*"];
    for version in versions {
        assert_eq!(case.asked(&[IMAGES, ("dyninka-data-version", version)]), ["hpc"], "{version}");
    }
    assert_eq!(case.asked(&[IMAGES]), ["cc1", "hpc"]);
    case.server.post("buckets/images/resume", &Value::Null);
    case.server.whole();
    let begun = Instant::now();
    while case.asked(&[IMAGES, ("dyninka-data-version", &at_least)]) != ["cc1", "hpc"] {
        assert!(begun.elapsed() < PATIENCE, "the copy is never new enough");
        std::thread::sleep(LOOK);
    }
}

#[test]
fn bodies_pass_piece_by_piece_both_ways() {
    let case = Case::start("");
    let mut stream = TcpStream::connect(&case.door).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(stream, "POST /echo HTTP/1.1\r\nhost: a\r\ndyninka-data: images\r\ntransfer-encoding: chunked\r\n\r\n")
        .expect("sent");
    let mut seen = String::new();
    for piece in ["one piece", "another piece", "the last piece"] {
        write!(stream, "{:x}\r\n{piece}\r\n", piece.len()).expect("sent");
        // It comes back before the next one is sent: nobody waits for the whole.
        while !seen.contains(piece) {
            let mut bytes = [0; 4_096];
            let count = stream.read(&mut bytes).expect("a piece");
            assert!(count > 0, "{seen}");
            seen += &String::from_utf8_lossy(&bytes[..count]);
        }
    }
    assert!(seen.starts_with("HTTP/1.1 200 OK\r\n"), "{seen}");
}

#[test]
fn headers_of_connections_and_forged_ones_end_at_the_door() {
    let case = Case::start("");
    let raw = |text: &str| {
        let mut stream = TcpStream::connect(&case.door).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(text.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    let answer = raw(
        "GET /odd HTTP/1.1\r\nhost: a\r\ndyninka-data: images\r\nconnection: close, x-mine\r\nx-mine: 1\r\nupgrade: h2c\r\n\
         te: trailers\r\nproxy-authorization: x\r\nx-forwarded-for: 6.6.6.6\r\nforwarded: for=6.6.6.6\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    for gone in ["x-mine", "h2c", "trailers", "proxy-auth", "6.6.6.6", "x-secret", "timeout=9", "mars"] {
        assert!(!answer.contains(gone), "{gone} in {answer}");
    }
    assert!(answer.contains("dyninka-place: ") && answer.contains("127.0.0.1"), "{answer}");
    let before: u64 = case.functions.iter().map(Functions::requests).sum();
    let head = "host: a\r\ndyninka-data: images\r\nconnection: close\r\n";
    for (wrong, status) in [
        // Two ways to read where the body ends.
        (format!("POST / HTTP/1.1\r\n{head}content-length: 4\r\ncontent-length: 5\r\n\r\nabcde"), "400"),
        (format!("POST / HTTP/1.1\r\n{head}transfer-encoding: x\r\n\r\n"), "400"),
        (format!("GET / HTTP/1.1\r\n{head}x: a\rb\r\n\r\n"), "400"),
        (format!("GET / HTTP/1.1\r\n{head}x : a\r\n\r\n"), "400"),
        (format!("GET / HTTP/1.1\r\n{head}dyninka-data: models\r\n\r\n"), "400"),
        (format!("GET /\u{1}a HTTP/1.1\r\n{head}\r\n"), "400"),
        (format!("CONNECT 127.0.0.1:1 HTTP/1.1\r\n{head}\r\n"), "400"),
        (format!("OPTIONS * HTTP/1.1\r\n{head}\r\n"), "400"),
    ] {
        let answer = raw(&wrong);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{wrong:.200}\n{answer}");
    }
    assert_eq!(case.functions.iter().map(Functions::requests).sum::<u64>(), before, "none came to a function");
    // A line break that is written as a part of the path stays there.
    let answer = raw(&format!("GET /a/../b%0d%0ax:%20y HTTP/1.1\r\n{head}\r\n"));
    assert!(answer.contains("\"/a/../b%0d%0ax:%20y\""), "{answer}");
    // An absolute target leads nowhere else.
    let answer = raw(&format!("GET http://169.254.169.254/latest HTTP/1.1\r\n{head}\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"/latest\""), "{answer}");
}

#[test]
fn endpoints_that_are_away_are_left_for_the_next_and_the_rest_is_said() {
    let case = Case::start("");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let gone = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    case.apply(|settings| settings["endpoints"]["hpc"]["url"] = json!(gone));
    for number in 0..20 {
        let answer = case.send(Method::POST, "/", &[IMAGES], vec![1; 100_000 + number]);
        assert_eq!(answer.status().as_u16(), 200);
        let answer: Value = answer.json().expect("JSON");
        assert_eq!(
            (answer["SERVER_NAME"].as_str(), answer["body"].as_u64()),
            (Some("cc1"), Some(100_000 + number as u64))
        );
    }
    let catalog = case.server.get("catalog");
    assert!(catalog["endpoints"]["hpc"]["trouble"].as_str().is_some_and(|why| why.contains("refused")), "{catalog}");
    assert_eq!(catalog["endpoints"]["cc1"]["trouble"], Value::Null);
    let (status, problem) = case.get(&[IMAGES, ("dyninka-data-version", "images=*")]);
    assert_eq!((status, problem["tried"]["hpc"].is_string()), (503, true), "{problem}");
    // It is back, and asked again.
    let back = Functions::start("hpc");
    case.apply(|settings| settings["endpoints"]["hpc"]["url"] = json!(back.url()));
    case.until_asked("images", &["cc1", "hpc"]);
    // What was sent to one that hangs up is not sent again, unless it changes nothing.
    case.apply(|settings| {
        settings["buckets"]["images"]["route"] = json!({ "policy": "first", "endpoints": ["hpc", "cc1"] })
    });
    assert_eq!(case.asked(&[IMAGES]), ["hpc"]);
    back.hang_up();
    let before = case.functions[1].requests();
    let answer = case.send(Method::POST, "/", &[IMAGES], b"deed".to_vec());
    assert_eq!((answer.status().as_u16(), case.functions[1].requests()), (502, before));
    assert_eq!(case.asked(&[IMAGES]), ["cc1"]);
}

#[test]
fn endpoints_have_paths_of_their_own_and_no_request_leaves_them_or_goes_in_a_circle() {
    let case = Case::start("");
    case.apply(|settings| settings["endpoints"]["cc2"]["path"] = json!("/prod"));
    let answer: Value =
        case.send(Method::GET, "/f?a=b", &[("dyninka-data", "models")], Vec::new()).json().expect("JSON");
    assert_eq!(answer["path"], "/prod/f?a=b");
    let mut stream = TcpStream::connect(&case.door).expect("a connection");
    write!(stream, "GET /a/%2e./../x HTTP/1.1\r\nhost: a\r\ndyninka-data: models\r\nconnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains(". or .. in it"), "{answer}");
    let door = format!("http://{}", case.door);
    case.apply(|settings| settings["endpoints"]["cc2"]["url"] = json!(door));
    let (status, problem) = case.get(&[("dyninka-data", "models")]);
    assert_eq!((status, problem["type"].as_str()), (508, Some("urn:dyninka:problem:circle")));
}

#[test]
fn endpoints_with_tls_stand_beside_those_without_and_only_trusted_ones_are_asked() {
    let case = Case::start("");
    let (port, certificate) = crate::tls::front(case.functions[0].port);
    let url = format!("https://localhost:{port}");
    case.apply(|settings| settings["endpoints"]["hpc"]["url"] = json!(url));
    assert_eq!(case.asked(&[IMAGES]), ["cc1"], "nobody vouches for it");
    let file = case.server.path("hpc.pem");
    let wrong = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&file, crate::tls::pem(&wrong.cert)).expect("written");
    case.apply(|settings| settings["endpoints"]["hpc"]["ca"] = json!(file));
    assert_eq!(case.asked(&[IMAGES]), ["cc1"], "another one vouches for it");
    let trouble = case.server.get("catalog")["endpoints"]["hpc"]["trouble"].clone();
    assert!(trouble.as_str().is_some_and(|why| why.contains("certificate")), "{trouble}");
    // The file is read again, without a change of settings.
    std::fs::write(&file, certificate).expect("written");
    case.until_asked("images", &["cc1", "hpc"]);
}

/// Callers of a bucket while its route changes: each answer is of an endpoint that the route named at some time between the
/// question and the answer.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    callers: Vec<std::thread::JoinHandle<Vec<String>>>,
}

/// Routes are numbered; the endpoint of a number.
const NAMES: [&str; 3] = ["hpc", "cc1", "cc2"];

impl Load {
    fn start(door: &str, begun: &Arc<AtomicUsize>, told: &Arc<AtomicUsize>) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let callers = (0..8).map(|_| {
            let (door, begun, told) = (door.to_owned(), begun.clone(), told.clone());
            let (stop, answered) = (stop.clone(), answered.clone());
            std::thread::spawn(move || {
                let client = Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client");
                let mut wrong = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    let first = told.load(Ordering::SeqCst);
                    let asked = client.get(format!("http://{door}/")).header("x-fado-bucket", "images").send();
                    let answer = asked.and_then(reqwest::blocking::Response::json::<Value>);
                    let last = begun.load(Ordering::SeqCst);
                    answered.fetch_add(1, Ordering::SeqCst);
                    match answer {
                        Ok(answer) => {
                            let name = answer["SERVER_NAME"].as_str().unwrap_or_default();
                            if !(first..=last).any(|number| NAMES[number % 3] == name) {
                                wrong.push(format!("{answer} between {first} and {last}"));
                            }
                        }
                        Err(error) => wrong.push(error.to_string()),
                    }
                }
                wrong
            })
        });
        Self { callers: callers.collect(), stop, answered }
    }

    /// Waits until so many more requests were answered.
    fn go_on(&self, more: usize) {
        let (wanted, begun) = (self.answered.load(Ordering::SeqCst) + more, Instant::now());
        while self.answered.load(Ordering::SeqCst) < wanted {
            assert!(begun.elapsed() < PATIENCE, "the door does not answer");
            std::thread::sleep(LOOK);
        }
    }

    /// What was wrong, and how many requests there were.
    fn end(self) -> (Vec<String>, usize) {
        self.stop.store(true, Ordering::SeqCst);
        let wrong = self.callers.into_iter().flat_map(|caller| caller.join().expect("a caller")).collect();
        (wrong, self.answered.load(Ordering::SeqCst))
    }
}

#[test]
fn routes_that_change_under_load_fail_no_request_and_none_goes_to_a_wrong_place() {
    let case = Case::start("");
    let route = |number: usize| {
        case.apply(|settings| settings["buckets"]["images"]["route"] = json!({ "endpoints": [NAMES[number % 3]] }));
    };
    route(0);
    let (begun, told) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let load = Load::start(&case.door, &begun, &told);
    for number in 1..=60 {
        begun.store(number, Ordering::SeqCst);
        route(number);
        told.store(number, Ordering::SeqCst);
        // Each caller asks once more: more often than ten times a second, and as fast as this machine goes.
        load.go_on(8);
    }
    let (wrong, answered) = load.end();
    assert_eq!(wrong, Vec::<String>::new(), "of {answered}");
    assert!(answered >= 60 * 8, "{answered}");
    // The API answers as before: it has a listener of its own.
    assert_eq!(case.server.get("settings")["settings"]["buckets"]["images"]["route"]["endpoints"], json!(["hpc"]));
}
