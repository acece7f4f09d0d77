//! `dyn bundle`: the running session in one HTML file that opens without it.

use std::io::Write;
use std::path::{Path, PathBuf};

use session_api::units;
use web::BundleParts;

use super::status::attached;
use crate::arguments::Bundle;
use crate::fault::{Fault, Kind};
use crate::{speech, start};

pub(crate) fn run(bundle: &Bundle) -> Result<(), Fault> {
    let parts = async { Ok::<_, Fault>(BundleParts::of(&attached(&bundle.file)?, bundle.last).await?) };
    let mut parts = start::runtime()?.block_on(parts)?;
    if bundle.no_values {
        parts.without_values();
    }
    let output = bundle.output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.html", parts.snapshot.app)));
    let html = parts.html();
    write(&output, html.as_bytes())?;
    let words = parts.words(!bundle.no_values);
    let size = units::bytes(u64::try_from(html.len()).unwrap_or(u64::MAX));
    drop(speech::err(format_args!("{}: {words}, {size}", output.display())));
    Ok(())
}

/// The file is there whole, or as it was.
fn write(file: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let wrong = |error: std::io::Error| Fault::new(Kind::Machine, format!("cannot write {}: {error}", file.display()));
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut aside = tempfile::NamedTempFile::new_in(folder).map_err(wrong)?;
    aside.write_all(bytes).map_err(wrong)?;
    aside.persist(file).map(drop).map_err(|error| wrong(error.error))
}
