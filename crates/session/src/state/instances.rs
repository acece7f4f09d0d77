//! Services with several hosts. Each instance is known, told, restarted and shown by itself; the first one goes by the
//! service's name, the others by `map.2`, `map.3`. One library is built for all of them.

use std::borrow::Cow;
use std::time::Duration;

use app::App;
use protocol::{instance_name, instance_of};
use session_api::snapshot::{Condition, InstanceView};

use super::service::Kept;
use super::{State, millis, picture};
use crate::effect::Effect;
use crate::placement::Together;

/// One instance of a service of an app.
pub(super) struct Instance<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) number: u32,
    pub(super) service: &'a app::Service,
}

impl Instance<'_> {
    /// DNS name of its host.
    pub(super) fn host(&self) -> String {
        host_name(&self.service.host, self.number)
    }
}

/// The DNS name of an instance's host.
pub(super) fn host_name(service: &str, number: u32) -> String {
    instance_name(service, number)
}

impl State {
    /// Settles how many instances each service of an app has. A number stays as it is for as long as its service is there.
    pub(super) fn count_instances(&mut self, now: Duration, app: &App) -> Vec<Effect> {
        let mut notices = Vec::new();
        for service in &app.services {
            let wanted = self.environments.instances.get(&service.name).copied().unwrap_or(1);
            let is_new = !self.counts.contains_key(&service.name);
            let count = *self.counts.entry(service.name.clone()).or_insert(wanted);
            if count != wanted {
                let name = &service.name;
                notices.push(format!(
                    "{name} keeps its number of instances, which is {count}: the next start of the session gives it {wanted}"
                ));
            }
            let is_grouped = match &self.environments.together {
                Together::None | Together::Auto => false,
                Together::All => true,
                Together::Groups(groups) => groups.iter().flatten().any(|name| *name == service.name),
            };
            if is_new && count > 1 && is_grouped {
                notices.push(format!(
                    "{} runs together with no other service: it has {count} instances, each a host of its own",
                    service.name
                ));
            }
        }
        notices.retain(|words| self.told_counts.insert(words.clone()));
        notices.into_iter().flat_map(|words| self.notice(now, words)).collect()
    }

    /// The number of instances that a service has.
    pub(super) fn instances(&self, service: &str) -> u32 {
        self.counts.get(service).copied().unwrap_or(1)
    }

    /// The names of a service's instances.
    pub(crate) fn instance_names(&self, service: &str) -> Vec<String> {
        (1..=self.instances(service)).map(|number| instance_name(service, number)).collect()
    }

    /// Starts a service's instances again by wish, one after the other, so that the others serve meanwhile; none where no
    /// such service runs.
    pub(crate) fn start_again(&mut self, service: &str) -> Option<Vec<Effect>> {
        self.address(service)?;
        let is_idle = self.again.is_empty();
        for name in self.instance_names(service) {
            if !self.again.contains(&name) {
                self.again.push_back(name);
            }
        }
        Some(if is_idle { self.end_next() } else { Vec::new() })
    }

    /// Goes on with the next one that is to be started again, once this one is back or gone.
    pub(super) fn go_on_after(&mut self, instance: &str) -> Vec<Effect> {
        if self.again.front().is_none_or(|first| first != instance) {
            return Vec::new();
        }
        self.again.pop_front();
        self.end_next()
    }

    /// Ends the first one: its host is started again as one that ended by itself.
    fn end_next(&mut self) -> Vec<Effect> {
        while let Some(service) = self.again.front() {
            if self.address(service).is_some() {
                return vec![Effect::Kill { service: service.clone() }];
            }
            self.again.pop_front();
        }
        Vec::new()
    }

    /// The names of a service's instances but the first.
    pub(super) fn further(&self, service: &str) -> impl Iterator<Item = String> + use<> {
        let (service, count) = (service.to_owned(), self.instances(service));
        (2..=count).map(move |number| instance_name(&service, number))
    }

    /// All instances of an app's services, in the order of the file.
    pub(super) fn each<'a>(&self, app: &'a App) -> Vec<Instance<'a>> {
        let mut all = Vec::with_capacity(app.services.len());
        for service in &app.services {
            all.push(Instance { name: Cow::Borrowed(service.name.as_str()), number: 1, service });
            for number in 2..=self.instances(&service.name) {
                all.push(Instance { name: Cow::Owned(instance_name(&service.name, number)), number, service });
            }
        }
        all
    }

    /// Gives the library that was built for a service to all of its instances.
    pub(super) fn share(&mut self, service: &str, kept: &Kept) {
        for name in self.further(service) {
            self.services.entry(name).or_default().artifact = Some(kept.clone());
        }
    }

    /// The service that an instance is of, by its name.
    pub(super) fn service_of<'a>(&self, app: &'a App, name: &str) -> Option<&'a app::Service> {
        app.service(instance_of(name).0)
    }

    /// The place of the host of a service, or of one of its instances.
    pub(super) fn place_of(&self, name: &str) -> Option<String> {
        self.near().and_then(|near| near.host(name).place)
    }

    /// The instances as front ends see them; none of a service that has but one.
    pub(super) fn instance_views(&self, service: &app::Service) -> Vec<InstanceView> {
        if self.instances(&service.name) < 2 {
            return Vec::new();
        }
        let key = self.key(service);
        let view = |name: String| {
            let number = instance_of(&name).1;
            let at = self.place_of(&name);
            let Some(known) = self.services.get(&name) else {
                return InstanceView { name, number, at, ..InstanceView::default() };
            };
            let live = known.live.as_ref();
            InstanceView {
                name,
                number,
                at,
                state: picture::condition(known, &key),
                version: live.map(|live| live.version.clone()),
                since_ms: live.map(|live| millis(live.since)),
                url: known.endpoint.as_ref().map(|endpoint| format!("http://{}/", endpoint.here)),
                restarts: known.restarts,
                why: known.why.clone().or_else(|| known.refused.as_ref().map(|(_, why)| why.clone())),
                pid: None,
            }
        };
        self.instance_names(&service.name).into_iter().map(view).collect()
    }
}

/// The state of a service, by those of its instances: down only where all are.
pub(super) fn overall(views: &[InstanceView]) -> Option<Condition> {
    let first = views.first()?.state;
    if views.iter().all(|view| view.state == first) {
        return Some(first);
    }
    let has = |state: &Condition| views.iter().any(|view| view.state == *state);
    let worst = [Condition::Starting, Condition::Building, Condition::Stale, Condition::Draining];
    Some(worst.into_iter().find(has).unwrap_or(Condition::Live))
}

#[cfg(test)]
mod tests;
