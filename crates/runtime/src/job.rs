//! The job that a function runs for.

use crate::library::{ServedService, request};
use crate::remote;

/// One run of a job that a function is part of.
///
/// A job may run more than once. What is done to the outside is repeated then, unless the other side is told which job and
/// which attempt it is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct JobRun {
    /// The job's id: the same in each of its attempts.
    pub id: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The `Idempotency-Key` that it was asked for with.
    #[serde(default)]
    pub key: Option<String>,
    /// The tenant that asked for it.
    pub tenant: String,
}

/// The run of a job that this function is part of: in the service that the job is for, and in all that are called for it.
/// None for requests that are no job's, in threads that the app began by itself, and under plain cargo.
///
/// ```
/// // Nothing runs as a job in a test.
/// assert_eq!(dyninka::job(), None);
/// ```
pub fn job() -> Option<JobRun> {
    let request = request();
    if request.number == 0 {
        return None;
    }
    let host = request.served.and_then(ServedService::host).or_else(remote::host)?;
    // SAFETY: the host's own context; what it answers is freed by the side that made it.
    let about = unsafe { (host.about)(host.context, request.number) };
    serde_json::from_slice(&about).ok()
}
