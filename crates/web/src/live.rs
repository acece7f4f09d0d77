//! The session as it changes, to one page: a message at a time, the next when the last was acknowledged.
//!
//! A page that is slow skips what it cannot take, and a page that nobody sees is sent nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use session_api::Snapshot;
use session_api::frame::{FRAME_MS, FrameWriter, SessionFrame};
use session_api::snapshot::FlowEdge;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::assets::BUILD;
use crate::key::Role;
use crate::layout::GraphLayout;
use crate::page::{Guest, Shared};

/// Pages at once; more are told so.
const MOST_PAGES: usize = 16;
/// Bytes of a message of the page's.
const MOST_ASKED: usize = 4_096;
/// Lines of services on their way, and in one message.
const LINES: usize = 1_000;
/// Messages that may follow each other at once after a quiet time: an edit is built, live and judged in less than the
/// time between two messages that follow each other all the time ([`FRAME_MS`]).
const AT_ONCE: u32 = 3;
/// Lines from before that a page begins with.
const EARLIER: usize = 500;

/// Between two messages, where they follow each other all the time.
const BETWEEN: Duration = Duration::from_millis(FRAME_MS);

/// The latest layout, by the services and edges that it is of.
pub(crate) type KnownLayout = Option<(Vec<String>, Vec<FlowEdge>, Arc<GraphLayout>)>;

/// What a page says.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Asked {
    /// Whether somebody sees it, and which lines it shows.
    Look(Option<Look>),
    /// It has drawn this message.
    Ack(u64),
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
struct Look {
    /// Lines of services are shown.
    #[serde(default)]
    logs: bool,
    /// Of this service alone.
    #[serde(default)]
    service: Option<String>,
}

/// What a page is told.
#[derive(Serialize)]
struct Told {
    /// To be acknowledged.
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<SessionFrame>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layout: Option<Arc<GraphLayout>>,
    /// Lines of services, each as JSON: those that are missing in between are counted by the session.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<Box<serde_json::value::RawValue>>,
    /// The lines begin anew: another choice is shown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    anew: bool,
}

pub(crate) async fn live(
    State(shared): State<Arc<Shared>>,
    Extension(guest): Extension<Guest>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Some(seat) = Seat::take(&shared) else {
        let why = format!("{MOST_PAGES} pages are open: close one of them\n");
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    };
    upgrade.max_message_size(MOST_ASKED).on_upgrade(move |socket| async move {
        let mut page = LivePage::new(shared, socket, guest);
        // It ends with the socket, or with the session.
        drop(page.run().await);
        drop(page.socket.send(Message::Close(None)).await);
        drop(seat);
    })
}

/// One of the pages that may be open.
struct Seat(Arc<Shared>);

impl Seat {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let free = |taken: usize| (taken < MOST_PAGES).then_some(taken + 1);
        let taken: &AtomicUsize = &shared.sockets;
        taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, free).ok().map(|_| Self(shared.clone()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.sockets.fetch_sub(1, Ordering::AcqRel);
    }
}

struct LivePage {
    shared: Arc<Shared>,
    socket: WebSocket,
    guest: Guest,
    writer: FrameWriter,
    /// None while nobody sees the page.
    pictures: Option<watch::Receiver<Arc<Snapshot>>>,
    look: Look,
    lines: Option<mpsc::Receiver<Box<serde_json::value::RawValue>>>,
    anew: bool,
    seq: u64,
    /// Whether the last message was drawn.
    is_drawn: bool,
    /// Every message so far would have been sent by then, were they [`FRAME_MS`] apart.
    paid: Instant,
}

/// The socket or the session is gone.
struct Over;

impl LivePage {
    fn new(shared: Arc<Shared>, socket: WebSocket, guest: Guest) -> Self {
        Self {
            shared,
            socket,
            guest,
            writer: FrameWriter::default(),
            pictures: None,
            look: Look::default(),
            lines: None,
            anew: false,
            seq: 0,
            is_drawn: true,
            paid: Instant::now(),
        }
    }

    async fn run(&mut self) -> Result<(), Over> {
        let (id, key) = self.shared.proof(self.guest);
        let hello = json!({ "hello": {
            "build": *BUILD, "session": self.shared.session, "pid": std::process::id(), "id": id, "key": key,
            "reads": self.guest.role == Role::Reader, "pictures": self.shared.source.client.is_none(),
        }});
        self.send(hello.to_string()).await?;
        let mut endings = self.shared.endings.subscribe();
        loop {
            let (is_free, soonest) = (self.is_drawn, soonest(self.paid));
            tokio::select! {
                // The sender lives as long as this page.
                _ = endings.changed() => {
                    self.send(json!({ "ended": true }).to_string()).await?;
                    return Err(Over);
                }
                message = self.socket.recv() => match message {
                    Some(Ok(Message::Text(text))) => self.hear(&text).await?,
                    Some(Ok(Message::Binary(_) | Message::Close(_)) | Err(_)) | None => return Err(Over),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                },
                changed = changed(&mut self.pictures, soonest), if is_free => {
                    changed?;
                    self.tell(Vec::new()).await?;
                }
                lines = next_lines(&mut self.lines, soonest), if is_free && self.pictures.is_some() => {
                    self.tell(lines).await?;
                }
            }
        }
    }

    async fn hear(&mut self, text: &str) -> Result<(), Over> {
        match serde_json::from_str(text) {
            Ok(Asked::Ack(seq)) => self.is_drawn |= seq == self.seq,
            Ok(Asked::Look(None)) => {
                self.pictures = None;
                self.lines = None;
                self.look = Look::default();
            }
            Ok(Asked::Look(Some(look))) => {
                self.follow(&look).await;
                self.look = look;
                if self.pictures.is_none() {
                    // Pictures are made from here on; none may have been made for a while, so the first is asked for.
                    let pictures = (self.shared.source.pictures)().ok_or(Over)?;
                    let first = match &self.shared.source.client {
                        Some(client) => Arc::new(client.snapshot().await.map_err(|_| Over)?),
                        None => pictures.borrow().clone(),
                    };
                    self.pictures = Some(pictures);
                    if self.is_drawn {
                        self.show(first, Vec::new()).await?;
                    }
                }
            }
            // A page of another version: it learns so from the greeting, and loads itself anew.
            Err(_) => {}
        }
        Ok(())
    }

    /// Begins to read the lines that a look shows, or ends it.
    async fn follow(&mut self, look: &Look) {
        if !look.logs {
            self.lines = None;
            return;
        }
        if self.lines.is_some() && self.look == *look {
            return;
        }
        let Some(client) = &self.shared.source.client else { return };
        let followed = client.follow_logs(look.service.as_deref(), Some(EARLIER), true).await;
        let Ok(mut lines) = followed else { return };
        let (told, read) = mpsc::channel(LINES);
        // It ends with its receiver, or with the session.
        tokio::spawn(async move {
            loop {
                let line = tokio::select! {
                    line = lines.next() => line,
                    () = told.closed() => return,
                };
                let Ok(Some(line)) = line else { return };
                let Ok(line) = serde_json::value::RawValue::from_string(line) else { continue };
                if told.send(line).await.is_err() {
                    return;
                }
            }
        });
        self.lines = Some(read);
        self.anew = true;
    }

    async fn tell(&mut self, lines: Vec<Box<serde_json::value::RawValue>>) -> Result<(), Over> {
        let Some(pictures) = &mut self.pictures else { return Ok(()) };
        let picture = pictures.borrow_and_update().clone();
        self.show(picture, lines).await
    }

    async fn show(&mut self, picture: Arc<Snapshot>, lines: Vec<Box<serde_json::value::RawValue>>) -> Result<(), Over> {
        let frame = self.writer.frame(&picture);
        let is_moved = frame.as_ref().is_some_and(|frame| frame.order.is_some() || frame.edges.is_some());
        let anew = std::mem::take(&mut self.anew);
        if frame.is_none() && lines.is_empty() && !anew {
            return Ok(());
        }
        let layout = if is_moved { Some(layout(&self.shared, &picture).await.ok_or(Over)?) } else { None };
        self.seq += 1;
        self.is_drawn = false;
        self.paid = self.paid.max(Instant::now()) + BETWEEN;
        let told = Told { seq: self.seq, frame, layout, lines, anew };
        self.send(serde_json::to_string(&told).map_err(|_| Over)?).await
    }

    async fn send(&mut self, text: String) -> Result<(), Over> {
        self.socket.send(Message::Text(text.into())).await.map_err(|_| Over)
    }
}

/// When the next message may be sent.
fn soonest(paid: Instant) -> Instant {
    paid.checked_sub(BETWEEN * AT_ONCE).unwrap_or(paid)
}

/// Waits for a picture that is not told yet, and for the time of the next message.
async fn changed(pictures: &mut Option<watch::Receiver<Arc<Snapshot>>>, soonest: Instant) -> Result<(), Over> {
    let Some(pictures) = pictures else { return std::future::pending().await };
    tokio::time::sleep_until(soonest).await;
    pictures.changed().await.map_err(|_| Over)
}

/// Waits for lines, and for the time of the next message.
async fn next_lines(
    lines: &mut Option<mpsc::Receiver<Box<serde_json::value::RawValue>>>,
    soonest: Instant,
) -> Vec<Box<serde_json::value::RawValue>> {
    let Some(lines) = lines else { return std::future::pending().await };
    tokio::time::sleep_until(soonest).await;
    let mut read = Vec::new();
    if lines.recv_many(&mut read, LINES).await == 0 {
        return std::future::pending().await;
    }
    read
}

/// The places of a picture's services; worked out once for all pages, away from the threads that answer.
async fn layout(shared: &Arc<Shared>, picture: &Arc<Snapshot>) -> Option<Arc<GraphLayout>> {
    let names: Vec<String> = picture.services.iter().map(|service| service.name.clone()).collect();
    if let Some((known, edges, layout)) = &*shared.layout.lock()
        && *known == names
        && *edges == picture.edges
    {
        return Some(layout.clone());
    }
    let (picture, for_layout) = (picture.clone(), names.clone());
    let edges = picture.edges.clone();
    let placed = tokio::task::spawn_blocking(move || {
        // An edge of a service that is not there leads nowhere.
        let there: BTreeSet<&String> = for_layout.iter().collect();
        let edges = picture.edges.iter().filter(|edge| there.contains(&edge.from) && there.contains(&edge.to));
        GraphLayout::of(&for_layout, &edges.cloned().collect::<Vec<_>>())
    });
    let layout = Arc::new(placed.await.ok()?);
    *shared.layout.lock() = Some((names, edges, layout.clone()));
    Some(layout)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_of_a_page_is_too_much(
            text in "(\\PC{0,60}|\\{\"(look|ack|later)\":(null|-?[0-9]{1,22}|\\{(\"(logs|service|more)\":(true|null|\"[a-z]{0,3}\"|7),?){0,3}\\}|\\[\\])\\})"
        ) {
            // It is a look or an acknowledgement where it is one by its name, else nothing.
            match serde_json::from_str::<Asked>(&text) {
                Ok(Asked::Look(_)) => prop_assert!(text.contains("\"look\"")),
                Ok(Asked::Ack(_)) => prop_assert!(text.contains("\"ack\"")),
                Err(_) => {}
            }
        }
    }

    #[test]
    fn a_few_messages_follow_at_once_and_many_five_times_a_second() {
        let begun = Instant::now();
        let (mut now, mut paid, mut sent) = (begun, begun, Vec::new());
        for _ in 0..20 {
            now = now.max(soonest(paid));
            sent.push((now - begun).as_millis());
            paid = paid.max(now) + BETWEEN;
        }
        assert_eq!(sent[..6], [0, 0, 0, 0, 200, 400]);
        assert_eq!(sent[19], 3_200);
    }

    #[test]
    fn looks_read_as_pages_say_them() {
        let look = |text| match serde_json::from_str(text) {
            Ok(Asked::Look(look)) => look,
            other => panic!("{text}: {}", other.is_ok()),
        };
        assert_eq!(look("{\"look\":null}"), None);
        assert_eq!(look("{\"look\":{}}"), Some(Look::default()));
        let logs = Look { logs: true, service: Some("map".to_owned()) };
        assert_eq!(look("{\"look\":{\"logs\":true,\"service\":\"map\",\"later\":1}}"), Some(logs));
    }
}
