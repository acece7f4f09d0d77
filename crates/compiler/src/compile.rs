//! One call of rustc: a slice in, a library out.
//!
//! Measured on 2 cores with rust-lld, one service of five strings and a number, its serde code in the slice, medians
//! of 9: opt-level 0 takes 111 ms, 1 takes 315, 2 takes 365; without `serde_path_to_error` in the slice 89, 248 and
//! 286; without any derived code 63, 126 and 124. Stripping debug information at the link saves 12 ms and 3.9 MB of
//! 4.5. So edits are compiled at level 0, over dependencies at level 2; what is pushed may ask for more.

use std::fs;
use std::path::{Path, PathBuf};

use app::{Service, ServiceSlice, Split};
use tempfile::TempDir;
use tokio::process::Command;

use crate::base::Base;
use crate::error::{BuildError, io};
use crate::explain::OfService;
use crate::glue::{self, Glue};
use crate::linker::Linker;
use crate::outside::{self, Outside};
use crate::ready::Waiting;
use crate::rustc::{Rustc, Written};

/// What is compiled, and how.
pub(crate) struct Compilation<'a> {
    pub(crate) rustc: Rustc<'a>,
    pub(crate) service: &'a Service,
    pub(crate) slice: &'a ServiceSlice,
    pub(crate) glue: &'a Glue,
    pub(crate) linker: &'a Linker,
    /// The crate of the types, where the slice is without them.
    pub(crate) types: Option<&'a Path>,
    /// What it is linked with, where that is there already.
    pub(crate) base: Option<&'a Base>,
    /// A version of the service that was compiled ahead over these types.
    pub(crate) before: Option<&'a Path>,
}

/// A library in a folder that is removed when this is dropped, unless the library is moved out of it before.
pub(crate) struct Compiled {
    pub(crate) library: PathBuf,
    /// What it rests on beside the app's own files.
    pub(crate) outside: Outside,
    _folder: TempDir,
}

impl Compilation<'_> {
    /// Compiles. Dropping the future ends rustc and removes all it wrote.
    pub(crate) async fn run(&self) -> Result<Compiled, BuildError> {
        self.run_by(None).await
    }

    /// The same by a rustc that waits, where it can.
    pub(crate) async fn run_by(&self, waiting: Option<Waiting>) -> Result<Compiled, BuildError> {
        let (waiting, folder) = waiting.map(|waiting| (waiting.rustc, waiting.folder)).unzip();
        let folder = folder.map_or_else(|| self.rustc.room(), Ok)?;
        let mut glue = self.glue.text.clone();
        if self.base.is_some() {
            glue.push_str(Base::LINE);
        }
        let written = self.rustc.write_in(folder, self.slice, &glue)?;
        let made = written.folder.path().join("made");
        fs::create_dir(&made).map_err(io("create", &made))?;
        let mut command = self.command(&written);
        let library = made.join(self.rustc.make_in(&mut command, &made, std::env::consts::DLL_EXTENSION));
        let ended = self.rustc.run_by(waiting, command).await?;
        if ended.status.success() && library.is_file() {
            let outside = self.rustc.outside(&written, &made)?;
            return Ok(Compiled { library, outside, _folder: written.folder });
        }
        let missed = outside::missed(&ended.stderr, &written.sources, self.rustc.folder);
        if !missed.is_empty() {
            return Err(BuildError::Missed { files: missed });
        }
        let service = self.service.name.clone();
        let glue = OfService { service: self.service, glue: self.glue };
        Err(match self.rustc.findings(&ended, &written, &glue) {
            Ok(findings) => BuildError::Rustc { service, findings },
            Err(words) => BuildError::Failed { service, words },
        })
    }

    fn command(&self, written: &Written) -> Command {
        let mut command = self.rustc.command(written, &self.service.name);
        command.args(["--crate-type=cdylib", self.rustc.profile.strip()]);
        if let Some(types) = self.types {
            command.arg("--extern").arg(format!("{}={}", Split::CRATE, types.display()));
        }
        if let Some(before) = self.before {
            // It knows the types by their crate's own name.
            let folder = self.types.and_then(Path::parent).unwrap_or(Path::new(""));
            command.arg(format!("-Ldependency={}", folder.display()));
            command.arg("--extern").arg(format!("{}={}", glue::BEFORE, before.display()));
        }
        if let Some(base) = self.base {
            base.link(&mut command, self.linker);
        }
        if !self.rustc.recipe.has_linker {
            command.args(&self.linker.arguments);
        }
        command
    }
}
