//! Users, functions and jobs of the NodeJS FaaS's API, kept in the books. A user is a tenant of its own, without a token.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use functions::FunctionError;
use functions::kumori::{Faas, FaasError, FaasJob};
use jobs::record::FUNCTION;
use jobs::request::{JobTarget, TargetTerms};
use jobs::{FunctionTerms, JobRequest, JobState};
use serde_json::value::RawValue;
use store::DatabaseError;

use crate::books::{FunctionRow, NewJob, ResultKept};
use crate::core::Core;
use crate::functions as runner;

/// No name of a tenant has a slash: users and tenants are never each other.
const PREFIX: &str = "kumori/";
/// Milliseconds of a run at most, as there.
const TIMEOUT_MS: u64 = 15 * 60_000;

/// The tenant of a user.
pub(crate) fn tenant(user: &str) -> String {
    format!("{PREFIX}{user}")
}

/// Whether a tenant is that of a user.
pub(crate) fn is_tenant(tenant: &str) -> bool {
    tenant.starts_with(PREFIX)
}

/// The user that a tenant is; none where it is none.
pub(crate) fn user(tenant: &str) -> Option<&str> {
    tenant.strip_prefix(PREFIX)
}

/// The store behind the API.
pub(crate) struct KeptFaas(pub(crate) Arc<Core>);

fn failed(error: DatabaseError) -> FaasError {
    eprintln!("dyninka: the store does not answer: {error}");
    FaasError("the store does not answer".to_owned())
}

#[async_trait]
impl Faas for KeptFaas {
    async fn register(&self, user: &str) -> Result<(), FaasError> {
        let tenant = tenant(user);
        let change = self.0.books.register_user(user.to_owned(), tenant.clone());
        runner::removing(&self.0, &tenant, change).await.map_err(failed)
    }

    async fn unregister(&self, user: &str) -> Result<(), FaasError> {
        let tenant = tenant(user);
        let change = self.0.books.unregister_user(user.to_owned(), tenant.clone());
        runner::removing(&self.0, &tenant, change).await.map_err(failed)
    }

    async fn time(&self, user: &str) -> Result<Option<u64>, FaasError> {
        self.0.books.user_time(user.to_owned(), tenant(user)).await.map_err(failed)
    }

    async fn functions(&self, user: &str) -> Result<Option<BTreeMap<String, String>>, FaasError> {
        let found = self.0.books.user_functions(user.to_owned(), tenant(user)).await.map_err(failed)?;
        Ok(found.map(|all| all.into_iter().collect()))
    }

    async fn put_function(&self, user: &str, name: &str, source: &str) -> Result<(), FaasError> {
        let row = FunctionRow {
            tenant: tenant(user),
            name: name.to_owned(),
            version: runner::version(name, source, &FunctionTerms::default()),
            terms: FunctionTerms::default(),
            // Nothing is asked of the source there: a mistake is an error of its runs.
            parameters: Vec::new(),
        };
        match runner::put(&self.0, row, source.to_owned()).await.map_err(failed)? {
            Some(_) => Ok(()),
            None => Err(FaasError(format!("a user has at most {} functions", runner::MOST))),
        }
    }

    async fn remove_function(&self, user: &str, name: &str) -> Result<(), FaasError> {
        runner::remove(&self.0, &tenant(user), name).await.map_err(failed)?;
        Ok(())
    }

    async fn submit(&self, user: &str, function: &str, arguments: Box<RawValue>) -> Result<String, FaasError> {
        let core = &self.0;
        let (tenant, id) = (tenant(user), uuid::Uuid::now_v7().to_string());
        let limits = core.config().settings.limits.clone();
        let request = JobRequest {
            function: Some(function.to_owned()),
            args: Some(arguments),
            attempts: Some(1),
            ..JobRequest::default()
        };
        let service = format!("{FUNCTION}{function}");
        let target = JobTarget { service: &service, inputs: &[], terms: TargetTerms::default() };
        let record = request.record((id.clone(), &tenant), &target, &limits, core.clock.now());
        let mut record = record.map_err(|mistake| FaasError(mistake.to_string()))?;
        record.as_text = true;
        record.timeout_ms = TIMEOUT_MS.min(limits.timeout_ms);
        core.admit(&tenant, 1).map_err(|over| FaasError(over.detail))?;
        let job = NewJob { record, input: Bytes::from(request.input()), hash: String::new() };
        crate::dispatch::keep(core, &tenant, vec![job]).await.map_err(failed)?;
        Ok(id)
    }

    fn is_job_id(&self, id: &str) -> bool {
        id.len() == 36 && uuid::Uuid::try_parse(id).is_ok()
    }

    async fn job(&self, id: &str) -> Result<Option<FaasJob>, FaasError> {
        let found = self.0.books.result(None, id.to_owned()).await.map_err(failed)?;
        // Jobs of tenants are none of this API's.
        let Some((record, kept)) = found else { return Ok(None) };
        let Some(user) = record.tenant.strip_prefix(PREFIX) else { return Ok(None) };
        let said = record.problem.as_ref().and_then(|problem| problem["detail"].as_str()).unwrap_or_default();
        let ended = match (record.state, kept) {
            (JobState::Queued | JobState::Running, _) => None,
            (JobState::Done, ResultKept::Value(body)) => Some(serde_json::from_slice(&body).unwrap_or_default()),
            (JobState::Done, ResultKept::Expired) => Some("the result is kept no longer".to_owned()),
            (JobState::Cancelled | JobState::Expired, _) => Some(record.state.word().to_owned()),
            (JobState::Failed, _) => Some(match record.kind.as_deref() {
                // What the function threw, as it is.
                None | Some("failed") => said.to_owned(),
                Some(kind) => FunctionError::new(kind, said).to_string(),
            }),
        };
        Ok(Some(FaasJob { user: user.to_owned(), ended }))
    }

    async fn remove_job(&self, id: &str) -> Result<u64, FaasError> {
        let core = &self.0;
        let now = core.clock.now();
        // One that has ended is not cancelled, and removed all the same.
        let (changed, fence) = core.books.cancel(None, id.to_owned(), now).await.map_err(failed)?;
        if let Some(Ok((record, moved))) = changed {
            core.moved(&[moved]);
            core.ended(&record);
        }
        if let Some(fence) = fence {
            core.functions.stop(&format!("{}.{}", fence.id, fence.attempt));
        }
        let removed = core.books.remove(None, id.to_owned()).await.map_err(failed)?;
        Ok(u64::from(matches!(removed, Some(Ok(_)))))
    }
}
