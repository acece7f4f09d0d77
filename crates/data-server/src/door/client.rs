//! Connections to endpoints.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;

use super::body::LentBody;

/// An endpoint that is there takes a connection within this.
const CONNECT: Duration = Duration::from_secs(5);
/// A connection that is not used for so long is closed: before servers do, many of which wait for five seconds.
const IDLE: Duration = Duration::from_secs(4);

pub(super) type EndpointClient = Client<HttpsConnector<HttpConnector>, LentBody>;

/// Clients, by the file of the authority that they trust.
#[derive(Default)]
pub(super) struct Clients(Mutex<BTreeMap<Option<String>, EndpointClient>>);

impl Clients {
    pub(super) fn of(&self, ca: Option<&str>) -> Result<EndpointClient, String> {
        let mut known = self.0.lock();
        if let Some(client) = known.get(&ca.map(str::to_owned)) {
            return Ok(client.clone());
        }
        let client = open(ca.map(Path::new))?;
        known.insert(ca.map(str::to_owned), client.clone());
        Ok(client)
    }

    /// Has the next request read a file again: the authority that it held may have been replaced.
    pub(super) fn forget(&self, ca: &str) {
        self.0.lock().remove(&Some(ca.to_owned()));
    }
}

fn open(ca: Option<&Path>) -> Result<EndpointClient, String> {
    let tls = storage::tls::trusting(ca).map_err(|error| error.to_string())?;
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_idle_timeout(IDLE).pool_timer(TokioTimer::new());
    Ok(builder.build(connector.wrap_connector(tcp)))
}
