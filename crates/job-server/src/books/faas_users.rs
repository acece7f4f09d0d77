//! Users of the NodeJS FaaS's API, and their function time since they were registered.

use store::DatabaseError;
use store::rusqlite::{Connection, OptionalExtension, params};

use super::Books;
use crate::metrics::StoreOp;

fn used(connection: &Connection, tenant: &str) -> Result<i64, DatabaseError> {
    let mut sum = connection.prepare_cached("SELECT coalesce(sum(ns), 0) FROM ledger WHERE tenant = ?1")?;
    Ok(sum.query_row([tenant], |row| row.get(0))?)
}

impl Books {
    /// Registers a user: its functions are gone, and its time begins at 0. Which functions those were.
    pub(crate) async fn register_user(&self, user: String, tenant: String) -> Result<Vec<String>, DatabaseError> {
        let change = move |connection: &Connection| {
            let before = used(connection, &tenant)?;
            let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO faas_users VALUES (?1, ?2)")?;
            insert.execute(params![user, before])?;
            remove_functions(connection, &tenant)
        };
        self.write(StoreOp::Other, change).await
    }

    /// Removes a user and its functions; which those were. Its bill stays.
    pub(crate) async fn unregister_user(&self, user: String, tenant: String) -> Result<Vec<String>, DatabaseError> {
        let change = move |connection: &Connection| {
            connection.prepare_cached("DELETE FROM faas_users WHERE name = ?1")?.execute([&user])?;
            remove_functions(connection, &tenant)
        };
        self.write(StoreOp::Other, change).await
    }

    /// Nanoseconds of a user since it was registered; none where there is no such user.
    pub(crate) async fn user_time(&self, user: String, tenant: String) -> Result<Option<u64>, DatabaseError> {
        let look = move |connection: &Connection| {
            let mut found = connection.prepare_cached("SELECT before_ns FROM faas_users WHERE name = ?1")?;
            let before = found.query_row([&user], |row| row.get::<_, i64>(0)).optional()?;
            let Some(before) = before else { return Ok(None) };
            Ok(Some(u64::try_from(used(connection, &tenant)?.saturating_sub(before)).unwrap_or(0)))
        };
        self.read(look).await
    }

    /// Sources of a user's functions by name; none where there is no such user.
    pub(crate) async fn user_functions(
        &self,
        user: String,
        tenant: String,
    ) -> Result<Option<Vec<(String, String)>>, DatabaseError> {
        let look = move |connection: &Connection| {
            let mut known = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM faas_users WHERE name = ?1)")?;
            if !known.query_row([&user], |row| row.get::<_, bool>(0))? {
                return Ok(None);
            }
            let mut found = connection.prepare_cached("SELECT name, source FROM functions WHERE tenant = ?1")?;
            let rows = found.query_map([&tenant], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(Some(rows.collect::<Result<Vec<_>, _>>()?))
        };
        self.read(look).await
    }
}

fn remove_functions(connection: &Connection, tenant: &str) -> Result<Vec<String>, DatabaseError> {
    connection.prepare_cached("DELETE FROM sources WHERE tenant = ?1")?.execute([tenant])?;
    let mut removed = connection.prepare_cached("DELETE FROM functions WHERE tenant = ?1 RETURNING name")?;
    let names = removed.query_map([tenant], |row| row.get(0))?;
    Ok(names.collect::<Result<Vec<_>, _>>()?)
}
