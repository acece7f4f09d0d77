//! The servers themselves, as they are installed: `apt-get install postgresql redis-server mosquitto`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use local_cluster::{ResourceAccess, ResourceProgram, ResourceSpec, Resources, sweep_resources};

type Told = Arc<Mutex<Vec<String>>>;

fn resources(folder: &Path) -> (Resources, Told) {
    let told = Told::default();
    let notes = told.clone();
    (Resources::new(folder.to_owned(), Arc::new(move |words| notes.lock().unwrap().push(words))), told)
}

fn wanted(all: &[(&str, ResourceProgram)]) -> BTreeMap<String, ResourceSpec> {
    all.iter().map(|(name, program)| ((*name).to_owned(), ResourceSpec { program: *program, port: None })).collect()
}

async fn ensure(
    resources: &Resources,
    reading: u64,
    all: &[(&str, ResourceProgram)],
) -> BTreeMap<String, ResourceAccess> {
    let ensured = resources.ensure(reading, &wanted(all)).await;
    ensured.unwrap_or_else(|errors| panic!("{:?}", errors.iter().map(|(_, it)| it.to_string()).collect::<Vec<_>>()))
}

/// What Redis answers its own client.
async fn redis(access: &ResourceAccess, words: &'static [&'static str]) -> String {
    let url = access.url.by(access.url.at);
    let asked = move || Command::new("redis-cli").args(["--no-auth-warning", "-u", &url]).args(words).output().unwrap();
    let output = tokio::task::spawn_blocking(asked).await.unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn is_open(at: SocketAddr) -> bool {
    std::net::TcpStream::connect(at).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_server_starts_keeps_its_data_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let all =
        [("db", ResourceProgram::Postgres), ("cache", ResourceProgram::Redis), ("broker", ResourceProgram::Mosquitto)];
    let (first, told) = resources(folder.path());
    let running = ensure(&first, 1, &all).await;
    assert_eq!(running.len(), 3);
    assert_eq!(told.lock().unwrap().len(), 3, "{told:?}");
    assert_eq!(redis(&running["cache"], &["set", "one", "1"]).await, "OK");
    assert!(running.values().all(|access| is_open(access.url.at)));
    // Asked again, they are the same; an older reading changes nothing.
    assert_eq!(ensure(&first, 2, &all).await, running);
    assert_eq!(ensure(&first, 1, &[]).await, running);
    // Their files are nobody else's.
    for (name, program) in all {
        let place = folder.path().join(name).join(program.name());
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o700, "{}", place.display());
    }
    first.close().await;
    assert!(!running.values().any(|access| is_open(access.url.at)));
    assert_eq!(sweep_resources(folder.path()).await, 0, "nothing is left");

    let (second, _) = resources(folder.path());
    let again = ensure(&second, 1, &all).await;
    assert_eq!(redis(&again["cache"], &["get", "one"]).await, "1");
    assert!(all.iter().all(|(name, _)| running[*name].password == again[*name].password));
    // One that is not wanted any more ends, and the others go on.
    let fewer = ensure(&second, 2, &all[..1]).await;
    assert_eq!(fewer.keys().collect::<Vec<_>>(), ["db"]);
    assert!(is_open(again["db"].url.at) && !is_open(again["cache"].url.at));
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_by_itself_comes_back_until_it_does_so_time_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let (resources, told) = resources(folder.path());
    let all = [("cache", ResourceProgram::Redis)];
    let running = ensure(&resources, 1, &all).await;
    for round in 1..=4 {
        // It never answers to this: it ends.
        redis(&running["cache"], &["shutdown", "nosave"]).await;
        while told.lock().unwrap().len() < round + 1 {
            tokio::task::yield_now().await;
        }
    }
    let words = told.lock().unwrap().clone();
    let again = "cache ended with exit code 0 and was started again";
    assert_eq!(words[1..4], [again; 3]);
    assert_eq!(words[4], "cache ended with exit code 0, time and again; a save of the app starts it again");
    // Which it does.
    let back = loop {
        let back = ensure(&resources, 2, &all).await;
        if is_open(back["cache"].url.at) {
            break back;
        }
    };
    assert_eq!(redis(&back["cache"], &["ping"]).await, "PONG");
    resources.close().await;
}
