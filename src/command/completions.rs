//! `dyn completions`: a completion script on stdout.

use clap::CommandFactory;

use crate::arguments::Arguments;
use crate::fault::Fault;

pub(crate) fn run(shell: clap_complete::Shell) -> Result<(), Fault> {
    clap_complete::generate(shell, &mut Arguments::command(), "dyn", &mut std::io::stdout());
    Ok(())
}
