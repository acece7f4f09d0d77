//! `dyn shell`: call functions of the running session by hand, or of one started for it.

use std::io::IsTerminal;

use session::{Home, PublicPort, Session};
use session_api::{Client, Report};

use crate::arguments::{Limits, Shell};
use crate::face::Face;
use crate::fault::{Fault, Kind};
use crate::start;

pub(crate) fn run(shell: &Shell) -> Result<(), Fault> {
    let place = Home::open()?.place(&shell.file)?;
    let options = shell::ShellOptions {
        history: Some(place.history()),
        keep_going: shell.keep_going,
        ..shell::ShellOptions::default()
    };
    start::runtime()?.block_on(async {
        let ended = match session::attach(&place) {
            Some(client) => shell::run(client?, options).await,
            None => return started(shell, options).await,
        };
        code(ended)
    })
}

/// Starts a session for the shell, and ends it with it.
async fn started(shell: &Shell, options: shell::ShellOptions) -> Result<(), Fault> {
    let mut wanted = start::options(&shell.file, shell.on, PublicPort::Free, &Limits::default())?;
    // Edits are taken over as under `dyn dev`; a start that is broken ends it.
    wanted.waits = false;
    let mut face = Face::aside();
    let mut session = Session::start(wanted)?;
    let mut ended = Ok(());
    let mut signals = start::Signals::new()?;
    // At a terminal Ctrl-C is for the call that runs.
    if !std::io::stdin().is_terminal() {
        start::insist()?;
    }
    loop {
        let report = tokio::select! {
            report = session.next() => report,
            _ = signals.next() => {
                session.interrupt();
                ended = Err(Fault::said(Kind::Interrupted));
                continue;
            }
        };
        let Some(report) = report else { return ended };
        // Whoever read stderr may have gone: the shell ends with its own input.
        drop(face.show(&report));
        match report {
            Report::Ready { .. } => break,
            Report::Broken { .. } => ended = Err(Fault::said(Kind::App)),
            Report::Failed { message, .. } => ended = Err(Fault::new(Kind::Machine, message)),
            _ => {}
        }
    }
    face.finish();
    let client = Client::attach(session.socket())?;
    let mut running = Box::pin(shell::run(client, options));
    let ended = loop {
        tokio::select! {
            ended = &mut running => break ended,
            // Lines of services and news of edits are there for `:logs` and `:edits`.
            report = session.next() => if report.is_none() {
                break running.await;
            },
        }
    };
    session.interrupt();
    while session.next().await.is_some() {}
    code(ended)
}

fn code(ended: Result<shell::ShellEnd, shell::ShellError>) -> Result<(), Fault> {
    match ended {
        Ok(ended) => match ended.code() {
            0 => Ok(()),
            1 => Err(Fault::said(Kind::App)),
            _ => Err(Fault::said(Kind::Interrupted)),
        },
        Err(error) => Err(Fault::new(Kind::Machine, error.to_string())),
    }
}
