//! Calls of functions to services, which the pool's side answers.

use std::sync::Arc;
use std::time::Duration;

use functions::{CallEnd, FunctionError, FunctionRan, Pool, ServiceCall, ServiceCalls};
use serde_json::json;

use crate::rig::{error, invocation, json as raw, run, settings, value};

/// `double` doubles, `fail` fails, `slow` takes 200 ms, `echo` says who called, `huge` answers 2 MB.
fn services() -> ServiceCalls {
    Arc::new(|call: ServiceCall| {
        Box::pin(async move {
            let inputs: serde_json::Value = serde_json::from_str(call.inputs.get()).unwrap();
            let answer = match call.service.as_str() {
                "double" => json!(inputs["value"].as_f64().unwrap() * 2.0),
                "slow" => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    json!("slept")
                }
                "echo" => json!([call.tenant, call.run, inputs]),
                "huge" => json!("x".repeat(2 << 20)),
                _ => return CallEnd::Failed(FunctionError::new("Panicked", "at app.rs:7")),
            };
            CallEnd::Value(raw(&answer))
        })
    })
}

fn pool() -> Pool {
    Pool::new(settings(), services()).unwrap()
}

async fn call(pool: &Pool, source: &str) -> FunctionRan {
    let mut asked = invocation(source, &json!([]));
    asked.calls = true;
    pool.run(asked).await.unwrap()
}

#[tokio::test]
async fn a_call_is_answered_by_the_pools_side() {
    let pool = pool();
    for (source, result) in [
        ("async () => await dyn.call('double', { value: 4 })", json!(8)),
        ("() => dyn.call('echo')", json!(["a", "run", {}])),
        ("async () => Promise.all([1, 2, 3].map(value => dyn.call('double', { value })))", json!([2, 4, 6])),
        (
            "async () => { try { await dyn.call('fail', {}) } catch (e) { return [e.name, e.message, e instanceof Error] } }",
            json!(["Panicked", "at app.rs:7", true]),
        ),
        (
            "async () => { let n = 0; for (let i = 0; i < 200; i++) n = await dyn.call('double', { value: i }); return n }",
            json!(398),
        ),
        (
            "async () => Promise.race([dyn.call('slow'), new Promise(done => setTimeout(done, 5, 'timer'))])",
            json!("timer"),
        ),
        // Large both ways at once: neither waits for the other.
        (
            "async () => { const s = 'x'.repeat(900000); const all = await Promise.all([1, 2, 3, 4, 5, 6].map(() => dyn.call('echo', { s }))); return all.length }",
            json!(6),
        ),
    ] {
        assert_eq!(value(&call(&pool, source).await), result, "{source}");
    }
}

#[tokio::test]
async fn waits_for_calls_are_not_the_functions_time() {
    let pool = pool();
    let ran = call(&pool, "async () => { await Promise.all([dyn.call('slow'), dyn.call('slow')]); return 1 }").await;
    assert_eq!(value(&ran), json!(1));
    assert!(ran.function_ns < 150_000_000, "{}", ran.function_ns);
    let busy = "async () => { const end = Date.now() + 100; const slow = dyn.call('slow'); while (Date.now() < end); return slow }";
    let ran = call(&pool, busy).await;
    // While a call is under way, what the function computes is its own.
    assert!(ran.function_ns >= 95_000_000, "{}", ran.function_ns);
}

#[tokio::test]
async fn a_call_that_may_not_be_is_an_error_where_it_is_made() {
    let pool = pool();
    let told = error(&run(&pool, "async () => await dyn.call('double', { value: 4 })", json!([])).await);
    assert!(told.starts_with("Error: functions may not call services here"), "{told}");
    for (source, told) in [
        (
            "async () => { for (let i = 0; i < 65; i++) dyn.call('slow') }",
            "Error: a function has at most 64 calls under way",
        ),
        ("() => dyn.call('echo', 'x'.repeat(2e6))", "Error: the inputs of a call are larger than a result may be"),
        ("() => dyn.call('huge')", "RangeError: the answer is larger than a function may be given"),
        ("() => dyn.call()", "TypeError"),
    ] {
        let shown = error(&call(&pool, source).await);
        assert!(shown.starts_with(told), "{source}: {shown}");
    }
}

#[tokio::test]
async fn a_function_that_ends_leaves_its_calls_behind() {
    let pool = pool();
    let ran = call(&pool, "() => { dyn.call('slow'); return 'first' }").await;
    assert_eq!(value(&ran), json!("first"));
    // An answer that comes late belongs to nobody.
    let ran = call(&pool, "async () => [await dyn.call('double', { value: 1 }), await dyn.call('slow')]").await;
    assert_eq!(value(&ran), json!([2, "slept"]));
}
