//! `dyn mcp`: the running session for agents, over standard input and output.

use std::path::{Path, PathBuf};

use interface::Interface;
use mcp::AppSource;
use serde_json::Value;
use session::{AppPlace, Home};
use session_api::Client;

use crate::fault::{Fault, Kind};
use crate::{finding, start};

pub(crate) fn run(file: &Path) -> Result<(), Fault> {
    let source = Source { place: Home::open()?.place(file)?, file: file.to_owned() };
    let served = start::runtime()?.block_on(mcp::serve(source));
    served.map_err(|error| {
        Fault::new(Kind::Usage, error)
            .hint("agents start this command themselves: name `dyn mcp FILE` in the configuration of yours")
    })
}

/// The app's file, and the place where its session is found.
struct Source {
    place: AppPlace,
    file: PathBuf,
}

impl AppSource for Source {
    fn attach(&self) -> Result<Client, String> {
        let file = self.file.display();
        let attached = session::attach(&self.place);
        let client = attached.ok_or_else(|| format!("no session runs {file}: `dyn dev {file}` starts one"))?;
        client.map_err(|error| error.to_string())
    }

    fn check(&self) -> Value {
        let (app, diagnostics, _) = session::load(&self.file);
        app::report(&app, &diagnostics)
    }

    fn graph(&self) -> Result<String, String> {
        let (app, diagnostics, _) = session::load(&self.file);
        match finding::any_error(&diagnostics) {
            true => Err(format!("{} has errors: check lists them", self.file.display())),
            false => Ok(app::graph(&app, app::Drawing::Text)),
        }
    }

    fn schemas(&self, service: &str) -> Option<(Value, Value)> {
        let (app, diagnostics, _) = session::load(&self.file);
        if finding::any_error(&diagnostics) {
            return None;
        }
        let interface = Interface::of(&app);
        let call = interface.call(service)?;
        Some((interface.input_schema(call), interface.output_schema(call)))
    }
}
