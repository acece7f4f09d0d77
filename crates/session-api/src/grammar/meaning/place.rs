//! Moves between hosts: names of services, and `--reset` anywhere.

use super::Words;
use crate::command::Command;
use crate::grammar::Meaning;
use crate::grammar::mistake::Mistake;
use crate::grammar::verb::Verb;

impl Words<'_, '_, '_> {
    pub(super) fn move_to(&mut self, verb: &Verb) -> Result<Meaning, Mistake> {
        let fuses = verb.name == "fuse";
        let (mut services, mut reset): (Vec<String>, bool) = (Vec::new(), false);
        while let Some(token) = self.reader.peek() {
            let at = self.reader.here();
            if token.text(self.reader.line).starts_with('-') {
                let flag = self.word("an option")?;
                if !verb.flags.contains(&flag.as_str()) {
                    let wrong = Mistake::new(at, format_args!(":{} knows no {flag}", verb.name));
                    return Err(wrong.nearest(&flag, verb.flags.iter().copied(), "options"));
                }
                reset = true;
                continue;
            }
            let service = self.service()?.name.clone();
            if services.contains(&service) {
                return Err(Mistake::new(at, format_args!("{service} is named twice")));
            }
            services.push(service);
        }
        let least = if fuses { 2 } else { 1 };
        if services.len() < least {
            let wanted = if services.is_empty() { "a service" } else { "another service" };
            return Err(self.reader.expected(wanted));
        }
        Ok(Meaning::Say(if fuses { Command::Fuse { services, reset } } else { Command::Split { services, reset } }))
    }
}
