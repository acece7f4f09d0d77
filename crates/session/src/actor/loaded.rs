//! What was read last without an error: what a push is made from.

use std::sync::Arc;

use app::App;
use kubernetes::history::PushedSource;

use super::tools::Tools;

/// An app as it was read, whole, and what it was read from: what is pushed.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) app: Arc<App>,
    pub(crate) source: PushedSource,
    /// Where a push goes unless it is told otherwise.
    context: Option<String>,
}

impl Tools {
    /// Keeps what a push is made from.
    pub(crate) async fn keep_loaded(&self, app: &App, sources: &app::Sources) {
        // What cannot be read names no context.
        let context = tokio::task::spawn_blocking(kubernetes::cluster::current_context).await.ok().flatten();
        let loaded = Loaded { app: Arc::new(app.clone()), source: PushedSource::of(sources), context };
        *self.loaded.lock() = Some(loaded);
    }

    /// What was read last without an error.
    pub(crate) fn loaded(&self) -> Option<Loaded> {
        self.loaded.lock().clone()
    }

    /// Where a push goes unless it is told otherwise; none where no kubeconfig says so.
    pub(crate) fn context(&self) -> Option<String> {
        self.loaded.lock().as_ref()?.context.clone()
    }
}
