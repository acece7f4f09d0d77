//! `dyn export`: the same services as a file for somebody else's tools.

use std::path::Path;

use kubernetes::export::{self, ExportError, ExportRequest, Format};

use super::cluster::{listener, load};
use crate::arguments;
use crate::fault::{Fault, Kind};
use crate::{speech, start};

pub(crate) fn run(asked: &arguments::Export) -> Result<(), Fault> {
    let (app, _, settings) = load(&asked.file)?;
    let home = session::Home::open()?;
    let host = std::env::current_exe()
        .map_err(|error| Fault::new(Kind::Machine, format!("cannot find this program: {error}")))?;
    let request = ExportRequest {
        app,
        settings,
        format: match asked.format {
            arguments::Format::Kubernetes => Format::Kubernetes,
            arguments::Format::Compose => Format::Compose,
            arguments::Format::Marathon => Format::Marathon,
        },
        registry: asked.registry.clone(),
        root: asked.file.clone(),
        build: home.build(),
        images: home.images(),
        host,
    };
    let text = start::runtime()?.block_on(export::make(&request, &listener(false)))?;
    match &asked.output {
        Some(file) => write(file, &text),
        None => {
            // Whoever reads it may have seen enough.
            drop(speech::out(text.trim_end()));
            Ok(())
        }
    }
}

fn write(file: &Path, text: &str) -> Result<(), Fault> {
    std::fs::write(file, text)
        .map_err(|error| Fault::new(Kind::Machine, format!("cannot write {}: {error}", file.display())))
}

impl From<ExportError> for Fault {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Push(error) => error.into(),
            ExportError::NoRegistry => Self::new(Kind::Usage, error.to_string())
                .hint("name one: --registry host:port/folder, or [images] repository = \"…\" in dyn.toml"),
            ExportError::Apart { .. } => Self::new(Kind::App, error.to_string())
                .hint("say the same of both in dyn.toml, or take one of them out of [together]"),
            ExportError::NoImage { .. } | ExportError::NoConfigMap { .. } => Self::new(Kind::App, error.to_string()),
            error => Self::new(Kind::Machine, error.to_string()),
        }
    }
}
