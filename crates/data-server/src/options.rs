//! What a data server is started with.

use std::net::SocketAddr;
use std::path::PathBuf;

use data::DataSettings;

/// What a data server is started with.
#[derive(Clone, Debug)]
pub struct DataServerOptions {
    pub listen: SocketAddr,
    /// Where requests for functions are taken; none: nowhere.
    pub door: Option<SocketAddr>,
    /// File of the catalog, made where it is not there.
    pub catalog: PathBuf,
    /// File of the token, made where it is not there.
    pub token: PathBuf,
    /// Settings of a catalog that has none yet.
    pub settings: Option<DataSettings>,
    /// Whether a catalog that has others takes them. It does not start where a master would be another one: who writes may
    /// write to either meanwhile.
    pub takes: bool,
}

/// A data server that answers.
#[derive(Clone, Copy, Debug)]
pub struct DataServerStart {
    pub address: SocketAddr,
    /// Where requests for functions are taken.
    pub door: Option<SocketAddr>,
    /// Whether settings were given that the catalog does not have: it has others, and keeps them.
    pub has_others: bool,
}
