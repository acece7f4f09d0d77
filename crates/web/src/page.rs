//! The page of a session.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use session_api::{Client, Snapshot};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

use crate::beside::{self, AskBeside};
use crate::door::{Door, Passage};
use crate::entry::{self, Admission, Entry, IDLE, OPENED, PRINTED};
use crate::key::{PageKey, Role, Token};
use crate::listener::Listeners;
use crate::{assets, listener, live, relay};

/// The session that a page shows.
#[derive(Clone)]
pub struct PageSource {
    /// Answers questions and carries out commands; none: pictures are all there is, and nothing is carried out.
    pub client: Option<Client>,
    /// Begins to look at the session, where it has not ended; while nobody holds a receiver, no pictures are made.
    pub pictures: Arc<dyn Fn() -> Option<watch::Receiver<Arc<Snapshot>>> + Send + Sync>,
    /// Asks other servers of this machine; none: they are not shown.
    pub beside: Option<AskBeside>,
    /// Takes notices to the user.
    pub notice: Arc<dyn Fn(String) + Send + Sync>,
}

/// The place of a page.
#[derive(Clone, Debug)]
pub struct PageOptions {
    /// The first part of its host name: `building-f32110ef`.
    pub name: String,
    /// A folder of the app's that is its owner's alone.
    pub folder: PathBuf,
    /// The port; none: that of last time, or a free one.
    pub port: Option<u16>,
}

/// A page that cannot be opened or found.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// It has no port.
    #[error("cannot listen for the page on port {port} of both loopbacks: {source}")]
    Port {
        /// The port, 0 where any would do.
        port: u16,
        /// The system's words.
        source: io::Error,
    },
    /// Its key cannot be read or written.
    #[error("cannot keep the key of the page in {}: {source}", folder.display())]
    Key {
        /// The app's folder.
        folder: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// No session has a page open.
    #[error("the session has no page open")]
    Closed,
}

/// An open page. Dropped, its listener is closed.
#[derive(Debug)]
pub struct SessionPage {
    address: String,
    entry: Arc<Mutex<Entry>>,
    folder: PathBuf,
    tasks: Vec<AbortHandle>,
    closing: watch::Sender<bool>,
}

/// What other processes find an open page by.
#[derive(Debug, Serialize, Deserialize)]
struct Opened {
    address: String,
    port: u16,
    pid: u32,
}

/// A port that a page is to be opened at.
#[derive(Debug)]
pub struct PageListener {
    listeners: Listeners,
    key: PageKey,
    name: String,
    folder: PathBuf,
}

impl PageListener {
    /// Takes a port on both loopbacks. Nothing answers there yet.
    ///
    /// # Errors
    /// There is no port for the page, or no place for its key.
    pub async fn bind(options: PageOptions) -> Result<Self, PageError> {
        let PageOptions { name, folder, port } = options;
        let kept = |source| PageError::Key { folder: folder.clone(), source };
        fs::create_dir_all(&folder).map_err(kept)?;
        let last = read(&folder).map(|opened| opened.port);
        let listeners = match port {
            Some(port) => listener::fixed(port).await,
            None => listener::any(&name, last).await,
        };
        let listeners = listeners.map_err(|source| PageError::Port { port: port.unwrap_or(0), source })?;
        // Somebody else has the port that browsers know: what they know is good for nothing any more.
        let key = if listeners.is_other { PageKey::renew(&folder) } else { PageKey::open(&folder) }.map_err(kept)?;
        let address = format!("{}/", Door::new(&name, listeners.port).origin());
        write(&folder, &Opened { address, port: listeners.port, pid: std::process::id() }).map_err(kept)?;
        Ok(Self { listeners, key, name, folder })
    }

    /// Opens the page of a session.
    pub fn open(self, source: PageSource) -> SessionPage {
        let Self { listeners, key, name, folder } = self;
        if listeners.is_other {
            (source.notice)(format!(
                "the page moved to port {}: the one of last time is taken, so open it anew with `w` or `dyn ui`",
                listeners.port
            ));
        }
        let door = Door::new(&name, listeners.port);
        let address = format!("{}/", door.origin());
        let entry = Arc::new(Mutex::new(Entry::new(key)));
        let shared = Arc::new(Shared {
            door,
            entry: entry.clone(),
            source,
            // Whoever reconnects sees whether it is the same session.
            session: format!("{:016x}", rand::random::<u64>()),
            sockets: AtomicUsize::new(0),
            endings: watch::Sender::new(0),
            layout: Mutex::default(),
        });
        let following = tokio::spawn(follow_key(shared.clone(), folder.clone())).abort_handle();
        let closing = watch::Sender::new(false);
        let tasks = listeners.sockets.into_iter().map(|socket| {
            let (router, mut closed) = (router(shared.clone()), closing.subscribe());
            let serving = axum::serve(socket, router).with_graceful_shutdown(async move {
                drop(closed.wait_for(|closed| *closed).await);
            });
            tokio::spawn(async move { drop(serving.await) }).abort_handle()
        });
        let tasks = tasks.chain([following]).collect();
        SessionPage { address, entry, folder, tasks, closing }
    }
}

impl SessionPage {
    /// Its address, which lets nobody in.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A link that lets one browser in, once, within ten minutes.
    pub fn link(&self) -> String {
        with_ticket(&self.address, self.entry.lock().key(), LinkUse::Print)
    }
}

impl Drop for SessionPage {
    fn drop(&mut self) {
        self.closing.send_replace(true);
        self.tasks.iter().for_each(AbortHandle::abort);
        // The port is remembered: browsers that were let in find the next session there.
        drop(read(&self.folder).map(|opened| write(&self.folder, &Opened { pid: 0, ..opened })));
    }
}

/// The purpose of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkUse {
    /// A browser is opened with it at once: it is good for half a minute.
    Open,
    /// It is printed: it is good for ten minutes.
    Print,
    /// It is printed for somebody who may look and change nothing.
    Read {
        /// Seconds of access, from when the link is opened.
        access: u32,
    },
}

impl LinkUse {
    /// Seconds of a reader's access where nobody says otherwise: 12 hours.
    pub const READS: u32 = entry::IDLE;
}

/// A link to the page of the session that has the folder.
///
/// # Errors
/// No session has a page open, or its key cannot be read.
pub fn link(folder: &Path, of: LinkUse) -> Result<String, PageError> {
    // One that ended in the midst of it left its number.
    let is_there = |opened: &Opened| opened.pid != 0 && Path::new("/proc").join(opened.pid.to_string()).exists();
    let opened = read(folder).filter(is_there).ok_or(PageError::Closed)?;
    let key = PageKey::open(folder).map_err(|source| PageError::Key { folder: folder.to_owned(), source })?;
    Ok(with_ticket(&opened.address, &key, of))
}

/// Ends the access of every browser that was let in: a session that runs sees that the key is another one.
///
/// # Errors
/// The key cannot be written.
pub fn forget(folder: &Path) -> Result<(), PageError> {
    PageKey::renew(folder).map(drop).map_err(|source| PageError::Key { folder: folder.to_owned(), source })
}

/// A fragment reaches no server, no log and no Referer.
fn with_ticket(address: &str, key: &PageKey, of: LinkUse) -> String {
    let (role, seconds, access) = match of {
        LinkUse::Open => (Role::Owner, OPENED, IDLE),
        LinkUse::Print => (Role::Owner, PRINTED, IDLE),
        LinkUse::Read { access } => (Role::Reader, PRINTED, access),
    };
    format!("{address}#enter={}", entry::ticket(key, role, now(), seconds, access))
}

const FILE: &str = "page.json";

fn read(folder: &Path) -> Option<Opened> {
    serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
}

fn write(folder: &Path, opened: &Opened) -> io::Result<()> {
    let aside = folder.join("page.json.new");
    fs::write(&aside, serde_json::to_string(opened)?)?;
    fs::rename(aside, folder.join(FILE))
}

/// Seconds since 1970: tickets end by a clock that two processes share.
pub(crate) fn now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

/// What every request of the page's is answered by.
pub(crate) struct Shared {
    door: Door,
    entry: Arc<Mutex<Entry>>,
    pub(crate) source: PageSource,
    pub(crate) session: String,
    /// Pages that are connected.
    pub(crate) sockets: AtomicUsize,
    /// Counts how often the access of every browser was ended.
    pub(crate) endings: watch::Sender<u64>,
    pub(crate) layout: Mutex<live::KnownLayout>,
}

/// The cookie that let a request in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guest {
    pub(crate) role: Role,
    token: Token,
}

impl Shared {
    /// A name for who has this cookie, and the key that it checks this page by.
    pub(crate) fn proof(&self, guest: Guest) -> (String, String) {
        let id = guest.token.random;
        (hex(&id), hex(&self.entry.lock().key().proof_key(&id)))
    }
}

/// Between two looks at the key.
const LOOK: Duration = Duration::from_millis(500);

/// Ends the access of every browser once another process made the key anew.
async fn follow_key(shared: Arc<Shared>, folder: PathBuf) {
    let mut due = tokio::time::interval(LOOK);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        // One that cannot be read is no other key.
        let Ok(Some(key)) = PageKey::read(&folder) else { continue };
        {
            let mut entry = shared.entry.lock();
            if *entry.key() == key {
                continue;
            }
            entry.renew(key);
        }
        shared.endings.send_modify(|times| *times += 1);
        (shared.source.notice)("the access of every browser was ended: `w` or `dyn ui` opens the page anew".to_owned());
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/enter", post(enter))
        .route("/leave", post(leave))
        .route("/alive", get(alive))
        .route("/live", get(live::live))
        .route("/bundle", get(relay::bundle))
        .route("/v1/commands", post(relay::command))
        .route("/v1/{*path}", get(relay::question))
        .route("/beside/{server}/{*path}", get(beside::ask).post(beside::ask))
        .fallback(get(assets::file))
        .layer(middleware::from_fn_with_state(shared.clone(), guard))
        .with_state(shared)
}

/// Stands before everything else.
async fn guard(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let now = now();
    let cookies = request.headers().get_all(header::COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let cookies = cookies.collect::<Vec<_>>().join(";");
    let known = shared.entry.lock().known(&cookies, now);
    let is_file = assets::is_file(request.uri().path());
    // Without a session there is nothing to act on: whoever came in looks.
    let visitor = known.map(|(role, _)| if shared.source.client.is_some() { role } else { Role::Reader });
    let passage = shared.door.pass(request.method(), request.uri(), request.headers(), is_file, visitor);
    let mut response = match passage {
        Passage::Open => {
            if let Some((role, (_, token))) = visitor.zip(known) {
                request.extensions_mut().insert(Guest { role, token });
            }
            next.run(request).await
        }
        Passage::Elsewhere(address) => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, address)], Body::empty()).into_response()
        }
        Passage::Refused(status, why) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
            (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{why}\n")).into_response()
        }
    };
    let renewed = known.and_then(|cookie| shared.entry.lock().renewed(cookie, now));
    if let Some(cookie) = renewed.filter(|_| response.status().is_success()) {
        set_cookie(response.headers_mut(), &cookie);
    }
    assets::secure(response.headers_mut());
    response
}

#[derive(Deserialize)]
struct Ticket {
    ticket: String,
}

async fn enter(State(shared): State<Arc<Shared>>, axum::Json(Ticket { ticket }): axum::Json<Ticket>) -> Response {
    let admission = shared.entry.lock().take(&ticket, now());
    match admission {
        Admission::Come(cookie) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            set_cookie(response.headers_mut(), &cookie);
            response
        }
        Admission::Refused => refused("this link is too old, or none of this page's"),
        Admission::Used => {
            (shared.source.notice)("a link to the page that was used before was tried again, and refused".to_owned());
            refused("this link was used before")
        }
        Admission::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too many tries: wait a second\n").into_response(),
    }
}

fn refused(why: &str) -> Response {
    (StatusCode::FORBIDDEN, format!("{why}: `dyn ui FILE` makes a new one\n")).into_response()
}

async fn leave() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(response.headers_mut(), &format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict", entry::COOKIE));
    response
}

#[derive(Deserialize)]
struct Challenge {
    id: String,
    nonce: String,
}

/// Proves to a page that lost its session that this is the one it knows, before it sends its cookie.
async fn alive(State(shared): State<Arc<Shared>>, challenge: axum::extract::Query<Challenge>) -> Response {
    let Some(id) = unhex(&challenge.id) else {
        return (StatusCode::BAD_REQUEST, "id is no hexadecimal text\n").into_response();
    };
    let key = shared.entry.lock().key().proof_key(&id);
    hex(&crate::key::signed(&key, challenge.nonce.as_bytes())).into_response()
}

fn set_cookie(headers: &mut HeaderMap, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        headers.append(header::SET_COOKIE, value);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks_exact(2);
    if !digits.remainder().is_empty() || text.len() > 64 {
        return None;
    }
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
