//! Functions that tenants registered.

use jobs::record::FUNCTION;
use jobs::{FunctionTerms, JobState};
use serde_json::json;
use store::DatabaseError;
use store::rusqlite::{Connection, OptionalExtension, params};

use super::change::{Moved, deliver};
use super::{Books, row};
use crate::metrics::StoreOp;

/// Jobs that one commit ends at most, so that others are not kept waiting.
const AT_ONCE: i64 = 500;
/// Versions of a function whose sources are kept.
pub(crate) const VERSIONS: i64 = 5;

/// A function without its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FunctionRow {
    pub(crate) tenant: String,
    pub(crate) name: String,
    /// `NAME@` and a hash of its source and terms.
    pub(crate) version: String,
    /// Names of its parameters.
    pub(crate) parameters: Vec<String>,
    pub(crate) terms: FunctionTerms,
}

type Columns = (String, String, String, String, String);

fn columns(row: &store::rusqlite::Row<'_>) -> Result<Columns, store::rusqlite::Error> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn read((tenant, name, version, parameters, terms): Columns) -> Result<FunctionRow, DatabaseError> {
    let unread = |error| DatabaseError::Failed(format!("a function does not read: {error}"));
    let parameters = serde_json::from_str(&parameters).map_err(unread)?;
    let terms = serde_json::from_str(&terms).map_err(unread)?;
    Ok(FunctionRow { tenant, name, version, parameters, terms })
}

/// Keeps the source of a version, and forgets those of the oldest ones.
fn keep_source(
    connection: &Connection,
    FunctionRow { tenant, name, version, .. }: &FunctionRow,
    source: &str,
) -> Result<(), DatabaseError> {
    // One that comes again is the latest.
    let mut keep = connection
        .prepare_cached("INSERT OR REPLACE INTO sources (tenant, name, version, source) VALUES (?1, ?2, ?3, ?4)")?;
    keep.execute([tenant, name, version, source])?;
    let mut forget = connection.prepare_cached(
        "DELETE FROM sources WHERE tenant = ?1 AND name = ?2 AND seq NOT IN (
             SELECT seq FROM sources WHERE tenant = ?1 AND name = ?2 ORDER BY seq DESC LIMIT ?3
         )",
    )?;
    forget.execute(params![tenant, name, VERSIONS])?;
    Ok(())
}

impl Books {
    /// Keeps a function; whether it is a new one. None: the tenant has as many as it may.
    pub(crate) async fn put_function(
        &self,
        function: FunctionRow,
        source: String,
        most: i64,
    ) -> Result<Option<bool>, DatabaseError> {
        let (parameters, terms) = (json!(function.parameters).to_string(), json!(function.terms).to_string());
        let change = move |connection: &Connection| {
            let FunctionRow { tenant, name, version, .. } = &function;
            let mut update = connection.prepare_cached(
                "UPDATE functions SET version = ?3, parameters = ?4, source = ?5, terms = ?6
                 WHERE tenant = ?1 AND name = ?2",
            )?;
            let values = params![tenant, name, version, parameters, source, terms];
            if update.execute(values)? > 0 {
                keep_source(connection, &function, &source)?;
                return Ok(Some(false));
            }
            let mut count = connection.prepare_cached("SELECT count(*) FROM functions WHERE tenant = ?1")?;
            if count.query_row([tenant], |row| row.get::<_, i64>(0))? >= most {
                return Ok(None);
            }
            let mut insert = connection.prepare_cached(
                "INSERT INTO functions (tenant, name, version, parameters, source, terms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            insert.execute(values)?;
            keep_source(connection, &function, &source)?;
            Ok(Some(true))
        };
        self.write(StoreOp::Other, change).await
    }

    /// Functions of a tenant, or of all.
    pub(crate) async fn functions(&self, tenant: Option<String>) -> Result<Vec<FunctionRow>, DatabaseError> {
        let look = move |connection: &Connection| {
            let sql = "SELECT tenant, name, version, parameters, terms FROM functions
                       WHERE (?1 IS NULL OR tenant = ?1) ORDER BY tenant, name";
            let mut found = connection.prepare_cached(sql)?;
            let rows = found.query_map([&tenant], columns)?.collect::<Result<Vec<_>, _>>()?;
            rows.into_iter().map(read).collect()
        };
        self.read(look).await
    }

    /// A function and its source.
    pub(crate) async fn function(
        &self,
        tenant: String,
        name: String,
    ) -> Result<Option<(FunctionRow, String)>, DatabaseError> {
        let look = move |connection: &Connection| {
            let sql = "SELECT tenant, name, version, parameters, terms, source FROM functions
                       WHERE tenant = ?1 AND name = ?2";
            let both = |row: &store::rusqlite::Row<'_>| Ok((columns(row)?, row.get::<_, String>(5)?));
            let found = connection.prepare_cached(sql)?.query_row([&tenant, &name], both).optional()?;
            found.map(|(function, source)| Ok((read(function)?, source))).transpose()
        };
        self.read(look).await
    }

    /// The source of a version of a function; none where it is kept no longer.
    pub(crate) async fn source(
        &self,
        (tenant, name): (String, String),
        version: String,
    ) -> Result<Option<String>, DatabaseError> {
        let look = move |connection: &Connection| {
            let sql = "SELECT source FROM sources WHERE tenant = ?1 AND name = ?2 AND version = ?3";
            let mut found = connection.prepare_cached(sql)?;
            Ok(found.query_row([&tenant, &name, &version], |row| row.get(0)).optional()?)
        };
        self.read(look).await
    }

    /// Removes a function with all of its versions; whether it was there.
    pub(crate) async fn remove_function(&self, tenant: String, name: String) -> Result<bool, DatabaseError> {
        let change = move |connection: &Connection| {
            let both = [&tenant, &name];
            connection.prepare_cached("DELETE FROM sources WHERE tenant = ?1 AND name = ?2")?.execute(both)?;
            let sql = "DELETE FROM functions WHERE tenant = ?1 AND name = ?2";
            Ok(connection.prepare_cached(sql)?.execute(both)? > 0)
        };
        self.write(StoreOp::Other, change).await
    }

    /// Ends queued jobs of a function that is gone, some of them; which. To be called until it ends none.
    pub(crate) async fn end_gone(
        &self,
        tenant: String,
        name: String,
        now: i64,
    ) -> Result<Vec<(String, Moved)>, DatabaseError> {
        let change = move |connection: &Connection| {
            let sql =
                format!("SELECT {} FROM jobs WHERE tenant = ?1 AND state = 0 AND service = ?2 LIMIT ?3", row::COLUMNS);
            let mut found = connection.prepare_cached(&sql)?;
            let service = format!("{FUNCTION}{name}");
            let rows = found.query_map(params![tenant, service, AT_ONCE], row::read)?;
            let problem = json!({
                "type": "urn:dyninka:problem:gone",
                "detail": format!("the function {name} was removed"),
            });
            let mut moved = Vec::new();
            for (seq, mut record) in rows.collect::<Result<Vec<_>, _>>()? {
                if record.fail(now, "gone", Some(problem.clone())).is_ok() {
                    moved.push((record.id.clone(), row::put(connection, seq, &record, JobState::Queued, now)?));
                    deliver(connection, &record, now)?;
                }
            }
            Ok(moved)
        };
        self.write(StoreOp::Other, change).await
    }
}
