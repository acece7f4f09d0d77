//! The chain in one process: what `main` builds and runs when cargo runs the app.

use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll};

use serde::Serialize;

use crate::call::{Call, block_on};
use crate::error::{Error, Result};

/// A service fed by others: a step of the chain in `main`. A filtered value is taken off: nothing later runs on it.
#[must_use = "a flow does nothing until it is run"]
pub struct FlowStep<T>(Pin<Box<dyn Future<Output = Result<T, Stop>> + Send>>);

/// The reason why a flow ended without a value.
#[derive(Debug)]
pub enum Stop {
    /// A service returned `None`.
    Filtered(&'static str),
    /// A service failed.
    Failed(Error),
}

/// A source of an input of type `T`: a value, a service that returns it, one that returns it or filters.
pub trait Upstream<T>: Sized {
    /// The flow that brings it.
    fn into_flow(self) -> FlowStep<T>;
}

impl<T> FlowStep<T> {
    fn new(value: impl Future<Output = Result<T, Stop>> + Send + 'static) -> Self {
        Self(Box::pin(value))
    }

    /// Runs it on this thread: the value, or `None` where a service filtered. For tests of a chain.
    pub fn wait(self) -> Result<Option<T>> {
        match block_on(self.0) {
            Ok(value) => Ok(Some(value)),
            Err(Stop::Filtered(_)) => Ok(None),
            Err(Stop::Failed(error)) => Err(error),
        }
    }
}

impl<T> std::fmt::Debug for FlowStep<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlowStep").finish_non_exhaustive()
    }
}

impl<T> Upstream<T> for FlowStep<T> {
    fn into_flow(self) -> Self {
        self
    }
}

impl<T: Send + 'static> Upstream<T> for T {
    fn into_flow(self) -> FlowStep<T> {
        FlowStep::new(std::future::ready(Ok(self)))
    }
}

// An optional input is fed by what is there: `null` never travels along a flow, it is filtered.
impl<T: Send + 'static> Upstream<Option<T>> for T {
    fn into_flow(self) -> FlowStep<Option<T>> {
        Some(self).into_flow()
    }
}

impl<T: 'static> Upstream<Option<T>> for FlowStep<T> {
    fn into_flow(self) -> FlowStep<Option<T>> {
        FlowStep::new(async move { self.0.await.map(Some) })
    }
}

// A literal feeds what its JSON reads as.
impl Upstream<String> for &str {
    fn into_flow(self) -> FlowStep<String> {
        self.to_owned().into_flow()
    }
}

impl Upstream<String> for char {
    fn into_flow(self) -> FlowStep<String> {
        self.to_string().into_flow()
    }
}

impl Upstream<f64> for i32 {
    fn into_flow(self) -> FlowStep<f64> {
        f64::from(self).into_flow()
    }
}

impl<T: Send + 'static, const N: usize> Upstream<Vec<T>> for [T; N] {
    fn into_flow(self) -> FlowStep<Vec<T>> {
        Vec::from(self).into_flow()
    }
}

impl<T: 'static> Upstream<T> for Call<T> {
    fn into_flow(self) -> FlowStep<T> {
        FlowStep::new(async move { self.await.map_err(Stop::Failed) })
    }
}

impl<T: 'static> Upstream<T> for Call<Option<T>> {
    fn into_flow(self) -> FlowStep<T> {
        let service = Call::service(&self);
        FlowStep::new(async move { self.await.map_err(Stop::Failed)?.ok_or(Stop::Filtered(service)) })
    }
}

/// One input of a step while all of them are fetched at the same time.
pub struct Branch<T> {
    flow: FlowStep<T>,
    value: Option<T>,
}

impl<T> Branch<T> {
    /// Begins with nothing fetched.
    pub fn new(upstream: impl Upstream<T>) -> Self {
        Self { flow: upstream.into_flow(), value: None }
    }

    /// Goes on fetching; true once the value is there.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Result<bool, Stop> {
        if self.value.is_none()
            && let Poll::Ready(value) = self.flow.0.as_mut().poll(context)
        {
            self.value = Some(value?);
        }
        Ok(self.value.is_some())
    }

    /// The value; asked for once, when `poll` was true.
    pub fn take(&mut self) -> Result<T, Stop> {
        self.value.take().ok_or_else(|| Stop::Failed(Error::new("an input was taken twice")))
    }
}

impl<T> Unpin for Branch<T> {}

/// A step: inputs first, then the service. Called by what `#[service]` expands to; `fetched` goes on fetching and
/// says whether all are there.
pub fn step<T, B, U>(
    branches: B,
    mut fetched: impl FnMut(&mut B, &mut Context<'_>) -> Result<bool, Stop> + Send + 'static,
    call: impl FnOnce(B) -> Result<U, Stop> + Send + 'static,
) -> FlowStep<T>
where
    T: 'static,
    B: Send + 'static,
    U: Upstream<T> + Send + 'static,
{
    let mut branches = branches;
    FlowStep::new(async move {
        std::future::poll_fn(|context| match fetched(&mut branches, context) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(stop) => Poll::Ready(Err(stop)),
        })
        .await?;
        call(branches)?.into_flow().0.await
    })
}

/// Runs a chain once: its value as JSON on stdout, a filtered or failed one in words on stderr.
pub fn run<T: Serialize>(flow: FlowStep<T>) -> ExitCode {
    match block_on(flow.0) {
        Ok(value) => match serde_json::to_string(&value) {
            Ok(json) => match writeln!(std::io::stdout(), "{json}") {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("error: the result cannot be printed: {error}");
                    ExitCode::FAILURE
                }
            },
            Err(error) => {
                eprintln!("error: the result is not JSON: {error}");
                ExitCode::FAILURE
            }
        },
        Err(Stop::Filtered(service)) => {
            eprintln!("filtered: {service}");
            ExitCode::SUCCESS
        }
        Err(Stop::Failed(error)) => {
            match error.service() {
                Some(service) => eprintln!("error: {service}: {error}"),
                None => eprintln!("error: {error}"),
            }
            ExitCode::FAILURE
        }
    }
}
