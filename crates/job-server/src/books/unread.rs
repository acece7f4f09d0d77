//! Jobs whose inputs an edit does not read.

use std::collections::BTreeMap;

use jobs::JobState;
use serde_json::json;
use store::DatabaseError;
use store::rusqlite::{Connection, params};

use super::change::{Moved, deliver};
use super::{Books, row};
use crate::metrics::StoreOp;

/// Jobs that are ended in one commit.
const AT_ONCE: u32 = 1_000;

/// Jobs of a service: those that name one of these inputs; none: all of them.
pub(crate) type UnreadInputs = BTreeMap<String, Option<Vec<String>>>;

/// Whether a job names one of the inputs in `?2`, a JSON array.
const NAMES: &str = "(?2 IS NULL OR EXISTS (
    SELECT 1 FROM json_each(?2) AS name, inputs, json_each(CAST(inputs.body AS TEXT)) AS given
    WHERE inputs.seq = jobs.seq AND given.key = name.value
))";

impl Books {
    /// The number of such jobs that have not ended, by service.
    pub(crate) async fn unread(&self, services: UnreadInputs) -> Result<BTreeMap<String, i64>, DatabaseError> {
        let look = move |connection: &Connection| {
            let sql = format!("SELECT count(*) FROM jobs WHERE service = ?1 AND state IN (0, 1) AND {NAMES}");
            let mut found = connection.prepare_cached(&sql)?;
            let count = |(service, inputs): (&String, &Option<Vec<String>>)| {
                let names = inputs.as_ref().map(|inputs| json!(inputs).to_string());
                Ok((service.clone(), found.query_row(params![service, names], |row| row.get(0))?))
            };
            services.iter().map(count).collect()
        };
        self.read(look).await
    }

    /// Ends such jobs of a service that wait, some of them; which. To be called until it ends none.
    pub(crate) async fn end_unread(
        &self,
        service: String,
        inputs: Option<Vec<String>>,
        now: i64,
    ) -> Result<Vec<(String, Moved)>, DatabaseError> {
        let change = move |connection: &Connection| {
            let columns = row::COLUMNS;
            let sql =
                format!("SELECT {columns} FROM jobs WHERE service = ?1 AND state = 0 AND {NAMES} LIMIT {AT_ONCE}");
            let mut found = connection.prepare_cached(&sql)?;
            let names = inputs.as_ref().map(|inputs| json!(inputs).to_string());
            let rows = found.query_map(params![service, names], row::read)?;
            let problem = json!({
                "type": "urn:dyninka:problem:form",
                "detail": format!("{service} was edited and does not read the inputs of this job any more"),
            });
            let mut moved = Vec::new();
            for (seq, mut record) in rows.collect::<Result<Vec<_>, _>>()? {
                if record.fail(now, "form", Some(problem.clone())).is_ok() {
                    moved.push((record.id.clone(), row::put(connection, seq, &record, JobState::Queued, now)?));
                    deliver(connection, &record, now)?;
                }
            }
            Ok(moved)
        };
        self.write(StoreOp::Other, change).await
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use jobs::request::{JobLimits, JobRequest, JobTarget};

    use super::*;
    use crate::books::NewJob;

    #[tokio::test]
    async fn only_waiting_jobs_that_name_an_input_are_counted_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let books = Books::with_reserve(&folder.path().join("jobs.db"), 0).unwrap();
        let job = |id: &str, input: &'static str| {
            let target = JobTarget { service: "work", inputs: &[], terms: Default::default() };
            let record = JobRequest::default().record((id.to_owned(), "t"), &target, &JobLimits::default(), 0).unwrap();
            NewJob { record, input: bytes::Bytes::from_static(input.as_bytes()), hash: String::new() }
        };
        let jobs =
            vec![job("a", r#"{"id":1,"ms":0}"#), job("b", r#"{"ms":0}"#), job("c", ""), job("d", r#"{"id":null}"#)];
        books.accept(jobs, 0).await.unwrap();
        let count = |inputs: Option<Vec<String>>| books.unread(UnreadInputs::from([("work".to_owned(), inputs)]));
        let id = || Some(vec!["id".to_owned(), "more".to_owned()]);
        assert_eq!(count(id()).await.unwrap()["work"], 2);
        assert_eq!(count(None).await.unwrap()["work"], 4);
        let ended = books.end_unread("work".to_owned(), id(), 1).await.unwrap();
        assert_eq!(ended.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), ["a", "d"]);
        assert!(books.end_unread("work".to_owned(), id(), 1).await.unwrap().is_empty());
        let (record, _) = books.job(None, "a".to_owned()).await.unwrap().unwrap();
        assert_eq!((record.state, record.kind.as_deref()), (JobState::Failed, Some("form")));
        assert_eq!(count(None).await.unwrap()["work"], 2);
    }
}
