//! `dyn graph`: which service feeds which.

use std::path::Path;

use crate::arguments::Drawing;
use crate::fault::{Fault, Kind};
use crate::finding;

pub(crate) fn run(file: &Path, format: Drawing) -> Result<(), Fault> {
    let (app, diagnostics, _) = session::load(file);
    if finding::any_error(&diagnostics) {
        finding::print(&diagnostics);
        return Err(Fault::said(Kind::App));
    }
    let drawing = match format {
        Drawing::Text => app::Drawing::Text,
        Drawing::Mermaid => app::Drawing::Mermaid,
        Drawing::Dot => app::Drawing::Dot,
        Drawing::Json => app::Drawing::Json,
    };
    anstream::println!("{}", app::graph(&app, drawing).trim_end());
    Ok(())
}
