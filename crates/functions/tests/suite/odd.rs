//! Odd corners of the language: however a run ends there, it is by the engine or a limit. JavaScript alone makes no system
//! call that the jail ends it for, and breaks no process.

use functions::{FunctionEnd, RunLimits};
use serde_json::json;

use crate::rig::{invocation, pool, run, value};

const ODD: &[&str] = &[
    "() => 2n ** 1000000000n",
    "() => 3n ** 100000n % 7n",
    "() => 'x'.padEnd(2 ** 30).length",
    "() => new Array(2 ** 32 - 1).join('x')",
    "() => new Array(1e8).sort()",
    "() => { const a = []; a[1e9] = 1; return a.length + a.indexOf(2) }",
    "() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
    "() => Atomics.notify(new Int32Array(new SharedArrayBuffer(4)), 0)",
    "() => new Function('a', 'return a + 1')(1)",
    "() => { let s = '1'; for (let i = 0; i < 30; i++) s = `eval(${JSON.stringify(s)})`; return eval(s) }",
    "() => eval('('.repeat(1e5))",
    "() => { let a = 1; for (let i = 0; i < 1e6; i++) a = [a]; return a }",
    "() => { let a = {}; for (let i = 0; i < 1e6; i++) a = { a }; return 1 }",
    "() => { let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); return p.x }",
    "() => { const f = new Proxy(function () {}, { get() { throw 1 }, apply() { return f } }); return f() }",
    "() => { const r = new FinalizationRegistry(() => { for (;;); }); for (let i = 0; i < 1e4; i++) r.register({}, 1); return 1 }",
    "() => [new WeakRef({}).deref() === undefined, new Date(NaN).getTime(), Date(), new Date().toLocaleString()].length",
    "() => { Error.prepareStackTrace = () => { throw 1 }; Error.stackTraceLimit = 1e9; throw new Error('x') }",
    "() => { const e = new Error('x'); e.stack = { toString() { for (;;); } }; throw e }",
    "async function* f() { yield 1 }",
    "async () => { for await (const a of (async function* () { yield* [1, 2, 3] })()) if (a > 2) return a }",
    "function* f() { for (;;) yield 1 }",
    "() => { label: for (;;) { try { break label } finally { continue label } } }",
    "() => /(?:(?:(?:a?){100}){100}){100}b/.test('a'.repeat(1e4))",
    "() => new RegExp('('.repeat(1e4) + ')'.repeat(1e4)).test('')",
    "() => 'a'.repeat(1e6).replace(/a/g, 'b'.repeat(1e4)).length",
    "() => JSON.stringify(JSON.parse('[' + '1,'.repeat(1e6) + '1]')).length",
    "() => { const m = new Map(); for (let i = 0; ; i++) m.set(i, new Set([m])) }",
    "() => { const b = new ArrayBuffer(8, { maxByteLength: 1 << 20 }); const v = new Uint8Array(b); b.resize(0); return new TextDecoder().decode(v) }",
    "() => new TextDecoder().decode(new SharedArrayBuffer(16)).length",
    "() => structuredClone(new Proxy([], {}))",
    "() => { Symbol.prototype[Symbol.toPrimitive] = () => { throw 1 }; return Symbol('x') + 1 }",
    "() => { with ({ a: 1 }) return a }",
    "() => arguments.callee",
    "function f() { return f.caller }",
    "() => globalThis.globalThis.queueMicrotask(() => { for (;;); })",
    "async () => { queueMicrotask(() => { throw 1 }); await null; return 1 }",
    "() => { setTimeout.call(null, null) }",
    "() => { delete globalThis.Promise; return new (class { then(f) { f(1) } }) }",
    "() => { Object.freeze(globalThis); return URL.name }",
    "() => console.log.apply(null, new Array(1e5))",
    "() => performance.now() >= 0",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_corners_of_the_language_end_by_the_engine_or_a_limit() {
    let pool = pool();
    for source in ODD {
        let mut asked = invocation(source, &json!([]));
        asked.limits = RunLimits { time_ms: 1_000, ..RunLimits::default() };
        let end = pool.run(asked).await.unwrap().end;
        assert!(!matches!(end, FunctionEnd::Lost(_)), "{source}: {end:?}");
    }
    assert_eq!(value(&run(&pool, "() => 'served'", json!([])).await), json!("served"));
    assert_eq!(pool.figures().lost, 0);
}
