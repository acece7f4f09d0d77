//! A runner whose functions are closures.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use serde_json::Value;

use crate::replay::{Job, Prepared, ReplayedRun, Runner, Slot};
use crate::{Body, Outcome, PlacedValue, RecordedCall};

type Function = Box<dyn FnMut(&mut i64, &[Value], &[RecordedCall]) -> Outcome + Send>;

/// Functions by version, and a number of state by slot.
#[derive(Default)]
pub(super) struct Fake {
    functions: HashMap<String, Function>,
    nanos: HashMap<String, u64>,
    states: HashMap<Slot, i64>,
    runs: HashMap<String, usize>,
    pub(super) refuse_state: bool,
    pub(super) broken: bool,
}

impl Fake {
    /// A function of its state and inputs. Null: it filters.
    pub(super) fn function(
        &mut self,
        version: &str,
        mut function: impl FnMut(&mut i64, &[Value]) -> Value + Send + 'static,
    ) {
        self.end(version, move |state, inputs| match function(state, inputs) {
            Value::Null => Outcome::Filtered,
            value => Outcome::Value(Body::new(value.to_string().as_bytes())),
        });
    }

    pub(super) fn end(
        &mut self,
        version: &str,
        mut function: impl FnMut(&mut i64, &[Value]) -> Outcome + Send + 'static,
    ) {
        self.functions.insert(version.to_owned(), Box::new(move |state, inputs, _| function(state, inputs)));
    }

    /// A function that passes on what its calls came to.
    pub(super) fn with_calls(&mut self, version: &str, function: impl Fn(&[Outcome]) -> Outcome + Send + 'static) {
        let function = move |_: &mut i64, _: &[Value], calls: &[RecordedCall]| {
            function(&calls.iter().map(|called| called.end.clone()).collect::<Vec<_>>())
        };
        self.functions.insert(version.to_owned(), Box::new(function));
    }

    pub(super) fn nanos(&mut self, version: &str, nanos: u64) {
        self.nanos.insert(version.to_owned(), nanos);
    }

    pub(super) fn runs(&self, version: &str) -> usize {
        self.runs.get(version).copied().unwrap_or(0)
    }
}

impl Runner for Fake {
    type Error = &'static str;

    async fn prepare(&mut self, slot: &Slot, states: &[PlacedValue]) -> Result<Prepared, Self::Error> {
        if self.broken {
            return Err("broken");
        }
        let value = states.first().map_or(0, |placed| placed.value.get().parse().expect("a number"));
        self.states.insert(slot.clone(), value);
        let reset = states.iter().filter(|_| self.refuse_state);
        let reset = reset.map(|placed| (placed.name.clone(), "it does not read".to_owned())).collect();
        Ok(Prepared { reset, stopped: None })
    }

    async fn run(&mut self, job: Job<'_>) -> Result<ReplayedRun, Self::Error> {
        let version = &job.slot.version;
        *self.runs.entry(version.clone()).or_default() += 1;
        let state = self.states.get_mut(job.slot).expect("a slot that was prepared");
        let inputs =
            job.inputs.iter().map(|input| serde_json::from_slice(&input.bytes().expect("kept")).expect("JSON"));
        let inputs: Vec<Value> = inputs.collect();
        let function = self.functions.get_mut(version).unwrap_or_else(|| panic!("no code of {version}"));
        let end = function(state, &inputs, job.stand_ins);
        Ok(ReplayedRun { end, function_ns: self.nanos.get(version).copied().unwrap_or(500) })
    }
}

/// Nothing here waits.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}
