//! `dyn completions`: a completion script on stdout.

use clap::CommandFactory;

use crate::arguments::Arguments;
use crate::fault::Fault;
use crate::speech;

pub(crate) fn run(shell: clap_complete::Shell) -> Result<(), Fault> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "dyn", &mut script);
    // Whoever reads it may have seen enough.
    drop(speech::script(&script));
    Ok(())
}
