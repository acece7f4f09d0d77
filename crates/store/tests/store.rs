//! A store on real files: what is told is kept, whatever happens next.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use store::{Database, DatabaseError};

const FORMATS: [&str; 1] = ["CREATE TABLE numbers (number INTEGER PRIMARY KEY, text TEXT NOT NULL)"];

fn open(path: &Path) -> Result<Database, DatabaseError> {
    Database::open(path, &FORMATS, 0)
}

async fn add(database: &Database, number: i64) -> Result<(), DatabaseError> {
    database
        .write(move |connection| {
            connection.prepare_cached("INSERT INTO numbers VALUES (?1, ?2)")?.execute((number, number.to_string()))?;
            Ok(())
        })
        .await
}

async fn count(database: &Database) -> i64 {
    let count =
        database.read(|connection| Ok(connection.query_row("SELECT count(*) FROM numbers", [], |row| row.get(0))?));
    count.await.unwrap()
}

#[tokio::test]
async fn a_change_that_fails_takes_no_other_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("a.db")).unwrap();
    let adding = (0..100).chain(50..150).map(|number| {
        let database = database.clone();
        tokio::spawn(async move { add(&database, number).await.is_ok() })
    });
    let mut kept = 0;
    for added in adding.collect::<Vec<_>>() {
        kept += u32::from(added.await.unwrap());
    }
    assert_eq!((kept, count(&database).await), (150, 150));
    let panics = database.write(|_| -> Result<(), DatabaseError> { panic!("as a test wants it") }).await;
    assert!(matches!(panics, Err(DatabaseError::Failed(_))), "{panics:?}");
    add(&database, 1_000).await.unwrap();
}

/// D21: a hundred who read at a time take a few threads and connections, and not a hundred.
#[tokio::test]
async fn many_who_read_at_a_time_take_few_connections() {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("a.db")).unwrap();
    let at_a_time: std::sync::Arc<(AtomicUsize, AtomicUsize)> = std::sync::Arc::default();
    let reads = (0..100).map(|_| {
        let (database, at_a_time) = (database.clone(), at_a_time.clone());
        tokio::spawn(async move {
            let look = move |_: &_| {
                let (now, most) = &*at_a_time;
                most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                // Long enough for all others to come.
                std::thread::sleep(std::time::Duration::from_millis(5));
                now.fetch_sub(1, SeqCst);
                Ok(())
            };
            database.read(look).await.unwrap();
        })
    });
    for read in reads.collect::<Vec<_>>() {
        read.await.unwrap();
    }
    let most = at_a_time.1.load(SeqCst);
    assert!((1..=4).contains(&most), "{most}");
}

#[tokio::test]
async fn one_process_has_a_store_and_another_comes_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let database = open(&path).unwrap();
    assert!(matches!(open(&path), Err(DatabaseError::Busy { .. })));
    add(&database, 1).await.unwrap();
    drop(database);
    let database = open(&path).unwrap();
    assert_eq!(count(&database).await, 1);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "the store is its owner's");
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let formats = [FORMATS[0], "CREATE TABLE more (number INTEGER)"];
    drop(Database::open(&path, &formats, 0).unwrap());
    let refused = open(&path).unwrap_err();
    assert!(matches!(refused, DatabaseError::Newer { found: 2, known: 1, .. }), "{refused}");
    let other = folder.path().join("b.db");
    fs::write(&other, "this is no database, and never was one".repeat(100)).unwrap();
    assert!(matches!(open(&other), Err(DatabaseError::Open { .. })));
}

/// D3: the files as a power cut would leave them, copied while changes are written: the log first cut off at any byte.
#[tokio::test]
async fn what_was_told_outlives_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let database = open(&path).unwrap();
    for number in 0..50 {
        add(&database, number).await.unwrap();
    }
    // From here on nothing that is written was told to anybody when the copy was made.
    let log = folder.path().join("a.db-wal");
    let synced = fs::metadata(&log).unwrap().len();
    for number in 50..60 {
        add(&database, number).await.unwrap();
    }
    let whole = fs::read(&log).unwrap();
    let synced = usize::try_from(synced).unwrap();
    assert!(whole.len() > synced);
    for cut in (synced..=whole.len()).step_by(997) {
        let copy = tempfile::tempdir().unwrap();
        let torn = copy.path().join("a.db");
        fs::copy(&path, &torn).unwrap();
        fs::write(copy.path().join("a.db-wal"), &whole[..cut]).unwrap();
        let database = open(&torn).unwrap();
        let ok: String = database
            .read(|connection| Ok(connection.query_row("PRAGMA integrity_check", [], |row| row.get(0))?))
            .await
            .unwrap();
        assert_eq!(ok, "ok", "cut at {cut}");
        assert!(count(&database).await >= 50, "cut at {cut}");
    }
}

/// D5: a disk without room. The limit on the size of files stands for it where no disk can be mounted.
#[tokio::test]
async fn a_full_store_refuses_and_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let database = open(&path).unwrap();
    database.write(|connection| Ok(connection.execute_batch("PRAGMA max_page_count = 40")?)).await.unwrap();
    let (mut kept, mut full) = (0_i64, false);
    for number in 0..400 {
        let text = "x".repeat(2_000);
        let added = database
            .write(move |connection| {
                connection.execute("INSERT INTO numbers VALUES (?1, ?2)", (number, &text))?;
                Ok(())
            })
            .await;
        match added {
            Ok(()) => kept += 1,
            Err(DatabaseError::Full) => full = true,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(full && kept > 10, "{kept}");
    assert_eq!(count(&database).await, kept, "reads answer, and each that was told is there");
    database.write(|connection| Ok(connection.execute_batch("PRAGMA max_page_count = 4000")?)).await.unwrap();
    add(&database, 1_000).await.unwrap();
}
