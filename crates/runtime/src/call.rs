//! A call of a service.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::error::{Error, Result};

/// A call of a service: what a function marked `#[service]` gives to its caller. Nothing happens until it is
/// awaited (or waited for).
///
/// `V` is what the function returns, a `Result` around it taken off: the call itself can fail, too.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<V> {
    service: &'static str,
    answer: Pin<Box<dyn Future<Output = Result<V>> + Send>>,
}

impl<V> Call<V> {
    /// A call that is answered by a future.
    #[doc(hidden)]
    pub fn new(service: &'static str, answer: impl Future<Output = Result<V>> + Send + 'static) -> Self {
        Self { service, answer: Box::pin(answer) }
    }

    /// The service that is called. No method: a flow may go on with a service of any name.
    pub(crate) fn service(call: &Self) -> &'static str {
        call.service
    }

    /// Waits for the answer where there is nothing to await in: a synchronous service, a test, a plain `main`.
    ///
    /// Blocks the thread. Inside a single-threaded Tokio runtime that runs on this very thread, a service that
    /// itself needs this runtime's clock or sockets cannot go on meanwhile: await it there.
    pub fn wait(self) -> Result<V> {
        block_on(self)
    }
}

impl<V> Future for Call<V> {
    type Output = Result<V>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let service = self.service;
        self.answer.as_mut().poll(context).map_err(|error: Error| error.of(service))
    }
}

impl<V> std::fmt::Debug for Call<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("service", &self.service).finish_non_exhaustive()
    }
}

/// Runs a future to its end on this thread. With feature `tokio`, inside a Tokio runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    #[cfg(feature = "tokio")]
    {
        use tokio::runtime::{Builder, Handle, RuntimeFlavor};
        match Handle::try_current().map(|handle| (handle.runtime_flavor(), handle)) {
            // Other tasks of this worker go to another one meanwhile.
            Ok((RuntimeFlavor::MultiThread, _)) => return tokio::task::block_in_place(|| park_until(future)),
            Ok(_) => {}
            // Of several threads, so that a synchronous service may wait for a call in the middle of a chain.
            Err(_) => match Builder::new_multi_thread().worker_threads(1).enable_all().build() {
                Ok(runtime) => return runtime.block_on(future),
                Err(error) => eprintln!("dyninka: no Tokio runtime ({error}), going on without"),
            },
        }
    }
    park_until(future)
}

/// Runs a future to its end on this thread, which sleeps while there is nothing to do.
pub(crate) fn park_until<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        thread::park();
    }
}
