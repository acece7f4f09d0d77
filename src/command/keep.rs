//! `dyn keep`: the requests a session has in memory as a recording, and recorded calls as a Rust test file.

use std::fs;
use std::io::Write as _;

use recordings::as_tests;
use recordings::saved::{self, SavedError};
use session_api::command::{Answer, Command};

use super::replay;
use crate::arguments::Keep;
use crate::fault::{Fault, Kind};
use crate::{speech, start};

pub(crate) fn run(keep: &Keep) -> Result<(), Fault> {
    if !keep.as_tests {
        return save(keep);
    }
    // Tests are of what was kept before; where nothing was, of what is in memory.
    if matches!(saved::find(&keep.file, &keep.name), Err(SavedError::None { .. })) {
        save(keep)?;
    }
    write(keep)
}

/// Has the session save what it has in memory.
fn save(keep: &Keep) -> Result<(), Fault> {
    let command = Command::Keep { name: keep.name.clone() };
    let answer = start::runtime()?
        .block_on(async { Ok::<_, Fault>(super::status::attached(&keep.file)?.say(&command).await?) })?;
    match answer {
        Answer::Done { message } => {
            drop(speech::out(message));
            Ok(())
        }
        Answer::Refused { message, hint } => Err(hint.into_iter().fold(Fault::new(Kind::App, message), Fault::hint)),
        other => Err(Fault::new(Kind::Machine, format!("the session answers something else: {other:?}"))),
    }
}

fn write(keep: &Keep) -> Result<(), Fault> {
    let (question, folder) = replay::cases(&keep.file, &keep.name, keep.cases)?;
    let path = folder.join(FILE);
    // As the app's own file finds it.
    let beside = keep.file.parent().unwrap_or(std::path::Path::new(""));
    let place = path.strip_prefix(beside).unwrap_or(&path);
    let file = as_tests(&question, &keep.name, &place.display().to_string());
    for (service, why) in &file.left_out {
        drop(speech::err(format_args!("notice: no test of {service}: {why}")));
    }
    if file.cases == 0 {
        return Err(Fault::new(Kind::App, format!("{} has no call that a test can check", keep.name)));
    }
    let refused = |error| Fault::new(Kind::Machine, format!("cannot write {}: {error}", path.display()));
    let opened = fs::File::create_new(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Fault::new(Kind::App, format!("{} is there", path.display()))
            .hint("it is yours: remove it to have it written anew"),
        _ => refused(error),
    });
    opened?.write_all(file.text.as_bytes()).map_err(refused)?;
    drop(speech::out(format_args!("{}: {} calls checked", path.display(), file.cases)));
    drop(speech::err(format_args!("its first lines say how the app's file takes it in")));
    Ok(())
}

/// Beside the recording's lines.
const FILE: &str = "tests.rs";
