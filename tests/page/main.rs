//! The page of a session in Debian's Chromium: the main way through each page, with a keyboard alone where a person may have
//! no other, and nothing that an accessibility checker, the console or a look at widths complains of.

#![cfg(feature = "web")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod beside;
mod bundle;
mod jobs;
mod parts;
mod reader;
mod rough;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use support::browser::Browser;
use support::session::Dev;

const CHAIN: &str = "use dyninka::prelude::*;

#[derive(Serialize, Deserialize)]
enum Kind { Warm, Cold }

#[derive(Serialize, Deserialize)]
struct Reading { room: String, value: f64, kind: Kind, note: Option<String> }

#[placed(mean)]
static COUNT: Placed<u64> = Placed::new(|| 0);

#[service]
fn read() -> Reading { println!(\"asked\"); Reading { room: \"<img src=x onerror=document.title='hit'>\".into(), value: 2.5, kind: Kind::Warm, note: None } }

#[service]
fn scale(reading: Reading) -> f64 { reading.value * 2.0 }

#[service]
fn mean(value: f64) -> f64 { COUNT.update(|n| *n += 1); value }

#[dyninka::main]
fn main() { read().scale().mean() }
";

/// A session with a page, and a browser that was let in.
struct Seen {
    _folder: tempfile::TempDir,
    file: PathBuf,
    dev: Dev,
    browser: Browser,
}

impl Seen {
    fn start() -> Self {
        Self::of(CHAIN, &[], "3 of 3 live")
    }

    /// A session of another app, with further options, once its page shows a text.
    fn of(app: &str, further: &[&str], begin: &str) -> Self {
        Self::at(None, app, further, begin)
    }

    /// A session on a machine of its own, which a command of `dyn` says.
    fn at(machine: Option<&dyn Fn() -> Command>, app: &str, further: &[&str], begin: &str) -> Self {
        let (folder, file) = support::app(app);
        let command = || machine.map_or_else(support::dyn_command, |machine| machine());
        let arguments = [&["--on", "process", "--port", "0", "--page", "0"], further].concat();
        let mut dev = Dev::spawn(command(), &file, &arguments);
        dev.ready = dev.wait_for("ready");
        let browser = Browser::start();
        let printed = command().arg("ui").arg(&file).arg("--print").output().unwrap();
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
        browser.open(String::from_utf8(printed.stdout).unwrap().trim());
        browser.shows(begin);
        Self { _folder: folder, file, dev, browser }
    }

    /// Asks the chain, so that there is something to see.
    fn ask(&self, times: usize) {
        for _ in 0..times {
            assert!(reqwest::blocking::get(self.dev.url()).unwrap().status().is_success());
        }
    }

    /// Goes to a page, looks at it in both themes and three widths, and at what is complained of.
    fn look(&self, fragment: &str, name: &str) {
        self.browser.run(&format!("location.hash = {}", serde_json::json!(fragment)));
        self.browser
            .until(name, &format!("document.querySelector('main h1')?.innerText === {}", serde_json::json!(name)));
        let pictures = support::repository().join("target/web");
        for (theme, width, height) in [("light", 1440, 900), ("dark", 1440, 900), ("light", 640, 900)] {
            self.browser.theme(theme);
            self.browser.resize(width, height);
            self.browser.until("the width", "document.body.scrollWidth <= innerWidth");
            let whole = "[...document.querySelectorAll('main > .panel')].every((one) => one.clientHeight + 2 >= Math.min(one.scrollHeight, innerHeight * 0.3))";
            self.browser.until("panels that are not squeezed", whole);
            let kind = if width < 1000 { "narrow" } else { theme };
            self.browser.picture(&pictures.join(format!("{}-{kind}.png", name.to_lowercase())));
            assert_eq!(accessibility(&self.browser), Vec::<String>::new(), "{name}, {theme}, {width}");
        }
        self.browser.theme("light");
        self.browser.resize(1440, 900);
        self.is_quiet();
    }

    fn is_quiet(&self) {
        assert_eq!(self.browser.complaints(), Vec::<String>::new());
        let elsewhere = self.browser.run(
            "return performance.getEntriesByType('resource').map((one) => one.name).filter((name) => new URL(name).host !== location.host)",
        );
        assert_eq!(elsewhere, serde_json::json!([]), "nothing is asked for elsewhere");
        assert_ne!(self.browser.run("return document.title"), "hit", "a value became markup");
    }
}

fn dyn_ui(file: &Path, arguments: &[&str]) -> Output {
    support::dyn_command().arg("ui").arg(file).args(arguments).output().unwrap()
}

fn link(file: &Path) -> String {
    printed(file, "--print")
}

/// A link of a kind.
fn printed(file: &Path, kind: &str) -> String {
    let output = dyn_ui(file, &[kind]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What axe-core finds that is serious.
fn accessibility(browser: &Browser) -> Vec<String> {
    let axe = include_str!("vendor/axe.min.js");
    browser.run(&format!("if (!window.axe) {{ {axe}\n }}"));
    let found = browser.wait_for(
        "const done = arguments[arguments.length - 1]; axe.run(document, { resultTypes: ['violations'] }).then((found) => \
         done(found.violations.filter((one) => ['serious', 'critical'].includes(one.impact)).map((one) => `${one.id}: ${one.nodes.map((node) => `${node.html.slice(0, 160)} ${node.any.map((any) => any.message).join()}`).slice(0, 3).join(' | ')}`)), \
         (error) => done([`axe: ${error}`]))",
    );
    found.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn person_sees_calls_searches_edits_and_pushes_nothing_by_mistake() {
    let seen = Seen::start();
    let browser = &seen.browser;
    assert!(!browser.address().contains("enter"), "the ticket is gone from the address: {}", browser.address());
    seen.ask(12);

    // Flow: figures come, a service is chosen, its latency is plotted.
    browser.until("figures", "/[0-9.]+ (µs|ms)/.test(document.querySelector('main table tbody')?.innerText ?? '')");
    seen.look("#/flow/scale", "Flow");
    browser.until("a plot", "document.querySelector('.plot canvas')");
    browser.click("button", "1 h");
    browser.shows("waits for");

    // Requests: found by value, with hops and values as text, and sent once more.
    browser.run("location.hash = '#/requests?q=onerror'");
    browser.until("requests", "document.querySelectorAll('.list tbody tr').length >= 3");
    browser.press("j");
    browser.shows("received");
    browser.click(".waterfall button", "scale");
    browser.until("the value as text", "document.querySelector('.values').innerText.includes('<img src=x')");
    browser.click("button", "Send again");
    browser.shows("Sent again");
    browser.click("button", "Compare with now");
    browser.shows("returns the same");
    browser.click("button", "As a test");
    browser.until("a test", "document.querySelector('pre')?.innerText.includes('#[test]')");
    let fragment = browser.run("return location.hash").as_str().unwrap().to_owned();
    seen.look(&fragment, "Requests");
    browser.run("location.hash = '#/requests?q=service:'");
    browser.shows("wants a word behind the colon");
    // The refusal is an answer of 400, which the console names.
    assert!(browser.complaints().iter().all(|complaint| complaint.contains("400")));

    // Call: a form from the types; a mistake is named, the answer comes.
    browser.run("location.hash = '#/call/scale'");
    browser.until("a form", "document.querySelector('main form .check input')");
    browser.run("document.querySelector('main form .check input').click()");
    browser.until("fields", "document.querySelector('#f-reading-value')");
    browser.run("const put = (id, text) => { const input = document.querySelector(id); input.value = text; input.dispatchEvent(new Event('input')); }; put('#f-reading-room', 'attic'); put('#f-reading-value', 'x')");
    browser.shows("not a number");
    browser.run("const input = document.querySelector('#f-reading-value'); input.value = '21.5'; input.dispatchEvent(new Event('input'))");
    browser.click("button", "Call scale");
    browser.until("the answer", "document.querySelector('[aria-label=Answer] .value')?.innerText === '43'");
    seen.look("#/call/scale", "Call");

    // Logs: lines come, and are searched.
    browser.run("location.hash = '#/logs'");
    browser.until("lines", "document.querySelectorAll('.lines .row').length >= 5");
    seen.look("#/logs?q=asked", "Logs");
    browser.until("found", "document.querySelectorAll('.lines .row').length >= 5");

    // Edits: a save is live, with the verdict of recorded inputs; a broken one is shown over every page.
    std::fs::write(&seen.file, CHAIN.replace("* 2.0", "* 3.0")).unwrap();
    browser.run("location.hash = '#/edits'");
    browser.shows("answers differ");
    seen.look("#/edits", "Edits");
    std::fs::write(&seen.file, CHAIN.replace("* 2.0", "* two")).unwrap();
    browser.shows("error in the file");
    browser.shows("two");
    std::fs::write(&seen.file, CHAIN.replace("* 2.0", "* 3.0")).unwrap();
    browser.until("mended", "!document.body.innerText.includes('error in the file')");

    seen.look("#/cluster", "Cluster");
    browser.run("location.hash = '#/jobs'");
    browser.shows("This session accepts no jobs");
}

#[test]
fn value_that_the_page_does_not_know_spoils_no_other_page() {
    let seen = Seen::start();
    let browser = &seen.browser;
    browser.run("window.fetch = async () => new Response('{\"line\":{\"number\":1},\"hops\":null}')");
    browser.run("location.hash = '#/requests/1'");
    browser.shows("This page cannot be drawn");
    let complaints = browser.complaints();
    assert_eq!(complaints.len(), 1, "it is said once: {complaints:?}");
    browser.press("5");
    browser.until("Edits", "document.querySelector('main h1').innerText === 'Edits'");
    assert!(!browser.text().contains("cannot be drawn"), "{}", browser.text());
}

#[test]
fn keyboard_alone_reaches_everything_and_no_key_acts_while_typing() {
    let seen = Seen::start();
    let browser = &seen.browser;
    seen.ask(3);
    browser.press("2");
    browser.until("Requests", "document.querySelector('main h1').innerText === 'Requests'");
    browser.until("a request", "document.querySelectorAll('.list tbody tr').length >= 3");
    browser.press("j");
    browser.shows("Send again");
    browser.press("/");
    browser.until("the search", "document.activeElement.type === 'search'");
    browser.press("13?j");
    assert_eq!(
        browser.run("return document.querySelector('main h1').innerText"),
        "Requests",
        "no key acts while typing"
    );
    browser.press("\u{e00c}1");
    browser.until("Flow", "document.querySelector('main h1').innerText === 'Flow'");
    browser.press("j");
    browser.until("the first service", "location.hash === '#/flow/read'");
    browser.press("?");
    browser.until("the keys", "document.querySelector('dialog[open]')");
    browser.press("\u{e00c}");
    browser.until("closed", "!document.querySelector('dialog')");
    browser.press("3");
    browser.until("a form", "document.querySelector('main form button.main')");
    // From the page's own beginning, every focus is seen.
    let mut reached = false;
    for _ in 0..40 {
        browser.press("\u{e004}");
        let focus = browser.run("const one = document.activeElement; return [one.innerText ?? '', getComputedStyle(one).outlineStyle, one.closest('svg') ? 'solid' : '']");
        assert!(focus[1] != "none" || focus[2] == "solid" || focus[0] == "", "the focus is not seen on {focus}");
        if focus[0].as_str().unwrap().starts_with("Call ") && focus[0] != "Call" {
            reached = true;
            break;
        }
    }
    assert!(reached, "the button that calls is not reached by the tabulator");
    browser.press("\u{e007}");
    browser.until("an answer", "document.querySelector('[aria-label=Answer] .value')");
    // What cannot be taken back is asked, and the focus begins on the way out.
    browser.run("location.hash = '#/flow/read'");
    browser.click("aside button", "Restart");
    browser.until("the question", "document.querySelector('dialog[open]')");
    assert_eq!(browser.run("return document.activeElement.innerText"), "Cancel");
    browser.press("\u{e007}");
    browser.until("no question", "!document.querySelector('dialog')");
    seen.is_quiet();
}

#[test]
fn page_of_another_site_opens_nothing_and_a_lost_session_is_said() {
    let seen = Seen::start();
    let browser = &seen.browser;
    let address = browser.run("return location.origin").as_str().unwrap().to_owned();
    let port = address.rsplit(':').next().unwrap().to_owned();

    // Something is half filled in.
    browser.run("location.hash = '#/call/scale'");
    browser.until("a form", "document.querySelector('main form .check input')");
    browser.run("document.querySelector('main form .check input').click()");
    browser.until("fields", "document.querySelector('#f-reading-room')");
    browser.run("const input = document.querySelector('#f-reading-room'); input.value = 'attic'; input.dispatchEvent(new Event('input'))");

    // The session ends: its last picture stays, and says so.
    let Seen { dev, browser, file, _folder } = seen;
    drop(dev);
    browser.shows("The session ended or does not answer");
    assert!(browser.text().contains("scale"), "the last picture stays");

    // Another takes its port: the page asks who is there, and shows it no cookie.
    let heard = squatted(port.parse().unwrap());
    assert!(heard.iter().all(|head| head.starts_with("GET /alive?") && !head.contains("dyn-page")), "{heard:?}");

    // It starts again at its port: the page follows without a hand.
    let mut dev = Dev::launch(&file, &["--on", "process", "--port", "0", "--page", &port]);
    dev.ready = dev.wait_for("ready");
    browser.until(
        "the new session",
        "!document.body.innerText.includes('does not answer') && document.body.innerText.includes('3 of 3 live')",
    );
    browser.until("what was filled in", "document.querySelector('#f-reading-room')?.value === 'attic'");

    // Another site, in the same browser, which has the cookie: everything it tries is refused.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = other.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(String::new()));
    let hears = heard.clone();
    // A browser opens connections ahead and may say nothing on them: each is heard by itself.
    std::thread::spawn(move || {
        for mut stream in other.incoming().flatten() {
            let hears = hears.clone();
            std::thread::spawn(move || {
                let mut head = [0; 4096];
                let count = stream.read(&mut head).unwrap_or_default();
                hears.lock().unwrap().push_str(&String::from_utf8_lossy(&head[..count]));
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\nconnection: close\r\n\r\n<p>another</p>\n"));
            });
        }
    });
    for site in [
        format!("http://evil.example:{own}/"),
        format!("http://127.0.0.1:{own}/"),
        format!("http://other.localhost:{own}/"),
    ] {
        browser.open(&site);
        let tried = browser.wait_for(&format!(
            "const done = arguments[arguments.length - 1], to = {address:?};
             const fetched = (path, options) => fetch(to + path, {{ credentials: 'include', ...options }}).then((answer) => answer.type === 'opaque' ? 'nothing' : 'read', () => 'nothing');
             const socket = () => new Promise((end) => {{ const one = new WebSocket(to.replace('http', 'ws') + '/live'); one.onopen = () => end('read'); one.onerror = () => end('nothing'); }});
             const script = () => new Promise((end) => {{ const one = document.createElement('script'); one.src = to + '/run.js'; one.onload = () => end('read'); one.onerror = () => end('nothing'); document.head.append(one); }});
             const picture = () => new Promise((end) => {{ const one = new Image(); one.onload = () => end('read'); one.onerror = () => end('nothing'); one.src = to + '/icon.svg'; }});
             const form = () => new Promise((end) => {{
               const frame = document.createElement('iframe'), one = document.createElement('form'), field = document.createElement('input');
               frame.name = 'answer'; Object.assign(one, {{ method: 'post', action: to + '/v1/commands', enctype: 'text/plain', target: 'answer' }});
               Object.assign(field, {{ name: '{{\"command\":\"restart\",\"service\":\"scale\",\"more\":\"', value: '\"}}' }});
               one.append(field); document.body.append(frame, one);
               frame.onload = () => {{ try {{ end(frame.contentDocument ? 'read' : 'nothing'); }} catch {{ end('nothing'); }} }};
               one.submit();
             }});
             Promise.all([fetched('/v1/snapshot'), fetched('/v1/snapshot', {{ mode: 'no-cors' }}), fetched('/v1/commands', {{ method: 'POST', mode: 'no-cors', body: '{{\"command\":\"restart\",\"service\":\"scale\"}}' }}), socket(), script(), picture(), form()]).then(done)"
        ));
        assert_eq!(tried, serde_json::json!(vec!["nothing"; 7]), "{site}");
    }
    let heard = heard.lock().unwrap().clone();
    assert!(heard.contains("GET / HTTP/1.1") && !heard.contains("dyn-page"), "a cookie went elsewhere: {heard}");
    // A name that leads to the page's own port is not its name.
    browser.open(&format!("http://evil.example:{port}/"));
    browser.shows("this host name is not the page's");
    let framed = browser.wait_for(&format!(
        "const done = arguments[arguments.length - 1]; const one = document.createElement('iframe'); one.src = {address:?} + '/';
         one.onload = () => {{ try {{ done(one.contentDocument ? 'read' : 'nothing'); }} catch {{ done('nothing'); }} }}; document.body.append(one)"
    ));
    assert_eq!(framed, "nothing");
    browser.open(&address);
    browser.shows("3 of 3 live");
    let restarted = browser.wait_for("const done = arguments[arguments.length - 1]; fetch('/v1/snapshot').then((answer) => answer.json()).then(({ services }) => done(services.map((one) => one.restarts)))");
    assert_eq!(restarted, serde_json::json!([0, 0, 0]), "nothing was done");
}

/// The first lines that a page which waits says to another server at its session's port.
fn squatted(port: u16) -> Vec<String> {
    let sides = [IpAddr::from(Ipv6Addr::LOCALHOST), IpAddr::from(Ipv4Addr::LOCALHOST)];
    let listeners: Vec<_> = sides.into_iter().filter_map(|side| TcpListener::bind((side, port)).ok()).collect();
    assert!(!listeners.is_empty(), "port {port} is taken");
    let (tell, heard) = std::sync::mpsc::channel();
    let is_over = Arc::new(AtomicBool::new(false));
    let squatters: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            let (tell, is_over) = (tell.clone(), is_over.clone());
            std::thread::spawn(move || {
                for mut stream in listener.incoming().flatten() {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    // A browser opens connections ahead on which it says nothing.
                    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
                    let mut head = [0; 4096];
                    let count = stream.read(&mut head).unwrap_or_default();
                    if count > 0 {
                        tell.send(String::from_utf8_lossy(&head[..count]).into_owned()).unwrap_or_default();
                        drop(
                            stream
                                .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
                        );
                    }
                }
            })
        })
        .collect();
    let heads = (0..3).map(|_| heard.recv_timeout(Duration::from_secs(60)).unwrap()).collect();
    is_over.store(true, Ordering::SeqCst);
    sides.into_iter().for_each(|side| drop(TcpStream::connect((side, port))));
    squatters.into_iter().for_each(|squatter| squatter.join().unwrap());
    heads
}

#[test]
fn of_many_services_those_are_drawn_that_somebody_sees() {
    let mut app = "use dyninka::prelude::*;\n#[service]\nfn s0() -> f64 { 1.0 }\n".to_owned();
    (1..=62).for_each(|at| app += &format!("#[service]\nfn s{at}(value: f64) -> f64 {{ value }}\n"));
    let flow = (1..=62).fold("s0()".to_owned(), |flow, at| format!("{flow}.s{at}()"));
    let text = format!("{app}#[dyninka::main]\nfn main() {{ {flow} }}\n");
    let seen = Seen::of(&text, &["--together", "all"], "63 of 63 live");
    let browser = &seen.browser;
    let drawn = "[...document.querySelectorAll('.services tr:not([aria-hidden])')].map((row) => row.innerText.trim().split(/\\s/)[0])";
    let first = browser.until("rows for the window", &format!("{drawn}.length > 15 && {drawn}"));
    assert!(first[0] == "s0" && first.as_array().unwrap().len() < 60, "{first}");
    // All have their room, and the last ones come where somebody scrolls to them.
    browser.run("document.querySelector('main').scrollTop = 1e6");
    browser.until("the last row", &format!("{drawn}.at(-1) === 's62' && {drawn}[0] !== 's0'"));
    browser.run("document.querySelector('main').scrollTop = 0");
    browser.until("the first row", &format!("{drawn}[0] === 's0'"));
    // A key leads to a row that is not drawn yet.
    browser.run("location.hash = '#/flow/s61'");
    browser.until("the chosen service", "document.querySelector('aside h2')?.innerText === 's61'");
    browser.press("j");
    browser.until("its row", "(() => { const row = document.querySelector('.services tr.chosen'); return row && row.getBoundingClientRect().bottom <= innerHeight && row.innerText.includes('s62'); })()");
    // A save that renames most of them leaves the choice where it is, and never an empty table.
    browser.run(
        "window.empty = 0; \
         new MutationObserver(() => { window.empty += !document.querySelector('.services tr'); }) \
             .observe(document.body, { childList: true, subtree: true })",
    );
    let renamed = (1..=50).fold(text, |text, at| text.replace(&format!("s{at}("), &format!("t{at}(")));
    std::fs::write(&seen.file, renamed).unwrap();
    browser.run("document.querySelector('main').scrollTop = 0");
    browser.until("the new names", &format!("{drawn}[1] === 't1'"));
    browser.shows("63 of 63 live");
    browser.until("the choice", "document.querySelector('aside h2')?.innerText === 's62'");
    assert_eq!(browser.run("return window.empty"), 0);
    seen.is_quiet();
}

#[test]
fn file_of_the_page_that_does_not_come_is_asked_for_again() {
    let seen = Seen::of(CHAIN, &["--instances", "scale=2"], "3 of 3 live");
    seen.browser.until("instances", "document.querySelector('svg.graph').textContent.includes('scale ×2')");
    seen.browser.run("location.hash = '#/flow/scale'");
    seen.browser
        .until("each of them", "/instances\\s+live\\s+\\w+\\s+live/.test(document.querySelector('aside').innerText)");
    let (link, second) = (link(&seen.file), Browser::start());
    // As a network that changes has it: what is on its way is given up.
    second.block(&["*/graph.js"]);
    second.open(&link);
    second.until("a page that is loaded anew", "Number(sessionStorage.getItem('anew')) >= 2");
    assert_eq!(second.text(), "", "nothing can be drawn yet");
    second.block(&[]);
    second.shows("3 of 3 live");
    assert_eq!(
        second.run("return sessionStorage.getItem('anew')"),
        Value::Null,
        "the next trouble has all tries again"
    );

    // What never comes is said.
    second.block(&["*/graph.js"]);
    second.run("sessionStorage.setItem('anew', 5); location.reload()");
    second.shows("A file of this page did not come");
}

#[test]
fn without_a_session_or_with_a_used_link_the_way_in_is_said() {
    let (_folder, file) = support::app(CHAIN);
    let output = dyn_ui(&file, &["--print"]);
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("no session of") && words.contains("dyn dev"), "{words}");

    let seen = Seen::start();
    let used = link(&seen.file);
    seen.browser.open("about:blank");
    let second = Browser::start();
    second.open(&used);
    second.shows("3 of 3 live");
    let third = Browser::start();
    third.open(&used);
    third.shows("This browser was not let in");
    assert!(third.text().contains("this link was used before"), "{}", third.text());
}
