//! Questions to the user of a command.

use std::io::{IsTerminal, Write};

use crate::fault::{Fault, Kind};

/// Asks before a terminal whether to go on; elsewhere only `yes` says so.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<bool, Fault> {
    if yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Fault::new(Kind::Usage, "confirmation needed, but stdin is not a terminal").hint("pass --yes"));
    }
    // Where it is not seen, the answer is not yes.
    drop(write!(anstream::stderr(), "{question} [y/N] "));
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.map_err(|error| Fault::new(Kind::Machine, format!("cannot read the answer: {error}")))?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}
