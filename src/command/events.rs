//! `dyn events`: what the running session reports, as JSON lines.

use std::path::Path;

use super::status::attached;
use crate::fault::Fault;
use crate::{speech, start};

pub(crate) fn run(file: &Path, after: u64) -> Result<(), Fault> {
    start::runtime()?.block_on(async {
        let mut lines = attached(file)?.events(after, true).await?;
        while let Some(line) = lines.next().await? {
            // Whoever read them has gone, as in `dyn events FILE | head`.
            if speech::json(line).is_err() {
                break;
            }
        }
        Ok(())
    })
}
