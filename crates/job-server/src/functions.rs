//! Functions that tenants registered: runs of them in the jailed processes of a pool, and their calls to services.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use functions::{
    AnswerForm, CallEnd, ConsoleLine, FunctionEnd, FunctionEngine, FunctionError, FunctionStop, Invocation, JailEnd,
    Pool, PoolError, PoolSettings, RunLimits, ScalePolicy, ServiceCall, Signature,
};
use jobs::{AttemptOutcome, AttemptReport, FunctionTerms, JobRecord};
use parking_lot::{Mutex, RwLock};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::DatabaseError;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::books::FunctionRow;
use crate::config::FunctionSettings;
use crate::core::Core;
use crate::run::{Begun, lost, wrong};

/// Functions of a tenant.
pub(crate) const MOST: i64 = 100;
/// Between two tries of a store that does not answer.
const AGAIN: Duration = Duration::from_millis(100);

/// What is known of functions, beside the books.
#[derive(Default)]
pub(crate) struct Functions {
    /// Not there where functions are off.
    pool: OnceLock<Pool>,
    /// What authors say of runs, by tenant and name.
    known: RwLock<BTreeMap<(String, String), FunctionTerms>>,
    /// Held over a change of the books and of the names, so that both tell the same.
    changing: tokio::sync::Mutex<()>,
    running: Mutex<HashMap<String, UnderWay>>,
}

/// A run that is under way.
struct UnderWay {
    until: Instant,
    stop: oneshot::Sender<()>,
}

/// Makes the pool where functions are on. No process is started before it is needed.
pub(crate) async fn open(core: &Arc<Core>) -> Result<(), crate::serve::JobServerError> {
    let known = core.books.functions(None).await?.into_iter().map(|row| ((row.tenant, row.name), row.terms)).collect();
    *core.functions.known.write() = known;
    if core.config().settings.functions {
        let weak = Arc::downgrade(core);
        let calls = move |call: ServiceCall| -> futures_util::future::BoxFuture<'static, CallEnd> {
            Box::pin(answer(weak.clone(), call))
        };
        let FunctionSettings { max, memory, doubling } = core.config().settings.pool;
        let policy = if doubling { ScalePolicy::Doubling } else { ScalePolicy::default() };
        let settings = PoolSettings { most: max, memory, policy, ..PoolSettings::of_this_program() };
        let pool = Pool::new(settings, Arc::new(calls))?;
        // It is set here alone.
        let _set = core.functions.pool.set(pool);
    }
    Ok(())
}

impl Functions {
    /// Whether functions are on.
    pub(crate) fn are_on(&self) -> bool {
        self.pool.get().is_some()
    }

    /// What the author of a function says of its runs; none where there is no such function.
    pub(crate) fn terms(&self, tenant: &str, name: &str) -> Option<FunctionTerms> {
        self.known.read().get(&(tenant.to_owned(), name.to_owned())).copied()
    }

    /// Ends a run that is nobody's any more.
    pub(crate) fn stop(&self, run: &str) {
        if let Some(under_way) = self.running.lock().remove(run) {
            // It may have ended in this very moment.
            let _ended = under_way.stop.send(());
        }
    }

    /// Reads a source without running it: its parameters, or what is wrong with it.
    pub(crate) async fn check(
        &self,
        tenant: &str,
        source: &str,
    ) -> Result<Result<Signature, FunctionError>, PoolError> {
        self.pool.get().ok_or(PoolError::Closed)?.check(tenant, FunctionEngine::JavaScript, source).await
    }
}

/// The version of a function: its name and a hash of its source, and of its terms where it has some.
pub(crate) fn version(name: &str, source: &str, terms: &FunctionTerms) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(source.as_bytes());
    if *terms != FunctionTerms::default() {
        // No text has a byte of 0xff in UTF-8.
        hash.update(&[0xff]).update(json!(terms).to_string().as_bytes());
    }
    format!("{name}@{}", &hash.finalize().to_hex()[..8])
}

/// Keeps a function; whether it is a new one. None: the tenant has as many as it may.
pub(crate) async fn put(core: &Core, row: FunctionRow, source: String) -> Result<Option<bool>, DatabaseError> {
    let _alone = core.functions.changing.lock().await;
    let (key, terms) = ((row.tenant.clone(), row.name.clone()), row.terms);
    let put = core.books.put_function(row, source, MOST).await?;
    if put.is_some() {
        core.functions.known.write().insert(key, terms);
    }
    Ok(put)
}

/// Removes a function and ends its queued jobs; whether it was there.
pub(crate) async fn remove(core: &Core, tenant: &str, name: &str) -> Result<bool, DatabaseError> {
    let _alone = core.functions.changing.lock().await;
    let removed = core.books.remove_function(tenant.to_owned(), name.to_owned()).await?;
    gone(core, tenant, name).await?;
    Ok(removed)
}

/// Ends the queued jobs of functions that a change of the books removed.
pub(crate) async fn removing(
    core: &Core,
    tenant: &str,
    change: impl Future<Output = Result<Vec<String>, DatabaseError>>,
) -> Result<(), DatabaseError> {
    let _alone = core.functions.changing.lock().await;
    for name in change.await? {
        gone(core, tenant, &name).await?;
    }
    Ok(())
}

async fn gone(core: &Core, tenant: &str, name: &str) -> Result<(), DatabaseError> {
    core.functions.known.write().remove(&(tenant.to_owned(), name.to_owned()));
    loop {
        let ended = core.books.end_gone(tenant.to_owned(), name.to_owned(), core.clock.now()).await?;
        if ended.is_empty() {
            return Ok(());
        }
        core.moved(&ended.iter().map(|(_, moved)| moved.clone()).collect::<Vec<_>>());
        ended.iter().for_each(|(id, _)| core.over(id));
    }
}

/// Runs an attempt of a job that is for a function.
pub(crate) async fn attempt(
    core: &Core,
    record: &JobRecord,
    name: &str,
    input: Bytes,
    begun: Begun,
) -> (AttemptReport, Option<Bytes>) {
    if begun == Begun::Before {
        return (lost("its process ended with the job server"), None);
    }
    let Some(pool) = core.functions.pool.get() else {
        let detail = "functions are off: [jobs] functions = true in dyn.toml turns them on";
        return (wrong(AttemptOutcome::Held, "unsupported", detail), None);
    };
    let (row, source) = match core.books.function(record.tenant.clone(), name.to_owned()).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            return (wrong(AttemptOutcome::Gone, "gone", &format!("the function {name} was removed")), None);
        }
        Err(error) => return (wrong(AttemptOutcome::Held, "store", &error.to_string()), None),
    };
    let arguments = match serde_json::from_slice::<Box<RawValue>>(&input) {
        Ok(arguments) => arguments,
        Err(error) => return (wrong(AttemptOutcome::Rejected, "request", &error.to_string()), None),
    };
    let config = core.config();
    let invocation = Invocation {
        tenant: record.tenant.clone(),
        run: record.run(),
        name: name.to_owned(),
        engine: FunctionEngine::JavaScript,
        source,
        arguments,
        form: if record.as_text { AnswerForm::Text } else { AnswerForm::Json },
        calls: !record.as_text && !config.settings.open.is_empty(),
        limits: RunLimits {
            time_ms: record.timeout_ms,
            result: config.settings.limits.result as u64,
            // The pool holds it to the largest of the server.
            memory: row.terms.memory.unwrap_or(config.settings.pool.memory),
            ..RunLimits::default()
        },
    };
    let (stop, stopped) = oneshot::channel();
    let until = Instant::now() + Duration::from_millis(record.timeout_ms);
    core.functions.running.lock().insert(record.run(), UnderWay { until, stop });
    // One that nobody can stop any more goes on to its own end.
    let stopped = async {
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let ran = pool.run_until(invocation, stopped).await;
    core.functions.running.lock().remove(&record.run());
    match ran {
        Ok(ran) => {
            let (mut report, result) = ended(ran.end);
            report.lines = printed(&ran.lines, ran.cut);
            report.usage = BTreeMap::from([(record.service.clone(), ran.function_ns)]);
            report.versions = vec![row.version];
            (report, result)
        }
        Err(error) => (not_begun(&error), None),
    }
}

/// What a run printed, as it is kept with its job; none where it printed nothing. The pool bounds it.
fn printed(lines: &[ConsoleLine], cut: u64) -> Option<Value> {
    (!lines.is_empty() || cut > 0).then(|| json!({ "lines": lines, "cut_bytes": cut }))
}

/// What follows from a run that did not begin.
fn not_begun(error: &PoolError) -> AttemptReport {
    let detail = error.hint().map_or_else(|| error.to_string(), |hint| format!("{error}; {hint}"));
    match error {
        PoolError::TooLarge { .. } => wrong(AttemptOutcome::Rejected, "too-large", &detail),
        // Nothing ran, and another machine or a later hour may do.
        PoolError::NoJail(_) | PoolError::Start(_) | PoolError::Unread(_) | PoolError::Closed => {
            wrong(AttemptOutcome::Held, "unreachable", &detail)
        }
    }
}

/// What follows from the end of a run.
fn ended(end: FunctionEnd) -> (AttemptReport, Option<Bytes>) {
    let report = match end {
        FunctionEnd::Value(value) => {
            return (
                AttemptReport::of(AttemptOutcome::Value),
                Some(Bytes::from(String::from(Box::<str>::from(value)))),
            );
        }
        FunctionEnd::Failed(error) => {
            let mut report = wrong(AttemptOutcome::Failed, "failed", &error.to_string());
            if let (Some(problem), Some((line, column))) = (&mut report.problem, error.at) {
                (problem["line"], problem["column"]) = (line.into(), column.into());
            }
            report
        }
        FunctionEnd::Stopped(stop @ FunctionStop::Deadline) => {
            wrong(AttemptOutcome::Deadline, stop.name(), &stop.to_string())
        }
        FunctionEnd::Stopped(stop) => wrong(AttemptOutcome::Failed, stop.name(), &stop.to_string()),
        FunctionEnd::Lost(end @ JailEnd::Killed) => wrong(AttemptOutcome::Failed, "killed", &end.to_string()),
        FunctionEnd::Lost(end @ JailEnd::Nonsense(_)) => wrong(AttemptOutcome::Failed, "nonsense", &end.to_string()),
        FunctionEnd::Lost(end @ (JailEnd::Crashed { .. } | JailEnd::Exited { .. })) => lost(&end.to_string()),
    };
    (report, None)
}

/// Bills a run that was nobody's any more when it ended, however long the store takes to answer.
pub(crate) async fn charge(core: &Core, record: JobRecord, report: AttemptReport) {
    loop {
        match core.books.charge(record.clone(), report.clone(), core.clock.now()).await {
            Ok(()) | Err(DatabaseError::Closed) => return,
            Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// Answers a call that a function makes: to services that `open` lists, and no other.
async fn answer(core: Weak<Core>, call: ServiceCall) -> CallEnd {
    let failed = |message: String| CallEnd::Failed(FunctionError::new("Error", message));
    let Some(core) = core.upgrade() else { return failed("the job server ends".to_owned()) };
    let config = core.config();
    let is_open = config.settings.open.contains(&call.service);
    let Some(target) = config.targets.get(&call.service).filter(|_| is_open) else {
        let open = config.settings.open.join(", ");
        return failed(format!("functions may not call {}; they may call: {open}", call.service));
    };
    let until = core.functions.running.lock().get(&call.run).map(|under_way| under_way.until);
    let Some(until) = until else { return failed("the run has ended".to_owned()) };
    let trace = call.run.split('.').next().unwrap_or_default();
    let left = until.saturating_duration_since(Instant::now());
    let inputs = Bytes::from(String::from(Box::<str>::from(call.inputs)));
    match core.hosts.call(target, (&call.tenant, trace, left), inputs).await {
        Ok((200, body)) => match serde_json::from_slice::<Box<RawValue>>(&body) {
            Ok(value) => CallEnd::Value(value),
            Err(error) => failed(format!("{} answered what is no JSON: {error}", call.service)),
        },
        // A service filtered it.
        Ok((204, _)) => CallEnd::Value(RawValue::NULL.to_owned()),
        Ok((status, body)) => {
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
            let detail = problem["detail"].as_str().unwrap_or("it says no more");
            failed(format!("{} answered {status}: {detail}", call.service))
        }
        Err(why) => failed(format!("{} cannot be reached: {why}", call.service)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(end: FunctionEnd) -> (AttemptOutcome, String) {
        let (report, result) = ended(end);
        assert_eq!(result.is_some(), report.outcome == AttemptOutcome::Value);
        let kind = report.problem.as_ref().and_then(|problem| problem["type"].as_str()).unwrap_or_default();
        (report.outcome, kind.rsplit(':').next().unwrap_or_default().to_owned())
    }

    #[test]
    fn each_end_of_a_run_has_its_outcome() {
        use AttemptOutcome::{Deadline, Failed, Lost, Value};
        let error = FunctionError { at: Some((1, 2)), ..FunctionError::new("TypeError", "no") };
        for (end, is, kind) in [
            (FunctionEnd::Value(RawValue::NULL.to_owned()), Value, ""),
            (FunctionEnd::Failed(error.clone()), Failed, "failed"),
            (FunctionEnd::Stopped(FunctionStop::Deadline), Deadline, "deadline"),
            (FunctionEnd::Stopped(FunctionStop::Memory), Failed, "memory"),
            (FunctionEnd::Stopped(FunctionStop::NeverSettles), Failed, "never-settles"),
            (FunctionEnd::Lost(JailEnd::Killed), Failed, "killed"),
            (FunctionEnd::Lost(JailEnd::Nonsense("x".to_owned())), Failed, "nonsense"),
            (FunctionEnd::Lost(JailEnd::Crashed { signal: 9 }), Lost, "lost"),
            (FunctionEnd::Lost(JailEnd::Exited { code: 1 }), Lost, "lost"),
        ] {
            assert_eq!(outcome(end), (is, kind.to_owned()));
        }
        let problem = ended(FunctionEnd::Failed(error)).0.problem.unwrap_or_default();
        assert_eq!((&problem["line"], &problem["column"]), (&1.into(), &2.into()));
        assert_eq!(problem["detail"], "TypeError: no");
    }

    #[test]
    fn a_version_follows_the_source_and_the_terms() {
        let none = FunctionTerms::default();
        let once = FunctionTerms { attempts: Some(1), ..none };
        assert_eq!(version("f", "a", &once), version("f", "a", &once));
        assert_ne!(version("f", "a", &none), version("f", "b", &none));
        assert_ne!(version("f", "a", &none), version("f", "a", &once));
        // As it was before there were terms.
        assert_eq!(version("f", "a", &none), format!("f@{}", &blake3::hash(b"a").to_hex()[..8]));
    }
}
