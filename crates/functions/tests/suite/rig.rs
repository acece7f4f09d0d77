//! A pool for tests, and functions to give it.

use std::sync::Arc;

use functions::{
    AnswerForm, CallEnd, FunctionEnd, FunctionEngine, FunctionError, FunctionRan, Invocation, Pool, PoolSettings,
    RunLimits, ServiceCalls,
};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

pub(crate) fn settings() -> PoolSettings {
    PoolSettings { most: 4, ..PoolSettings::new(support::sandbox().to_owned(), &[]) }
}

/// Answers no call.
pub(crate) fn nobody() -> ServiceCalls {
    Arc::new(|call| {
        let error = FunctionError::new("Error", format!("nobody answers {}", call.service));
        Box::pin(async move { CallEnd::Failed(error) })
    })
}

pub(crate) fn pool() -> Pool {
    Pool::new(settings(), nobody()).unwrap()
}

pub(crate) fn json(value: &Value) -> Box<RawValue> {
    to_raw_value(value).unwrap()
}

/// A run of a source with these arguments, of tenant `a`.
pub(crate) fn invocation(source: &str, arguments: &Value) -> Invocation {
    Invocation {
        tenant: "a".to_owned(),
        run: "run".to_owned(),
        name: "f".to_owned(),
        engine: FunctionEngine::JavaScript,
        source: source.to_owned(),
        arguments: json(arguments),
        form: AnswerForm::Json,
        calls: false,
        // Longer than any honest function here takes, whatever else the machine does.
        limits: RunLimits { time_ms: 60_000, ..RunLimits::default() },
    }
}

pub(crate) async fn run(pool: &Pool, source: &str, arguments: Value) -> FunctionRan {
    pool.run(invocation(source, &arguments)).await.unwrap()
}

/// The value a run ended with.
pub(crate) fn value(ran: &FunctionRan) -> Value {
    match &ran.end {
        FunctionEnd::Value(value) => serde_json::from_str(value.get()).unwrap(),
        end => panic!("{end:?}"),
    }
}

/// Its error, as it is shown.
pub(crate) fn error(ran: &FunctionRan) -> String {
    match &ran.end {
        FunctionEnd::Failed(error) => error.to_string(),
        end => panic!("{end:?}"),
    }
}

/// Every figure of a run but its value.
pub(crate) fn lines(ran: &FunctionRan) -> Vec<&str> {
    ran.lines.iter().map(|line| line.text.as_str()).collect()
}
