//! Sources to [`App`] and everything that is wrong with them, all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use crate::ahead;
use crate::alias;
use crate::crates;
use crate::diagnostic::{Diagnostic, SourcePlace};
use crate::flow::{self, Placer};
use crate::kept::{KeptService, KeptServices};
use crate::memory::{Known, Memory};
use crate::model::{App, AppBucket, Flow, Service, WantedPlaces};
use crate::nesting;
use crate::reach::Index;
use crate::read;
use crate::reader::Reader;
use crate::service::{self, Signature};
use crate::sources::Sources;
use crate::tokens;
use crate::tree::{Item, Kind};
use crate::unit::Mark;

/// Reads an app. Never fails and never panics: what cannot be read is a finding, and what can be is in the app.
pub fn parse(sources: &Sources) -> (App, Vec<Diagnostic>) {
    Memory::default().parse(sources)
}

impl Memory {
    /// [`parse()`], reading only what changed since the last time.
    pub fn parse(&mut self, sources: &Sources) -> (App, Vec<Diagnostic>) {
        let read = nesting::on_deep_stack(|| read_app(sources, self));
        self.keep_only(sources);
        read.unwrap_or_else(|why| (App::default(), vec![Diagnostic::unreadable(&sources.root, &why)]))
    }
}

fn read_app(sources: &Sources, memory: &mut Memory) -> (App, Vec<Diagnostic>) {
    let mut findings = Vec::new();
    let (tree, root, frontmatter) = read::read(sources, memory, &mut findings);
    let name = sources.root.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut app = App { name, frontmatter, ..App::default() };
    app.files = sources.texts.keys().chain(sources.included.keys()).chain(sources.absent.keys()).cloned().collect();
    let mut kept = Vec::new();
    if let Some(root) = root {
        let index = Index::new(&tree);
        let before = memory.services.as_ref().and_then(|before| Some((before, before.differences(&index)?)));
        let mut reader = Reader {
            index: &index,
            tree: &tree,
            findings: &mut findings,
            before,
            kept: Vec::new(),
            functions: BTreeMap::new(),
            has_unseen_marks: false,
        };
        app.services = reader.services(&root);
        app.flow = reader.flow(&root, &app.services);
        app.buckets = reader.buckets();
        reader.near(&app.services, &app.buckets);
        reader.faces(&mut app);
        reader.unreadable();
        kept = std::mem::take(&mut reader.kept);
        app.crates = crates::mentioned(&tree, &index.names);
        app.outside = Arc::new(index.names.outside);
    }
    app.tree = Arc::new(tree);
    // Of a text that cannot be read, the one before is what the next edit is likely to be like.
    if !kept.is_empty() {
        for (kept, service) in kept.iter_mut().zip(&app.services) {
            kept.service = service.clone();
        }
        memory.services = Some(KeptServices { tree: Arc::clone(&app.tree), services: kept });
    }
    findings.sort_by(|a, b| (a.severity, &a.place, &a.message).cmp(&(b.severity, &b.place, &b.message)));
    findings.dedup();
    (app, findings)
}

impl Reader<'_> {
    fn services(&mut self, root: &Known) -> Vec<Service> {
        let tree = self.tree;
        if tree.items.is_empty() {
            let finding = Diagnostic::error("the file is empty", SourcePlace::start_of(&tree.files[0].path));
            self.findings.push(finding.help("`dyn new FILE` writes a small app to start from"));
            return Vec::new();
        }
        let mut signatures: Vec<(usize, &Signature)> = Vec::new();
        let mut marked = false;
        for (unit, number) in root.units.iter().zip(&tree.modules[0].items) {
            let Some(mark) = &unit.content.mark else { continue };
            marked = true;
            let item = &tree.items[*number];
            let signed = match mark {
                Mark::Function(signed) => signed,
                Mark::Other(range) => {
                    self.wrong(item, range, "only a function can be a service".to_owned(), "mark a fn or an async fn");
                    continue;
                }
            };
            if self.is_well_named(*number) {
                let faults = signed.faults.iter().map(|fault| {
                    let place = tree.place(0, &item.at(&fault.range));
                    let finding = Diagnostic::error(fault.message.clone(), place).help(fault.help.clone());
                    Diagnostic { service: fault.service.clone(), ..finding }
                });
                self.findings.extend(faults);
                signatures.push((*number, &signed.signature));
            }
        }
        self.misplaced_marks();
        self.has_unseen_marks = self.unseen_marks();
        let placed = self.placed();
        let mut services: Vec<Service> =
            signatures.into_iter().map(|(number, signature)| self.service(number, signature, &placed)).collect();
        ahead::find(self, &mut services);
        self.call_circles(&services);
        self.shared_statics(&services);
        self.trait_objects(&services);
        if !marked && !self.has_unseen_marks {
            let finding =
                Diagnostic::error("there is no service in this file", SourcePlace::start_of(&tree.files[0].path));
            self.findings.push(finding.help("mark functions with #[service]"));
        }
        services
    }

    /// Notes a service, unless its name is another's or `main`.
    fn is_well_named(&mut self, number: usize) -> bool {
        let tree = self.tree;
        let item = &tree.items[number];
        let range = &item.name_range;
        // What is there for tests only has no name that anybody could call.
        let Some(name) = item.names.first() else {
            let help = "take #[cfg(test)] or #[test] away, or the mark";
            self.wrong(item, range, "a service cannot be there for tests only".to_owned(), help);
            return false;
        };
        if let Some(other) = self.functions.get(name) {
            let other = &tree.items[*other];
            let line = tree.place(0, &other.at(&other.name_range)).line;
            let help = format!("the first is in line {line}: rename one");
            self.wrong(item, range, format!("two services are called {name}"), help);
            return false;
        }
        if name == "main" {
            let help = "main holds the flow: give the service a name of its own";
            self.wrong(item, range, "main cannot be a service".to_owned(), help);
            return false;
        }
        let host = service::label(name);
        if let Some(other) = self.functions.keys().find(|other| service::label(other) == host) {
            let message = format!("services {other} and {name} have one host name, {host}");
            self.wrong(item, range, message, "rename one: host names know no upper case and no _");
        }
        self.functions.insert(name.clone(), number);
        true
    }

    /// `#[service]` and `#[placed]` on what is not at the top level of the file.
    fn misplaced_marks(&mut self) {
        for item in &self.tree.items {
            let misplaced = |mark: &&Range<usize>| item.module != 0 || !item.ours.contains(mark);
            for mark in item.mentions.marks.iter().filter(misplaced) {
                self.wrong(
                    item,
                    mark,
                    "services and placed statics stand at the top level of the app's file".to_owned(),
                    "move it there, and call from there into what it needs",
                );
            }
        }
    }

    fn service(&mut self, number: usize, signature: &Signature, placed: &BTreeMap<String, Vec<usize>>) -> Service {
        let tree = self.tree;
        let item = &tree.items[number];
        let name = item.names[0].clone();
        let own = placed.get(&name).cloned().unwrap_or_default();
        let place = |range: &Range<usize>| tree.place(0, &item.at(range));
        let near = || {
            let near = signature.options.near.as_ref()?;
            Some(AppBucket { name: near.text.clone(), place: place(&near.range) })
        };
        let on = || {
            let on = signature.options.on.as_ref()?;
            Some(WantedPlaces { words: on.text.clone(), place: place(&on.range) })
        };
        let before = self.before.as_ref().and_then(|(before, differences)| {
            let kept = differences.kept(before, number, &own)?;
            Some((kept, differences.has_moved(&kept.service.reach.items)))
        });
        if let Some((kept, has_moved)) = before {
            let mut service = kept.service.clone();
            service.place = place(&item.name_range);
            service.input_places = signature.input_ranges.iter().map(place).collect();
            service.output_place = place(&signature.output_range);
            (service.replay, service.needs) = (signature.options.replay, signature.options.needs);
            (service.near, service.on) = (near(), on());
            if has_moved {
                service.places = App::places(tree, service.reach.items.iter().copied());
            }
            self.kept.push(kept.clone());
            return service;
        }
        let roots: Vec<usize> = [number].into_iter().chain(own.iter().copied()).collect();
        let reach = self.index.reach(&roots);
        for (foreign, (file, range)) in &reach.placed {
            let foreign = &self.tree.items[*foreign];
            let owner = foreign.placed.iter().flat_map(|on| &on.services).next().map_or("nothing", String::as_str);
            let message = format!("service {name} uses {}, which is placed on {owner}", foreign.names[0]);
            let mut finding = Diagnostic::error(message, self.tree.place(*file, range));
            finding.service = Some(name.clone());
            self.findings.push(finding.help(format!("state belongs to one service: call {owner} for what it knows")));
        }
        let reaches = self.index.meaning(&reach, number);
        let meaning = tokens::combine(reaches.iter().flat_map(|(label, hash)| [label.as_str(), hash.as_str()]));
        let types = self.signature(item, signature);
        let (mut statics, mut decides) = (Vec::new(), BTreeSet::new());
        for number in &own {
            let (of, mut items) = self.placed_static(*number);
            statics.push(of);
            decides.append(&mut items);
        }
        let service = Service {
            host: service::label(&name),
            inputs: signature.inputs.clone(),
            output: alias::output(self.index, &signature.output),
            is_async: signature.is_async,
            placed: statics,
            calls: reach.calls.iter().map(|called| self.tree.items[*called].names[0].clone()).collect(),
            input_places: signature.input_ranges.iter().map(place).collect(),
            output_place: place(&signature.output_range),
            signature: types,
            places: App::places(tree, reach.items.iter().copied()),
            reaches,
            meaning,
            replay: signature.options.replay,
            needs: signature.options.needs,
            near: near(),
            on: on(),
            place: place(&item.name_range),
            reach,
            apart: Arc::default(),
            kept_together: BTreeSet::new(),
            name,
        };
        self.kept.push(KeptService { number, service: service.clone(), own, decides });
        service
    }

    /// Hash over the types in a service's signature and all that they are made of.
    fn signature(&self, item: &Item, signature: &Signature) -> String {
        let Kind::Service { face } = &item.kind else { return String::new() };
        let types = signature.inputs.iter().map(|input| input.ty.as_str());
        let written = tokens::combine(types.chain([signature.output.written.as_str()]));
        self.index.fingerprint(0, &written, &face.mentions)
    }

    /// What the signatures in the flow need, and what they mean.
    fn faces(&self, app: &mut App) {
        let edges = app.edges();
        let ends = edges.iter().flat_map(|edge| [&edge.producer, &edge.consumer]);
        let ends: BTreeSet<usize> = ends.filter_map(|name| self.functions.get(name)).copied().collect();
        app.faces = self.index.reach_faces(&ends, true);
        app.bare_faces = self.index.reach_faces(&ends, false);
        let meaning = self.index.meaning(&app.faces, usize::MAX);
        let mut words: Vec<String> = edges.iter().map(|edge| format!("{edge:?}")).collect();
        words.extend(ends.iter().filter_map(|end| match &self.tree.items[*end].kind {
            Kind::Service { face } => Some(face.hash.clone()),
            _ => None,
        }));
        words.extend(meaning.into_iter().flat_map(|(label, hash)| [label, hash]));
        app.flow_meaning = tokens::combine(words.iter().map(String::as_str));
    }

    /// Services that call each other in a circle in their bodies.
    fn call_circles(&mut self, services: &[Service]) {
        let calls: BTreeMap<&str, &BTreeSet<String>> =
            services.iter().map(|service| (service.name.as_str(), &service.calls)).collect();
        for service in services {
            let name = &service.name;
            let Some(way) = way_back(name, &calls) else { continue };
            let message = match way.as_slice() {
                [] => format!("service {name} calls itself"),
                way => format!("service {name} calls itself through {}", way.join(", ")),
            };
            let mut finding = Diagnostic::error(message, service.place.clone());
            finding.service = Some(name.clone());
            let help = "a request would go round in a circle: move what repeats into a helper function";
            self.findings.push(finding.help(help));
        }
    }

    fn flow(&mut self, root: &Known, services: &[Service]) -> Option<Flow> {
        let unit = root.units.iter().find(|unit| unit.content.is_main);
        let start = unit.map_or(0, |unit| unit.start);
        let place = |range: Range<usize>| self.tree.place(0, &(start + range.start..start + range.end));
        let placer = Placer { place: &place };
        // Its flow is read anew, whatever it says: what it means depends on the services.
        let main = unit.and_then(|unit| syn::parse_str(root.text.get(start..unit.end())?).ok());
        let Some(main) = main else {
            if !self.tree.items.is_empty() {
                let finding = Diagnostic::error("there is no fn main", SourcePlace::start_of(&self.tree.files[0].path));
                self.findings
                    .push(finding.help("chain the services in it: #[dyninka::main] fn main() { get().filter() }"));
            }
            return None;
        };
        let inputs = services.iter().map(|service| {
            let names = service.inputs.iter().map(|input| input.name.clone()).collect();
            (service.name.clone(), names)
        });
        flow::read(&main, &inputs.collect(), &placer, (self.findings, self.has_unseen_marks))
    }

    /// Files of `include_str!` and friends that are not there.
    fn unreadable(&mut self) {
        for item in self.tree.items.iter().filter(|item| !matches!(item.kind, Kind::Main)) {
            for path in &item.mentions.included {
                let looked_for = self.tree.looked_for(item, path);
                if self.tree.included.get(&looked_for).is_some_and(Option::is_none) {
                    let message = format!("{path} cannot be included: it cannot be read");
                    let help = format!("it is looked for at {}", looked_for.display());
                    self.wrong(item, &item.name_range, message, help);
                }
            }
        }
    }
}

/// The services on the shortest way from a service back to itself; none when there is no way.
fn way_back<'a>(name: &str, calls: &BTreeMap<&'a str, &'a BTreeSet<String>>) -> Option<Vec<&'a str>> {
    let called = |name: &str| calls.get(name).into_iter().flat_map(|called| called.iter().map(String::as_str));
    let mut seen = BTreeSet::new();
    let mut ways: Vec<Vec<&str>> = called(name).map(|next| vec![next]).collect();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for mut way in ways {
            let last = *way.last()?;
            if last == name {
                way.pop();
                return Some(way);
            }
            if seen.insert(last) {
                longer.extend(called(last).map(|next| way.iter().copied().chain([next]).collect::<Vec<_>>()));
            }
        }
        ways = longer;
    }
    None
}
