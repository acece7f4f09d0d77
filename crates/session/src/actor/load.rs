//! Disk to [`app::Sources`]: the one place that reads an app's files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use app::{App, Diagnostic, Incremental, Missing, Sources};

use crate::store::home::explain;

/// Reads `root` and every file it mentions, and parses them. Never fails: what cannot be read is a diagnostic.
pub fn load(root: &Path) -> (App, Vec<Diagnostic>, Sources) {
    load_again(root, &mut Incremental::default())
}

/// The same, with what was read before.
pub(crate) fn load_again(root: &Path, memory: &mut Incremental) -> (App, Vec<Diagnostic>, Sources) {
    let mut sources = Sources { root: root.to_owned(), environment: compiler::environment(), ..Sources::default() };
    if let Err(finding) = read_text(root, &mut sources) {
        // The file is followed all the same: it may come back.
        let mut app = App::default();
        app.files.insert(root.to_owned());
        return (app, vec![*finding], sources);
    }
    let mut findings = Vec::new();
    loop {
        let wanted = memory.wanted(&sources);
        if wanted.is_empty() {
            break;
        }
        for missing in wanted {
            match missing {
                Missing::Module(candidates) => findings.extend(read_module(&candidates, &mut sources)),
                Missing::Included(path) => read_included(path, &mut sources),
            }
        }
    }
    let (app, diagnostics) = memory.parse(&sources);
    findings.extend(diagnostics);
    (app, findings, sources)
}

fn read_module(candidates: &[PathBuf], sources: &mut Sources) -> Option<Diagnostic> {
    let found = candidates.iter().find(|path| path.exists());
    match found {
        Some(path) => read_text(path, sources).err().map(|finding| *finding),
        None => {
            for path in candidates {
                sources.absent.insert(path.clone(), "no such file".to_owned());
            }
            None
        }
    }
}

fn read_text(path: &Path, sources: &mut Sources) -> Result<(), Box<Diagnostic>> {
    let text = read(path, app::LARGEST_FILE)
        .map_err(|error| Box::new(Diagnostic::unreadable(path, &explain(&error))))
        .and_then(|bytes| app::check_text(path, bytes).map_err(Box::new));
    match text {
        Ok(text) => {
            sources.texts.insert(path.to_owned(), Arc::from(text));
            Ok(())
        }
        Err(finding) => {
            sources.absent.insert(path.to_owned(), finding.message.clone());
            Err(finding)
        }
    }
}

fn read_included(path: PathBuf, sources: &mut Sources) {
    match read(&path, u64::MAX - 1) {
        Ok(bytes) => sources.included.insert(path, blake3::hash(&bytes).to_hex().to_string()),
        Err(error) => sources.absent.insert(path, explain(&error)),
    };
}

/// Reads at most a byte more than the limit, so that a huge file is refused without being read whole.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let kind = fs::metadata(path)?.file_type();
    // A pipe that nobody writes to would be waited for, without an end.
    if !kind.is_file() && !kind.is_dir() {
        return Err(io::Error::other("it is no regular file"));
    }
    let file = fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
