//! Limits of a function, each by its name. The next run of the same tenant is fine.

use functions::{FunctionEnd, FunctionRan, FunctionStop, JailEnd, Pool, RunLimits};
use serde_json::json;

use crate::rig::{error, invocation, pool, run, value};

async fn limited(pool: &Pool, source: &str, limits: RunLimits) -> FunctionRan {
    let mut asked = invocation(source, &json!([]));
    asked.limits = limits;
    pool.run(asked).await.unwrap()
}

async fn assert_next_is_fine(pool: &Pool, after: &str) {
    let ran =
        run(pool, "(a, b) => [a + b, JSON.stringify({}), typeof stray, [].concat([1]).length]", json!([4, 7])).await;
    assert_eq!(value(&ran), json!([11, "{}", "undefined", 1]), "after {after}");
}

/// Time enough for what ends at another limit, however slow the machine is.
const LONG: RunLimits =
    RunLimits { time_ms: 60_000, memory: 64 << 20, stack: 256 << 10, result: 1 << 20, lines: 64 << 10 };

#[tokio::test]
async fn what_strangers_write_ends_in_an_error_or_a_limit_by_name() {
    let pool = pool();
    let short = RunLimits { time_ms: 300, ..LONG };
    let stops: &[(&str, RunLimits, FunctionStop)] = &[
        ("() => { for (;;); }", short, FunctionStop::Deadline),
        ("async () => { for (;;) await null; }", short, FunctionStop::Deadline),
        (
            // It returns nothing: a chain of promises would reach the memory's limit as well, whichever came first.
            "() => { const f = () => { Promise.resolve().then(f) }; f(); return new Promise(() => {}) }",
            short,
            FunctionStop::Deadline,
        ),
        ("async () => { await new Promise(done => setTimeout(done, 1e6)) }", short, FunctionStop::Deadline),
        ("() => { try { for (;;); } finally { for (;;); } }", short, FunctionStop::Deadline),
        ("() => { for (;;) { try { for (;;); } catch { } } }", short, FunctionStop::Deadline),
        ("() => /(a+)+$/.test('a'.repeat(64) + '!')", short, FunctionStop::Deadline),
        ("() => ({ toJSON() { for (;;); } })", short, FunctionStop::Deadline),
        ("() => { throw new (class extends Error { get message() { for (;;); } }) }", short, FunctionStop::Deadline),
        // Nothing in there looks at the clock: the process is ended.
        ("() => Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)", short, FunctionStop::Deadline),
        ("(() => { for (;;); })()", short, FunctionStop::Deadline),
        ("() => new Array(1e9).fill(0)", LONG, FunctionStop::Memory),
        ("() => { const a = []; for (;;) a.push('x'.repeat(1e5) + a.length) }", LONG, FunctionStop::Memory),
        ("() => new ArrayBuffer(1e9)", LONG, FunctionStop::Memory),
        // What nobody awaits has no room, and so nothing ever settles.
        (
            "() => { const a = []; Promise.resolve().then(() => { for (;;) a.push('x'.repeat(1e5) + a.length) }); return new Promise(() => {}) }",
            LONG,
            FunctionStop::Memory,
        ),
        (
            "() => { const f = () => Promise.resolve().then(f); f(); return new Promise(() => {}) }",
            LONG,
            FunctionStop::Memory,
        ),
        (
            "() => { const a = []; (async () => { for (;;) { await null; a.push('x'.repeat(1e5) + a.length) } })(); return new Promise(() => {}) }",
            LONG,
            FunctionStop::Memory,
        ),
        ("() => { Promise.reject(new Error('no')); return new Promise(() => {}) }", LONG, FunctionStop::NeverSettles),
        ("() => { const f = () => f() + 1; return f() }", LONG, FunctionStop::Stack),
        ("() => JSON.parse('['.repeat(1e6))", LONG, FunctionStop::Stack),
        ("() => 'x'.repeat(2e6)", LONG, FunctionStop::TooLarge),
    ];
    for (source, limits, stop) in stops {
        let ran = limited(&pool, source, *limits).await;
        assert!(matches!(&ran.end, FunctionEnd::Stopped(told) if told == stop), "{source}: {:?}", ran.end);
        assert_next_is_fine(&pool, source).await;
    }
}

#[tokio::test]
async fn what_leads_out_of_the_language_leads_nowhere() {
    let pool = pool();
    let found = "() => ({}).constructor.constructor('return [typeof process, typeof require, Object.keys(globalThis).sort()]')()";
    let ran = run(&pool, found, json!([])).await;
    assert_eq!(value(&ran)[0], "undefined");
    assert_eq!(value(&ran)[1], "undefined");
    assert_next_is_fine(&pool, found).await;
    for source in ["() => import('fs')", "async () => { await import('/etc/passwd') }", "() => import('std')"] {
        let told = error(&run(&pool, source, json!([])).await);
        assert!(told.contains("Error"), "{source}: {told}");
        assert_next_is_fine(&pool, source).await;
    }
}

#[tokio::test]
async fn nothing_of_a_run_is_found_by_the_next() {
    let pool = pool();
    let source = "() => {
        globalThis.stray = 1;
        JSON.stringify = JSON.parse = () => 'mine';
        Object.prototype.toJSON = () => 'mine';
        Array.prototype.concat = Array.prototype.push = () => { throw 1 };
        Promise.prototype.then = () => { throw 2 };
        Function.prototype.call = Object.defineProperty = null;
        return {};
    }";
    // Its own result is what it made of it.
    assert_eq!(value(&run(&pool, source, json!([])).await), json!("mine"));
    assert_next_is_fine(&pool, source).await;
}

#[tokio::test]
async fn ten_megabytes_of_lines_are_cut_and_counted() {
    let pool = pool();
    let many = "() => { for (let i = 0; i < 1e5; i++) console.log('x'.repeat(99)); return 'done' }";
    let one = "() => { console.log('x'.repeat(1e7)); return 'done' }";
    let empty = "() => { for (let i = 0; i < 1e6; i++) console.log(); return 'done' }";
    for (source, written) in [(many, 10_000_000), (one, 10_000_000), (empty, 1_000_000)] {
        let ran = limited(&pool, source, LONG).await;
        assert_eq!(value(&ran), json!("done"));
        let kept: u64 = ran.lines.iter().map(|line| line.text.len() as u64 + 1).sum();
        assert!(kept <= (64 << 10) + 1 && ran.lines.len() <= 64 << 10, "{kept}");
        assert!((written..=written + 1).contains(&(kept + ran.cut)), "{kept} and {} of {written}", ran.cut);
        assert_next_is_fine(&pool, source).await;
    }
    // What was written before the end is kept, however the run ended.
    let ran = limited(&pool, "() => { console.log('before'); for (;;); }", RunLimits { time_ms: 300, ..LONG }).await;
    assert_eq!(ran.lines[0].text, "before");
}

#[tokio::test]
async fn a_run_that_is_ended_is_charged_up_to_its_end() {
    let pool = pool();
    let ran = limited(&pool, "() => { for (;;); }", RunLimits { time_ms: 300, ..LONG }).await;
    assert!(ran.function_ns >= 250_000_000, "{}", ran.function_ns);
    let ran = limited(
        &pool,
        "() => Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)",
        RunLimits { time_ms: 300, ..LONG },
    )
    .await;
    assert!(ran.function_ns >= 250_000_000, "{}", ran.function_ns);
    // What its source does before it is called is its time as well.
    let source = "(() => { const end = Date.now() + 50; while (Date.now() < end); return () => 1 })()";
    assert!(run(&pool, source, json!([])).await.function_ns >= 45_000_000);
    let ran = run(&pool, "(a, b) => a + b", json!([1, 2])).await;
    assert!(ran.function_ns > 0);
}

#[tokio::test]
async fn memory_outside_the_engine_is_bounded_too() {
    let pool = pool();
    // Strings on their way out are cut before they are copied.
    for source in [
        "() => { const s = 'x'.repeat(2e7); for (let i = 0; i < 50; i++) console.log(s, s); return 1 }",
        "() => { const a = new Array(60000).fill('x'.repeat(9)); for (let i = 0; i < 200; i++) console.log(...a); return 1 }",
        "() => { const s = 'x'.repeat(2e7); try { structuredClone(s); new URL('http://h/' + s.slice(0, 1e6)) } catch { } return 1 }",
    ] {
        let ran = limited(&pool, source, LONG).await;
        let is_held = matches!(
            &ran.end,
            FunctionEnd::Value(_) | FunctionEnd::Stopped(FunctionStop::Memory) | FunctionEnd::Failed(_)
        );
        assert!(is_held, "{source}: {:?}", ran.end);
        assert_next_is_fine(&pool, source).await;
    }
    // Where the process itself runs out it ends, and no other is touched.
    let source = "() => { const t = new TextEncoder(); const a = []; for (;;) a.push(t.encode('x'.repeat(1e6))) }";
    let ran = limited(&pool, source, LONG).await;
    let is_held = matches!(
        &ran.end,
        FunctionEnd::Stopped(FunctionStop::Memory)
            | FunctionEnd::Failed(_)
            | FunctionEnd::Lost(JailEnd::Crashed { .. })
    );
    assert!(is_held, "{:?}", ran.end);
    assert_next_is_fine(&pool, source).await;
}

#[tokio::test]
async fn limits_that_make_no_sense_are_brought_within_what_the_pool_allows() {
    let pool = pool();
    for all in [0, u64::MAX] {
        let limits = RunLimits { time_ms: u64::MAX, memory: all, stack: all, result: 1 << 20, lines: all };
        assert_eq!(value(&limited(&pool, "() => 'ran'", limits).await), json!("ran"), "{all}");
        let deep = limited(&pool, "() => { const f = () => f() + 1; return f() }", limits).await;
        assert!(matches!(deep.end, FunctionEnd::Stopped(FunctionStop::Stack)), "{:?}", deep.end);
        let large = limited(&pool, "() => new Array(1e9).fill(0)", limits).await;
        assert!(matches!(large.end, FunctionEnd::Stopped(FunctionStop::Memory)), "{:?}", large.end);
    }
    let none = limited(&pool, "() => 1", RunLimits { time_ms: 0, ..LONG }).await;
    assert!(matches!(none.end, FunctionEnd::Stopped(FunctionStop::Deadline)), "{:?}", none.end);
    let none = limited(&pool, "() => 1", RunLimits { result: 0, ..LONG }).await;
    assert!(matches!(none.end, FunctionEnd::Stopped(FunctionStop::TooLarge)), "{:?}", none.end);
}
