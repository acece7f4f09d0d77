//! `dyn check`: read an app and say what is wrong with it.

use std::path::Path;

use crate::fault::{Fault, Kind};
use crate::{finding, speech};

pub(crate) fn run(file: &Path, json: bool) -> Result<(), Fault> {
    let (app, mut diagnostics, _) = session::load(file);
    if !finding::any_error(&diagnostics)
        && let Err(error) = kubernetes::settings_file::load(file, &app)
    {
        diagnostics.extend(session::findings(&error));
    }
    if json {
        drop(speech::json(app::report(&app, &diagnostics)));
    } else {
        finding::print(&diagnostics);
        let services = app.services.len();
        match &app.flow {
            _ if !diagnostics.is_empty() => drop(speech::err(format_args!("{}", finding::count(&diagnostics, file)))),
            Some(flow) => drop(speech::err(format_args!("{}: {services} services, {flow}", file.display()))),
            None => drop(speech::err(format_args!("{}: {services} services", file.display()))),
        }
    }
    if finding::any_error(&diagnostics) { Err(Fault::said(Kind::App)) } else { Ok(()) }
}
