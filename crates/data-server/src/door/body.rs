//! Bodies on their way through the door, piece by piece.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use parking_lot::Mutex;

/// The body of a request. A clone is the same one: the first reader has it.
#[derive(Clone)]
pub(super) struct LentBody(Arc<Mutex<Lent>>);

struct Lent {
    body: Incoming,
    is_read: bool,
}

impl LentBody {
    pub(super) fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(Lent { body, is_read: false })))
    }

    /// Whether nothing of it was taken: it can still go to another endpoint.
    pub(super) fn is_whole(&self) -> bool {
        !self.0.lock().is_read
    }
}

impl Body for LentBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut lent = self.0.lock();
        let polled = Pin::new(&mut lent.body).poll_frame(context);
        lent.is_read |= matches!(polled, Poll::Ready(Some(_)));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().body.size_hint()
    }
}

/// The body of an answer. Until its end the request is one of the open ones.
pub(super) struct HeldBody<H> {
    pub(super) body: Incoming,
    pub(super) _held: H,
}

impl<H: Unpin> Body for HeldBody<H> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
