//! What faces ask of the loop.

use session_api::command::Answer;

use super::Actor;
use crate::api::asking::Ask;
use crate::api::caller;
use crate::event::Event;
use crate::near::report;
use crate::recording::judge;
use crate::recording::recall::Present;
use crate::recording::work::AtHome;

impl Actor {
    pub(super) fn answer(&mut self, ask: Ask) {
        // Whoever asked may be gone again.
        match ask {
            Ask::App(reply) => drop(reply.send(self.state.app())),
            Ask::Snapshot(reply) => drop(reply.send(self.picture())),
            Ask::Restart(service, reply) => {
                let answer = match self.state.start_again(&service) {
                    Some(effects) => {
                        effects.into_iter().for_each(|effect| self.perform(effect));
                        Answer::Done { message: format!("{service} is started again") }
                    }
                    None => caller::refused(format!("{service} is no service that runs")),
                };
                drop(reply.send(answer));
            }
            Ask::Move(asked, reply) => self.ask_to_move(asked, reply),
            Ask::Undo(reply) => {
                let aside = self.tools.place.undone();
                let answer = match self.tools.texts.undo(&aside) {
                    Ok(files) => {
                        let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
                        let kept = aside.display();
                        Answer::Done {
                            message: format!("wrote back {}; what stood there is in {kept}", files.join(", ")),
                        }
                    }
                    Err(message) => caller::refused(message),
                };
                drop(reply.send(answer));
            }
            Ask::Where(data, reply) => {
                let (news, app) = (self.near.news.borrow().clone(), self.state.app());
                drop(reply.send(report::answer(self.state.near(), &news, app.as_deref(), data.as_deref())));
            }
            Ask::Present(reply) => {
                let (subjects, libraries) = self.state.subjects(&[]);
                let libraries = judge::files(&self.tools.place, libraries);
                let at = self.backend.clone().map(AtHome);
                drop(reply.send(Present { subjects, libraries, at }));
            }
            Ask::Replay(reply) => {
                let effects = self.state.judge_again(self.begun.elapsed());
                let answer = match effects.is_empty() {
                    true => caller::refused("no edit has changed a function yet".to_owned()),
                    false => Answer::Done { message: "recorded inputs are run again".to_owned() },
                };
                effects.into_iter().for_each(|effect| self.perform(effect));
                drop(reply.send(answer));
            }
            Ask::Push(command, reply) => self.push(*command, reply),
            Ask::Decide(number, yes, reply) => drop(reply.send(self.decide(number, yes))),
            Ask::StopPush(reply) => {
                let answer = match self.stop_push() {
                    true => Answer::Done { message: "it is told to stop".to_owned() },
                    false => caller::refused("nothing is being pushed".to_owned()),
                };
                drop(reply.send(answer));
            }
            Ask::Stop(reply) => {
                drop(self.events.send(Event::Interrupted));
                drop(reply.send(Answer::Done { message: "the session ends".to_owned() }));
            }
        }
    }
}
