//! Functions of strangers in processes of `dyn` itself.

use std::sync::Arc;

use functions::{
    AnswerForm, CallEnd, FunctionEnd, FunctionEngine, FunctionError, FunctionStop, Invocation, Pool, PoolSettings,
    RunLimits,
};
use serde_json::value::to_raw_value;

#[tokio::test]
async fn functions_run_in_the_jail_of_dyn() {
    let settings = PoolSettings::new(support::program(), &["sandbox"]);
    let nobody = CallEnd::Failed(FunctionError::new("Error", "nobody answers"));
    let pool = Pool::new(settings, Arc::new(move |_| Box::pin(std::future::ready(nobody.clone())))).unwrap();
    let run = async |source: &str| {
        let invocation = Invocation {
            tenant: "a".to_owned(),
            run: "run".to_owned(),
            name: "f".to_owned(),
            engine: FunctionEngine::JavaScript,
            source: source.to_owned(),
            arguments: to_raw_value(&[4, 7]).unwrap(),
            form: AnswerForm::Text,
            calls: false,
            limits: RunLimits { time_ms: 60_000, ..RunLimits::default() },
        };
        pool.run(invocation).await.unwrap().end
    };
    let end = run("async (a, b) => { await new Promise(done => setTimeout(done, 1)); return a + b }").await;
    assert!(matches!(&end, FunctionEnd::Value(value) if value.get() == "\"11\""), "{end:?}");
    // It is as large as `dyn` is, and may have no more than that and its memory.
    let end = run("() => new Array(1e9).fill(0)").await;
    assert!(matches!(end, FunctionEnd::Stopped(FunctionStop::Memory)), "{end:?}");
    assert_eq!(pool.figures().lost, 0);
}

#[test]
fn a_jail_without_anybody_who_asks_ends_in_peace() {
    let output = support::dyn_command().args(["sandbox", "1000000"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // What it says first, and all that it says.
    assert_eq!(output.stdout, b"\x07\0\0\0\"ready\"");
    assert_eq!(output.stderr, b"");
}
