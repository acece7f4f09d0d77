//! The store behind the API, and the rights of a caller.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::value::RawValue;

/// Users with their functions, and jobs.
#[async_trait]
pub trait Faas: Send + Sync {
    /// Registers a user. One that is there loses its functions, and its time begins at 0.
    async fn register(&self, user: &str) -> Result<(), FaasError>;

    /// Removes a user, if there is one.
    async fn unregister(&self, user: &str) -> Result<(), FaasError>;

    /// Nanoseconds of function time since the user was registered; none where there is no such user.
    async fn time(&self, user: &str) -> Result<Option<u64>, FaasError>;

    /// Sources by name; none where there is no such user.
    async fn functions(&self, user: &str) -> Result<Option<BTreeMap<String, String>>, FaasError>;

    /// Registers a function of a user that is there, or replaces it. Nothing is asked of the source.
    async fn put_function(&self, user: &str, name: &str, source: &str) -> Result<(), FaasError>;

    /// Removes a function, if there is one. Jobs that wait for it end as errors.
    async fn remove_function(&self, user: &str, name: &str) -> Result<(), FaasError>;

    /// Has a function run with a JSON array of arguments: one attempt, its result given as text. Answers the job's id
    /// once the job is kept.
    async fn submit(&self, user: &str, function: &str, arguments: Box<RawValue>) -> Result<String, FaasError>;

    /// Whether something has the form of a job's id.
    fn is_job_id(&self, id: &str) -> bool;

    /// A job, if there is one.
    async fn job(&self, id: &str) -> Result<Option<FaasJob>, FaasError>;

    /// Removes a job, queued, running or ended. Answers how many were removed.
    async fn remove_job(&self, id: &str) -> Result<u64, FaasError>;
}

/// One job, as far as this API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaasJob {
    /// The job's owner.
    pub user: String,
    /// The text that it ended with, however that was: [`super::shown`].
    pub ended: Option<String>,
}

/// A store that cannot answer, in words for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaasError(pub String);

/// The rights of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaasAccess<'a> {
    /// Anybody, as there: for a listener that only this machine reaches.
    Open,
    /// The operator, by token.
    Operator,
    /// A user, by token.
    User(&'a str),
    /// Somebody without a token, where one is needed.
    Nobody,
}

impl FaasAccess<'_> {
    /// Whether users may be registered and removed.
    pub(super) fn may_register(self) -> bool {
        matches!(self, Self::Open | Self::Operator)
    }

    /// Whether what is a user's may be seen.
    pub(super) fn may_see(self, user: &str) -> bool {
        match self {
            Self::Open | Self::Operator => true,
            Self::User(own) => own == user,
            Self::Nobody => false,
        }
    }
}
