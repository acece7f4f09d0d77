//! The server: its words about itself, and its life.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::{ServerHandler, ServiceExt, tool_handler};
use session_api::{Client, Snapshot};

use crate::source::AppSource;

/// The words by which an agent knows how to begin.
const INSTRUCTIONS: &str = "\
Tools for one Dyninka app: a Rust file whose #[service] functions run as services, reloaded at every save by `dyn dev`. \
Edit the file with your own tools, then call wait_for_edit: it answers with live and the verdict of recorded inputs, or \
with the compiler's errors and their lines. While a file is broken, the version before still serves. `call` calls a \
service, `request` shows every hop of a call with its inputs and outputs. Only a person confirms a push. Answers are JSON \
of at most 20 KB; a longer one says how to get the rest.";

/// A server that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum McpError {
    /// The client's first words are not the protocol's.
    #[error("cannot begin to speak the Model Context Protocol: {0}")]
    Begin(String),
    /// The server ended in an error.
    #[error("the server ended: {0}")]
    Ended(String),
}

/// Serves an agent over standard input and output until it closes them.
///
/// # Errors
/// What comes in is not the protocol.
pub async fn serve(source: impl AppSource) -> Result<(), McpError> {
    let server = SessionServer::new(Arc::new(source)).await;
    let running = server.serve(rmcp::transport::stdio()).await.map_err(|error| McpError::Begin(error.to_string()))?;
    running.waiting().await.map(drop).map_err(|error| McpError::Ended(error.to_string()))
}

#[derive(Clone)]
pub(crate) struct SessionServer {
    pub(crate) source: Arc<dyn AppSource>,
    /// The last edit that the agent knows of.
    pub(crate) seen: Arc<AtomicU64>,
    tool_router: ToolRouter<Self>,
}

impl SessionServer {
    async fn new(source: Arc<dyn AppSource>) -> Self {
        let server = Self { source, seen: Arc::default(), tool_router: Self::tool_router() };
        // A session may begin later: then there is no edit yet.
        if let Ok((_, snapshot)) = server.looked().await {
            server.seen.store(snapshot.edit, Ordering::Relaxed);
        }
        server
    }

    /// The session, if one runs the app now.
    pub(crate) fn client(&self) -> Result<Client, String> {
        self.source.attach()
    }

    /// The session at this moment.
    pub(crate) async fn looked(&self) -> Result<(Client, Snapshot), String> {
        let client = self.client()?;
        let snapshot = client.snapshot().await.map_err(|error| error.to_string())?;
        Ok((client, snapshot))
    }

    /// Something of the file's, which is read for it.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn AppSource) -> T + Send + 'static,
    ) -> Result<T, String> {
        let source = self.source.clone();
        tokio::task::spawn_blocking(move || read(&*source)).await.map_err(|error| error.to_string())
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for SessionServer {
    fn get_info(&self) -> ServerConfig {
        let own = Implementation::new("dyn", env!("CARGO_PKG_VERSION")).with_title("Dyninka");
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(own)
            .with_instructions(INSTRUCTIONS)
    }
}
