//! Users and jobs in memory, run by the pool: what a store has to do, without one that keeps anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use functions::kumori::{Faas, FaasError, FaasJob, shown};
use functions::{AnswerForm, Pool, RunLimits};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::task::AbortHandle;

use crate::rig::invocation;

#[derive(Default)]
struct User {
    functions: BTreeMap<String, String>,
    time: u64,
}

struct Job {
    user: String,
    ended: Option<String>,
    running: Option<AbortHandle>,
}

#[derive(Default)]
struct Kept {
    users: BTreeMap<String, User>,
    jobs: BTreeMap<u64, Job>,
    last: u64,
    is_broken: bool,
}

pub(crate) struct Memory {
    pool: Pool,
    kept: Arc<Mutex<Kept>>,
    /// Jobs wait here until they may begin.
    gate: Arc<tokio::sync::Semaphore>,
}

impl Memory {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool, kept: Arc::default(), gate: Arc::new(tokio::sync::Semaphore::new(64)) }
    }

    /// Whether jobs begin.
    pub(crate) fn hold(&self) -> tokio::sync::OwnedSemaphorePermit {
        self.gate.clone().try_acquire_many_owned(64).unwrap()
    }

    /// Whether the store answers.
    pub(crate) fn is_broken(&self, is_broken: bool) {
        self.kept.lock().is_broken = is_broken;
    }

    fn kept(&self) -> Result<parking_lot::MutexGuard<'_, Kept>, FaasError> {
        let kept = self.kept.lock();
        if kept.is_broken { Err(FaasError("the store does not answer".to_owned())) } else { Ok(kept) }
    }
}

#[async_trait]
impl Faas for Memory {
    async fn register(&self, user: &str) -> Result<(), FaasError> {
        self.kept()?.users.insert(user.to_owned(), User::default());
        Ok(())
    }

    async fn unregister(&self, user: &str) -> Result<(), FaasError> {
        self.kept()?.users.remove(user);
        Ok(())
    }

    async fn time(&self, user: &str) -> Result<Option<u64>, FaasError> {
        Ok(self.kept()?.users.get(user).map(|user| user.time))
    }

    async fn functions(&self, user: &str) -> Result<Option<BTreeMap<String, String>>, FaasError> {
        Ok(self.kept()?.users.get(user).map(|user| user.functions.clone()))
    }

    async fn put_function(&self, user: &str, name: &str, source: &str) -> Result<(), FaasError> {
        if let Some(user) = self.kept()?.users.get_mut(user) {
            user.functions.insert(name.to_owned(), source.to_owned());
        }
        Ok(())
    }

    async fn remove_function(&self, user: &str, name: &str) -> Result<(), FaasError> {
        if let Some(user) = self.kept()?.users.get_mut(user) {
            user.functions.remove(name);
        }
        Ok(())
    }

    async fn submit(&self, user: &str, function: &str, arguments: Box<RawValue>) -> Result<String, FaasError> {
        let id = {
            let mut kept = self.kept()?;
            kept.last += 1;
            let id = kept.last;
            kept.jobs.insert(id, Job { user: user.to_owned(), ended: None, running: None });
            id
        };
        let (kept, pool, gate) = (self.kept.clone(), self.pool.clone(), self.gate.clone());
        let (user, function) = (user.to_owned(), function.to_owned());
        let running = tokio::spawn(async move {
            let _turn = gate.acquire().await;
            let source = kept.lock().users.get(&user).and_then(|user| user.functions.get(&function).cloned());
            let ended = match source {
                Some(source) => {
                    let mut asked = invocation(&source, &serde_json::Value::Null);
                    (asked.tenant, asked.name, asked.arguments) = (user.clone(), function, arguments);
                    (asked.form, asked.limits) =
                        (AnswerForm::Text, RunLimits { time_ms: 900_000, ..RunLimits::default() });
                    match pool.run(asked).await {
                        Ok(ran) => {
                            if let Some(user) = kept.lock().users.get_mut(&user) {
                                user.time += ran.function_ns;
                            }
                            shown(&ran.end)
                        }
                        Err(error) => error.to_string(),
                    }
                }
                None => format!("gone: the function {function} was removed"),
            };
            if let Some(job) = kept.lock().jobs.get_mut(&id) {
                job.ended = Some(ended);
            }
        });
        if let Some(job) = self.kept.lock().jobs.get_mut(&id) {
            job.running = Some(running.abort_handle());
        }
        Ok(format!("{id:024x}"))
    }

    fn is_job_id(&self, id: &str) -> bool {
        id.len() == 24 && u64::from_str_radix(id, 16).is_ok()
    }

    async fn job(&self, id: &str) -> Result<Option<FaasJob>, FaasError> {
        let id = u64::from_str_radix(id, 16).unwrap();
        Ok(self.kept()?.jobs.get(&id).map(|job| FaasJob { user: job.user.clone(), ended: job.ended.clone() }))
    }

    async fn remove_job(&self, id: &str) -> Result<u64, FaasError> {
        let id = u64::from_str_radix(id, 16).unwrap();
        let Some(job) = self.kept()?.jobs.remove(&id) else { return Ok(0) };
        if let Some(running) = job.running {
            running.abort();
        }
        Ok(1)
    }
}
