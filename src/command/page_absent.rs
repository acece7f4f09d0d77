//! The page in a browser in a build without it: whoever asks for it is told so, with the way out.

use std::path::Path;

use session::{AppPlace, Session};

use crate::arguments::{Bundle, Dev, PageChoice, Ui};
use crate::fault::{Fault, Kind};

/// Nothing.
pub(crate) struct PagePlan;

/// Nothing.
#[derive(Clone)]
pub(crate) struct PageBeside;

impl PagePlan {
    pub(crate) async fn new(_place: &AppPlace, dev: &Dev) -> Result<Self, Fault> {
        match dev.page {
            Some(PageChoice::Port(_)) => Err(refused()),
            Some(PageChoice::Off) | None => Ok(Self),
        }
    }

    pub(crate) fn open(self, _session: &Session) -> Result<PageBeside, Fault> {
        Ok(PageBeside)
    }
}

impl PageBeside {
    pub(crate) fn show(&self) -> Option<Result<String, String>> {
        None
    }

    pub(crate) fn is_open(&self) -> bool {
        false
    }

    pub(crate) fn end(self) {}
}

pub(crate) fn bundle(_bundle: &Bundle) -> Result<(), Fault> {
    Err(refused())
}

pub(crate) fn ui(_ui: &Ui) -> Result<(), Fault> {
    Err(refused())
}

pub(crate) fn open_link(_folder: &Path) -> Result<String, Fault> {
    Err(refused())
}

pub(crate) fn show(_link: &str) -> Result<String, String> {
    Err(refused().words())
}

fn refused() -> Fault {
    Fault::new(Kind::Usage, "this dyn was built without the feature `web`")
        .hint("`cargo install --path .` builds dyn with it")
}
