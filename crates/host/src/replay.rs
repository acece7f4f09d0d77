//! Runs functions again, in a process that serves nobody: `dyn replay-worker`.
//!
//! A library is opened here anew, so its placed state is another than that of the service that runs. A function that
//! aborts takes this process down and nothing else; with one that never ends the process ends itself, and with one that
//! does more than compute: `sandbox`. Whoever asked starts another.

mod call;
mod run;
mod sandbox;
mod slot;
mod voice;

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use protocol::body::Outcome;
use protocol::replay::{Ask, ReplayAnswer};

use slot::Slot;
use voice::Voice;

/// What functions may do here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freedom {
    /// Compute, and read files. What does more is stopped.
    Compute,
    /// What they may do where they serve: `#[service(replay = true)]`.
    All,
}

/// Answers what is asked on standard input, a line of JSON each ([`Ask`], [`ReplayAnswer`]), until that ends or a function
/// did not, or was stopped.
///
/// What functions print goes to standard error; of standard input they see nothing. Where the sandbox cannot be had,
/// nothing is run, and that is the answer to all that is asked.
pub fn work(freedom: Freedom) -> io::Result<()> {
    let closed = if freedom == Freedom::Compute { sandbox::close_inherited() } else { Ok(()) };
    let mut voice = Voice::take()?;
    let confined = match freedom {
        Freedom::Compute => closed.and_then(|()| sandbox::confine(voice.to())).map_err(|error| error.to_string()),
        Freedom::All => Ok(()),
    };
    let mut slots = HashMap::new();
    while let Some(ask) = voice.hear()? {
        let answer = match ask {
            Ok(_) if confined.is_err() => ReplayAnswer::Refused { why: confined.clone().err().unwrap_or_default() },
            Ok(ask) => perform(&mut slots, ask),
            Err(error) => ReplayAnswer::Refused { why: format!("what is asked does not read: {error}") },
        };
        voice.say(&answer)?;
        if is_endless(&answer) {
            break;
        }
    }
    Ok(())
}

fn perform(slots: &mut HashMap<String, Slot>, ask: Ask) -> ReplayAnswer {
    let refused = |why: String| ReplayAnswer::Refused { why };
    let unknown = |slot: &str| refused(format!("no library is loaded as {slot}"));
    match ask {
        Ask::Load { slot, file, service } => match Slot::load(&file, &service) {
            Ok((loaded, told)) => {
                slots.insert(slot, loaded);
                ReplayAnswer::Loaded(told)
            }
            Err(error) => refused(format!("load {}: {error}", file.display())),
        },
        Ask::Restore { slot, name, value } => match slots.get(&slot) {
            None => unknown(&slot),
            Some(slot) => match slot.restore(&name, value.get().as_bytes()) {
                Ok(()) => ReplayAnswer::Restored,
                Err(why) => refused(format!("restore {name}: {why}")),
            },
        },
        Ask::Run { slot, inputs, stand_ins, timeout_ms } => match slots.get(&slot) {
            None => unknown(&slot),
            Some(slot) => match run::run(slot, &inputs, stand_ins, Duration::from_millis(timeout_ms)) {
                Ok(ran) => ReplayAnswer::Ran(ran),
                Err(why) => refused(why),
            },
        },
        Ask::Forget { slot } => {
            slots.remove(&slot);
            ReplayAnswer::Forgotten
        }
    }
}

/// A call that goes on may hold the state, and a core, for ever.
fn is_endless(answer: &ReplayAnswer) -> bool {
    matches!(answer, ReplayAnswer::Ran(ran) if matches!(&ran.end, Outcome::Failed { kind, .. } if kind == run::DEADLINE))
}
