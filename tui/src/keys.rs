//! The keys, read by a thread that is known to be gone before the terminal is another's.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use futures_util::stream::Stream;
use futures_util::task::AtomicWaker;

/// How long the reading thread is waited for. It ends at once, unless it waits for the rest of a key's sequence.
const LAST_KEY: Duration = Duration::from_secs(1);

/// What a terminal says: keys, the mouse, its size.
pub(crate) struct Keys {
    events: EventStream,
    wanted: Arc<Wanted>,
    /// Ends when nobody holds [`Wanted`] any more.
    read: Receiver<()>,
}

/// Held by the reading thread as long as it reads, as the waker it was given.
struct Wanted {
    by: AtomicWaker,
    _read: mpsc::Sender<()>,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let (sender, read) = mpsc::channel();
        let wanted = Arc::new(Wanted { by: AtomicWaker::new(), _read: sender });
        Self { events: EventStream::new(), wanted, read }
    }

    /// Stops reading. When this returns, no key is read any more: in the background, one that is read stops the whole
    /// process group, and a reader that stays would take the next stream's place.
    pub(crate) fn end(self) {
        let Self { events, wanted, read } = self;
        drop(events);
        drop(wanted);
        // Either nobody reads any more, or half of a key's sequence came and its rest may never come.
        _ = read.recv_timeout(LAST_KEY);
    }
}

impl Stream for Keys {
    type Item = std::io::Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.wanted.by.register(context.waker());
        let waker = Waker::from(Arc::clone(&self.wanted));
        self.events.poll_next_unpin(&mut Context::from_waker(&waker))
    }
}

impl Wake for Wanted {
    fn wake(self: Arc<Self>) {
        self.by.wake();
    }
}
