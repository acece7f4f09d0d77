//! Looking: jobs, results, events, counts.

use std::collections::BTreeMap;

use bytes::Bytes;
use jobs::view::{AttemptView, time};
use jobs::{AttemptOutcome, JobRecord, JobState};
use serde::Serialize;
use store::DatabaseError;
use store::rusqlite::{Connection, OptionalExtension, params};
use utoipa::ToSchema;

use super::change::of_tenant;
use super::{Books, row};

/// Which jobs are listed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) tenant: Option<String>,
    pub(crate) state: Option<JobState>,
    pub(crate) service: Option<String>,
    pub(crate) tag: Option<String>,
    /// Only those after the job of this id.
    pub(crate) after: Option<String>,
    pub(crate) limit: u32,
}

/// What is kept of a job's result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ResultKept {
    Value(Bytes),
    /// It was removed when its time was over.
    Expired,
}

/// Failed jobs of a service that ended alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DeadGroup {
    pub(crate) tenant: String,
    pub(crate) service: String,
    pub(crate) kind: String,
    pub(crate) jobs: i64,
    /// One of them.
    pub(crate) example: String,
}

/// An event of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct EventRow {
    pub(crate) seq: i64,
    pub(crate) at: String,
    pub(crate) tenant: String,
    pub(crate) job: String,
    #[serde(rename = "event")]
    pub(crate) kind: String,
    pub(crate) attempt: u32,
}

/// Events as one look finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventPage {
    /// The number of the oldest event that is kept, of any tenant; where none is kept, that of the next one.
    pub(crate) first: i64,
    /// The number of the latest event that there was, of any tenant.
    pub(crate) last: i64,
    pub(crate) rows: Vec<EventRow>,
}

impl Books {
    /// A job of a tenant, with its attempts.
    pub(crate) async fn job(
        &self,
        tenant: Option<String>,
        id: String,
    ) -> Result<Option<(JobRecord, Vec<AttemptView>)>, DatabaseError> {
        let look = move |connection: &Connection| {
            let Some((seq, record)) = of_tenant(connection, tenant.as_deref(), &id)? else { return Ok(None) };
            Ok(Some((record, history(connection, seq)?)))
        };
        self.read(look).await
    }

    /// A job of a tenant, and what is kept of its result.
    pub(crate) async fn result(
        &self,
        tenant: Option<String>,
        id: String,
    ) -> Result<Option<(JobRecord, ResultKept)>, DatabaseError> {
        let look = move |connection: &Connection| {
            let Some((seq, record)) = of_tenant(connection, tenant.as_deref(), &id)? else { return Ok(None) };
            let mut body = connection.prepare_cached("SELECT body FROM results WHERE seq = ?1")?;
            let body = body.query_row([seq], |row| row.get::<_, Vec<u8>>(0)).optional()?;
            Ok(Some((record, body.map_or(ResultKept::Expired, |body| ResultKept::Value(Bytes::from(body))))))
        };
        self.read(look).await
    }

    /// Jobs, the newest last.
    pub(crate) async fn list(&self, filter: Filter) -> Result<Vec<JobRecord>, DatabaseError> {
        let look = move |connection: &Connection| {
            let mut found = connection.prepare_cached(&format!(
                "SELECT {} FROM jobs WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR state = ?2)
                 AND (?3 IS NULL OR service = ?3)
                 AND (?4 IS NULL OR EXISTS (SELECT 1 FROM json_each(record, '$.tags') WHERE value = ?4))
                 AND (?5 IS NULL OR seq > (SELECT seq FROM jobs WHERE id = ?5)) ORDER BY seq LIMIT ?6",
                row::COLUMNS
            ))?;
            let Filter { tenant, state, service, tag, after, limit } = &filter;
            let values = params![tenant, state.map(JobState::number), service, tag, after, limit];
            let rows = found.query_map(values, |row| Ok(row::read(row)?.1))?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        };
        self.read(look).await
    }

    /// The latest jobs of a tenant, newest first.
    pub(crate) async fn latest(&self, tenant: Option<String>, most: u32) -> Result<Vec<JobRecord>, DatabaseError> {
        let look = move |connection: &Connection| {
            let all = row::COLUMNS;
            let sql = format!("SELECT {all} FROM jobs WHERE (?1 IS NULL OR tenant = ?1) ORDER BY seq DESC LIMIT ?2");
            let mut found = connection.prepare_cached(&sql)?;
            let rows = found.query_map(params![tenant, most], |row| Ok(row::read(row)?.1))?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        };
        self.read(look).await
    }

    /// Dead letters that nobody has looked after, by service and kind.
    pub(crate) async fn dead(&self, tenant: Option<String>) -> Result<Vec<DeadGroup>, DatabaseError> {
        let look = move |connection: &Connection| {
            let mut found = connection.prepare_cached(
                "SELECT tenant, service, kind, count(*), max(id) FROM jobs WHERE state = 3 AND put_away = 0
                 AND (?1 IS NULL OR tenant = ?1) GROUP BY tenant, service, kind ORDER BY 1, 2, 3",
            )?;
            let rows = found.query_map([&tenant], |row| {
                let kind = row.get::<_, Option<String>>(2)?.unwrap_or_default();
                Ok(DeadGroup {
                    tenant: row.get(0)?,
                    service: row.get(1)?,
                    kind,
                    jobs: row.get(3)?,
                    example: row.get(4)?,
                })
            })?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        };
        self.read(look).await
    }

    /// Events after one, of a tenant, of a job: at most `most`.
    pub(crate) async fn events(
        &self,
        tenant: Option<String>,
        job: Option<String>,
        after: i64,
        most: u32,
    ) -> Result<EventPage, DatabaseError> {
        let look = move |connection: &Connection| {
            // Of one moment: what is removed between two looks would be missed or told twice.
            let _moment = connection.unchecked_transaction()?;
            let (first, last) = event_bounds(connection)?;
            let mut found = connection.prepare_cached(
                "SELECT seq, at, tenant, job, kind, attempt FROM events WHERE seq > ?1 AND (?2 IS NULL OR tenant = ?2)
                 AND (?3 IS NULL OR job = ?3) ORDER BY seq LIMIT ?4",
            )?;
            let rows = found.query_map(params![after, tenant, job, most], |row| {
                Ok(EventRow {
                    seq: row.get(0)?,
                    at: time(row.get(1)?),
                    tenant: row.get(2)?,
                    job: row.get(3)?,
                    kind: row.get(4)?,
                    attempt: row.get(5)?,
                })
            })?;
            Ok(EventPage { first, last, rows: rows.collect::<Result<_, _>>()? })
        };
        self.read(look).await
    }

    /// The numbers of the oldest event that is kept and of the latest one, as [`EventPage`] has them.
    pub(crate) async fn event_bounds(&self) -> Result<(i64, i64), DatabaseError> {
        self.read(event_bounds).await
    }

    /// Jobs by tenant and state.
    pub(crate) async fn counts(&self) -> Result<BTreeMap<String, BTreeMap<JobState, i64>>, DatabaseError> {
        let look = |connection: &Connection| {
            let mut counts: BTreeMap<String, BTreeMap<JobState, i64>> = BTreeMap::new();
            let mut found =
                connection.prepare_cached("SELECT tenant, state, count(*) FROM jobs GROUP BY tenant, state")?;
            let rows = found
                .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))?;
            for row in rows {
                let (tenant, number, count) = row?;
                let state = JobState::ALL.into_iter().find(|state| state.number() == number);
                if let Some(state) = state {
                    counts.entry(tenant).or_default().insert(state, count);
                }
            }
            Ok(counts)
        };
        self.read(look).await
    }

    /// How many jobs of each tenant wait.
    pub(crate) async fn queued(&self) -> Result<BTreeMap<String, u64>, DatabaseError> {
        let look = |connection: &Connection| {
            let sql = "SELECT tenant, count(*) FROM jobs WHERE state = 0 GROUP BY tenant";
            let mut found = connection.prepare(sql)?;
            let rows = found.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
            let rows = rows.map(|row| row.map(|(tenant, count)| (tenant, u64::try_from(count).unwrap_or(0))));
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.read(look).await
    }
}

fn event_bounds(connection: &Connection) -> Result<(i64, i64), DatabaseError> {
    let sql = "SELECT coalesce((SELECT min(seq) FROM events), last + 1), last FROM (
                   SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) AS last)";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

fn history(connection: &Connection, seq: i64) -> Result<Vec<AttemptView>, DatabaseError> {
    let mut found = connection.prepare_cached(
        "SELECT attempt, began_at, ended_at, outcome, problem,
         (SELECT body FROM lines WHERE lines.seq = attempts.seq AND lines.attempt = attempts.attempt)
         FROM attempts WHERE seq = ?1 ORDER BY attempt DESC LIMIT 100",
    )?;
    let rows = found.query_map([seq], |row| {
        let outcome: Option<String> = row.get(3)?;
        let [problem, printed] = [row.get::<_, Option<String>>(4)?, row.get(5)?];
        let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(AttemptView {
            attempt: row.get(0)?,
            began_at: time(row.get(1)?),
            ended_at: row.get::<_, Option<i64>>(2)?.map(time),
            outcome: outcome.and_then(|word| serde_json::from_value::<AttemptOutcome>(word.into()).ok()),
            problem: json(problem),
            printed: json(printed),
        })
    })?;
    let mut all = rows.collect::<Result<Vec<_>, _>>()?;
    all.reverse();
    Ok(all)
}
