//! Services that are built for the first time, in groups: one rustc for many of them instead of one for each.
//!
//! Whoever asks for a service says so before anything else ([`Batches::arrive`]). Once everybody who asked for a service
//! of one reading of an app is at this point, or has found its library kept, the first one builds a group; the others wait
//! for what becomes of theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use app::{App, Service};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::attempt::Identity;
use crate::base::Base;
use crate::builder::{Builder, Machine};
use crate::compile::Compilation;
use crate::error::BuildError;
use crate::finding::Finding;
use crate::glue;
use crate::outside::Outside;
use crate::process::Pace;
use crate::profile::Profile;
use crate::recipe::Recipe;
use crate::types::{self, Ahead, Part};

/// More in one library is no quicker and takes more memory: 270 MiB of rustc at 25 services.
pub(crate) const MOST: usize = 25;

/// The groups that are being gathered.
pub(crate) struct Batches {
    cores: usize,
    /// No group is larger.
    most: usize,
    open: Mutex<Vec<Batch>>,
    changed: Notify,
}

/// Those who build services of one reading of an app.
struct Batch {
    app: usize,
    /// How many of them are not here yet.
    arriving: usize,
    members: Vec<Member>,
    /// How many there were at most.
    total: usize,
}

/// A service that waits for a library.
struct Member {
    service: String,
    told: Told,
}

/// Hears how many services the library of a member's group holds; 0 where there is none.
type Told = oneshot::Sender<usize>;

/// Somebody who asked for a service, on the way to a group.
pub struct ExpectedBuild {
    batches: Arc<Batches>,
    app: usize,
    is_on_its_way: bool,
}

/// What becomes of who waits for a group.
pub(crate) enum Turn {
    /// Builds a group: the other services of it, with who waits for them.
    Lead(Vec<(String, Told)>),
    /// Somebody else built it with so many services, or could not.
    Told(usize),
}

impl Batches {
    pub(crate) fn new(cores: usize, most: usize) -> Arc<Self> {
        Arc::new(Self { cores, most, open: Mutex::default(), changed: Notify::new() })
    }

    /// Says that somebody asks for a service of an app.
    pub(crate) fn arrive(self: &Arc<Self>, app: &App) -> ExpectedBuild {
        let app = app.reading();
        let mut open = self.open.lock();
        match open.iter_mut().find(|batch| batch.app == app) {
            Some(batch) => batch.arriving += 1,
            None => open.push(Batch { app, arriving: 1, members: Vec::new(), total: 0 }),
        }
        ExpectedBuild { batches: Arc::clone(self), app, is_on_its_way: true }
    }

    /// Takes a group out of a batch, where it is complete and the service waits in it.
    fn take(&self, app: usize, service: &str) -> Option<Vec<(String, Told)>> {
        let mut open = self.open.lock();
        let batch = open.iter_mut().find(|batch| batch.app == app && batch.arriving == 0)?;
        batch.members.retain(|member| !member.told.is_closed());
        batch.total = batch.total.max(batch.members.len());
        let own = batch.members.iter().position(|member| member.service == service)?;
        drop(batch.members.remove(own));
        let size = batch.total.div_ceil(self.cores).clamp(1, self.most);
        let others = batch.members.drain(..(size - 1).min(batch.members.len()));
        Some(others.map(|member| (member.service, member.told)).collect())
    }
}

impl ExpectedBuild {
    /// Waits with a service for its group.
    pub(crate) async fn join(mut self, service: &str) -> Turn {
        loop {
            let (told, mut heard) = oneshot::channel();
            {
                let mut open = self.batches.open.lock();
                let member = Member { service: service.to_owned(), told };
                match open.iter_mut().find(|batch| batch.app == self.app) {
                    Some(batch) => batch.members.push(member),
                    None => open.push(Batch { app: self.app, arriving: 0, members: vec![member], total: 1 }),
                }
            }
            self.arrived();
            loop {
                let changed = self.batches.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if let Some(others) = self.batches.take(self.app, service) {
                    return Turn::Lead(others);
                }
                tokio::select! {
                    biased;
                    told = &mut heard => match told {
                        Ok(with) => return Turn::Told(with),
                        // Who built the group was given up: it is gathered again.
                        Err(_) => break,
                    },
                    () = changed => {}
                }
            }
        }
    }

    fn arrived(&mut self) {
        if std::mem::take(&mut self.is_on_its_way) {
            let mut open = self.batches.open.lock();
            if let Some(batch) = open.iter_mut().find(|batch| batch.app == self.app) {
                batch.arriving -= 1;
            }
            drop(open);
            self.batches.changed.notify_waiters();
        }
    }
}

impl std::fmt::Debug for ExpectedBuild {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExpectedBuild").field("is_on_its_way", &self.is_on_its_way).finish_non_exhaustive()
    }
}

impl Drop for ExpectedBuild {
    fn drop(&mut self) {
        self.arrived();
        let mut open = self.batches.open.lock();
        open.retain(|batch| batch.arriving > 0 || batch.members.iter().any(|member| !member.told.is_closed()));
    }
}

impl Builder {
    /// Whether a service is built with others where nothing of it is kept. One that calls others cannot be: it calls a
    /// stub of the name that the other's function has.
    pub(crate) fn may_join(&self, app: &App, service: &Service, outside: &Outside) -> bool {
        let is_first = !self.begun.lock().contains(&service.name);
        self.profile == Profile::Dev
            && is_first
            && service.calls.is_empty()
            && outside.is_empty()
            && !app.registers(&service.name)
    }

    /// Builds a service for the first time, with others that wait, where that can be done. Answers how many services its
    /// library holds; 0 where it is to be built by itself.
    pub(crate) async fn build_with_others(
        &self,
        machine: &Machine,
        recipe: &Recipe,
        app: &App,
        service: &Service,
        arrival: ExpectedBuild,
    ) -> Result<usize, BuildError> {
        let others = match arrival.join(&service.name).await {
            Turn::Lead(others) if !others.is_empty() => others,
            Turn::Lead(_) => return Ok(0),
            Turn::Told(with) => return Ok(with),
        };
        let found = others.iter().filter_map(|(name, _)| app.service(name));
        let services: Vec<&Service> = [service].into_iter().chain(found).collect();
        let sizes = {
            let _permit = self.permits.take().await;
            self.build_group(machine, recipe, app, &services).await?
        };
        let size = |name: &str| sizes.get(name).copied().unwrap_or_default();
        for (name, told) in others {
            // Who was given up meanwhile needs no answer.
            _ = told.send(size(&name));
        }
        Ok(size(&service.name))
    }

    /// Builds one library of several services. Where rustc has not enough memory for it, of each half of them; where some
    /// are broken, of the others. Answers for each service that has a library how many are in it.
    async fn build_group(
        &self,
        machine: &Machine,
        recipe: &Recipe,
        app: &App,
        services: &[&Service],
    ) -> Result<BTreeMap<String, usize>, BuildError> {
        let mut sizes = BTreeMap::new();
        let mut open = vec![services.to_vec()];
        while let Some(services) = open.pop() {
            match self.compile_group(machine, recipe, app, &services).await {
                Ok(true) => sizes.extend(services.iter().map(|of| (of.name.clone(), services.len()))),
                Ok(false) => {}
                Err(BuildError::Killed { signal: 9, .. }) if services.len() > 1 => {
                    let all = services.len();
                    self.notice(format!("rustc was killed over {all} services at once: half of them are tried"));
                    let (first, rest) = services.split_at(all / 2);
                    open.extend([rest.to_vec(), first.to_vec()]);
                }
                // Each of the others by itself says what is wrong, with its own words.
                Err(BuildError::Rustc { findings, .. }) => open.extend(sound(app, &services, &findings)),
                Err(error @ BuildError::DiskFull { .. }) => return Err(error),
                Err(error) => tracing::debug!(%error, "a group of services is built one by one"),
            }
        }
        Ok(sizes)
    }

    /// Whether there is a library of these services afterwards.
    async fn compile_group(
        &self,
        machine: &Machine,
        recipe: &Recipe,
        app: &App,
        services: &[&Service],
    ) -> Result<bool, BuildError> {
        let unknown =
            || BuildError::Unknown { service: services.iter().map(|of| &*of.name).collect::<Vec<_>>().join(", ") };
        let group = app.group(services).ok_or_else(unknown)?;
        let identities: Vec<Identity> = services.iter().map(|of| self.identify(recipe, app, of, "")).collect();
        let parts: Vec<(&Service, &str)> =
            services.iter().zip(&identities).map(|(of, identity)| (*of, identity.version.as_str())).collect();
        let print = |service: &Service, name: &str| self.print(recipe, app, service, name);
        let mut glue = glue::write_all(&parts, &print);
        let mut slice = &group.whole;
        let mut library = None;
        if let Some(split) = &group.split {
            let keys = services.iter().filter_map(|of| self.types_key(recipe, app, of));
            let keys: BTreeSet<String> = keys.collect();
            let key = types::key_of_group(keys.iter().map(String::as_str));
            if !self.rack.holds(&key) {
                let text = types::instances(&split.carried);
                let ahead = self.ahead_of(machine, recipe, app, key.clone(), Part::Types, (split.types.clone(), text));
                Ahead { pace: Pace::Awaited, ..ahead }.run().await?;
            }
            library = self.rack.find(&key, &split.types).map(|kept| kept.library);
            if library.is_some() {
                glue = glue.with_imports(&split.imports);
                slice = &split.rest;
                for service in services {
                    let own = self.types_key(recipe, app, service).zip(app.split(&service.name));
                    if let Some((own, split)) = own {
                        self.rack.lead(&own, &key, &split.types)?;
                    }
                }
            }
        }
        let base = self.base(machine, recipe).await?;
        let (work, linked) = (self.work(), self.linked());
        let compilation = Compilation {
            rustc: self.rustc(machine, recipe, &app.name, &work, &linked),
            service: services[0],
            slice,
            glue: &glue,
            linker: &machine.linker,
            types: library.as_deref(),
            base: base.as_ref(),
            before: None,
        };
        let compiled = compilation.run().await?;
        if !compiled.outside.is_empty() {
            // Whose that is, is seen where each is built by itself.
            return Ok(false);
        }
        for (service, identity) in services.iter().zip(&identities) {
            self.memory.keep(self.root(), &service.name, &identity.key, &compiled.outside)?;
        }
        let keys: Vec<String> =
            identities.iter().map(|identity| Base::key_over(base.as_ref(), &identity.key)).collect();
        let needs = base.as_ref().map(Base::names);
        let needs = needs.as_ref().map(<[&str; 2]>::as_slice).unwrap_or_default();
        self.artifacts.put_all(&keys, &compiled.library, needs)?;
        Ok(true)
    }
}

/// The services that reach nothing of what rustc found wrong; none where that cannot be told, or where it is one at most.
fn sound<'s>(app: &App, services: &[&'s Service], findings: &[Finding]) -> Option<Vec<&'s Service>> {
    let reaches = |service: &Service, finding: &Finding| {
        let place = &finding.diagnostic.place;
        let slice = app.slice(&service.name).unwrap_or_default();
        let lines = slice.files.iter().filter(|(path, _)| place.file.ends_with(path));
        let mut lines = lines.filter_map(|(_, text)| text.lines().nth(place.line.checked_sub(1)?));
        lines.any(|line| !line.trim().is_empty())
    };
    // What is wrong with a signature is told of the first service, whosever it is.
    let first = services.first().map(|first| &first.place);
    let has_place = |finding: &Finding| {
        Some(&finding.diagnostic.place) != first && services.iter().any(|service| reaches(service, finding))
    };
    if !findings.iter().all(has_place) {
        return None;
    }
    let is_sound = |service: &&&Service| !findings.iter().any(|finding| reaches(service, finding));
    let sound: Vec<&Service> = services.iter().filter(is_sound).copied().collect();
    (1 < sound.len() && sound.len() < services.len()).then_some(sound)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn batches(cores: usize) -> (Arc<Batches>, App) {
        (Batches::new(cores, MOST), App::default())
    }

    fn names(turn: Option<Turn>) -> Option<Vec<String>> {
        match turn? {
            Turn::Lead(others) => Some(others.into_iter().map(|(name, _)| name).collect()),
            Turn::Told(_) => None,
        }
    }

    #[test]
    fn a_group_begins_once_everybody_who_asked_is_there() {
        let (batches, app) = batches(2);
        let (first, second, third) = (batches.arrive(&app), batches.arrive(&app), batches.arrive(&app));
        let mut first = Box::pin(first.join("a"));
        assert!((&mut first).now_or_never().is_none());
        let mut second = Box::pin(second.join("b"));
        assert!((&mut second).now_or_never().is_none());
        // Its library was kept.
        drop(third);
        assert_eq!(names(first.now_or_never()), Some(vec![]), "half of two");
        assert_eq!(names(second.now_or_never()), Some(vec![]));
    }

    #[test]
    fn services_are_shared_out_among_the_cores_and_none_gets_too_many() {
        for (services, cores, expected) in [(4, 2, 2), (200, 2, 25), (30, 2, 15), (3, 8, 1), (200, 1, 25)] {
            let (batches, app) = batches(cores);
            let arrivals: Vec<_> = (0..services).map(|_| batches.arrive(&app)).collect();
            let names_of: Vec<String> = (0..services).map(|number| number.to_string()).collect();
            let mut joined: Vec<_> =
                arrivals.into_iter().zip(&names_of).map(|(arrival, name)| Box::pin(arrival.join(name))).collect();
            let turns: Vec<_> = joined.iter_mut().rev().map(|joining| joining.now_or_never()).collect();
            assert_eq!(turns.iter().flatten().count(), 1, "the last one to come leads");
            let led = turns.into_iter().find_map(names);
            assert_eq!(led.map(|others| others.len() + 1), Some(expected), "{services} on {cores}");
        }
    }

    #[test]
    fn who_waits_for_a_group_that_is_given_up_is_gathered_again() {
        let (batches, app) = batches(1);
        let (first, second) = (batches.arrive(&app), batches.arrive(&app));
        let (mut first, mut second) = (Box::pin(first.join("a")), Box::pin(second.join("b")));
        assert!((&mut first).now_or_never().is_none());
        let Some(Turn::Lead(others)) = (&mut second).now_or_never() else { panic!("nobody leads") };
        assert_eq!(others.len(), 1);
        drop(others);
        assert_eq!(names((&mut first).now_or_never()), Some(vec![]));
    }

    #[test]
    fn who_is_told_goes_on_and_another_reading_is_another_group() {
        let (batches, app) = batches(1);
        let other = app::parse(&app::Sources::default()).0;
        let (first, second, alone) = (batches.arrive(&app), batches.arrive(&app), batches.arrive(&other));
        let (mut first, second) = (Box::pin(first.join("a")), Box::pin(second.join("b")));
        assert!((&mut first).now_or_never().is_none());
        assert_eq!(names(alone.join("a").now_or_never()), Some(vec![]));
        let Some(Turn::Lead(others)) = second.now_or_never() else { panic!("nobody leads") };
        for (_, told) in others {
            _ = told.send(2);
        }
        assert!(matches!((&mut first).now_or_never(), Some(Turn::Told(2))));
        drop(first);
        assert!(batches.open.lock().is_empty());
    }
}
