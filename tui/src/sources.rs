//! The files that diagnostics speak of.

use std::path::PathBuf;

use tokio::io::AsyncReadExt;

use crate::act::ViewInput;

/// As much as is read of a file; a place further down is told without its line.
const MOST_BYTES: u64 = 4 << 20;

/// Reads a file. One that cannot be read is told of: its diagnostics are shown without the lines they speak of.
pub(crate) async fn read(file: PathBuf) -> ViewInput {
    let read = async {
        let mut bytes = Vec::new();
        tokio::fs::File::open(&file).await?.take(MOST_BYTES).read_to_end(&mut bytes).await?;
        std::io::Result::Ok(bytes)
    };
    match read.await {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            ViewInput::Source(file, text.into())
        }
        Err(error) => ViewInput::Said(format!("cannot read {}: {error}", file.display())),
    }
}
