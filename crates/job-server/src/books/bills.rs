//! Bills: what meters of hosts say, added up once.

use std::collections::HashMap;

use jobs::ledger::{LastReading, MeterReading, added};
use jobs::{AttemptReport, JobRecord};
use serde::Serialize;
use store::DatabaseError;
use store::rusqlite::{Connection, OptionalExtension, params};
use utoipa::ToSchema;

use super::change::print;
use super::{Books, row};
use crate::metrics::StoreOp;

/// What a host's meter says of one account and one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MeterLine {
    pub(crate) account: String,
    pub(crate) version: String,
    /// The line of the host: another one counts from nothing.
    pub(crate) line: u64,
    pub(crate) reading: MeterReading,
}

/// What a bill is summed up by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UsageBy {
    pub(crate) service: bool,
    pub(crate) version: bool,
    pub(crate) day: bool,
}

/// A line of the bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct UsageRow {
    pub(crate) tenant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) day: Option<String>,
    pub(crate) calls: i64,
    pub(crate) function_ns: i64,
}

/// Adds to the bill of a tenant, for a service, its version and a day.
fn add(
    connection: &Connection,
    (tenant, service, version, day): (&str, &str, &str, &str),
    more: MeterReading,
) -> Result<(), DatabaseError> {
    let mut add = connection.prepare_cached(
        "INSERT INTO ledger VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET
         ns = ns + excluded.ns, calls = calls + excluded.calls",
    )?;
    add.execute(params![tenant, service, version, day, more.ns, more.calls])?;
    Ok(())
}

/// Bills the time of a function's run. Services have meters at their hosts instead.
pub(super) fn charge(
    connection: &Connection,
    record: &JobRecord,
    report: &AttemptReport,
    now: i64,
) -> Result<(), DatabaseError> {
    // One that has no version did not run.
    let Some(version) = report.versions.first().filter(|_| record.function().is_some()) else { return Ok(()) };
    let more = MeterReading { ns: i64::try_from(report.function_ns()).unwrap_or(i64::MAX), calls: 1 };
    let day: String = jobs::view::time(now).chars().take(10).collect();
    add(connection, (&record.tenant, &record.service, version, &day), more)
}

impl Books {
    /// Adds the meters of a service's host to the ledger, each nanosecond once: the difference to what was read last of the
    /// same life of the host.
    pub(crate) async fn add_up(
        &self,
        service: String,
        epoch: String,
        lines: Vec<MeterLine>,
        day: String,
    ) -> Result<(), DatabaseError> {
        let change = move |connection: &Connection| {
            for MeterLine { account, version, line, reading } in &lines {
                let epoch = format!("{epoch}.{line}");
                let sql = "SELECT epoch, ns, calls FROM readings WHERE service = ?1 AND account = ?2 AND version = ?3";
                let read = |row: &store::rusqlite::Row<'_>| {
                    let reading = MeterReading { ns: row.get(1)?, calls: row.get(2)? };
                    Ok(LastReading { epoch: row.get(0)?, reading })
                };
                let last = connection.prepare_cached(sql)?.query_row([&service, account, version], read).optional()?;
                let more = added(last.as_ref(), &epoch, *reading);
                if more == MeterReading::default() {
                    continue;
                }
                let mut keep =
                    connection.prepare_cached("INSERT OR REPLACE INTO readings VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
                keep.execute(params![service, account, version, epoch, reading.ns, reading.calls])?;
                add(connection, (account, &service, version, &day), more)?;
            }
            Ok(())
        };
        self.write(StoreOp::Other, change).await
    }

    /// Bills the time of a function's run that was nobody's any more when it ended.
    pub(crate) async fn charge(&self, record: JobRecord, report: AttemptReport, now: i64) -> Result<(), DatabaseError> {
        let change = move |connection: &Connection| {
            // What it printed until then belongs to the job, unless that is removed.
            if let Some((seq, _)) = row::find(connection, &record.id)? {
                print(connection, seq, &record, &report)?;
            }
            charge(connection, &record, &report, now)
        };
        self.write(StoreOp::Other, change).await
    }

    /// Nanoseconds of function time on a day, by tenant.
    pub(crate) async fn used_on(&self, day: String) -> Result<HashMap<String, u64>, DatabaseError> {
        let look = move |connection: &Connection| {
            let mut found =
                connection.prepare_cached("SELECT tenant, sum(ns) FROM ledger WHERE day = ?1 GROUP BY tenant")?;
            let rows = found.query_map([&day], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
            let rows = rows.map(|row| row.map(|(tenant, ns)| (tenant, u64::try_from(ns).unwrap_or(0))));
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.read(look).await
    }

    /// The bill of a tenant, or of all, over the days `from` to `to`, both included.
    pub(crate) async fn usage(
        &self,
        tenant: Option<String>,
        (from, to): (Option<String>, Option<String>),
        by: UsageBy,
    ) -> Result<Vec<UsageRow>, DatabaseError> {
        let look = move |connection: &Connection| {
            let mut found = connection.prepare_cached(
                "SELECT tenant, CASE WHEN ?4 THEN service END, CASE WHEN ?5 THEN version END, CASE WHEN ?6 THEN day END,
                 sum(calls), sum(ns) FROM ledger
                 WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR day >= ?2) AND (?3 IS NULL OR day <= ?3)
                 GROUP BY 1, 2, 3, 4 ORDER BY 1, 4, 2, 3",
            )?;
            let rows = found.query_map(params![tenant, from, to, by.service, by.version, by.day], |row| {
                Ok(UsageRow {
                    tenant: row.get(0)?,
                    service: row.get(1)?,
                    version: row.get(2)?,
                    day: row.get(3)?,
                    calls: row.get(4)?,
                    function_ns: row.get(5)?,
                })
            })?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        };
        self.read(look).await
    }
}
