//! Sources to [`App`] and everything that is wrong with them, all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Place};
use crate::flow;
use crate::model::{App, Placed, Service};
use crate::reach::{Index, Reach};
use crate::service::{self, Placer, Signature};
use crate::sources::Sources;
use crate::tokens;
use crate::tree::{self, Item, Kind, Tree};

/// Reads an app. Never fails and never panics: what cannot be read is a finding, and what can be is in the app.
pub fn parse(sources: &Sources) -> (App, Vec<Diagnostic>) {
    let mut findings = Vec::new();
    let (tree, syntax, frontmatter) = tree::read(sources, &mut findings);
    let name = sources.root.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut app = App { name, frontmatter, ..App::default() };
    app.files = sources.texts.keys().chain(sources.included.keys()).chain(sources.absent.keys()).cloned().collect();
    if let Some(syntax) = syntax {
        let mut reader =
            Reader { index: Index::new(&tree), tree: &tree, findings: &mut findings, functions: BTreeMap::new() };
        app.services = reader.services(&syntax);
        app.flow = reader.flow(&syntax, &app.services);
        app.crates = reader.index.crates();
        reader.unreadable();
    }
    app.tree = Arc::new(tree);
    // Spans live in a table of this thread that grows with every parse; nothing refers to it any more.
    proc_macro2::extra::invalidate_current_thread_spans();
    findings.sort_by(|a, b| (a.severity, &a.place, &a.message).cmp(&(b.severity, &b.place, &b.message)));
    findings.dedup();
    (app, findings)
}

struct Reader<'a> {
    tree: &'a Tree,
    index: Index<'a>,
    findings: &'a mut Vec<Diagnostic>,
    /// Services by name: their item and what it says.
    functions: BTreeMap<String, usize>,
}

impl Reader<'_> {
    fn wrong(
        &mut self,
        file: usize,
        range: &Range<usize>,
        message: String,
        help: impl Into<String>,
        service: Option<&str>,
    ) {
        let mut finding = Diagnostic::error(message, self.tree.place(file, range)).help(help);
        finding.service = service.map(str::to_owned);
        self.findings.push(finding);
    }

    fn services(&mut self, syntax: &syn::File) -> Vec<Service> {
        let place = |range: Range<usize>| self.tree.place(0, &range);
        let placer = Placer { place: &place };
        let mut signatures: Vec<(usize, Signature)> = Vec::new();
        let mut first: BTreeMap<String, Place> = BTreeMap::new();
        let mut hosts: BTreeMap<String, String> = BTreeMap::new();
        for item in &syntax.items {
            let marked = tree::attributes(item).iter().find(|attribute| tree::is_named(attribute, "service"));
            let Some(marked) = marked else { continue };
            let syn::Item::Fn(function) = item else {
                let finding = Diagnostic::error("only a function can be a service", placer.of(marked));
                self.findings.push(finding.help("mark a fn or an async fn"));
                continue;
            };
            let name = function.sig.ident.to_string();
            let name_place = placer.of(&function.sig.ident);
            if let Some(other) = first.get(&name) {
                let message = format!("two services are called {name}");
                self.findings.push(
                    Diagnostic::error(message, name_place)
                        .help(format!("the first is in line {}: rename one", other.line)),
                );
                continue;
            }
            if name == "main" {
                let finding = Diagnostic::error("main cannot be a service", name_place);
                self.findings.push(finding.help("main holds the flow: give the service a name of its own"));
                continue;
            }
            if let Some(other) = hosts.insert(service::label(&name), name.clone()) {
                let message = format!("services {other} and {name} have one host name, {}", service::label(&name));
                self.findings.push(
                    Diagnostic::error(message, name_place.clone())
                        .help("rename one: host names know no upper case and no _"),
                );
            }
            first.insert(name.clone(), name_place);
            let signature = service::read(function, &placer, self.findings);
            let range = placer_range(function);
            let number = self.tree.items.iter().position(|item| item.module == 0 && item.name_range == range);
            if let Some(number) = number {
                self.functions.insert(name, number);
                signatures.push((number, signature));
            }
        }
        self.misplaced_marks();
        let placed = self.placed();
        let mut services: Vec<Service> =
            signatures.into_iter().map(|(number, signature)| self.service(number, signature, &placed)).collect();
        self.call_circles(&services);
        if services.is_empty() && self.findings.is_empty() {
            let finding =
                Diagnostic::error("there is no service in this file", Place::start_of(&self.tree.files[0].path));
            self.findings.push(finding.help("mark functions with #[service]"));
        }
        services.iter_mut().for_each(|service| service.place.file.clone_from(&self.tree.files[0].path));
        services
    }

    /// `#[service]` on what is not at the top level of the file.
    fn misplaced_marks(&mut self) {
        for item in self.tree.items.iter().filter(|item| item.module != 0 && !item.ours.is_empty()) {
            let range = item.ours[0].clone();
            self.wrong(
                item.file,
                &range,
                "services and placed statics stand at the top level of the app's file".to_owned(),
                "move it out of the module, and call into the module from there",
                None,
            );
        }
    }

    /// Placed statics by service.
    fn placed(&mut self) -> BTreeMap<String, Vec<usize>> {
        let mut placed: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, item) in self.tree.items.iter().enumerate().filter(|(_, item)| item.module == 0) {
            let Some((service, range)) = &item.placed else { continue };
            if !matches!(item.kind, Kind::Constant { word: "static" }) {
                self.wrong(
                    item.file,
                    range,
                    "only a static can be placed".to_owned(),
                    "write #[placed(service)] static NAME: Placed<T> = Placed::new(T::default);",
                    None,
                );
            } else if item.ours.len() > 1 {
                self.wrong(
                    item.file,
                    &item.ours[1].clone(),
                    "a static is placed on one service".to_owned(),
                    "let one service own it, and others ask that service",
                    None,
                );
            } else if self.functions.contains_key(service) {
                placed.entry(service.clone()).or_default().push(number);
            } else if service.is_empty() {
                self.wrong(
                    item.file,
                    range,
                    "this names no service".to_owned(),
                    "write #[placed(service)], with the service's name",
                    None,
                );
            } else {
                let help = match flow::nearest(service, self.functions.keys()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("mark the function {service} with #[service]"),
                };
                self.wrong(item.file, range, format!("{service} is no service"), help, None);
            }
        }
        placed
    }

    fn service(&mut self, number: usize, signature: Signature, placed: &BTreeMap<String, Vec<usize>>) -> Service {
        let item = &self.tree.items[number];
        let name = item.names[0].clone();
        let own = placed.get(&name).cloned().unwrap_or_default();
        let roots: Vec<usize> = [number].into_iter().chain(own.iter().copied()).collect();
        let reach = self.index.reach(&roots);
        for (foreign, (file, range)) in &reach.placed {
            let (static_name, owner) = self.static_of(*foreign);
            let message = format!("service {name} uses {static_name}, which is placed on {owner}");
            self.wrong(
                *file,
                range,
                message,
                format!("state belongs to one service: call {owner} for what it knows"),
                Some(&name),
            );
        }
        let reaches = self.index.meaning(&reach, number);
        let meaning = tokens::combine(reaches.iter().flat_map(|(label, hash)| [label.as_str(), hash.as_str()]));
        let calls = reach.calls.keys().map(|called| self.tree.items[*called].names[0].clone()).collect();
        Service {
            host: service::label(&name),
            inputs: signature.inputs,
            output: signature.output,
            is_async: signature.is_async,
            placed: own.iter().map(|number| self.placed_static(&self.tree.items[*number])).collect(),
            calls,
            reaches,
            meaning,
            replay: signature.replay,
            place: self.tree.place(0, &item.name_range),
            kept: kept(&reach),
            name,
        }
    }

    fn static_of(&self, number: usize) -> (String, String) {
        let item = &self.tree.items[number];
        let owner = item.placed.as_ref().map_or_else(String::new, |(service, _)| service.clone());
        (item.names[0].clone(), owner)
    }

    fn placed_static(&self, item: &Item) -> Placed {
        let text = &self.tree.files[item.file].text[item.range.clone()];
        let syntax = syn::parse_str::<syn::ItemStatic>(text);
        let ty = syntax.as_ref().map_or_else(|_| syn::parse_quote!(()), |item| (*item.ty).clone());
        let inner = service::placed_type(&ty);
        let fingerprint =
            inner.map(|inner| self.index.fingerprint(0, &service::write(inner), &crate::mention::of_type(inner)));
        Placed {
            name: item.names[0].clone(),
            ty: service::write(inner.unwrap_or(&ty)),
            is_state: inner.is_some(),
            fingerprint: fingerprint.unwrap_or_default(),
        }
    }

    /// Services that call each other in a circle in their bodies.
    fn call_circles(&mut self, services: &[Service]) {
        let calls: BTreeMap<&str, &BTreeSet<String>> =
            services.iter().map(|service| (service.name.as_str(), &service.calls)).collect();
        for service in services {
            let mut seen = BTreeSet::new();
            let mut open: Vec<&str> = service.calls.iter().map(String::as_str).collect();
            while let Some(next) = open.pop() {
                if next == service.name {
                    let item = &self.tree.items[self.functions[&service.name]];
                    let message = if service.calls.contains(&service.name) {
                        format!("service {} calls itself", service.name)
                    } else {
                        format!(
                            "service {} calls itself through {}",
                            service.name,
                            seen.iter().copied().collect::<Vec<_>>().join(", ")
                        )
                    };
                    self.wrong(
                        item.file,
                        &item.name_range.clone(),
                        message,
                        "a request would go round in a circle: move what repeats into a helper function",
                        Some(&service.name),
                    );
                    break;
                }
                if seen.insert(next) {
                    open.extend(calls.get(next).into_iter().flat_map(|calls| calls.iter().map(String::as_str)));
                }
            }
        }
    }

    fn flow(&mut self, syntax: &syn::File, services: &[Service]) -> Option<crate::Flow> {
        let place = |range: Range<usize>| self.tree.place(0, &range);
        let placer = Placer { place: &place };
        let main = syntax.items.iter().find_map(|item| match item {
            syn::Item::Fn(function) if function.sig.ident == "main" => Some(function),
            _ => None,
        });
        let Some(main) = main else {
            if self.findings.is_empty() {
                let finding = Diagnostic::error("there is no fn main", Place::start_of(&self.tree.files[0].path));
                self.findings
                    .push(finding.help("chain the services in it: #[dyninka::main] fn main() { get().filter() }"));
            }
            return None;
        };
        let inputs = services.iter().map(|service| {
            let names = service.inputs.iter().map(|input| input.name.clone()).collect();
            (service.name.clone(), names)
        });
        flow::read(main, &inputs.collect(), &placer, self.findings)
    }

    /// Files of `include_str!` and friends that are not there.
    fn unreadable(&mut self) {
        for item in &self.tree.items {
            for path in &item.mentions.included {
                let looked_for = crate::sources::folder(&self.tree.files[item.file].path).join(path);
                if self.tree.included.get(&looked_for).is_some_and(Option::is_none) {
                    self.wrong(
                        item.file,
                        &item.name_range.clone(),
                        format!("{path} cannot be included: it cannot be read"),
                        format!("it is looked for at {}", looked_for.display()),
                        None,
                    );
                }
            }
        }
    }
}

fn placer_range(function: &syn::ItemFn) -> Range<usize> {
    function.sig.ident.span().byte_range()
}

fn kept(reach: &Reach) -> BTreeSet<usize> {
    reach.items.clone()
}
