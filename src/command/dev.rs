//! `dyn dev`: build an app, run all of it here, serve it, until Ctrl-C.

use std::time::Duration;

use session::{PublicPort, Session, SessionOptions};
use session_api::Report;

use super::jobs_beside::JobsPlan;
use super::page::PagePlan;
use crate::arguments::{Dev, Goal};
use crate::face::Face;
use crate::fault::{Fault, Kind};
use crate::speech;
use crate::start::{Signals, options, runtime};
use crate::teller::Teller;

/// Where the chain's public listener is when nobody says: a port that is easy to remember.
const USUAL_PORT: u16 = 8080;

/// What a request has where a debugger may hold it.
const HELD_MS: u64 = 3_600_000;

/// Tasks of a session that is over end at their next step.
const LAST_TASKS: Duration = Duration::from_millis(500);

pub(crate) fn run(dev: &Dev) -> Result<(), Fault> {
    if dev.attach {
        return runtime()?.block_on(super::view::attach(dev));
    }
    let front = match dev.port {
        Some(0) => PublicPort::Free,
        Some(port) => PublicPort::Fixed(port),
        None => PublicPort::Prefer(USUAL_PORT),
    };
    let mut options = options(&dev.file, dev.on, front, &dev.limits)?;
    options.recording = recording(dev);
    options.debug = dev.debug;
    options.together.clone_from(&dev.together);
    options.instances = session::instance_counts(&dev.instances)
        .map_err(|error| Fault::new(Kind::Usage, format!("cannot use --instances: {error}")))?;
    if dev.debug && dev.limits.deadline.is_none() {
        // Whoever steps through a service takes longer than any caller would wait.
        options.requests.deadline_ms = HELD_MS;
    }
    #[cfg(feature = "jobs")]
    {
        options.queued_jobs = match (dev.drain_jobs, dev.drop_jobs) {
            (true, _) => session::QueuedJobs::Drain,
            (_, true) => session::QueuedJobs::Drop,
            _ => session::QueuedJobs::Refuse,
        };
    }
    let Goal { context, namespace } = dev.goal.clone();
    options.goal = session_api::command::Goal { context, namespace };
    options.names = dev.allow_host.iter().cloned().collect();
    // A package of `dyn new` names it: it is there though the folder was cleared, and is the one of this `dyn`.
    compiler::unpack_runtime(&options.home.runtime()).map_err(|error| Fault::new(Kind::Machine, error.to_string()))?;
    let runtime = runtime()?;
    let ended = if super::view::is_possible(dev) {
        runtime.block_on(super::view::serve(options, dev))
    } else {
        runtime.block_on(serve(options, dev))
    };
    // What was forced to end may leave a thread that waits for something; tasks end within this, and rustc with them.
    runtime.shutdown_timeout(LAST_TASKS);
    ended
}

/// What is recorded. The option without a name leaves the name to the session.
fn recording(dev: &Dev) -> session::RecordingOptions {
    session::RecordingOptions {
        record: dev.record.clone().map(|name| Some(name).filter(|name| !name.is_empty())),
        redact: dev.redact.clone(),
        ignore: dev.ignore.clone(),
    }
}

async fn serve(options: SessionOptions, dev: &Dev) -> Result<(), Fault> {
    let mut signals = Signals::new()?;
    let place = options.home.place(&dev.file)?;
    let jobs = JobsPlan::new(&place, dev)?;
    let page = PagePlan::new(&place, dev).await?;
    let mut session = Session::start(options)?;
    let page = page.open(&session)?;
    let jobs = jobs.start(&session);
    let mut teller = Teller::new(Face::new(dev.json, dev.plain))?;
    let mut ended = Ok(());
    let (mut interrupted, mut gone, mut ready) = (false, false, false);
    loop {
        tokio::select! {
            report = session.next() => {
                let Some(report) = report else { break };
                match &report {
                    Report::Ready { .. } => (ready, ended) = (true, Ok(())),
                    Report::Broken { .. } if !ready => ended = Err(Fault::said(Kind::App)),
                    Report::Failed { message, hint } => {
                        let fault = Fault::new(Kind::Machine, message);
                        ended = Err(hint.iter().fold(fault, Fault::hint));
                    }
                    _ => {}
                }
                teller.tell(report);
            }
            // Nobody reads any more, as when a terminal is closed: nobody uses what runs either.
            () = teller.gone(), if !gone => {
                gone = true;
                session.interrupt();
            }
            _ = signals.next() => {
                // The second one means it: whatever is left is cleared by the next start or `dyn stop`.
                if std::mem::replace(&mut interrupted, true) {
                    speech::give_up();
                    return Err(Fault::new(Kind::Interrupted, "forced to end before everything was removed")
                        .hint("`dyn stop FILE` removes what is left"));
                }
                session.interrupt();
            }
        }
    }
    jobs.end().await;
    page.end();
    teller.finish().await;
    // Ctrl-C is how a serving session is meant to end; before that it is an interruption.
    match ended {
        Ok(()) if (interrupted || gone) && !ready => Err(Fault::said(Kind::Interrupted)),
        ended => ended,
    }
}
