//! Who waits for a call's answer, and the user's future with what it is polled under.

use std::ffi::c_void;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use super::answer::CallAnswer;
use super::{Request, nanos, panics, with_request};
use crate::border::Done;

/// The caller that waits for the answer.
pub(crate) struct End {
    pub(crate) done: Done,
    pub(crate) context: *mut c_void,
}

// SAFETY: the border says that `done` may be called from any thread.
unsafe impl Send for End {}

impl End {
    pub(crate) fn with(self, answer: CallAnswer) {
        // SAFETY: called once, with the context the call was started with.
        unsafe { (self.done)(self.context, answer.into()) }
    }
}

/// The user's future: polled on behalf of its request, its panics caught.
pub(crate) struct Guarded {
    request: Request,
    begun: Option<Instant>,
    future: Pin<Box<dyn Future<Output = CallAnswer> + Send>>,
}

impl Guarded {
    pub(crate) fn new(request: Request, future: Pin<Box<dyn Future<Output = CallAnswer> + Send>>) -> Self {
        Self { request, begun: None, future }
    }
}

impl Future for Guarded {
    type Output = CallAnswer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<CallAnswer> {
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let polled = with_request(self.request, || panics::catch(|| self.future.as_mut().poll(context)));
        polled.unwrap_or_else(|panicked| Poll::Ready(panicked.took(nanos(begun))))
    }
}
