//! An app as the server is given it.

use serde_json::Value;
use session_api::Client;

/// An app's file, and the session that may have it. Reading it blocks.
pub trait AppSource: Send + Sync + 'static {
    /// A client of the session that runs the app now.
    ///
    /// # Errors
    /// No session runs it; in words, with what to do.
    fn attach(&self) -> Result<Client, String>;

    /// Services, flow and diagnostics of the file as it stands, in the shape of `dyn check --json`.
    fn check(&self) -> Value;

    /// The flow of the file as it stands, drawn as text.
    ///
    /// # Errors
    /// The file has errors: in words.
    fn graph(&self) -> Result<String, String>;

    /// The JSON Schemas of a service's inputs and answer; none where the file has no such service, or has errors.
    fn schemas(&self, service: &str) -> Option<(Value, Value)>;
}
