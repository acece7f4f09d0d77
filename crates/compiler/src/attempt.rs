//! A service to its library: kept from earlier, or compiled, its types ahead where that can be.

use std::collections::BTreeSet;
use std::time::Instant;

use app::{App, Service, ServiceSlice};

use crate::artifact::Artifact;
use crate::base::Base;
use crate::batch::ExpectedBuild;
use crate::builder::{Builder, Machine};
use crate::compile::{Compilation, Compiled};
use crate::error::BuildError;
use crate::outside::{self, Outside};
use crate::process::Pace;
use crate::profile::Profile;
use crate::progress::Progress;
use crate::ready::Waiting;
use crate::recipe::Recipe;
use crate::types::{self, Ahead, Part};
use crate::{certain, glue, hash};

/// A library is built again where rustc read what was not known to count in its version.
const MOST_BUILDS: u32 = 4;

impl Builder {
    pub(crate) async fn attempt(
        &self,
        machine: &Machine,
        recipe: &Recipe,
        app: &App,
        service: &Service,
        (start, mut arrival): (Instant, Option<ExpectedBuild>),
    ) -> Result<Artifact, BuildError> {
        let mut base = self.base_of(machine, recipe, app, service).await?;
        let types = self.types_key(recipe, app, service);
        let mut outside = self.outside(recipe, app, service);
        let (mut builds, mut in_group, mut doubt) = (0, 0, None);
        let (kept, version, state) = loop {
            let state = outside.hash(self.folder(), self.profile);
            let Identity { key, version } = self.identify(recipe, app, service, &state);
            let key = Base::key_over(base.as_ref(), &key);
            if let Some(kept) = self.artifacts.find(&key) {
                break (kept, version, state);
            }
            if let Some(arrival) = arrival.take().filter(|_| self.may_join(app, service, &outside)) {
                // Now it is kept, or it is built by itself.
                in_group = self.build_with_others(machine, recipe, app, service, arrival).await?;
                continue;
            }
            let _seat = self.permits.take().await;
            let over = (types.as_deref(), base.as_ref());
            let compiled = match self.compile(machine, recipe, app, service, &version, over).await {
                // What no line is to blame for may be what it was linked with.
                Err(BuildError::Failed { words, .. }) if base.is_some() => {
                    doubt = base.take().map(|base| (base, words));
                    continue;
                }
                ended => ended?,
            };
            if let Some((base, why)) = doubt.take() {
                self.refuse_base(&base, &why).await;
            }
            builds += 1;
            let plain = self.identify(recipe, app, service, "").key;
            self.memory.keep(self.root(), &service.name, &plain, &compiled.outside)?;
            // The version, which is compiled in, counts what rustc read, as it was before and still is.
            if compiled.outside == outside && outside.hash(self.folder(), self.profile) == state {
                let needs = base.as_ref().map(Base::names);
                let needs = needs.as_ref().map(<[&str; 2]>::as_slice).unwrap_or_default();
                break (self.artifacts.put(&key, &compiled.library, needs)?, version, state);
            }
            if builds == MOST_BUILDS {
                let words = "the files that it includes change while it is built".to_owned();
                return Err(BuildError::Failed { service: service.name.clone(), words });
            }
            outside = compiled.outside;
        };
        drop(arrival);
        self.keep_ready(machine, recipe, &app.name);
        let built = builds > 0 || in_group > 0;
        let with = if builds > 0 { 1 } else { in_group.max(1) };
        let ms = start.elapsed().as_secs_f64() * 1000.0;
        let is_edited = !self.begun.lock().insert(service.name.clone()) && built;
        if let Some(types) = types {
            self.compile_ahead(machine, recipe, app, service, (types, is_edited));
        }
        let (path, bytes) = kept;
        let service = service.name.clone();
        Ok(Artifact { service, version, path, bytes, built, with, rests_on: outside.files, outside: state, ms })
    }

    /// Compiles over the crate of the service's types where there is one, and else, or where that does not do, all of
    /// it at once.
    async fn compile(
        &self,
        machine: &Machine,
        recipe: &Recipe,
        app: &App,
        service: &Service,
        version: &str,
        (types, base): (Option<&str>, Option<&Base>),
    ) -> Result<Compiled, BuildError> {
        let slice = app.slice(&service.name).ok_or_else(|| BuildError::Unknown { service: service.name.clone() })?;
        let print = |name: &str| self.print(recipe, app, service, name);
        let glue = glue::write(service, &slice.stubs, version, &print);
        let work = self.work();
        let linked = self.linked();
        let rustc = self.rustc(machine, recipe, &app.name, &work, &linked);
        let whole = Compilation {
            rustc,
            service,
            slice: &slice,
            glue: &glue,
            linker: &machine.linker,
            types: None,
            base,
            before: None,
        };
        let waiting = self.waiting(machine);
        let Some((types, split)) = types.zip(app.split(&service.name)) else { return whole.run_by(waiting).await };
        let Some(kept) = self.rack.find(types, &split.types) else { return whole.run_by(waiting).await };
        let before = self.rack.before(types, &service.name);
        // What is not named is not loaded.
        let named = before.iter().map(|_| format!("extern crate {} as _;", glue::BEFORE));
        let over = glue.with_imports(&split.imports.iter().cloned().chain(named).collect::<Vec<_>>());
        let over = Compilation {
            slice: &split.rest,
            glue: &over,
            types: Some(&kept.library),
            before: before.as_deref(),
            ..whole
        };
        let doubt = match over.run_by(waiting).await {
            Err(BuildError::Rustc { findings, .. })
                if !(kept.is_in_place && certain::are_certain(&findings, &split.moved)) =>
            {
                findings.into_iter().next().map(|finding| finding.diagnostic.message)
            }
            Err(BuildError::Failed { words, .. }) => Some(words),
            // Whatever is missed, the whole misses it too.
            ended => return ended,
        };
        // What rustc said may be about the split, or name lines where things no longer stand: the whole says the truth.
        let compiled = whole.run().await?;
        let why = doubt.unwrap_or_default();
        if before.is_some() {
            self.ahead.refuse(&types::key_of_body(types, &service.name));
            self.rack.remove_before(types, &service.name)?;
            self.notice(format!("only the types of {} are compiled ahead from now on: {why}", service.name));
            return Ok(compiled);
        }
        self.ahead.refuse(types);
        self.rack.remove(types)?;
        self.notice(format!("the types of {} are compiled with it from now on: apart, {why}", service.name));
        Ok(compiled)
    }

    /// What a service is linked with. Code that registers itself does so in what its library holds.
    async fn base_of(
        &self,
        machine: &Machine,
        recipe: &Recipe,
        app: &App,
        service: &Service,
    ) -> Result<Option<Base>, BuildError> {
        if app.registers(&service.name) { Ok(None) } else { self.base(machine, recipe).await }
    }

    /// The rustc that waits for an edit.
    fn waiting(&self, machine: &Machine) -> Option<Waiting> {
        self.ready.take(&machine.toolchain).unwrap_or_else(|why| {
            self.notice(format!("rustc is started at each edit: {why}"));
            None
        })
    }

    /// Has a rustc wait for the next edit. Nobody edits what is shipped.
    fn keep_ready(&self, machine: &Machine, recipe: &Recipe, name: &str) {
        if self.profile == Profile::Optimised || self.ready.has_one() {
            return;
        }
        let (work, linked) = (self.work(), BTreeSet::new());
        let rustc = self.rustc(machine, recipe, name, &work, &linked);
        match rustc.room() {
            Ok(room) => self.ready.prepare(rustc.bare(room.path()), room, &machine.toolchain, &self.permits),
            Err(error) => tracing::debug!(%error, "no rustc is kept ready"),
        }
    }

    /// The fingerprint of a placed static, as its library says it.
    pub(crate) fn print(&self, recipe: &Recipe, app: &App, service: &Service, name: &str) -> String {
        let placed = service.placed.iter().find(|placed| placed.name == name);
        let fingerprint = placed.map_or("", |placed| placed.fingerprint.as_str());
        // The layout of a type is rustc's choice and its dependencies', not the source's alone.
        let around = [self.environment_key(recipe).as_bytes(), self.profile.mark(), app.name.as_bytes()];
        hash::parts([fingerprint.as_bytes()].into_iter().chain(around))
    }

    /// The crate of a service's types, where they are to be compiled apart.
    pub(crate) fn types_key(&self, recipe: &Recipe, app: &App, service: &Service) -> Option<String> {
        if self.profile.level() > types::HIGHEST_LEVEL {
            return None;
        }
        for why in &service.kept_together {
            self.notice(format!("a type is compiled with {} at every edit: {why}", service.name));
        }
        let key = types::key(recipe, &app.name, self.shown(), self.profile, service.types()?);
        (!self.ahead.refuses(&key)).then_some(key)
    }

    /// Has a service's types ready for the next edit, and once it is edited its body as well.
    fn compile_ahead(
        &self,
        machine: &Machine,
        recipe: &Recipe,
        app: &App,
        service: &Service,
        (types_key, is_edited): (String, bool),
    ) {
        if self.ahead.refuses(&types_key) {
            return;
        }
        let name = &service.name;
        let has_types = self.rack.holds(&types_key);
        let key = if has_types { types::key_of_body(&types_key, name) } else { types_key.clone() };
        let is_wanted = !has_types
            || is_edited
                && self.rack.before(&types_key, name).is_none()
                && !self.ahead.refuses(&key)
                // It would do so from two places.
                && !app.registers(name);
        let Some(split) = app.split(name).filter(|_| is_wanted) else { return };
        let (part, slice, text) = match self.rack.find(&types_key, &split.types).filter(|_| has_types) {
            None if has_types => return,
            None => (Part::Types, split.types, types::instances(&split.carried)),
            Some(types) => {
                let text = glue::before(service, &split.rest.stubs) + &split.imports.join("\n");
                let part = Part::Body { service: name.clone(), types_key, types: types.library };
                (part, split.rest, text)
            }
        };
        let ahead = self.ahead_of(machine, recipe, app, key, part, (slice, text));
        self.ahead.start(name, ahead, &self.permits, &self.listener);
    }

    /// All it takes to compile a part of an app.
    pub(crate) fn ahead_of(
        &self,
        machine: &Machine,
        recipe: &Recipe,
        app: &App,
        key: String,
        part: Part,
        (slice, text): (ServiceSlice, String),
    ) -> Ahead {
        Ahead {
            linked: if matches!(part, Part::Types) { BTreeSet::new() } else { self.linked() },
            key,
            part,
            recipe: recipe.clone(),
            toolchain: machine.toolchain.clone(),
            name: app.name.clone(),
            folder: self.folder().to_owned(),
            shown: self.shown().to_owned(),
            work: self.work(),
            profile: self.profile,
            limit: self.limit,
            pace: Pace::Aside,
            slice,
            text,
            rack: self.rack.clone(),
        }
    }

    /// Says something once.
    pub(crate) fn notice(&self, words: String) {
        if self.told.lock().insert(words.clone()) {
            (self.listener)(Progress::Notice(words));
        }
    }

    /// What a service's library rests on beside the app's own files, as far as that is known before rustc is called.
    pub(crate) fn outside(&self, recipe: &Recipe, app: &App, service: &Service) -> Outside {
        let base = self.identify(recipe, app, service, "").key;
        let known = self.memory.recall(self.root(), &service.name, &base);
        let outside = known.unwrap_or_else(|| {
            let slice = app.slice(&service.name).unwrap_or_default();
            let variables = slice.files.values().flat_map(|text| outside::named_in(text));
            let variables = variables.filter(|name| !recipe.environment.contains_key(name)).collect();
            Outside { variables, ..Outside::default() }
        });
        if !outside.linked.is_empty() {
            self.linked.lock().extend(outside.linked.iter().cloned());
        }
        outside
    }

    /// `outside`: the state of what it rests on beside the app's own files; empty where there is nothing.
    pub(crate) fn identify(&self, recipe: &Recipe, app: &App, service: &Service, outside: &str) -> Identity {
        let level = self.profile.mark();
        let shown = match self.profile {
            Profile::Dev | Profile::Debug => self.shown().as_os_str().as_encoded_bytes(),
            Profile::Optimised => &[],
        };
        let (around, name) = (self.environment_key(recipe).as_bytes(), service.name.as_bytes());
        let mut parts = vec![glue::FORMAT.as_bytes(), around, level, shown, app.name.as_bytes(), name];
        parts.push(service.meaning.as_bytes());
        // A change of what is called changes the stub, though none of the caller's own items.
        let called = app.services.iter().filter(|called| service.calls.contains(&called.name));
        let stubs: Vec<String> =
            called.map(|called| format!("{}{:?}{:?}", called.name, called.inputs, called.output)).collect();
        parts.extend(stubs.iter().map(String::as_bytes));
        if !outside.is_empty() {
            parts.push(outside.as_bytes());
        }
        if self.profile == Profile::Debug {
            parts.push(service.places.as_bytes());
        }
        let key = hash::parts(parts);
        let version = format!("{}@{}", service.name, &key[..8]);
        // Two libraries of one version may name other places of this machine: each recipe has its own.
        // And one that was built when its code stood elsewhere would name other lines.
        let own = hash::parts([key.as_bytes(), recipe.key.as_bytes(), service.places.as_bytes()]);
        Identity { key: format!("{}{}", &key[..8], &own[8..]), version }
    }

    /// What a version rests on beside the app's own source.
    fn environment_key<'r>(&self, recipe: &'r Recipe) -> &'r str {
        match self.profile {
            Profile::Dev | Profile::Debug => &recipe.key,
            Profile::Optimised => &recipe.portable,
        }
    }
}

/// What a service is built from.
pub(crate) struct Identity {
    pub(crate) key: String,
    pub(crate) version: String,
}
