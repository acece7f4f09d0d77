//! `dyn client`: a typed client of an app's services.

use interface::{Interface, Language};

use crate::arguments::{Client, Lang};
use crate::fault::{Fault, Kind};
use crate::{finding, speech};

pub(crate) fn run(client: &Client) -> Result<(), Fault> {
    let (app, diagnostics, _) = session::load(&client.file);
    if finding::any_error(&diagnostics) {
        finding::print(&diagnostics);
        return Err(Fault::said(Kind::App));
    }
    let language = match client.lang {
        Lang::TypeScript => Language::TypeScript,
        Lang::Rust => Language::Rust,
    };
    let text = Interface::of(&app).client(language);
    // Whoever reads it may have seen enough.
    drop(speech::script(text.as_bytes()));
    Ok(())
}
