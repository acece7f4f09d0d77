//! Processes: whose they are, how many, and that none outlives its use.

use std::collections::BTreeSet;
use std::time::Duration;

use functions::{FunctionEnd, JailEnd, Pool, PoolError, PoolSettings, RunLimits};
use serde_json::json;

use crate::rig::{invocation, nobody, run, settings, value};

/// A pool whose processes are known by an argument that no other test has.
fn marked(mark: u64) -> (Pool, String) {
    let settings = PoolSettings { memory: (64 << 20) + mark, ..settings() };
    let argument = settings.memory.to_string();
    (Pool::new(settings, nobody()).unwrap(), argument)
}

/// Processes with that argument that live.
fn processes(argument: &str) -> BTreeSet<u32> {
    let entries =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_it = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).nth(1) == Some(argument.as_bytes())
    };
    entries.filter(is_it).collect()
}

/// Waits until something holds, however slow the machine is.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..6_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never comes to be that {what}");
}

#[tokio::test]
async fn no_two_tenants_share_a_process() {
    let (pool, mark) = marked(1);
    let mut seen = Vec::new();
    for tenant in ["a", "b", "c", "a"] {
        let mut asked = invocation("() => 1", &json!([]));
        asked.tenant = tenant.to_owned();
        pool.run(asked).await.unwrap();
        seen.push(pool.figures().started);
    }
    // One for each and one in reserve, within the four that there may be; the first one's second run starts none.
    until("four were started", || pool.figures().started == 4).await;
    assert_eq!(processes(&mark).len(), 4, "{seen:?}");
    // A fifth tenant's is in the place of another's.
    for tenant in ["d", "e"] {
        let mut asked = invocation("() => 1", &json!([]));
        asked.tenant = tenant.to_owned();
        pool.run(asked).await.unwrap();
    }
    until("there are four again", || processes(&mark).len() <= 4 && pool.figures().started >= 5).await;
}

#[tokio::test]
async fn a_run_that_nobody_waits_for_ends_with_its_process() {
    let (pool, mark) = marked(2);
    run(&pool, "() => 1", json!([])).await;
    until("one is in reserve", || pool.figures().started == 2 && processes(&mark).len() == 2).await;
    let before = processes(&mark);
    let endless = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(invocation("() => { for (;;); }", &json!([]))).await }
    });
    // Until it runs, as the kernel counts.
    until("it runs", || before.iter().any(|pid| is_running(*pid))).await;
    endless.abort();
    assert!(endless.await.unwrap_err().is_cancelled());
    until("its process has ended", || before.difference(&processes(&mark)).count() == 1).await;
    assert_eq!(value(&run(&pool, "() => 'served'", json!([])).await), json!("served"));
}

/// Whether a process has used a hundredth of a second at least.
fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    after_name.split(' ').nth(11).and_then(|ticks| ticks.parse::<u64>().ok()).is_some_and(|ticks| ticks > 5)
}

/// Whether a process is gone, or waits to be reaped with all that it had closed: its command line is empty before that.
fn has_ended(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.is_empty() || stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))
}

#[tokio::test]
async fn with_the_pool_go_its_processes() {
    let (pool, mark) = marked(3);
    run(&pool, "() => 1", json!([])).await;
    assert!(!processes(&mark).is_empty());
    drop(pool);
    until("none is left", || processes(&mark).is_empty()).await;
}

#[tokio::test]
async fn a_process_that_somebody_else_ended_is_passed_over() {
    let (pool, mark) = marked(4);
    run(&pool, "() => 1", json!([])).await;
    until("one is in reserve", || pool.figures().started == 2 && processes(&mark).len() == 2).await;
    let both = processes(&mark);
    for pid in &both {
        let pid = rustix::process::Pid::from_raw((*pid).try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    until("both have ended", || both.iter().all(|pid| has_ended(*pid))).await;
    assert_eq!(value(&run(&pool, "() => 'served'", json!([])).await), json!("served"));
    assert_eq!(pool.figures().lost, 0);
}

#[tokio::test]
async fn a_process_that_is_ended_under_a_run_is_told() {
    let (pool, mark) = marked(5);
    let endless = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(invocation("() => { for (;;); }", &json!([]))).await }
    });
    until("it runs", || processes(&mark).into_iter().any(is_running)).await;
    let running = processes(&mark).into_iter().find(|pid| is_running(*pid)).unwrap();
    let pid = rustix::process::Pid::from_raw(running.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let ran = endless.await.unwrap().unwrap();
    assert!(matches!(&ran.end, FunctionEnd::Lost(JailEnd::Crashed { signal: 9 })), "{:?}", ran.end);
    assert!(ran.function_ns > 0);
}

#[tokio::test]
async fn a_pool_that_cannot_start_anything_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let missing = PoolSettings { program: folder.path().join("missing"), ..settings() };
    let error = Pool::new(missing, nobody()).unwrap().run(invocation("() => 1", &json!([]))).await.unwrap_err();
    assert!(matches!(&error, PoolError::Start(why) if why.kind() == std::io::ErrorKind::NotFound), "{error}");
    // What a process is started with: nothing of this one's environment.
    let file = folder.path().join("environment");
    // Several are started: each writes a file of its own, and puts it there whole.
    let words = format!("env > {0}.$$; mv {0}.$$ {0}; exit 3", file.display());
    let shell = PoolSettings { program: "/bin/sh".into(), command: vec!["-c".into(), words.into()], ..settings() };
    let error = Pool::new(shell, nobody()).unwrap().run(invocation("() => 1", &json!([]))).await.unwrap_err();
    assert!(error.to_string().contains("exited with code 3"), "{error}");
    let environment = std::fs::read_to_string(file).unwrap();
    // The shell adds its own.
    let own =
        environment.lines().filter(|line| !["PWD=", "SHLVL=", "_=", "OLDPWD="].iter().any(|own| line.starts_with(own)));
    assert_eq!(own.collect::<Vec<_>>(), ["TZ=UTC0"]);
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_sent() {
    let (pool, mark) = marked(6);
    let error = pool.run(invocation(&" ".repeat(300 << 10), &json!([]))).await.unwrap_err();
    assert_eq!(error.to_string(), "the source of the function: 307200 bytes, where at most 262144 are allowed");
    let error = pool.run(invocation("x => x", &json!(["x".repeat(2 << 20)]))).await.unwrap_err();
    assert!(matches!(error, PoolError::TooLarge { what: "arguments", .. }), "{error}");
    assert!(processes(&mark).is_empty());
    // The largest that may be.
    let mut largest = format!("x => x.length//{}", "\u{1}".repeat(200 << 10));
    largest.truncate(256 << 10);
    assert_eq!(value(&run(&pool, &largest, json!(["x".repeat(1_000_000)])).await), json!(1_000_000));
}

#[tokio::test]
async fn runs_beyond_one_process_are_served_side_by_side() {
    let (pool, _) = marked(7);
    let source = "async () => { await new Promise(done => setTimeout(done, 300)); return 1 }";
    let began = std::time::Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let pool = pool.clone();
        running.spawn(async move {
            let mut asked = invocation(source, &json!([]));
            asked.limits = RunLimits { time_ms: 60_000, ..RunLimits::default() };
            pool.run(asked).await.unwrap()
        });
    }
    for ran in running.join_all().await {
        assert_eq!(value(&ran), json!(1));
    }
    // More processes than one were started for them: how many is the policy's.
    assert!(pool.figures().started >= 2, "{:?} in {:?}", pool.figures(), began.elapsed());
}
