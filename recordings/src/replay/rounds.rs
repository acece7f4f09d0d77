//! The runs.

use std::time::Instant;

use super::cases::{Chosen, Side};
use super::kind;
use super::question::{Question, Replay, Subject};
use super::runner::{Job, Role, Runner, Slot};
use protocol::body::Outcome;

/// What all runs of a function came to.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// Of each case that was run; those after them were not.
    pub(super) ends: Vec<Ends>,
    /// Nanoseconds in the function, of runs that ended well.
    pub(super) was_ns: Vec<u64>,
    pub(super) now_ns: Vec<u64>,
    /// What is to be known of them.
    pub(super) notes: Vec<String>,
    /// The code now was stopped, for this: nothing was compared.
    pub(super) stopped: Option<String>,
}

/// How a case ended, round by round.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// None where there is no code of before.
    pub(super) was: Vec<Outcome>,
    pub(super) now: Vec<Outcome>,
}

/// Runs that may take the whole time they are given before the rest is not tried any more.
const MOST_ENDLESS: usize = 2;

/// Runs every case on both sides, in turns, round after round. A side that was stopped once is not run, now or later.
pub(super) async fn run<R: Runner>(
    question: &Question,
    subject: &Subject,
    chosen: &Chosen,
    service: &str,
    runner: &mut R,
) -> Result<Rounds, R::Error> {
    let is_free = subject.replay == Replay::Always;
    let slot = |role, version: &String| Slot { role, service: service.to_owned(), version: version.clone(), is_free };
    let (was, now) = (subject.was.as_ref().map(|version| slot(Role::Was, version)), slot(Role::Now, &subject.now));
    let deed = |slot: &Slot| if is_free { None } else { question.known.deed(&slot.version) };
    if let Some(deed) = deed(&now) {
        return Ok(Rounds { stopped: Some(deed), ..Rounds::default() });
    }
    let mut before = was.as_ref().and_then(deed);
    loop {
        let was = was.clone().filter(|_| before.is_none());
        match attempt(question, subject, chosen, (was, &now), runner).await? {
            Attempt::Ran(mut rounds) => {
                let note =
                    before.map(|deed| format!("the code before is not run: {deed}; what was recorded stands for it"));
                rounds.notes.extend(note);
                return Ok(rounds);
            }
            Attempt::Stopped { version, deed } => {
                question.known.stopped(&version, &deed);
                if version == now.version {
                    return Ok(Rounds { stopped: Some(deed), ..Rounds::default() });
                }
                // From the start: what was run of it changed state, and is gone with its process.
                before = Some(deed);
            }
        }
    }
}

/// What became of all runs of a function.
enum Attempt {
    Ran(Rounds),
    Stopped { version: String, deed: String },
}

async fn attempt<R: Runner>(
    question: &Question,
    subject: &Subject,
    chosen: &Chosen,
    (was, now): (Option<Slot>, &Slot),
    runner: &mut R,
) -> Result<Attempt, R::Error> {
    let begun = Instant::now();
    let states = chosen.from.as_ref().map_or(&[][..], |keyframe| &keyframe.states);
    let mut rounds = Rounds::default();
    let mut count = chosen.cases.len();
    let mut endless = 0;
    let mut round = 0;
    while round < 2 || (round < question.limits.rounds && begun.elapsed() < question.limits.budget) {
        if round == 0 || subject.placed {
            // A state of its own for each side, the same for both, in each round.
            for slot in was.iter().chain([now]) {
                let prepared = runner.prepare(slot, states).await?;
                if let Some(deed) = prepared.stopped {
                    return Ok(Attempt::Stopped { version: slot.version.clone(), deed });
                }
                if round == 0 && slot.role == Role::Now {
                    let reset = prepared.reset.into_iter();
                    rounds.notes.extend(reset.map(|(name, why)| format!("{name} begins anew: {why}")));
                }
            }
        }
        for (at, case) in chosen.cases[..count].iter().enumerate() {
            if round == 0 {
                rounds.ends.push(Ends::default());
            }
            // In turns which is first: the first warms the machine for the other.
            let mut turns =
                [(&was, &case.was), (&Some(now.clone()), &case.now)].map(|(slot, side)| (slot.clone(), side));
            if (at + round) % 2 == 1 {
                turns.reverse();
            }
            let mut gone = false;
            for (slot, side) in turns {
                let Some(slot) = slot else { continue };
                let (end, ns) = match side {
                    Side::Ends(end) => (end.clone(), None),
                    Side::Run(given) => {
                        let timeout = question.limits.timeout;
                        let job = Job { slot: &slot, inputs: &given.inputs, stand_ins: &given.calls, timeout };
                        let ran = runner.run(job).await?;
                        (ran.end, Some(ran.function_ns))
                    }
                };
                if let Outcome::Failed { kind, message } = &end {
                    if kind == kind::STOPPED {
                        return Ok(Attempt::Stopped { version: slot.version.clone(), deed: message.clone() });
                    }
                    endless += usize::from(kind == kind::DEADLINE);
                    gone |= kind == kind::DEADLINE || kind == kind::DIED;
                }
                // The first round finds nothing warm.
                let ns = ns.filter(|_| round > 0 && !matches!(end, Outcome::Failed { .. }));
                let (ends, times) = match slot.role {
                    Role::Was => (&mut rounds.ends[at].was, &mut rounds.was_ns),
                    Role::Now => (&mut rounds.ends[at].now, &mut rounds.now_ns),
                };
                ends.push(end);
                times.extend(ns);
            }
            // What state those after would find nobody knows; and each of them may take as long.
            if gone && (subject.placed || endless >= MOST_ENDLESS) {
                count = at + 1;
                break;
            }
        }
        if endless > 0 {
            break;
        }
        round += 1;
    }
    Ok(Attempt::Ran(rounds))
}
