//! Lines from a pipe or a file: no prompt, and the first that fails is the last.

use std::io::BufRead;

use session_api::grammar::{is_blank, is_complete};
use tokio::sync::mpsc;

use crate::handler::{Fate, Handler};
use crate::options::{ShellEnd, ShellError};
use crate::peer::ShellPeer;

/// Does every line. What is open at a line's end goes on with the next.
pub(crate) async fn run<P: ShellPeer>(
    mut handler: Handler<P>,
    input: Box<dyn BufRead + Send>,
    keep_going: bool,
) -> Result<ShellEnd, ShellError> {
    handler.attach().await?;
    let mut lines = lines(input);
    let mut ended = ShellEnd::default();
    let mut text = String::new();
    let mut number = 0;
    loop {
        let line = lines.recv().await.transpose().map_err(|error| ShellError::Read(error.to_string()))?;
        let last = line.is_none();
        number += usize::from(!last);
        if let Some(line) = line {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&line);
            if !is_complete(&text) && !is_blank(&text) {
                continue;
            }
        }
        let whole = std::mem::take(&mut text);
        if !is_blank(&whole) {
            match handler.line(&whole).await {
                Ok(Fate::Done) => {}
                Ok(Fate::Leave) => return Ok(ended),
                // Nobody is here to be asked: what asks is refused before it begins.
                Ok(Fate::Failed | Fate::Asks(_)) => {
                    ended.failed += 1;
                    handler.voice.talk(&format!("  in line {number}"))?;
                    if !keep_going {
                        return Ok(ended);
                    }
                }
                // Whoever reads the values has seen enough, as `head` has.
                Err(ShellError::Write(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(ended),
                Err(error) => return Err(error),
            }
        }
        if last {
            return Ok(ended);
        }
    }
}

/// Lines as they come. The thread may wait for one for ever; nothing waits for the thread.
fn lines(mut input: Box<dyn BufRead + Send>) -> mpsc::Receiver<std::io::Result<String>> {
    // One is read ahead.
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut is_first = true;
        loop {
            let mut line = String::new();
            let read = match input.read_line(&mut line) {
                Ok(0) => return,
                Ok(_) => {
                    let line = line.trim_end_matches(['\n', '\r']);
                    // Some editors put a byte order mark before a text.
                    let line = if std::mem::take(&mut is_first) { line.trim_start_matches('\u{feff}') } else { line };
                    Ok(line.to_owned())
                }
                Err(error) => Err(error),
            };
            let failed = read.is_err();
            if sender.blocking_send(read).is_err() || failed {
                return;
            }
        }
    });
    receiver
}
