//! `dyn completions`: a completion script on stdout.

use crate::arguments;
use crate::fault::Fault;
use crate::speech;

pub(crate) fn run(shell: clap_complete::Shell) -> Result<(), Fault> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut arguments::command(), "dyn", &mut script);
    // Whoever reads it may have seen enough.
    drop(speech::script(&script));
    Ok(())
}
