//! Programs that bring images to nodes: run, given an archive, listened to.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::ShipError;

/// Whether somebody answers at all is known within this.
const GLANCE: Duration = Duration::from_secs(5);
/// A question is answered within this.
const ANSWER: Duration = Duration::from_secs(60);
/// An archive is taken in within this, on a slow disk.
const INTAKE: Duration = Duration::from_secs(600);
/// Of what a program says, so much is told.
const WORDS: usize = 500;

/// A program, with the arguments that come before all others.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    program: OsString,
    first: Vec<String>,
}

impl Tool {
    pub(crate) fn new(program: &OsStr, first: &[&str]) -> Self {
        Self { program: program.to_owned(), first: first.iter().map(|word| (*word).to_owned()).collect() }
    }

    /// Asks something nobody need be there to answer.
    pub(crate) async fn glance(&self, arguments: &[&str], what: &str) -> Result<String, ShipError> {
        self.run(arguments, None, GLANCE, what).await
    }

    /// Asks something; `what` is what for, on their own.
    pub(crate) async fn ask(&self, arguments: &[&str], what: &str) -> Result<String, ShipError> {
        self.run(arguments, None, ANSWER, what).await
    }

    /// Has it do something with bytes at its standard input.
    pub(crate) async fn feed(&self, arguments: &[&str], input: Bytes, what: &str) -> Result<String, ShipError> {
        self.run(arguments, Some(input), INTAKE, what).await
    }

    /// Has it do something that takes its time.
    pub(crate) async fn order(&self, arguments: &[&str], what: &str) -> Result<String, ShipError> {
        self.run(arguments, None, INTAKE, what).await
    }

    /// The command line, for people.
    fn line(&self, arguments: &[&str]) -> String {
        let program = self.program.to_string_lossy();
        let words = self.first.iter().map(String::as_str).chain(arguments.iter().copied());
        std::iter::once(&*program).chain(words).collect::<Vec<_>>().join(" ")
    }

    async fn run(
        &self,
        arguments: &[&str],
        input: Option<Bytes>,
        patience: Duration,
        what: &str,
    ) -> Result<String, ShipError> {
        let mut command = Command::new(&self.program);
        command.args(&self.first).args(arguments).kill_on_drop(true);
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |status: String, words: String| ShipError::Tool {
            command: self.line(arguments),
            what: what.to_owned(),
            status,
            words,
        };
        let mut child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                let program = self.program.to_string_lossy().into_owned();
                ShipError::NoTool { program, what: what.to_owned() }
            }
            _ => failed("no start".to_owned(), error.to_string()),
        })?;
        let stdin = child.stdin.take();
        let feed = async {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // A program that ends before it has read all says itself why.
                let fed = async {
                    stdin.write_all(&input).await?;
                    stdin.shutdown().await
                };
                match fed.await {
                    Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        };
        let ended = tokio::time::timeout(patience, async { tokio::join!(feed, child.wait_with_output()) }).await;
        let (fed, output) = ended.map_err(|_| ShipError::Patience {
            command: self.line(arguments),
            what: what.to_owned(),
            seconds: patience.as_secs(),
        })?;
        let output = output.map_err(|error| failed("no end".to_owned(), error.to_string()))?;
        if output.status.success() {
            fed.map_err(|error| failed("a closed ear".to_owned(), error.to_string()))?;
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = [output.stderr, output.stdout].map(|said| String::from_utf8_lossy(&said).trim().to_owned());
        let said = said.into_iter().find(|said| !said.is_empty()).unwrap_or_else(|| "it says nothing".to_owned());
        if said.contains("no space left on device") || said.contains("disk quota exceeded") {
            return Err(ShipError::DiskFull { place: self.line(&[]), what: what.to_owned() });
        }
        Err(failed(output.status.to_string(), ending(&said)))
    }
}

/// The end of a long text: there it says what went wrong.
fn ending(said: &str) -> String {
    let from = said.len().saturating_sub(WORDS);
    let from = (from..said.len()).find(|at| said.is_char_boundary(*at)).unwrap_or(0);
    said[from..].replace('\n', "; ")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn shell() -> Tool {
        Tool::new(OsStr::new("sh"), &["-c"])
    }

    #[tokio::test]
    async fn what_goes_in_is_read_and_what_comes_out_is_answered() {
        let bytes = Bytes::from(vec![b'x'; 1 << 20]);
        assert_eq!(shell().feed(&["wc -c"], bytes, "count").await.unwrap().trim(), "1048576");
    }

    #[tokio::test]
    async fn a_failure_names_the_command_and_its_last_words() {
        let bytes = Bytes::from(vec![b'x'; 1 << 20]);
        let error = shell().feed(&["echo unpacking; echo 'bad: layer' >&2; exit 3"], bytes, "load images").await;
        let said = error.unwrap_err().to_string();
        assert!(said.starts_with("cannot load images: \"sh -c echo"), "{said}");
        assert!(said.ends_with("ended with exit status: 3: bad: layer"), "{said}");
        let error = shell().ask(&["echo 'write /x: no space left on device' >&2; exit 1"], "load images").await;
        assert!(matches!(error.unwrap_err(), ShipError::DiskFull { .. }));
        let error = Tool::new(OsStr::new("no-such-program"), &[]).ask(&[], "load images").await.unwrap_err();
        assert_eq!(error.to_string(), "cannot load images: the program no-such-program is not on PATH");
    }

    #[test]
    fn the_end_of_many_words_is_told() {
        let said = format!("{}ö!", "ä".repeat(1000));
        assert!(ending(&said).ends_with("ö!") && ending(&said).len() <= WORDS);
        assert_eq!(ending("one\ntwo"), "one; two");
    }
}
