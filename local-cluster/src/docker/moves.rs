//! Services that go on in another container, while the one before still answers.
//!
//! Both are there for a moment: the new one has ports and a socket of its own, and the old socket stays until the service
//! moves again, so that a caller who was not told yet is answered, and passed on.

use bollard::errors::Error;
use bollard::query_parameters::{RemoveContainerOptionsBuilder, StopContainerOptionsBuilder};

use super::Inner;
use crate::backend::{BackendError, Spec};
use crate::engine::status;

/// A host that its services left ends by itself once it has answered whom it passed on, who may wait for all of a
/// deadline: so many seconds.
const LEAVES: i32 = 40;

/// Where a service was before it moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    /// Of this machine.
    port: u16,
    /// In its container.
    pub(super) listens: u16,
}

impl Inner {
    /// Has a service that runs in another container find a place of its own in the next.
    pub(super) fn leave_seat(&self, spec: &Spec) {
        let runs = |(group, members): (&String, &Vec<String>)| *group != spec.group && members.contains(&spec.service);
        if !self.inside().iter().any(runs) {
            return;
        }
        if let Some(opened) = self.opened().as_mut()
            && let (Some(&port), Some(&listens)) = (opened.ports.get(&spec.service), opened.listens.get(&spec.service))
        {
            opened.before.insert(spec.service.clone(), Seat { port, listens });
            opened.ports.remove(&spec.service);
            opened.listens.remove(&spec.service);
        }
    }

    /// A service is no longer in the container of that group.
    pub(super) fn moved(&self, service: &str, from: &str) {
        if let Some(members) = self.inside().get_mut(from) {
            members.retain(|member| member != service);
        }
    }

    /// A service stays in the container of this group, where it was before.
    pub(super) fn stays(&self, service: &str, group: &str) {
        self.specs.regroup(service, group);
        if let Some(opened) = self.opened().as_mut()
            && let Some(Seat { port, listens }) = opened.before.remove(service)
        {
            opened.ports.insert(service.to_owned(), port);
            opened.listens.insert(service.to_owned(), listens);
        }
        if let Some(members) = self.inside().get_mut(group)
            && !members.iter().any(|member| member == service)
        {
            members.push(service.to_owned());
        }
        // Its process is looked for where it is.
        self.still.forget(service);
        if let Ok(spec) = self.specs.get(service) {
            self.hand_sockets(&[spec]);
        }
    }

    /// Ends the container of a group that nobody is left in.
    pub(super) async fn end(&self, group: &str) -> Result<(), BackendError> {
        if self.inside().get(group).is_some_and(|members| !members.is_empty()) || !self.specs.group(group).is_empty() {
            return Ok(());
        }
        let name = self.container_of(group);
        let removed = self.stop(&name, LEAVES).await;
        self.inside().remove(group);
        self.followers.lock().remove(group);
        self.made.lock().remove(&name);
        removed.map_err(BackendError::engine(format!("remove the container of the host {group}")))
    }

    /// Stops a container, which has so many seconds for that, and removes it.
    pub(super) async fn stop(&self, name: &str, seconds: i32) -> Result<(), Error> {
        let stop = StopContainerOptionsBuilder::default().t(seconds).build();
        // What does not stop is removed all the same.
        drop(self.engine.stop_container(name, Some(stop)).await);
        let remove = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.engine.remove_container(name, Some(remove)).await {
            Err(error) if status(&error) != Some(404) => Err(error),
            _ => Ok(()),
        }
    }
}
