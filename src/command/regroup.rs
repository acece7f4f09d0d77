//! `dyn fuse` and `dyn split`: services of the running session go on in one host, or in hosts of their own.

use session_api::command::{Answer, Command};

use crate::arguments::{Fuse, Split};
use crate::fault::{Fault, Kind};
use crate::{speech, start};

pub(crate) fn fuse(Fuse { file, services, reset }: Fuse) -> Result<(), Fault> {
    say(&file, Command::Fuse { services, reset })
}

pub(crate) fn split(Split { file, services, reset }: Split) -> Result<(), Fault> {
    say(&file, Command::Split { services, reset })
}

fn say(file: &std::path::Path, command: Command) -> Result<(), Fault> {
    let answer =
        start::runtime()?.block_on(async { Ok::<_, Fault>(super::status::attached(file)?.say(&command).await?) })?;
    match answer {
        Answer::Done { message } => {
            drop(speech::out(message));
            Ok(())
        }
        Answer::Refused { message, hint } => Err(hint.into_iter().fold(Fault::new(Kind::App, message), Fault::hint)),
        other => Err(Fault::new(Kind::Machine, format!("the session answers something else: {other:?}"))),
    }
}
