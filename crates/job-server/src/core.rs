//! What every request and every run of the server shares.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use jobs::duration;
use jobs::quota::{JobBucket, RateLimitFields, TenantLimits};
use jobs::record::Instance;
use jobs::token::JobToken;
use jobs::{JobRecord, JobState};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::books::{Books, Moved, TokenRow};
use crate::clock::Clock;
use crate::config::JobServerConfig;
use crate::dispatch::Nudge;
use crate::fit::Fits;
use crate::functions::Functions;
use crate::hosts::Hosts;
use crate::metrics::Metrics;
use crate::redrive::Redrives;
use crate::slots::Slots;
use crate::waits::Waits;

/// The tenant of whoever has the operator's token and names none.
pub(crate) const DEFAULT_TENANT: &str = "default";

pub(crate) struct Core {
    pub(crate) folder: PathBuf,
    pub(crate) config: RwLock<Arc<JobServerConfig>>,
    pub(crate) books: Books,
    pub(crate) clock: Clock,
    /// This life of the server.
    pub(crate) holder: Arc<str>,
    pub(crate) hosts: Hosts,
    pub(crate) functions: Functions,
    pub(crate) nudges: mpsc::UnboundedSender<Nudge>,
    /// The hash of the operator's token.
    pub(crate) operator: String,
    /// What secrets of callbacks are made of.
    pub(crate) callback_key: [u8; 32],
    pub(crate) tokens: RwLock<HashMap<String, TokenRow>>,
    pub(crate) tenants: RwLock<BTreeMap<String, TenantLimits>>,
    pub(crate) redrives: Redrives,
    /// Told each service whose host ended during a run of a job.
    pub(crate) lost: Box<dyn Fn(&str) + Send + Sync>,
    /// Nanoseconds of function time today, of tenants that have a bound for it.
    pub(crate) used_today: RwLock<HashMap<String, u64>>,
    /// Schemas of inputs.
    pub(crate) fits: RwLock<Fits>,
    standing: Mutex<HashMap<String, Account>>,
    waiters: Mutex<HashMap<String, Vec<oneshot::Sender<()>>>>,
    /// Counts commits that wrote events.
    pub(crate) news: watch::Sender<u64>,
    pub(crate) slots: Slots,
    pub(crate) waits: Waits,
    pub(crate) metrics: Metrics,
    /// Turns of batches that are read.
    pub(crate) batches: Semaphore,
}

/// Batches that are read at a time: those of one tenant leave a processor to all others.
const BATCHES: usize = 2;

/// What a tenant has waiting, and may still ask for.
struct Account {
    queued: u64,
    bucket: JobBucket,
}

impl Account {
    fn must_have_room_for(&self, tenant: &str, limits: &TenantLimits, jobs: u64, now: u64) -> Result<(), OverQuota> {
        if self.queued.saturating_add(jobs) <= limits.queued {
            return Ok(());
        }
        let detail = format!("{} jobs of {tenant} wait, and {} may", self.queued, limits.queued);
        Err(OverQuota { quota: "queued", detail, after: 1, fields: self.fields(limits, now) })
    }

    fn fields(&self, limits: &TenantLimits, now: u64) -> RateLimitFields {
        RateLimitFields::of(limits, self.queued, &self.bucket, now)
    }
}

/// A request beyond a tenant's quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OverQuota {
    pub(crate) quota: &'static str,
    pub(crate) detail: String,
    /// Seconds after which it may be tried again.
    pub(crate) after: u64,
    /// What the tenant may still ask for.
    pub(crate) fields: RateLimitFields,
}

impl Core {
    #[expect(clippy::too_many_arguments, reason = "the parts of a server, put together once")]
    pub(crate) fn new(
        folder: PathBuf,
        config: JobServerConfig,
        books: Books,
        operator: &JobToken,
        tokens: Vec<TokenRow>,
        tenants: BTreeMap<String, TenantLimits>,
        queued: BTreeMap<String, u64>,
        nudges: mpsc::UnboundedSender<Nudge>,
    ) -> Result<Self, reqwest::Error> {
        let clock = Clock::start();
        let hosts = Hosts::new(&config.token)?;
        let core = Self {
            folder,
            books,
            clock,
            holder: format!("{:032x}", rand::random::<u128>()).into(),
            hosts,
            functions: Functions::default(),
            nudges,
            operator: operator.hash(),
            callback_key: crate::deliver::base(operator),
            tokens: RwLock::new(tokens.into_iter().map(|token| (token.id.clone(), token)).collect()),
            tenants: RwLock::new(tenants),
            redrives: Redrives::default(),
            lost: Box::new(|_| {}),
            used_today: RwLock::default(),
            fits: RwLock::default(),
            standing: Mutex::default(),
            waiters: Mutex::default(),
            news: watch::Sender::new(0),
            slots: Slots::default(),
            waits: Waits::default(),
            metrics: Metrics::default(),
            batches: Semaphore::new(BATCHES),
            config: RwLock::new(Arc::new(config)),
        };
        core.fits.write().renew(&core.config().targets);
        for (tenant, queued) in queued {
            core.account(&tenant, |account, _| account.queued = queued);
        }
        Ok(core)
    }

    /// The configuration now.
    pub(crate) fn config(&self) -> Arc<JobServerConfig> {
        self.config.read().clone()
    }

    /// Time and chance for a change.
    pub(crate) fn instance(&self) -> Instance {
        Instance { now: self.clock.now(), chance: rand::random() }
    }

    /// The limits of a tenant; none where there is no such tenant.
    pub(crate) fn limits(&self, tenant: &str) -> Option<TenantLimits> {
        let known = self.tenants.read().get(tenant).cloned();
        known.or_else(|| {
            (tenant == DEFAULT_TENANT || crate::faas::is_tenant(tenant)).then(|| self.config().settings.tenant.clone())
        })
    }

    fn account<T>(&self, tenant: &str, change: impl FnOnce(&mut Account, &TenantLimits) -> T) -> T {
        let limits = self.limits(tenant).unwrap_or_else(|| self.config().settings.tenant.clone());
        let mut standing = self.standing.lock();
        let account = standing
            .entry(tenant.to_owned())
            .or_insert_with(|| Account { queued: 0, bucket: JobBucket::full(self.clock.passed()) });
        change(account, &limits)
    }

    /// Lets so many jobs of a tenant in, and says what it may still ask for. They count as queued from here on; what does not
    /// come to it is given back.
    pub(crate) fn admit(&self, tenant: &str, jobs: u64) -> Result<RateLimitFields, OverQuota> {
        let used_ns = self.used_today.read().get(tenant).copied().unwrap_or(0);
        let now = self.clock.passed();
        self.account(tenant, |account, limits| {
            if let Some(daily) = limits.daily
                && used_ns / 1_000_000 >= daily
            {
                let (daily, used) = (duration::write(daily), duration::write(used_ns / 1_000_000));
                let detail = format!("functions of {tenant} took {used} today, and {daily} a day are theirs");
                let (after, fields) = (self.clock.until_tomorrow(), account.fields(limits, now));
                return Err(OverQuota { quota: "daily", detail, after, fields });
            }
            account.must_have_room_for(tenant, limits, jobs, now)?;
            account.bucket.take(limits, now, jobs).map_err(|millis| {
                let detail = format!("{tenant} may ask for {} jobs a second, {} at once", limits.rate, limits.burst);
                let fields = account.fields(limits, now);
                OverQuota { quota: "rate", detail, after: millis.div_ceil(1_000).max(1), fields }
            })?;
            account.queued += jobs;
            Ok(account.fields(limits, now))
        })
    }

    /// What a tenant may still ask for.
    pub(crate) fn rate_fields(&self, tenant: &str) -> RateLimitFields {
        let now = self.clock.passed();
        self.account(tenant, |account, limits| account.fields(limits, now))
    }

    /// Whether a tenant may have so many more jobs waiting.
    pub(crate) fn has_room_for(&self, tenant: &str, jobs: u64) -> bool {
        self.account(tenant, |account, limits| account.queued.saturating_add(jobs) <= limits.queued)
    }

    /// Refuses so many more jobs of a tenant than may wait.
    pub(crate) fn must_have_room_for(&self, tenant: &str, jobs: u64) -> Result<(), OverQuota> {
        let now = self.clock.passed();
        self.account(tenant, |account, limits| account.must_have_room_for(tenant, limits, jobs, now))
    }

    /// Takes jobs back that were let in and not kept.
    pub(crate) fn give_back(&self, tenant: &str, jobs: u64) {
        self.account(tenant, |account, _| account.queued = account.queued.saturating_sub(jobs));
    }

    /// Counts new jobs that nobody was let in for.
    pub(crate) fn counted(&self, moved: &[Moved]) {
        for moved in moved.iter().filter(|moved| moved.from.is_none()) {
            self.account(&moved.tenant, |account, _| account.queued += 1);
        }
    }

    /// Tells everybody of changes that were committed.
    pub(crate) fn moved(&self, moved: &[Moved]) {
        for Moved { tenant, from, to, due } in moved {
            // A new one was counted where it was let in.
            if *to == JobState::Queued && from.is_some() {
                self.account(tenant, |account, _| account.queued += 1);
            }
            if *from == Some(JobState::Queued) {
                self.give_back(tenant, 1);
            }
            let nudge = match to {
                JobState::Queued => Nudge::Queued { tenant: tenant.clone(), due: *due },
                // The next of its serial key may begin.
                to if to.is_over() => Nudge::Queued { tenant: tenant.clone(), due: None },
                _ => continue,
            };
            // Refused only at the end of the server.
            drop(self.nudges.send(nudge));
        }
        if !moved.is_empty() {
            self.news.send_modify(|count| *count += 1);
        }
    }

    /// Tells whoever waits for the end of a job.
    pub(crate) fn ended(&self, record: &JobRecord) {
        if record.state.is_over() {
            self.over(&record.id);
        }
    }

    /// Tells whoever waits for a job that it is over.
    pub(crate) fn over(&self, id: &str) {
        let waiting = self.waiters.lock().remove(id).unwrap_or_default();
        for waiter in waiting {
            // One that gave up hears nothing.
            let _gone = waiter.send(());
        }
    }

    /// Waits for the end of a job. To be asked for before the job is looked at.
    pub(crate) fn wait(&self, id: &str) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = self.waiters.lock();
        let waiting = waiters.entry(id.to_owned()).or_default();
        waiting.retain(|waiter| !waiter.is_closed());
        waiting.push(sender);
        receiver
    }

    /// Forgets waiters that have gone.
    pub(crate) fn tidy_waiters(&self) {
        self.waiters.lock().retain(|_, waiting| {
            waiting.retain(|waiter| !waiter.is_closed());
            !waiting.is_empty()
        });
    }
}

/// A new token.
pub(crate) fn new_token() -> JobToken {
    let mut chance = [0; jobs::token::CHANCE * 2];
    rand::fill(&mut chance);
    JobToken::new(&chance)
}
