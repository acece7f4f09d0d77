//! The hosts of services: their lives, runs and meters.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use jobs::ledger::MeterReading;
use parking_lot::Mutex;
use protocol::asks::{AskAnswers, JobAsks};
use protocol::header;
use protocol::runs::{RunList, RunState};

use crate::books::MeterLine;
use crate::config::JobServerTarget;
use crate::core::Core;
use crate::dispatch::Nudge;

/// A question about runs is answered within this, or asked again.
const SOON: Duration = Duration::from_secs(5);

/// A host holds a question for jobs that are asked for 20 s.
const HELD: Duration = Duration::from_secs(25);

/// Meters are read this often.
const METERS: Duration = Duration::from_secs(1);

/// Ids in one message of what may be forgotten.
const FORGET_AT_ONCE: usize = 500;

/// The hosts of services.
pub(crate) struct Hosts {
    client: reqwest::Client,
    token: String,
    /// Lives, by service.
    epochs: Mutex<BTreeMap<String, String>>,
    /// The life and the reading of the meters that is stored, by service.
    metered: Mutex<BTreeMap<String, String>>,
    /// Functions that go on for nobody, by service.
    left: Mutex<BTreeMap<String, usize>>,
    /// Runs whose outcome is stored, by address.
    stored: Mutex<HashMap<String, Vec<String>>>,
}

/// A run to be asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) target: &'a JobServerTarget,
    pub(crate) run: &'a str,
    /// The life of the host that it is for.
    pub(crate) epoch: &'a str,
    pub(crate) account: &'a str,
    /// What functions are told of the job, as JSON in ASCII.
    pub(crate) about: &'a str,
    /// The id of the job, which is that of its trace.
    pub(crate) trace: &'a str,
    pub(crate) route: Option<&'a str>,
    pub(crate) timeout: Duration,
    pub(crate) input: Bytes,
}

/// What came of asking for a run.
pub(crate) enum Told {
    Answer {
        status: StatusCode,
        headers: http::HeaderMap,
        body: Bytes,
    },
    /// The host is of another life.
    OtherLife,
    /// The host knew the run, and dropped its outcome.
    Dropped,
    /// Nothing was sent.
    Unreached(String),
    /// Something may have been sent, and no answer came.
    Cut(String),
}

impl Hosts {
    pub(crate) fn new(token: &str) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(2))
            // A host closes what is idle for ten seconds.
            .pool_idle_timeout(Duration::from_secs(4))
            .build()?;
        Ok(Self {
            client,
            token: token.to_owned(),
            epochs: Mutex::default(),
            metered: Mutex::default(),
            left: Mutex::default(),
            stored: Mutex::default(),
        })
    }

    /// The lives of hosts that are known, by service.
    pub(crate) fn epochs(&self) -> BTreeMap<String, String> {
        self.epochs.lock().clone()
    }

    /// How many functions of a service go on for nobody.
    pub(crate) fn left(&self, service: &str) -> usize {
        self.left.lock().get(service).copied().unwrap_or(0)
    }

    /// Asks a host for its runs, its life and its meters.
    pub(crate) async fn look(&self, service: &str, target: &JobServerTarget) -> Result<RunList, String> {
        // What is stored of its meters, the host need not tell again.
        let stored = self.metered.lock().get(service).map(|stored| format!("?stored={stored}")).unwrap_or_default();
        let asked = self.client.get(format!("http://{}/_dyninka/runs{stored}", target.at));
        let asked = asked.bearer_auth(&self.token).timeout(SOON);
        let answer = asked.send().await.map_err(|error| protocol::error_chain(&error))?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|error| protocol::error_chain(&error))?;
        if status != StatusCode::OK {
            return Err(format!("it answered {status}"));
        }
        let list: RunList = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        self.epochs.lock().insert(service.to_owned(), list.epoch.clone());
        self.left.lock().insert(service.to_owned(), usize::try_from(list.left).unwrap_or(usize::MAX));
        Ok(list)
    }

    /// Asks a host for a run, and waits for its outcome.
    pub(crate) async fn ask(&self, asked: &Asked<'_>) -> Told {
        let Asked { target, run, epoch, account, about, trace, route, timeout, input } = asked;
        let mut request = self
            .client
            .post(format!("http://{}/", target.at))
            .bearer_auth(&self.token)
            .header(header::RUN, *run)
            .header(header::EPOCH, *epoch)
            .header(header::DEADLINE, timeout.as_millis().to_string())
            .header(header::TRACEPARENT, format!("00-{}-{:016x}-01", trace.replace('-', ""), span_of(run)))
            .header(header::ACCOUNT, protocol::runs::account(account, &self.token))
            .header(header::JOB, protocol::runs::job(about, &self.token))
            .timeout(*timeout + SOON);
        if let Some(route) = route {
            request = request.header(header::ROUTE, *route);
        }
        if !input.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, "application/json").body(input.clone());
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return Told::Unreached(protocol::error_chain(&error)),
            Err(error) => return Told::Cut(protocol::error_chain(&error)),
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        match status {
            StatusCode::PRECONDITION_FAILED => Told::OtherLife,
            StatusCode::GONE => Told::Dropped,
            _ => match answer.bytes().await {
                Ok(body) => Told::Answer { status, headers, body },
                Err(error) => Told::Cut(protocol::error_chain(&error)),
            },
        }
    }

    /// Calls a service for a function of a tenant, which is charged for it: the status and the body of the answer.
    pub(crate) async fn call(
        &self,
        target: &JobServerTarget,
        (tenant, trace, left): (&str, &str, Duration),
        inputs: Bytes,
    ) -> Result<(u16, Bytes), String> {
        let span = rand::random::<u64>().max(1);
        let asked = self
            .client
            .post(format!("http://{}/", target.at))
            .bearer_auth(&self.token)
            .header(header::DEADLINE, left.as_millis().to_string())
            .header(header::TRACEPARENT, format!("00-{}-{span:016x}-01", trace.replace('-', "")))
            .header(header::ACCOUNT, protocol::runs::account(tenant, &self.token))
            .header(http::header::CONTENT_TYPE, "application/json")
            .timeout(left + SOON)
            .body(inputs);
        let answer = asked.send().await.map_err(|error| protocol::error_chain(&error))?;
        let status = answer.status().as_u16();
        Ok((status, answer.bytes().await.map_err(|error| protocol::error_chain(&error))?))
    }

    /// The jobs that functions of a host ask for; held by the host until there are some.
    pub(crate) async fn asks(&self, at: &str) -> Result<JobAsks, reqwest::Error> {
        let asked = self.client.get(format!("http://{at}/_dyninka/asks")).bearer_auth(&self.token);
        asked.timeout(HELD).send().await?.error_for_status()?.json().await
    }

    /// Tells a host what became of some.
    pub(crate) async fn answer_asks(&self, at: &str, answers: &AskAnswers) {
        let told = self.client.post(format!("http://{at}/_dyninka/asks")).bearer_auth(&self.token);
        // A host that does not hear it tells of them again.
        drop(told.timeout(SOON).json(answers).send().await);
    }

    /// Gives a run up. Whether its function ended with it; none where the host does not know.
    pub(crate) async fn give_up(&self, target: &JobServerTarget, run: &str) -> Option<bool> {
        let asked = self.client.delete(format!("http://{}/_dyninka/runs/{run}", target.at));
        let answer = asked.bearer_auth(&self.token).timeout(SOON).send().await.ok()?;
        let body = answer.bytes().await.ok()?;
        let said: serde_json::Value = serde_json::from_slice(&body).ok()?;
        said.get("ended").and_then(serde_json::Value::as_bool)
    }

    /// Notes that a run's outcome is stored: its host may forget it.
    pub(crate) fn stored(&self, target: &JobServerTarget, run: &str) {
        self.stored.lock().entry(target.at.clone()).or_default().push(run.to_owned());
    }

    async fn forget(&self) {
        let all = std::mem::take(&mut *self.stored.lock());
        for (at, runs) in all {
            for some in runs.chunks(FORGET_AT_ONCE) {
                let asked = self.client.post(format!("http://{at}/_dyninka/runs/forget")).bearer_auth(&self.token);
                // A host that does not hear it forgets them by itself after a while.
                drop(asked.timeout(SOON).json(some).send().await);
            }
        }
    }
}

/// A span for a run: the same each time that it is asked for.
fn span_of(run: &str) -> u64 {
    let hash = blake3::hash(run.as_bytes());
    let bytes = hash.as_bytes();
    u64::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]]).max(1)
}

/// Whether a host knows a run, of which nobody has heard for long.
pub(crate) fn knows(list: &RunList, run: &str) -> bool {
    list.runs.iter().any(|known| known.run == run && known.state != RunState::Dropped)
}

/// Reads the meters of all hosts, and has them forget what is stored, until the server ends.
pub(crate) async fn follow(core: Arc<Core>) {
    let mut ticks = tokio::time::interval(METERS / 10);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for tick in 0_u64.. {
        ticks.tick().await;
        core.hosts.forget().await;
        if tick % 10 == 0 {
            read_meters(&core).await;
        }
    }
}

/// Reads the meters of all hosts once, and adds them up.
pub(crate) async fn read_meters(core: &Core) {
    let config = core.config();
    for (service, target) in &config.targets {
        let before = core.hosts.left(service);
        // A host that is not there is read when it is.
        let Ok(list) = core.hosts.look(service, target).await else { continue };
        if core.hosts.left(service) < before {
            // Refused only at the end of the server.
            drop(core.nudges.send(Nudge::Room));
        }
        let lines = list.meter.into_iter().map(|line| MeterLine {
            account: line.account,
            version: line.version,
            line: line.line,
            reading: MeterReading { ns: line.ns, calls: line.calls },
        });
        let lines: Vec<MeterLine> = lines.collect();
        if !lines.is_empty() {
            let stored = format!("{}.{}", list.epoch, list.reading);
            // What is not added up now is so with the next reading.
            if core.books.add_up(service.clone(), list.epoch, lines, core.clock.day()).await.is_ok() {
                core.hosts.metered.lock().insert(service.clone(), stored);
            }
        }
    }
    count_today(core).await;
}

/// Counts what tenants with a bound for a day have used of it.
pub(crate) async fn count_today(core: &Core) {
    let usual = core.config().settings.tenant.daily;
    if usual.is_none() && core.tenants.read().values().all(|limits| limits.daily.is_none()) {
        return;
    }
    // What cannot be read now is read with the next meters.
    if let Ok(used) = core.books.used_on(core.clock.day()).await {
        *core.used_today.write() = used;
    }
}
