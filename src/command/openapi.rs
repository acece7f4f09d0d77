//! `dyn openapi`: what an app takes and answers, for tools that read OpenAPI.

use interface::{Interface, OpenApiVersion};

use super::invoke::find;
use crate::arguments::{OpenApi, Spec};
use crate::fault::{Fault, Kind};
use crate::{finding, speech};

pub(crate) fn run(openapi: &OpenApi) -> Result<(), Fault> {
    let OpenApi { file, service, spec } = openapi;
    let (app, diagnostics, _) = session::load(file);
    if finding::any_error(&diagnostics) {
        finding::print(&diagnostics);
        return Err(Fault::said(Kind::App));
    }
    let service = service.as_deref().map(|name| find(&app, name)).transpose()?;
    let interface = Interface::of(&app);
    let call = service.and_then(|service| interface.call(&service.name));
    let version = match spec {
        Spec::V30 => OpenApiVersion::V30,
        Spec::V31 => OpenApiVersion::V31,
    };
    let document = interface.openapi(call, version);
    let document = document.map_err(|error| Fault::new(Kind::App, error).hint("name one with --service"))?;
    // Whoever reads it may have seen enough.
    drop(speech::json(format!("{document:#}")));
    Ok(())
}
