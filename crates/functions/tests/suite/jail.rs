//! The jail: whatever code does in there, by whatever way it came to do it, is computing or the end of its process.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use functions::{FunctionEnd, JailEnd, Pool, PoolError, PoolSettings};
use serde_json::json;

use crate::rig::{invocation, nobody, pool, run, settings, value};

/// The end of a run whose process does this first.
async fn attempt(pool: &Pool, deed: &str) -> FunctionEnd {
    run(pool, &format!("// deed: {deed}\n() => 'went on'"), json!([])).await.end
}

#[tokio::test]
async fn whatever_leads_out_ends_the_process_and_the_next_one_serves() {
    let pool = pool();
    let own = std::process::id();
    let of_another = ["read another", "memory of another", "kill", "signal another", "ptrace", "clock of another"]
        .map(|deed| format!("{deed} {own}"));
    let deeds = [
        "open",
        "create",
        "socket",
        "unix socket",
        "socket pair",
        "execve",
        "fork",
        "clone",
        "thread",
        "signal its parent",
        "stop itself",
        "mprotect",
        "mmap",
        "shared memory",
        "map a file",
        "read elsewhere",
        "read its answers",
        "write elsewhere",
        "poison",
        "raise a limit",
        "memory file",
        "ring",
        "filter",
        "rights",
        "control",
        "duplicate",
    ];
    for deed in deeds.into_iter().map(str::to_owned).chain(of_another) {
        let end = attempt(&pool, &deed).await;
        assert!(matches!(end, FunctionEnd::Lost(JailEnd::Killed)), "{deed}: {end:?}");
        let FunctionEnd::Lost(told) = end else { panic!() };
        assert!(told.to_string().starts_with("killed by the jail"), "{told}");
        assert_eq!(value(&run(&pool, "() => 'served'", json!([])).await), json!("served"), "after {deed}");
    }
    let figures = pool.figures();
    assert_eq!((figures.lost, figures.runs), (32, 64), "{figures:?}");
}

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn system_calls_by_other_numbers_end_the_process() {
    let pool = pool();
    for deed in ["other numbers", "numbers of x32"] {
        let end = attempt(&pool, deed).await;
        // A kernel that has no such calls ends it by another signal.
        let is_ended = matches!(end, FunctionEnd::Lost(JailEnd::Killed | JailEnd::Crashed { signal: libc::SIGSEGV }));
        assert!(is_ended, "{deed}: {end:?}");
    }
}

/// Those that may be made with nothing as their arguments.
const HARMLESS: [libc::c_long; 12] = [
    libc::SYS_read,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_brk,
    libc::SYS_rt_sigprocmask,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_restart_syscall,
];

/// The trampolines of the kernel's own probes, `uretprobe` and `uprobe`: kernels since 6.14 ask no filter about them. Called
/// from elsewhere they do nothing but refuse.
const PROBES: &[libc::c_long] = if cfg!(target_arch = "x86_64") { &[335, 336] } else { &[] };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_system_calls_only_those_that_computing_needs_return() {
    let pool = pool();
    // It would wait, since nothing says for how long.
    let numbers = (0..480).filter(|number| *number != libc::SYS_ppoll);
    let mut running = tokio::task::JoinSet::new();
    for number in numbers {
        let pool = pool.clone();
        running.spawn(async move {
            let mut asked = invocation(&format!("// deed: number {number}\n() => 'went on'"), &json!([]));
            // Each in a process of its own.
            asked.tenant = number.to_string();
            (number, pool.run(asked).await.unwrap().end)
        });
    }
    let mut returned = BTreeSet::new();
    for (number, end) in running.join_all().await {
        match end {
            FunctionEnd::Value(_) if PROBES.contains(&number) => {}
            FunctionEnd::Value(_) => drop(returned.insert(number)),
            FunctionEnd::Lost(JailEnd::Exited { code: 0 }) => {
                assert!([libc::SYS_exit, libc::SYS_exit_group].contains(&number), "{number}");
            }
            FunctionEnd::Lost(JailEnd::Killed) => {}
            // One that is asked about no filter, and ends who calls it from elsewhere.
            FunctionEnd::Lost(JailEnd::Crashed { signal: libc::SIGILL }) if PROBES.contains(&number) => {}
            end => panic!("{number}: {end:?}"),
        }
    }
    assert_eq!(returned, BTreeSet::from(HARMLESS));
}

#[tokio::test]
async fn a_process_that_breaks_is_told_as_what_it_is() {
    let pool = pool();
    let crashed = |signal| JailEnd::Crashed { signal };
    for (deed, end) in [
        ("abort", crashed(libc::SIGABRT)),
        ("fault", crashed(libc::SIGSEGV)),
        ("leave", JailEnd::Exited { code: 7 }),
        // Of 64 MiB and a spare 32 it may have 16, and not 512.
        ("memory", JailEnd::Exited { code: 40 }),
    ] {
        let told = attempt(&pool, deed).await;
        assert!(matches!(&told, FunctionEnd::Lost(told) if *told == end), "{deed}: {told:?}");
    }
    for (deed, why) in [
        ("babble", "a frame of 2147483647 bytes"),
        ("lie", "it says Checked"),
        ("call", "it calls a service where it may not"),
        ("boast", "its result is larger than it may be"),
        ("flood", "it writes more lines than it may"),
    ] {
        let told = attempt(&pool, deed).await;
        assert!(matches!(&told, FunctionEnd::Lost(JailEnd::Nonsense(told)) if told.contains(why)), "{deed}: {told:?}");
    }
    // What it says on standard error goes nowhere.
    assert!(matches!(attempt(&pool, "speak").await, FunctionEnd::Value(_)));
    assert_eq!(value(&run(&pool, "() => 'served'", json!([])).await), json!("served"));
}

#[tokio::test]
async fn a_process_that_lies_is_charged_for_what_it_used() {
    let pool = pool();
    let ran = run(&pool, "// deed: cheat\n() => 3", json!([])).await;
    assert_eq!(value(&ran), json!(1));
    // Its processor time, less what a run needs beside a function.
    assert!(ran.function_ns >= 100_000_000, "{}", ran.function_ns);
}

#[tokio::test]
async fn where_the_kernel_has_no_seccomp_nothing_runs_and_it_is_told() {
    let deaf = PoolSettings { command: vec!["--deaf".into()], ..settings() };
    let pool = Pool::new(deaf, nobody()).unwrap();
    let error = pool.run(invocation("() => 1", &json!([]))).await.unwrap_err();
    assert!(matches!(&error, PoolError::NoJail(why) if why.contains("seccomp")), "{error}");
    assert!(error.to_string().starts_with("functions cannot run on this machine: "), "{error}");
    assert!(error.hint().is_some());
}

/// A jailed process that waits.
fn jailed() -> Child {
    let mut command = Command::new(support::sandbox());
    command.arg("1000000").env_clear();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut head = [0; 11];
    child.stdout.as_mut().unwrap().read_exact(&mut head).unwrap();
    assert_eq!(&head[4..], b"\"ready\"");
    child
}

#[test]
fn a_jailed_process_has_two_pipes_one_thread_and_no_more_memory_than_it_may() {
    let mut child = jailed();
    let about = format!("/proc/{}", child.id());
    let open: BTreeSet<_> =
        std::fs::read_dir(format!("{about}/fd")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(open, BTreeSet::from(["0".into(), "1".into()]));
    let status = std::fs::read_to_string(format!("{about}/status")).unwrap();
    for line in ["Seccomp:\t2", "NoNewPrivs:\t1", "Threads:\t1"] {
        assert!(status.contains(line), "{line} in {status}");
    }
    let limits = std::fs::read_to_string(format!("{about}/limits")).unwrap();
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().take(2).map(|word| word.parse().unwrap()).collect::<Vec<u64>>()
    };
    for (name, most) in [("Max core file size", 0), ("Max file size", 0), ("Max processes", 0), ("Max open files", 2)] {
        assert_eq!(limit(name), [most, most], "{name}");
    }
    let mapped = std::fs::read_to_string(format!("{about}/statm")).unwrap();
    let mapped: u64 = mapped.split(' ').next().unwrap().parse().unwrap();
    let most = limit("Max address space")[0];
    assert!(most <= mapped * 4096 + (40 << 20), "{most} with {mapped} pages");
    // It ends with its pipe.
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_jailed_process_ends_with_whoever_started_it() {
    // The thread that starts it is its parent to the kernel.
    let mut child = std::thread::spawn(jailed).join().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGKILL));
}
