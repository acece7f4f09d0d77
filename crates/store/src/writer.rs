//! The thread that writes: changes that came together are committed together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::Connection;

use crate::error::DatabaseError;
use crate::reserve::Reserve;

/// Changes in one commit.
const MOST: usize = 1_024;

/// Idle for so long, what the log holds is put into the database.
const IDLE: Duration = Duration::from_millis(500);

/// A change on its way, and who waits for it.
pub(crate) trait Change: Send {
    /// Makes the change.
    fn make(&mut self, connection: &Connection) -> Result<(), DatabaseError>;
    /// Tells that it was made and committed, or why not.
    fn end(self: Box<Self>, committed: Result<(), DatabaseError>);
}

pub(crate) fn write(mut connection: Connection, changes: &Receiver<Box<dyn Change>>, reserve: &Arc<Reserve>) {
    let mut is_dirty = false;
    loop {
        let first = match changes.recv_timeout(IDLE) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => {
                if std::mem::take(&mut is_dirty) {
                    // It is done again by SQLite itself where it does not come off now.
                    drop(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())));
                }
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        is_dirty = true;
        let mut batch = vec![first];
        batch.extend(changes.try_iter().take(MOST - 1));
        commit(&mut connection, batch, reserve);
    }
}

/// Makes and commits changes. Each that fails is undone by itself.
fn commit(connection: &mut Connection, mut batch: Vec<Box<dyn Change>>, reserve: &Reserve) {
    let mut outcome = attempt(connection, &mut batch);
    if matches!(outcome, Err(DatabaseError::Full)) {
        // What is kept for this day is given up: outcomes of what runs find room in it.
        reserve.give_up();
        outcome = attempt(connection, &mut batch);
    }
    match outcome {
        Ok(made) => {
            for (change, made) in batch.into_iter().zip(made) {
                change.end(made);
            }
        }
        Err(error) => {
            let words = error.to_string();
            for change in batch {
                change.end(Err(match error {
                    DatabaseError::Full => DatabaseError::Full,
                    _ => DatabaseError::Failed(words.clone()),
                }));
            }
        }
    }
}

/// What became of each change, once all of them are committed.
fn attempt(
    connection: &Connection,
    batch: &mut [Box<dyn Change>],
) -> Result<Vec<Result<(), DatabaseError>>, DatabaseError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let made = batch.iter_mut().map(|change| one(connection, change)).collect::<Result<Vec<_>, _>>();
    let committed = made.and_then(|made| {
        connection.execute_batch("COMMIT")?;
        Ok(made)
    });
    if committed.is_err() && !connection.is_autocommit() {
        // Refused only where SQLite has rolled back already.
        drop(connection.execute_batch("ROLLBACK"));
    }
    committed
}

/// One change: its own failure is in the inner result, that of all of them in the outer one.
fn one(connection: &Connection, change: &mut Box<dyn Change>) -> Result<Result<(), DatabaseError>, DatabaseError> {
    run(connection, "SAVEPOINT change")?;
    let made = catch_unwind(AssertUnwindSafe(|| change.make(connection)));
    let made = made.unwrap_or_else(|_| Err(DatabaseError::Failed("a change panicked".to_owned())));
    if connection.is_autocommit() {
        // SQLite rolled all of it back, as it does when a disk is full.
        return Err(made.err().unwrap_or(DatabaseError::Full));
    }
    match made {
        Ok(()) => run(connection, "RELEASE change")?,
        Err(DatabaseError::Full) => return Err(DatabaseError::Full),
        Err(_) => {
            run(connection, "ROLLBACK TO change")?;
            run(connection, "RELEASE change")?;
        }
    }
    Ok(made)
}

fn run(connection: &Connection, sql: &str) -> Result<(), DatabaseError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
