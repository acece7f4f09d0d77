//! Who may do what at the page's listener, asked by a plain client that sends whatever it likes: the attacks that
//! SECURITY.md names, each refused, and the ways in that are there.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "attacks/beside.rs"]
mod beside;
#[path = "attacks/slow.rs"]
mod slow;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use parking_lot::Mutex;
use session_api::command::Answer;
use session_api::{Client, Snapshot};
use tokio::net::UnixListener;
use tokio::sync::watch;
use web::{BesideAnswer, LinkUse, PageListener, PageOptions, PageSource, SessionPage};

/// A page over a session that only counts its commands.
struct Played {
    page: SessionPage,
    /// `app-1.localhost:PORT`.
    host: String,
    port: u16,
    commands: Arc<AtomicUsize>,
    notices: Arc<Mutex<Vec<String>>>,
    pictures: Arc<watch::Sender<Arc<Snapshot>>>,
    folder: tempfile::TempDir,
}

impl Played {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start_in(folder, None).await
    }

    async fn start_in(folder: tempfile::TempDir, port: Option<u16>) -> Self {
        let commands = Arc::new(AtomicUsize::new(0));
        let counted = commands.clone();
        let snapshot = || async { axum::Json(Snapshot { app: "plant".to_owned(), ..Snapshot::default() }) };
        let command = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async { axum::Json(Answer::Done { message: "done".to_owned() }) }
        };
        let router = Router::new().route("/v1/snapshot", get(snapshot)).route("/v1/commands", post(command));
        let socket = folder.path().join("session.sock");
        drop(std::fs::remove_file(&socket));
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let notices = Arc::new(Mutex::new(Vec::new()));
        let told = notices.clone();
        let pictures = Arc::new(watch::Sender::new(Arc::new(Snapshot::default())));
        let weak = Arc::downgrade(&pictures);
        let options = PageOptions { name: "app-1".to_owned(), folder: folder.path().to_owned(), port };
        let page = PageListener::bind(options).await.unwrap().open(PageSource {
            client: Some(Client::attach(&socket).unwrap()),
            pictures: Arc::new(move || Some(weak.upgrade()?.subscribe())),
            // It answers with what it was asked.
            beside: Some(Arc::new(|asked| {
                let said = serde_json::json!([format!("{:?}", asked.server), asked.path, asked.body.is_some()]);
                let body = said.to_string().into_bytes();
                Box::pin(async move { BesideAnswer::Said { status: 200, body } })
            })),
            notice: Arc::new(move |text| told.lock().push(text)),
        });
        let host = page.address().strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
        let port = host.rsplit(':').next().unwrap().parse().unwrap();
        Self { page, host, port, commands, notices, pictures, folder }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.host)
    }

    fn ticket(&self) -> String {
        ticket(&self.page.link())
    }

    /// Comes in, and answers with the cookie.
    async fn enter(&self) -> String {
        let answer = self.take(&self.ticket()).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
        answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
    }

    async fn take(&self, ticket: &str) -> Heard {
        let body = format!("{{\"ticket\":\"{ticket}\"}}");
        let headers = [("host", self.host.clone()), ("origin", self.origin())];
        self.ask("POST", "/enter", &headers, Some(&body)).await
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, String)], body: Option<&str>) -> Heard {
        let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = body {
            text += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        }
        text += "\r\n";
        text += body.unwrap_or_default();
        let port = self.port;
        tokio::task::spawn_blocking(move || heard(port, &text, false)).await.unwrap()
    }
}

fn ticket(link: &str) -> String {
    link.split("#enter=").nth(1).unwrap().to_owned()
}

struct Heard {
    status: u16,
    head: String,
    text: String,
}

impl Heard {
    fn header(&self, wanted: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim()).next()
    }
}

/// What is answered: all of it, or its head where the connection stays open.
fn heard(port: u16, text: &str, is_head: bool) -> Heard {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    while !is_head || !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(n) => bytes.extend_from_slice(&piece[..n]),
        }
    }
    let all = String::from_utf8_lossy(&bytes).into_owned();
    let (head, text) = all.split_once("\r\n\r\n").unwrap_or((&all, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Heard { status, head: head.to_owned(), text: text.to_owned() }
}

const UPGRADE: [(&str, &str); 4] = [
    ("connection", "upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// The head of a WebSocket.
async fn live(played: &Played, host: &str, origin: Option<&str>, cookie: Option<&str>) -> u16 {
    let mut text = format!("GET /live HTTP/1.1\r\nhost: {host}\r\n");
    for (name, value) in UPGRADE.into_iter().chain(origin.map(|origin| ("origin", origin))) {
        text += &format!("{name}: {value}\r\n");
    }
    if let Some(cookie) = cookie {
        text += &format!("cookie: {cookie}\r\n");
    }
    text += "\r\n";
    let port = played.port;
    tokio::task::spawn_blocking(move || heard(port, &text, true).status).await.unwrap()
}

const COMMAND: &str = "{\"command\":\"undo\"}";

#[tokio::test]
async fn page_of_another_site_reads_and_does_nothing() {
    let played = Played::start().await;
    let cookie = played.enter().await;
    for origin in
        ["http://evil.example", "null", "http://127.0.0.1:8080", "http://app-1.localhost:1", "https://app-1.localhost"]
    {
        let headers = [("host", played.host.clone()), ("origin", origin.to_owned()), ("cookie", cookie.clone())];
        for (method, path, body) in
            [("GET", "/v1/snapshot", None), ("POST", "/v1/commands", Some(COMMAND)), ("GET", "/", None)]
        {
            let answer = played.ask(method, path, &headers, body).await;
            assert_eq!(answer.status, 403, "{method} {path} of {origin}");
            assert!(!answer.head.to_lowercase().contains("access-control"), "{}", answer.head);
        }
        assert_eq!(live(&played, &played.host, Some(origin), Some(&cookie)).await, 403, "a WebSocket of {origin}");
    }
    // As a form, a script or a picture is asked for: without an origin, but the browser says from where.
    for site in ["cross-site", "same-site", "none"] {
        let headers = [("host", played.host.clone()), ("sec-fetch-site", site.to_owned()), ("cookie", cookie.clone())];
        assert_eq!(played.ask("GET", "/v1/snapshot", &headers, None).await.status, 403, "{site}");
        assert_eq!(played.ask("GET", "/run.js", &headers, None).await.status, 403, "{site}");
        assert_eq!(played.ask("POST", "/v1/commands", &headers, Some(COMMAND)).await.status, 403, "{site}");
    }
    let none = [("host", played.host.clone()), ("cookie", cookie.clone())];
    assert_eq!(
        played.ask("POST", "/v1/commands", &none, Some(COMMAND)).await.status,
        403,
        "a program without an origin"
    );
    assert_eq!(played.commands.load(Ordering::SeqCst), 0, "nothing was done");
}

#[tokio::test]
async fn name_that_leads_here_is_refused_on_every_path() {
    let played = Played::start().await;
    let cookie = played.enter().await;
    let port = played.port;
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        &format!("0.0.0.0:{port}"),
        &format!("[::]:{port}"),
        "app-1.localhost",
    ] {
        for path in ["/", "/run.js", "/enter", "/alive", "/v1/snapshot", "/live"] {
            let headers = [("host", host.to_owned()), ("cookie", cookie.clone())];
            assert_eq!(played.ask("GET", path, &headers, None).await.status, 421, "{host} {path}");
        }
        assert_eq!(live(&played, host, Some(&format!("http://{host}")), Some(&cookie)).await, 421, "{host}");
    }
    let answer = played.ask("GET", "/", &[("host", format!("127.0.0.1:{port}"))], None).await;
    assert_eq!((answer.status, answer.header("location")), (307, Some(played.page.address())));
    assert_eq!(answer.header("set-cookie"), None, "an address gets no cookie: other ports would be sent it");
}

#[tokio::test]
async fn nobody_comes_in_without_a_ticket_and_no_ticket_opens_twice() {
    let played = Played::start().await;
    let headers = |cookie: &str| {
        let mut headers = vec![("host", played.host.clone()), ("origin", played.origin())];
        if !cookie.is_empty() {
            headers.push(("cookie", cookie.to_owned()));
        }
        headers
    };
    for (method, path, body) in
        [("GET", "/v1/snapshot", None), ("POST", "/v1/commands", Some(COMMAND)), ("GET", "/v1/requests", None)]
    {
        assert_eq!(played.ask(method, path, &headers(""), body).await.status, 401, "{path}");
        assert_eq!(played.ask(method, path, &headers("dyn-page=guess"), body).await.status, 401, "{path}");
    }
    assert_eq!(live(&played, &played.host, Some(&played.origin()), None).await, 401);
    assert_eq!(played.ask("GET", "/", &headers(""), None).await.status, 200, "the page itself says how to come in");

    let ticket = played.ticket();
    assert_eq!(played.take(&ticket).await.status, 204);
    let again = played.take(&ticket).await;
    assert_eq!(again.status, 403);
    assert!(again.text.contains("used before"), "{}", again.text);
    assert!(played.notices.lock().iter().any(|notice| notice.contains("used before")), "its owner is told");
    assert_eq!(played.take("guess").await.status, 403);
    assert_eq!(played.commands.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn guessed_tickets_open_nothing() {
    let played = Played::start().await;
    let mut statuses = Vec::new();
    for guess in 0..1_000 {
        statuses.push(played.take(&format!("guess{guess}")).await.status);
    }
    assert!(statuses.iter().all(|status| matches!(status, 403 | 429)), "{statuses:?}");
    assert!(statuses.contains(&429), "no more than a few a second are looked at");
}

#[tokio::test]
async fn browser_that_was_let_in_asks_commands_and_follows() {
    let played = Played::start().await;
    let cookie = played.enter().await;
    let headers = [("host", played.host.clone()), ("origin", played.origin()), ("cookie", cookie.clone())];
    let snapshot = played.ask("GET", "/v1/snapshot", &headers, None).await;
    assert!(snapshot.status == 200 && snapshot.text.contains("plant"), "{} {}", snapshot.status, snapshot.text);
    assert_eq!(played.ask("POST", "/v1/commands", &headers, Some(COMMAND)).await.status, 200);
    assert_eq!(played.commands.load(Ordering::SeqCst), 1);
    let stop = played.ask("POST", "/v1/commands", &headers, Some("{\"command\":\"stop\"}")).await;
    assert!(stop.text.contains("refused"), "{}", stop.text);
    assert_eq!(played.commands.load(Ordering::SeqCst), 1, "the page does not end the session");
    assert_eq!(live(&played, &played.host, Some(&played.origin()), Some(&cookie)).await, 101);
    assert_eq!(played.ask("GET", "/nowhere", &headers, None).await.status, 404);

    let page = played.ask("GET", "/", &headers, None).await;
    let policy = page.header("content-security-policy").unwrap();
    for part in
        ["default-src 'none'", "script-src 'self';", "require-trusted-types-for 'script'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("cross-origin-resource-policy"), Some("same-origin"));
    assert_eq!(snapshot.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn pages_are_few_and_none_of_them_keeps_pictures_being_made() {
    let played = Played::start().await;
    let cookie = played.enter().await;
    assert_eq!(played.pictures.receiver_count(), 0, "nobody looks");
    let mut open = Vec::new();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, played.port));
    let (host, origin) = (played.host.clone(), played.origin());
    let statuses = tokio::task::spawn_blocking(move || {
        let mut statuses = Vec::new();
        for _ in 0..17 {
            let mut stream = TcpStream::connect(address).unwrap();
            let mut text = format!("GET /live HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\ncookie: {cookie}\r\n");
            UPGRADE.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
            stream.write_all((text + "\r\n").as_bytes()).unwrap();
            let mut head = [0; 12];
            stream.read_exact(&mut head).unwrap();
            statuses.push(String::from_utf8_lossy(&head[9..]).into_owned());
            open.push(stream);
        }
        statuses
    });
    let statuses = statuses.await.unwrap();
    assert_eq!((statuses.iter().filter(|status| *status == "101").count(), &*statuses[16]), (16, "503"));
    assert_eq!(played.pictures.receiver_count(), 0, "a page that nobody sees looks at nothing");
}

#[tokio::test]
async fn cookie_outlives_the_session_at_its_port_and_ends_where_another_has_it() {
    // None of those that pages of other tests try in turn.
    let free = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap().port();
    let played = Played::start_in(tempfile::tempdir().unwrap(), Some(free)).await;
    let (cookie, port) = (played.enter().await, played.port);
    let Played { page, folder, .. } = played;
    let link = web::link(folder.path(), LinkUse::Print).unwrap();
    drop(page);
    assert!(matches!(web::link(folder.path(), LinkUse::Print), Err(web::PageError::Closed)), "no session has a page");
    drop(taken(port).await);

    let again = Played::start_in(folder, None).await;
    assert_eq!(again.port, port, "the port of last time");
    let headers = [("host", again.host.clone()), ("cookie", cookie.clone())];
    assert_eq!(again.ask("GET", "/v1/snapshot", &headers, None).await.status, 200);
    assert_eq!(again.take(&ticket(&link)).await.status, 204, "a link of `dyn ui`, from another process");
    let Played { page, folder, .. } = again;
    drop(page);

    let squatter = taken(port).await;
    let moved = Played::start_in(folder, None).await;
    assert_ne!(moved.port, port);
    assert!(moved.notices.lock()[0].contains("moved to port"), "{:?}", moved.notices.lock());
    let headers = [("host", moved.host.clone()), ("cookie", cookie)];
    assert_eq!(
        moved.ask("GET", "/v1/snapshot", &headers, None).await.status,
        401,
        "what the squatter may have seen is void"
    );
    drop(squatter);
    let files = |name: &str| std::fs::metadata(moved.folder.path().join(name)).unwrap();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(files("page.key").permissions().mode() & 0o077, 0);
}

/// Takes a port on both loopbacks as soon as the page has let go of it.
async fn taken(port: u16) -> Vec<tokio::net::TcpListener> {
    use tokio::net::TcpListener;
    let has_six = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_ok();
    loop {
        let four = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let six = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await;
        match (four, six) {
            (Ok(four), Ok(six)) => return vec![four, six],
            (Ok(four), Err(_)) if !has_six => return vec![four],
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

#[tokio::test]
async fn page_that_waits_knows_its_session_and_forgetting_ends_every_cookie() {
    let played = Played::start().await;
    let cookie = played.enter().await;
    let host = [("host", played.host.clone())];
    let answer = played.ask("GET", "/alive?id=00ff&nonce=abc", &host, None).await;
    assert_eq!((answer.status, answer.text.len()), (200, 64));
    let other = played.ask("GET", "/alive?id=00ff&nonce=abd", &host, None).await;
    assert_ne!(answer.text, other.text);
    assert_eq!(played.ask("GET", "/alive?id=xyz&nonce=1", &host, None).await.status, 400);
    let Played { page, folder, .. } = played;
    let port = page.address().trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    web::forget(folder.path()).unwrap();
    drop(page);
    drop(taken(port).await);
    let again = Played::start_in(folder, None).await;
    let headers = [("host", again.host.clone()), ("cookie", cookie)];
    assert_eq!(again.ask("GET", "/v1/snapshot", &headers, None).await.status, 401);
}

#[tokio::test]
async fn reader_looks_and_neither_acts_nor_becomes_more() {
    let played = Played::start().await;
    let link = web::link(played.folder.path(), LinkUse::Read { access: LinkUse::READS }).unwrap();
    let answer = played.take(&ticket(&link)).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let headers = [("host", played.host.clone()), ("origin", played.origin()), ("cookie", cookie.clone())];
    assert_eq!(played.ask("GET", "/v1/snapshot", &headers, None).await.status, 200);
    assert_eq!(live(&played, &played.host, Some(&played.origin()), Some(&cookie)).await, 101);
    let commands = ["undo", "stop_push", "recordings", "replay", "jobs", "stop"];
    for command in commands {
        let asked = format!("{{\"command\":\"{command}\"}}");
        let refused = played.ask("POST", "/v1/commands", &headers, Some(&asked)).await;
        assert_eq!((refused.status, &*refused.text), (403, "this page may look only\n"), "{command}");
    }
    assert_eq!(played.ask("POST", "/v1/snapshot", &headers, Some("{}")).await.status, 403);
    assert_eq!(played.ask("POST", "/beside/data/apply", &headers, Some("{}")).await.status, 403);
    assert_eq!(played.ask("GET", "/beside/data/catalog", &headers, None).await.status, 200);
    assert_eq!(played.commands.load(Ordering::SeqCst), 0, "nothing was done");
    // Its cookie is no ticket, and opens no other role.
    let guess = cookie.split('=').nth(1).unwrap();
    assert_eq!(played.take(guess).await.status, 403);
    assert_eq!(played.take(&ticket(&link)).await.status, 403, "the link is used");
    assert_eq!(played.ask("POST", "/leave", &headers, Some("")).await.status, 204);
}

#[tokio::test]
async fn forgetting_ends_every_access_while_the_session_runs() {
    let played = Played::start().await;
    let cookie = played.enter().await;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, played.port));
    let (host, origin, own) = (played.host.clone(), played.origin(), cookie.clone());
    let (greeted, told) = tokio::sync::oneshot::channel();
    let page = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut text = format!("GET /live HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\ncookie: {own}\r\n");
        UPGRADE.iter().for_each(|(name, value)| text += &format!("{name}: {value}\r\n"));
        stream.write_all((text + "\r\n").as_bytes()).unwrap();
        let (mut bytes, mut piece, mut greeted) = (Vec::new(), [0; 4096], Some(greeted));
        // Until the other end closes it.
        while let Ok(count @ 1..) = stream.read(&mut piece) {
            bytes.extend_from_slice(&piece[..count]);
            if String::from_utf8_lossy(&bytes).contains("hello")
                && let Some(greeted) = greeted.take()
            {
                greeted.send(()).unwrap();
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    });
    told.await.unwrap();
    web::forget(played.folder.path()).unwrap();
    assert!(page.await.unwrap().contains("{\"ended\":true}"), "the open page is told, and closed");
    let headers = [("host", played.host.clone()), ("cookie", cookie)];
    assert_eq!(played.ask("GET", "/v1/snapshot", &headers, None).await.status, 401);
    assert!(played.notices.lock().iter().any(|notice| notice.contains("was ended")), "its owner is told");
    // A link of now opens it, from this process and from another.
    assert_eq!(played.take(&played.ticket()).await.status, 204);
    let link = web::link(played.folder.path(), LinkUse::Read { access: LinkUse::READS }).unwrap();
    assert_eq!(played.take(&ticket(&link)).await.status, 204);
}

#[tokio::test]
async fn page_without_a_session_shows_pictures_and_carries_out_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service = session_api::snapshot::ServiceView { name: "map".to_owned(), ..Default::default() };
    let picture = Snapshot { app: "plant".to_owned(), services: vec![service], ..Snapshot::default() };
    let pictures = Arc::new(watch::Sender::new(Arc::new(picture)));
    let weak = Arc::downgrade(&pictures);
    let options = PageOptions { name: "app-1-cluster".to_owned(), folder: folder.path().to_owned(), port: None };
    let page = PageListener::bind(options).await.unwrap().open(PageSource {
        client: None,
        pictures: Arc::new(move || Some(weak.upgrade()?.subscribe())),
        beside: None,
        notice: Arc::new(drop::<String>),
    });
    let host = page.address().strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
    let port = host.rsplit(':').next().unwrap().parse().unwrap();
    let (commands, notices) = (Arc::default(), Arc::default());
    let played = Played { page, host, port, commands, notices, pictures, folder };
    // Its own link is an owner's, and still may look only: there is nothing to act on.
    let cookie = played.enter().await;
    let headers = [("host", played.host.clone()), ("origin", played.origin()), ("cookie", cookie.clone())];
    let snapshot = played.ask("GET", "/v1/snapshot", &headers, None).await;
    assert!(snapshot.status == 200 && snapshot.text.contains("plant"), "{} {}", snapshot.status, snapshot.text);
    assert_eq!(played.ask("GET", "/v1/hops/map", &headers, None).await.status, 200);
    assert_eq!(played.ask("GET", "/v1/hops/nobody", &headers, None).await.status, 404);
    let unknown = played.ask("GET", "/v1/requests", &headers, None).await;
    assert!(unknown.status == 404 && unknown.text.contains("a cluster"), "{} {}", unknown.status, unknown.text);
    assert_eq!(played.ask("POST", "/v1/commands", &headers, Some(COMMAND)).await.status, 403);
    assert_eq!(live(&played, &played.host, Some(&played.origin()), Some(&cookie)).await, 101);
}

#[test]
fn a_folder_without_a_page_has_no_link() {
    assert!(matches!(web::link(Path::new("/nowhere"), LinkUse::Open), Err(web::PageError::Closed)));
}
