//! A call of a service.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::error::{Error, Result};
use crate::remote::RemoteCall;

/// Jobs that ran at once, where there is no host: numbers for their ids.
static HERE: AtomicU64 = AtomicU64::new(1);

/// A call of a service: what a function marked `#[service]` gives to its caller. Nothing happens until it is
/// awaited (or waited for).
///
/// `V` is what the function returns, a `Result` around it taken off: the call itself can fail, too.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<V> {
    service: &'static str,
    way: Way<V>,
}

/// The future of an answer.
pub(crate) type Answer<V> = Pin<Box<dyn Future<Output = Result<V>> + Send>>;

enum Way<V> {
    /// Answered by a future.
    Going(Answer<V>),
    /// Sent over the border once it is awaited.
    Ahead(RemoteCall, fn(RemoteCall) -> Answer<V>),
}

impl<V> Call<V> {
    /// A call that is answered by a future.
    #[doc(hidden)]
    pub fn new(service: &'static str, answer: impl Future<Output = Result<V>> + Send + 'static) -> Self {
        Self { service, way: Way::Going(Box::pin(answer)) }
    }

    /// A call over the border, and what sends it.
    pub(crate) fn remote(service: &'static str, call: RemoteCall, send: fn(RemoteCall) -> Answer<V>) -> Self {
        Self { service, way: Way::Ahead(call, send) }
    }

    /// Asks for a durable job of the service in place of the call: the answer is the job's id, and comes once the job is
    /// accepted. Its result is not waited for.
    ///
    /// Jobs have to be on (`dyn dev --jobs`); without them this is an error that says so. The job is that of the tenant whom
    /// this request is charged to. A job that runs again asks once: the same service with the same inputs, asked for by the
    /// same services in a row, is the same job, and the second time in one run it is a second one. Inputs that differ from run
    /// to run, such as a time, make other jobs.
    ///
    /// Under plain cargo the service is called at once. Its failure is told on stderr and is no error of this call, as a job's
    /// would be none.
    ///
    /// ```
    /// # use dyninka::{Call, Result};
    /// # fn resize(width: u64) -> Call<u64> { Call::new("resize", async move { Ok(width / 2) }) }
    /// # fn main() -> Result<()> {
    /// let id = resize(640).later().wait()?;
    /// assert!(!id.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn later(self) -> Call<String>
    where
        V: 'static,
    {
        let service = self.service;
        match self.way {
            Way::Ahead(call, _) => Call::remote(service, call, RemoteCall::later),
            Way::Going(answer) => Call::new(service, async move {
                if let Err(error) = answer.await {
                    eprintln!("dyninka: the job of {service} failed: {error}");
                }
                Ok(format!("here-{}", HERE.fetch_add(1, Ordering::Relaxed)))
            }),
        }
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
        if let Way::Ahead(call, send) = &mut self.way {
            let (call, send) = (call.take(), *send);
            self.way = Way::Going(send(call));
        }
        let Way::Going(answer) = &mut self.way else { return Poll::Pending };
        answer.as_mut().poll(context).map_err(|error: Error| error.of(service))
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
