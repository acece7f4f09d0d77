//! What other programs call an app by.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::help;

#[derive(Debug, Args)]
pub(crate) struct OpenApi {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Service, by Rust name [default: the last one of the flow]
    #[arg(long, value_name = "NAME")]
    pub(crate) service: Option<String>,
    /// Version of the OpenAPI Specification
    #[arg(long, value_enum, default_value_t = Spec::V31)]
    pub(crate) spec: Spec,
}

/// A version of the OpenAPI Specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Spec {
    #[value(name = "3.0")]
    V30,
    #[value(name = "3.1")]
    V31,
}

#[derive(Debug, Args)]
pub(crate) struct Client {
    #[arg(help = help::FILE)]
    pub(crate) file: PathBuf,
    /// Language of the client
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    pub(crate) lang: Lang,
}

/// A language that clients are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// One module that calls by `fetch`
    #[value(name = "typescript")]
    TypeScript,
    /// One module that calls by reqwest
    Rust,
}
