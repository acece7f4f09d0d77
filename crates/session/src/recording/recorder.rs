//! What travelled through the app: the last requests in memory, always, and in a folder where that is asked for.
//! Secrets are blanked before anything comes in here.

mod assembly;
mod lives;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Mutex, MutexGuard};
use protocol::record::RecordLine;
use recordings::replay::Known;
use recordings::{Bounds, Header, Keyframe, Pattern, Redaction, Request, Ring, Writer};
use session_api::snapshot;
use tokio::sync::mpsc::Receiver;
use tokio::time::MissedTickBehavior;

use crate::options::RecordingOptions;
use crate::telemetry::Recorded;
use assembly::Assembly;
use lives::Lives;

/// Requests kept in memory: some hundred edits' worth of inputs, and what `dyn keep` saves.
const MOST_REQUESTS: usize = 2_000;
/// Bytes they may take.
const MOST_BYTES: u64 = 64 << 20;

/// What was recorded, shared by those who add to it and those who ask.
pub(crate) struct Recorder {
    inner: Mutex<Inner>,
    redaction: Redaction,
    /// Paths that are left out of comparisons.
    pub(crate) ignore: Vec<Pattern>,
    /// What does more than compute, as far as it was seen: it is not run again.
    pub(crate) known: Known,
    options: RecordingOptions,
    /// Where recordings are.
    folder: PathBuf,
    notice: Arc<dyn Fn(String) + Send + Sync>,
}

struct Inner {
    ring: Ring,
    assembly: Assembly,
    lives: Lives,
    writer: Option<(String, Writer)>,
    app: String,
    versions: BTreeMap<String, String>,
    /// What each service's inputs are called.
    inputs: BTreeMap<String, Vec<String>>,
    dropped: u64,
    unread: u64,
}

/// What is asked of recorded requests.
pub(crate) struct Material {
    /// Newest first, each with its number.
    pub(crate) requests: Vec<(u64, Arc<Request>)>,
    pub(crate) keyframes: Vec<Arc<Keyframe>>,
}

impl Recorder {
    /// A recorder that blanks what the options say; `notice` tells the user what to know.
    pub(crate) fn new(
        options: RecordingOptions,
        folder: PathBuf,
        notice: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Self, recordings::PathError> {
        let ignore = options.ignore.iter().map(|path| Pattern::read(path)).collect::<Result<_, _>>()?;
        let inner = Inner {
            ring: Ring::new(MOST_REQUESTS, MOST_BYTES),
            assembly: Assembly::default(),
            lives: Lives::default(),
            writer: None,
            app: String::new(),
            versions: BTreeMap::new(),
            inputs: BTreeMap::new(),
            dropped: 0,
            unread: 0,
        };
        let redaction = Redaction::new(&options.redact)?;
        Ok(Self {
            inner: Mutex::new(inner),
            redaction,
            ignore,
            known: Known::default(),
            options,
            folder,
            notice: Arc::new(notice),
        })
    }

    /// Adds what a host recorded.
    pub(crate) fn add(&self, now: Duration, recorded: Recorded) {
        let Recorded { service, epoch, lines, dropped, unread } = recorded;
        let mut inner = self.inner();
        inner.dropped += dropped;
        if unread > 0 && inner.unread == 0 {
            (self.notice)(format!("{service} tells of requests what does not read: is its host of another version?"));
        }
        inner.unread += unread;
        for line in lines {
            match line {
                RecordLine::Visit(mut visit) => {
                    if let Some(run) = &mut visit.run {
                        run.sequence = inner.lives.number(&service, epoch, run.sequence);
                    }
                    if let Some(request) = inner.assembly.add(now, *visit) {
                        self.keep_request(&mut inner, request);
                    }
                }
                RecordLine::Keyframe(mut frame) => {
                    frame.sequence = inner.lives.number(&service, epoch, frame.sequence);
                    let life = inner.lives.of(&service, frame.sequence);
                    let mut frame = wire::keyframe(frame, life);
                    if self.redaction.keyframe(&mut frame) {
                        let frame = inner.ring.add_keyframe(frame);
                        if let Some((_, writer)) = &inner.writer {
                            writer.keyframe(&frame);
                        }
                    }
                }
            }
        }
    }

    /// Takes requests whose parts will not come any more as they are.
    pub(crate) fn tick(&self, now: Duration) {
        let mut inner = self.inner();
        for request in inner.assembly.overdue(now) {
            self.keep_request(&mut inner, request);
        }
    }

    fn keep_request(&self, inner: &mut Inner, mut request: Request) {
        self.redaction.request(&mut request, &inner.inputs);
        for hop in &mut request.hops {
            hop.life = inner.lives.of(&hop.service, hop.sequence);
        }
        let request = inner.ring.add(request);
        if let Some((_, writer)) = &inner.writer {
            writer.request(&request);
        }
    }

    /// What there is, newest first.
    pub(crate) fn material(&self) -> Material {
        let inner = self.inner();
        Material {
            requests: inner.ring.newest().map(|(number, request)| (number, request.clone())).collect(),
            keyframes: inner.ring.keyframes().cloned().collect(),
        }
    }

    pub(crate) fn request(&self, number: u64) -> Option<Arc<Request>> {
        self.inner().ring.get(number).cloned()
    }

    /// Whether fields are blanked.
    pub(crate) fn redacts(&self) -> bool {
        !self.options.redact.is_empty()
    }

    /// The app's name and the versions that serve, for the heads of recordings, and what the inputs of its services are
    /// called. Those of services that were are known on: requests that they took part in may still come.
    pub(crate) fn know(&self, app: &str, versions: BTreeMap<String, String>, inputs: BTreeMap<String, Vec<String>>) {
        let mut inner = self.inner();
        app.clone_into(&mut inner.app);
        inner.versions = versions;
        inner.inputs.extend(inputs);
    }

    /// What the inputs of a service are called; empty where it is not known.
    pub(crate) fn inputs_of(&self, service: &str) -> Vec<String> {
        self.inner().inputs.get(service).cloned().unwrap_or_default()
    }

    /// Where recordings are.
    pub(crate) fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// What there is to see.
    pub(crate) fn picture(&self) -> snapshot::Recording {
        let inner = self.inner();
        let written = inner.writer.as_ref().map(|(name, writer)| {
            let counts = writer.counts();
            snapshot::Written {
                name: name.clone(),
                requests: counts.requests,
                lost: counts.slow + counts.refused,
                bytes: counts.bytes,
            }
        });
        snapshot::Recording {
            requests: inner.ring.len() as u64,
            newest: inner.ring.newest().next().map(|(number, _)| number),
            bytes: inner.ring.bytes(),
            dropped: inner.dropped,
            written,
        }
    }

    /// Writes requests to a folder of this name from now on. Blocks. In words, what was done or why not.
    pub(crate) fn start(&self, name: Option<&str>) -> Result<String, String> {
        if let Some((name, _)) = &self.inner().writer {
            return Err(format!("{name} is being recorded already"));
        }
        let (name, writer) = self.create(name, Bounds::default())?;
        let words = format!("requests are recorded to {}", writer.folder().display());
        self.inner().writer = Some((name, writer));
        Ok(words)
    }

    /// Ends the recording that is being written. Blocks until it is.
    pub(crate) fn stop(&self) -> Result<String, String> {
        let taken = self.inner().writer.take();
        let (name, writer) = taken.ok_or("nothing is being recorded")?;
        let counts = writer.close();
        let lost = counts.slow + counts.refused;
        let missing = if lost == 0 { String::new() } else { format!(", {lost} are missing") };
        Ok(format!("{name} holds {} requests in {} bytes{missing}", counts.requests, counts.bytes))
    }

    /// The session ends: what is being written is written out. Blocks.
    pub(crate) fn end(&self) {
        let taken = self.inner().writer.take();
        // Its drop writes what waits.
        drop(taken);
    }

    /// Saves what is in memory. Blocks.
    pub(crate) fn save(&self, name: &str) -> Result<String, String> {
        let Material { requests, keyframes } = self.material();
        if requests.is_empty() {
            return Err("no request has come yet: there is nothing to keep".to_owned());
        }
        // All of it finds room: it is in memory already.
        let queue = requests.len() + keyframes.len();
        let bounds = Bounds { queue, queue_bytes: u64::MAX, ..Bounds::default() };
        let (_, writer) = self.create(Some(name), bounds)?;
        keyframes.iter().for_each(|frame| writer.keyframe(frame));
        requests.iter().rev().for_each(|(_, request)| writer.request(request));
        let folder = writer.folder().to_owned();
        let counts = writer.close();
        match counts.slow + counts.refused {
            0 => Ok(format!("{} requests are kept in {}", counts.requests, folder.display())),
            lost => Err(format!("{} keeps {} requests; the disk refused {lost}", folder.display(), counts.requests)),
        }
    }

    fn create(&self, name: Option<&str>, bounds: Bounds) -> Result<(String, Writer), String> {
        let name = match name {
            Some(name) => checked(name)?.to_owned(),
            None => self.free_name(),
        };
        let began = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis());
        let (app, versions) = {
            let inner = self.inner();
            (inner.app.clone(), inner.versions.clone())
        };
        let header = Header {
            versions,
            redactions: self.options.redact.clone(),
            ignore: self.options.ignore.clone(),
            ..Header::new(&app, u64::try_from(began).unwrap_or(u64::MAX))
        };
        let tell = self.notice.clone();
        let notice = move |notice: recordings::RecordingNotice| tell(notice.to_string());
        let writer = Writer::create(&self.folder.join(&name), &header, bounds, notice);
        writer.map(|writer| (name, writer)).map_err(|error| error.to_string())
    }

    /// The first name that nothing has.
    fn free_name(&self) -> String {
        let mut number = 1_u64;
        loop {
            let name = format!("recording-{number}");
            if !self.folder.join(&name).exists() {
                return name;
            }
            number += 1;
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

/// Takes what hosts record until nobody tells any more.
pub(crate) async fn record(recorder: Arc<Recorder>, mut records: Receiver<Recorded>, begun: Instant) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            recorded = records.recv() => match recorded {
                Some(recorded) => recorder.add(begun.elapsed(), recorded),
                None => break,
            },
            _ = ticks.tick() => recorder.tick(begun.elapsed()),
        }
    }
}

/// How often requests are looked for whose parts do not come.
const TICK: Duration = Duration::from_millis(500);

/// A name is one folder's.
fn checked(name: &str) -> Result<&str, String> {
    let fits = !name.is_empty()
        && name.len() <= 100
        && !name.starts_with('.')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if fits { Ok(name) } else { Err(format!("{name:?} is no name of a recording: letters, digits, -, _ and .")) }
}

#[cfg(test)]
mod tests;
