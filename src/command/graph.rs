//! `dyn graph`: which service feeds which.

use std::path::Path;

use crate::arguments::Drawing;
use crate::fault::{Fault, Kind};
use crate::{finding, speech};

pub(crate) fn run(file: &Path, format: Drawing) -> Result<(), Fault> {
    let (app, diagnostics, _) = session::load(file);
    if finding::any_error(&diagnostics) {
        finding::print(&diagnostics);
        return Err(Fault::said(Kind::App));
    }
    let drawing = match &format {
        Drawing::Text => app::Drawing::Text,
        Drawing::Mermaid => app::Drawing::Mermaid,
        Drawing::Dot => app::Drawing::Dot,
        Drawing::Json => app::Drawing::Json,
    };
    let drawn = app::graph(&app, drawing);
    // Whoever reads it may have seen enough.
    drop(match format {
        Drawing::Json => speech::json(drawn.trim_end()),
        _ => speech::out(drawn.trim_end()),
    });
    Ok(())
}
