//! Tenants and their tokens.

use std::collections::BTreeMap;

use jobs::quota::TenantLimits;
use jobs::token::TokenScope;
use store::DatabaseError;
use store::rusqlite::{Connection, params};

use super::Books;
use crate::metrics::StoreOp;

/// A token as it is kept: what it is checked against, and not the token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TokenRow {
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) hash: String,
    pub(crate) scopes: Vec<TokenScope>,
    pub(crate) expires_at: Option<i64>,
}

impl Books {
    /// Keeps a tenant's limits; whether it is a new one.
    pub(crate) async fn put_tenant(&self, name: String, limits: TenantLimits, now: i64) -> Result<bool, DatabaseError> {
        let text = serde_json::to_string(&limits).map_err(|error| DatabaseError::Failed(error.to_string()))?;
        let change = move |connection: &Connection| {
            let mut update = connection.prepare_cached("UPDATE tenants SET limits = ?2 WHERE name = ?1")?;
            if update.execute([&name, &text])? > 0 {
                return Ok(false);
            }
            connection.prepare_cached("INSERT INTO tenants VALUES (?1, ?2, ?3)")?.execute(params![name, text, now])?;
            Ok(true)
        };
        self.write(StoreOp::Other, change).await
    }

    /// Removes a tenant that has no jobs, and its tokens: whether it was there. Its bills stay. None: it has jobs.
    pub(crate) async fn remove_tenant(&self, name: String) -> Result<Option<bool>, DatabaseError> {
        let change = move |connection: &Connection| {
            let sql = "SELECT EXISTS (SELECT 1 FROM jobs WHERE tenant = ?1 AND state < 2)";
            if connection.prepare_cached(sql)?.query_row([&name], |row| row.get::<_, bool>(0))? {
                return Ok(None);
            }
            connection.prepare_cached("DELETE FROM tokens WHERE tenant = ?1")?.execute([&name])?;
            Ok(Some(connection.prepare_cached("DELETE FROM tenants WHERE name = ?1")?.execute([&name])? > 0))
        };
        self.write(StoreOp::Other, change).await
    }

    /// All tenants.
    pub(crate) async fn tenants(&self) -> Result<BTreeMap<String, TenantLimits>, DatabaseError> {
        let look = |connection: &Connection| {
            let mut found = connection.prepare_cached("SELECT name, limits FROM tenants")?;
            let rows = found.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            let read = |row: Result<(String, String), store::rusqlite::Error>| {
                let (name, text) = row?;
                let limits = serde_json::from_str(&text).map_err(|error| DatabaseError::Failed(error.to_string()))?;
                Ok((name, limits))
            };
            rows.map(read).collect()
        };
        self.read(look).await
    }

    pub(crate) async fn put_token(&self, token: TokenRow, now: i64) -> Result<(), DatabaseError> {
        let scopes = serde_json::to_string(&token.scopes).map_err(|error| DatabaseError::Failed(error.to_string()))?;
        let change = move |connection: &Connection| {
            let TokenRow { id, tenant, hash, expires_at, .. } = &token;
            let mut insert = connection.prepare_cached("INSERT INTO tokens VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            insert.execute(params![id, tenant, hash, scopes, now, expires_at])?;
            Ok(())
        };
        self.write(StoreOp::Other, change).await
    }

    /// Removes a token of a tenant; whether it was there.
    pub(crate) async fn remove_token(&self, tenant: String, id: String) -> Result<bool, DatabaseError> {
        let sql = "DELETE FROM tokens WHERE tenant = ?1 AND id = ?2";
        self.write(StoreOp::Other, move |connection| Ok(connection.prepare_cached(sql)?.execute([&tenant, &id])? > 0))
            .await
    }

    /// All tokens.
    pub(crate) async fn tokens(&self) -> Result<Vec<TokenRow>, DatabaseError> {
        let look = |connection: &Connection| {
            let mut found = connection.prepare_cached("SELECT id, tenant, hash, scopes, expires_at FROM tokens")?;
            let rows = found.query_map([], |row| {
                let scopes: String = row.get(3)?;
                let token = TokenRow {
                    id: row.get(0)?,
                    tenant: row.get(1)?,
                    hash: row.get(2)?,
                    // A scope of a newer program lets nobody do anything here.
                    scopes: serde_json::from_str(&scopes).unwrap_or_default(),
                    expires_at: row.get(4)?,
                };
                Ok(token)
            })?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        };
        self.read(look).await
    }
}
