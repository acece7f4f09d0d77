//! A service called from a function's body: over the border, through the host.

use std::ffi::c_void;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::border::{CallOutcome, HostCall, HostTable, Kind, Slice};
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
        let host = host.or_else(|| HOST.get().copied());
        let outcome = Sent { request, host, way, service, inputs, pending: None }.await?;
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

/// A call on its way. Given up when dropped: the answer then comes to nobody.
struct Sent {
    request: u64,
    host: Option<HostTable>,
    /// What the host is asked to do.
    way: fn(&HostTable) -> HostCall,
    service: &'static str,
    inputs: Vec<Vec<u8>>,
    pending: Option<Arc<Mutex<Slot>>>,
}

#[derive(Default)]
struct Slot {
    outcome: Option<CallOutcome>,
    waker: Option<Waker>,
}

impl Future for Sent {
    type Output = Result<CallOutcome>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let slot = match &self.pending {
            Some(slot) => slot.clone(),
            None => {
                let Some(host) = self.host else {
                    return Poll::Ready(Err(Error::new(format!(
                        "{} cannot be called before the library is open",
                        self.service
                    ))));
                };
                let slot = Arc::new(Mutex::new(Slot { outcome: None, waker: Some(context.waker().clone()) }));
                let inputs: Vec<_> = self.inputs.iter().map(|input| Slice::of(input)).collect();
                let given = Arc::into_raw(slot.clone()).cast_mut().cast();
                // SAFETY: the host reads service and inputs within the call, and gives the context to `done` once.
                unsafe {
                    ((self.way)(&host))(
                        host.context,
                        self.request,
                        Slice::of(self.service.as_bytes()),
                        inputs.as_ptr(),
                        inputs.len(),
                        done,
                        given,
                    )
                };
                self.pending = Some(slot.clone());
                slot
            }
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.outcome.take() {
            Some(outcome) => Poll::Ready(Ok(outcome)),
            None => {
                slot.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

unsafe extern "C" fn done(context: *mut c_void, outcome: CallOutcome) {
    // SAFETY: the count that `poll` gave away, given back once.
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
