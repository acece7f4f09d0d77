//! The session as it changes, for readers that draw it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use session_api::Snapshot;
use session_api::frame::{FRAME_MS, FrameWriter};
use tokio::sync::watch;
use tokio::time::Instant;

use super::asking::Handler;

/// Frames as JSON lines. The next one is made when the way takes it, and never sooner than [`FRAME_MS`] after the one
/// before: a reader that is slow skips what it cannot take.
pub(super) async fn frames(handler: Arc<Handler>) -> Option<impl Stream<Item = String>> {
    // From here on pictures are made; the first is asked for, since none may have been made for a while.
    let pictures = handler.pictures.upgrade()?.subscribe();
    let first = handler.snapshot().await?;
    let reader = Reader { pictures, writer: FrameWriter::default(), next: Some(Arc::new(first)), made: Instant::now() };
    Some(stream::unfold(reader, |mut reader| async move {
        let line = reader.line().await?;
        Some((line, reader))
    }))
}

struct Reader {
    pictures: watch::Receiver<Arc<Snapshot>>,
    writer: FrameWriter,
    /// A picture that was not told yet.
    next: Option<Arc<Snapshot>>,
    made: Instant,
}

impl Reader {
    /// The next frame; none where the session ends.
    async fn line(&mut self) -> Option<String> {
        loop {
            let picture = match self.next.take() {
                Some(first) => first,
                None => {
                    tokio::time::sleep_until(self.made + Duration::from_millis(FRAME_MS)).await;
                    self.pictures.changed().await.ok()?;
                    self.pictures.borrow_and_update().clone()
                }
            };
            self.made = Instant::now();
            if let Some(frame) = self.writer.frame(&picture) {
                return serde_json::to_string(&frame).ok().map(|json| json + "\n");
            }
        }
    }
}
