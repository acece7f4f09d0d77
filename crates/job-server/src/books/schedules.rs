//! Schedules: jobs that are asked for again and again.

use jobs::timetable::Missed;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::DatabaseError;
use store::rusqlite::{Connection, OptionalExtension, params};
use utoipa::ToSchema;

use super::Books;
use super::accept::{self, Accepted, NewJob};
use super::change::Moved;
use crate::metrics::StoreOp;

/// A schedule as it is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleBody {
    /// Five or six fields, or a word such as `@hourly`.
    pub(crate) cron: String,
    /// A time zone, such as Europe/Paris.
    #[serde(default = "utc")]
    pub(crate) zone: String,
    /// The job, as it is asked for.
    #[schema(value_type = jobs::JobRequest)]
    pub(crate) job: Value,
    #[serde(default)]
    pub(crate) missed: Missed,
    /// What becomes of a time that comes while the job before has not ended.
    #[serde(default)]
    pub(crate) overlap: Overlap,
    #[serde(default)]
    pub(crate) paused: bool,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// What becomes of a time that comes while the job before has not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Overlap {
    #[default]
    Allow,
    Skip,
}

/// A schedule as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ScheduleRow {
    pub(crate) tenant: String,
    pub(crate) name: String,
    pub(crate) body: ScheduleBody,
    /// The last time that was seen to.
    pub(crate) last_at: i64,
    pub(crate) next_at: Option<i64>,
}

/// The key of the job of a time: each is asked for once, whoever asks.
pub(crate) fn key(name: &str, at: i64) -> String {
    format!("{}{at}", prefix(name))
}

fn prefix(name: &str) -> String {
    format!("schedule:{name}:")
}

type Columns = (String, String, String, i64, Option<i64>);

fn columns(row: &store::rusqlite::Row<'_>) -> Result<Columns, store::rusqlite::Error> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn read((tenant, name, body, last_at, next_at): Columns) -> Result<ScheduleRow, DatabaseError> {
    let body = serde_json::from_str(&body)
        .map_err(|error| DatabaseError::Failed(format!("a schedule does not read: {error}")))?;
    Ok(ScheduleRow { tenant, name, body, last_at, next_at })
}

impl Books {
    /// Keeps a schedule; whether it is a new one. None: the tenant has as many as it may.
    pub(crate) async fn put_schedule(&self, schedule: ScheduleRow, most: i64) -> Result<Option<bool>, DatabaseError> {
        let body = serde_json::to_string(&schedule.body).map_err(|error| DatabaseError::Failed(error.to_string()))?;
        let change = move |connection: &Connection| {
            let ScheduleRow { tenant, name, last_at, next_at, .. } = &schedule;
            let mut update = connection.prepare_cached(
                "UPDATE schedules SET body = ?3, last_at = ?4, next_at = ?5 WHERE tenant = ?1 AND name = ?2",
            )?;
            if update.execute(params![tenant, name, body, last_at, next_at])? > 0 {
                return Ok(Some(false));
            }
            let mut count = connection.prepare_cached("SELECT count(*) FROM schedules WHERE tenant = ?1")?;
            if count.query_row([tenant], |row| row.get::<_, i64>(0))? >= most {
                return Ok(None);
            }
            let mut insert = connection.prepare_cached("INSERT INTO schedules VALUES (?1, ?2, ?3, ?4, ?5)")?;
            insert.execute(params![tenant, name, body, last_at, next_at])?;
            Ok(Some(true))
        };
        self.write(StoreOp::Other, change).await
    }

    /// Schedules of a tenant, or of all.
    pub(crate) async fn schedules(&self, tenant: Option<String>) -> Result<Vec<ScheduleRow>, DatabaseError> {
        let look = move |connection: &Connection| {
            let sql = "SELECT tenant, name, body, last_at, next_at FROM schedules WHERE (?1 IS NULL OR tenant = ?1)
                       ORDER BY tenant, name LIMIT 10000";
            let mut found = connection.prepare_cached(sql)?;
            let rows = found.query_map([&tenant], columns)?.collect::<Result<Vec<_>, _>>()?;
            rows.into_iter().map(read).collect()
        };
        self.read(look).await
    }

    pub(crate) async fn schedule(&self, tenant: String, name: String) -> Result<Option<ScheduleRow>, DatabaseError> {
        let look = move |connection: &Connection| {
            let sql = "SELECT tenant, name, body, last_at, next_at FROM schedules WHERE tenant = ?1 AND name = ?2";
            let found = connection.prepare_cached(sql)?.query_row([&tenant, &name], columns).optional()?;
            found.map(read).transpose()
        };
        self.read(look).await
    }

    /// Removes a schedule; whether it was there. Its jobs stay.
    pub(crate) async fn remove_schedule(&self, tenant: String, name: String) -> Result<bool, DatabaseError> {
        let sql = "DELETE FROM schedules WHERE tenant = ?1 AND name = ?2";
        self.write(StoreOp::Other, move |connection| Ok(connection.prepare_cached(sql)?.execute([&tenant, &name])? > 0))
            .await
    }

    /// Schedules that are due, some of them.
    pub(crate) async fn due_schedules(&self, now: i64) -> Result<Vec<ScheduleRow>, DatabaseError> {
        let look = move |connection: &Connection| {
            let sql = "SELECT tenant, name, body, last_at, next_at FROM schedules WHERE next_at <= ?1 ORDER BY next_at LIMIT 500";
            let mut found = connection.prepare_cached(sql)?;
            let rows = found.query_map([now], columns)?.collect::<Result<Vec<_>, _>>()?;
            rows.into_iter().map(read).collect()
        };
        self.read(look).await
    }

    /// Asks for the jobs of times that came, and notes that they were seen to, in one commit. Where the schedule was changed
    /// meanwhile nothing happens: the new one is due at its own times.
    pub(crate) async fn fire(
        &self,
        schedule: ScheduleRow,
        jobs: Vec<NewJob>,
        next_at: Option<i64>,
        now: i64,
    ) -> Result<Vec<Moved>, DatabaseError> {
        let change = move |connection: &Connection| {
            let ScheduleRow { tenant, name, body, last_at, next_at: was } = &schedule;
            let mut update = connection.prepare_cached(
                "UPDATE schedules SET last_at = ?5, next_at = ?6
                 WHERE tenant = ?1 AND name = ?2 AND last_at = ?3 AND next_at IS ?4",
            )?;
            if update.execute(params![tenant, name, last_at, was, now, next_at])? == 0 {
                return Ok(Vec::new());
            }
            let mut moved = Vec::new();
            for job in &jobs {
                if body.overlap == Overlap::Skip && is_under_way(connection, tenant, name)? {
                    break;
                }
                if let Accepted::New(one) = accept::accept(connection, job, now)? {
                    moved.push(one);
                }
            }
            Ok(moved)
        };
        self.write(StoreOp::Other, change).await
    }
}

/// Whether a job of a schedule waits or runs.
fn is_under_way(connection: &Connection, tenant: &str, name: &str) -> Result<bool, DatabaseError> {
    let from = prefix(name);
    let to = format!("{};", from.trim_end_matches(':'));
    let sql = "SELECT EXISTS (SELECT 1 FROM jobs WHERE tenant = ?1 AND key >= ?2 AND key < ?3 AND state < 2)";
    Ok(connection.prepare_cached(sql)?.query_row([tenant, &from, &to], |row| row.get(0))?)
}
