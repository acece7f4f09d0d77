//! A service called from a function's body: over the border, through the host.

use std::ffi::c_void;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::border::{CallOutcome, Done, HostCall, HostTable, Kind, Slice};
use crate::call::{Answer, Call};
use crate::error::{Error, Result};
use crate::library::ServedService;

/// For calls that belong to no request: from a thread or task the app began by itself.
static HOST: OnceLock<HostTable> = OnceLock::new();

/// Notes the host this library is loaded by, the first one where there are several.
pub(crate) fn attach(host: HostTable) {
    HOST.get_or_init(|| host);
}

/// The first host.
pub(crate) fn host() -> Option<HostTable> {
    HOST.get().copied()
}

/// An input as JSON.
pub fn encode<T: Serialize>(input: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(input).map_err(Error::from)
}

/// A call of another service.
pub fn call<V: DeserializeOwned + 'static>(service: &'static str, inputs: Vec<Result<Vec<u8>>>) -> Call<V> {
    // Where the call is made, not where it is awaited: that may be a task of its own.
    let request = crate::library::request();
    let host = request.served.and_then(ServedService::host);
    Call::remote(service, RemoteCall { request: request.number, host, service, inputs }, RemoteCall::now)
}

/// A call over the border that has not begun.
pub(crate) struct RemoteCall {
    request: u64,
    /// None: the first host.
    host: Option<HostTable>,
    service: &'static str,
    inputs: Vec<Result<Vec<u8>>>,
}

impl RemoteCall {
    /// The same call; nothing is left here.
    pub(crate) fn take(&mut self) -> Self {
        Self { inputs: std::mem::take(&mut self.inputs), ..*self }
    }

    /// Calls the service.
    fn now<V: DeserializeOwned + 'static>(self) -> Answer<V> {
        Box::pin(self.send(|host| host.call))
    }

    /// Asks for a job of it.
    pub(crate) fn later(self) -> Answer<String> {
        Box::pin(self.send(|host| host.later))
    }

    async fn send<V: DeserializeOwned>(self, way: fn(&HostTable) -> HostCall) -> Result<V> {
        let Self { request, host, service, inputs } = self;
        let inputs = inputs.into_iter().collect::<Result<Vec<_>>>()?;
        let Some(host) = host.or_else(|| HOST.get().copied()) else {
            return Err(Error::new(format!("{service} cannot be called before the library is open")));
        };
        let outcome = Pending::begin(|done, context| {
            let inputs: Vec<_> = inputs.iter().map(|input| Slice::of(input)).collect();
            let name = Slice::of(service.as_bytes());
            // SAFETY: the host reads service and inputs within the call, and gives the context to `done` once.
            unsafe { way(&host)(host.context, request, name, inputs.as_ptr(), inputs.len(), done, context) };
        })
        .await;
        match outcome.kind {
            Kind::Value => read(service, &outcome.body),
            // `None` in the type's own terms; a type without one cannot have been filtered.
            Kind::Filtered => read(service, b"null"),
            _ => Err(Error::from_problem(String::from_utf8_lossy(&outcome.body).into_owned())),
        }
    }
}

fn read<V: DeserializeOwned>(service: &str, json: &[u8]) -> Result<V> {
    serde_json::from_slice(json).map_err(|error| Error::new(format!("the answer of {service} does not read: {error}")))
}

/// An outcome that the host is to give. Given up when dropped: it then comes to nobody.
pub(crate) struct Pending(Arc<Mutex<Slot>>);

#[derive(Default)]
struct Slot {
    outcome: Option<CallOutcome>,
    waker: Option<Waker>,
}

impl Pending {
    /// Sends something to the host, which answers by calling the function with the context once.
    pub(crate) fn begin(send: impl FnOnce(Done, *mut c_void)) -> Self {
        let slot = Arc::new(Mutex::new(Slot::default()));
        send(done, Arc::into_raw(slot.clone()).cast_mut().cast());
        Self(slot)
    }
}

impl Future for Pending {
    type Output = CallOutcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                slot.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

unsafe extern "C" fn done(context: *mut c_void, outcome: CallOutcome) {
    // SAFETY: the count that `begin` gave away, given back once.
    let slot = unsafe { Arc::from_raw(context.cast_const().cast::<Mutex<Slot>>()) };
    let waker = {
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.outcome = Some(outcome);
        slot.waker.take()
    };
    if let Some(waker) = waker {
        waker.wake();
    }
}
