//! The session as its faces see it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use app::{Flow, Severity};
use session_api::snapshot::{
    self, Condition, FlowEdge, HopTransport, HostView, Phase, PlacedState, Snapshot, StateField, Totals, TypeShape,
};

use super::instances::overall;
use super::service::{Build, Host};
use super::{Service, State, millis};
use crate::session::ServedApp;
use crate::telemetry::rank;

impl State {
    /// What there is to see at this moment. What is measured is added by whoever measures.
    pub(crate) fn picture(&self, now: Duration) -> Snapshot {
        let Some(app) = self.wanted.as_ref() else {
            let diagnostics = self.trouble.values().flatten().cloned().collect();
            let phase = self.phase();
            return Snapshot { now_ms: millis(now), phase, edit: self.edit, diagnostics, ..Snapshot::default() };
        };
        let backend = self.backend.as_ref();
        Snapshot {
            app: app.name.clone(),
            now_ms: millis(now),
            phase: self.phase(),
            backend: backend.map(|backend| backend.name.to_owned()),
            transport: backend.map(|_| match self.by_tcp.clone() {
                Some(why) => HopTransport::Tcp { why },
                None => HopTransport::Socket,
            }),
            url: backend.filter(|_| self.ready).map(|backend| format!("http://{}/", backend.front)),
            edit: self.edit,
            services: app.services.iter().map(|service| self.service(app, service)).collect(),
            flow: app.flow.as_ref().map(Flow::to_string),
            edges: self.edges(app),
            hosts: self.host_views(app),
            types: self.types.clone(),
            edits: self.edits.iter().cloned().collect(),
            pushes: self.pushes.iter().cloned().collect(),
            totals: self.totals(),
            diagnostics: self.findings(),
            notices: self.notices.iter().cloned().collect(),
            ..Snapshot::default()
        }
    }

    /// The app that hosts go by, and what is said of its services.
    pub(crate) fn served(&self) -> Option<ServedApp> {
        let app = self.routed.clone()?;
        Some(ServedApp { app, terms: Arc::new(self.environments.terms.clone()) })
    }

    /// Where a service can be called from here.
    pub(crate) fn address(&self, service: &str) -> Option<std::net::SocketAddr> {
        Some(self.services.get(service)?.endpoint.as_ref()?.here)
    }

    /// Places of instances and buckets; none where no instance has a place.
    pub(crate) fn near(&self) -> Option<&crate::environment::NearPlan> {
        self.environments.near.as_ref()
    }

    /// Whether a data server may have something to say of the app's buckets.
    #[cfg(feature = "data")]
    pub(crate) fn has_stores(&self) -> bool {
        self.environments.has_stores
    }

    /// The app whose routes are in force.
    pub(crate) fn routed(&self) -> Option<std::sync::Arc<app::App>> {
        self.routed.clone()
    }

    /// The app as it was read last.
    pub(crate) fn app(&self) -> Option<std::sync::Arc<app::App>> {
        self.wanted.clone()
    }

    pub(crate) fn app_name(&self) -> &str {
        self.wanted.as_ref().map_or("", |app| &app.name)
    }

    /// What serves, by service.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        let live = |(name, known): (&String, &Service)| Some((name.clone(), known.live.as_ref()?.version.clone()));
        self.services.iter().filter(|(name, _)| protocol::instance_of(name).1 == 1).filter_map(live).collect()
    }

    /// What the inputs of each service are called.
    pub(crate) fn inputs(&self) -> BTreeMap<String, Vec<String>> {
        let services = self.routed.iter().flat_map(|app| &app.services);
        let named = services
            .map(|service| (service.name.clone(), service.inputs.iter().map(|input| input.name.clone()).collect()));
        named.collect()
    }

    /// An edit by its number.
    pub(crate) fn edit(&self, edit: u64) -> Option<&snapshot::EditLine> {
        self.edits.iter().rev().find(|line| line.edit == edit)
    }

    /// The edit that brought a version.
    pub(crate) fn edit_of(&self, version: &str) -> Option<u64> {
        let brought = |service: &session_api::snapshot::EditedService| service.version.as_deref() == Some(version);
        self.edits.iter().rev().find(|line| line.services.iter().any(brought)).map(|line| line.edit)
    }

    fn phase(&self) -> Phase {
        let errors = self.trouble.values().flatten().any(|diagnostic| diagnostic.severity == Severity::Error);
        let busy = |known: &Service| known.building().is_some() || known.swapping.is_some();
        match () {
            () if self.closing => Phase::Closing,
            () if errors => Phase::Broken,
            () if !self.ready => Phase::Starting,
            () if self.services.values().any(busy) || self.taking.is_open() => Phase::Building,
            () => Phase::Serving,
        }
    }

    /// Errors first; what several services share, once.
    fn findings(&self) -> Vec<app::Diagnostic> {
        let mut all: Vec<app::Diagnostic> = Vec::new();
        for diagnostic in self.trouble.values().flatten() {
            let known =
                |other: &app::Diagnostic| other.place == diagnostic.place && other.message == diagnostic.message;
            if !all.iter().any(known) {
                all.push(diagnostic.clone());
            }
        }
        all.sort_by(|a, b| (a.severity, &a.place).cmp(&(b.severity, &b.place)));
        all
    }

    fn service(&self, app: &app::App, service: &app::Service) -> snapshot::ServiceView {
        let key = self.key(service);
        let nobody = Service::default();
        let known = self.services.get(&service.name).unwrap_or(&nobody);
        let live = known.live.as_ref();
        let placed = service.placed.iter().filter(|placed| placed.is_state).map(|placed| {
            let fate = live.and_then(|live| live.states.get(&placed.name)).cloned();
            (placed.name.clone(), PlacedState { ty: placed.ty.clone(), fate })
        });
        let first = |service: &str| {
            let found = self.trouble.get(&Some(service.to_owned())).and_then(|found| found.first());
            found.map(|diagnostic| diagnostic.message.clone())
        };
        let instances = self.instance_views(service);
        snapshot::ServiceView {
            name: service.name.clone(),
            state: overall(&instances).unwrap_or_else(|| condition(known, &key)),
            version: live.map(|live| live.version.clone()),
            since_ms: live.map(|live| millis(live.since)),
            url: known.endpoint.as_ref().map(|endpoint| format!("http://{}/", endpoint.here)),
            inputs: fields(service),
            output: service.output.written.clone(),
            placed: placed.collect(),
            restarts: known.restarts,
            why: known
                .why
                .clone()
                .or_else(|| known.refused.as_ref().map(|(_, why)| why.clone()))
                .or_else(|| first(&service.name)),
            host: self.host_of(service),
            together: self.together(app, &service.name),
            at: if instances.is_empty() { self.place_of(&service.name) } else { None },
            instances,
            pid: None,
        }
    }

    /// The edges of the flow, and which of them cross no process.
    fn edges(&self, app: &app::App) -> Vec<FlowEdge> {
        let mut edges = edges(app);
        for edge in &mut edges {
            let from = self.hosts.get(&edge.from);
            edge.within = from.is_some() && from == self.hosts.get(&edge.to);
        }
        edges
    }

    /// The hosts, in the order of their first services.
    fn host_views(&self, app: &app::App) -> Vec<HostView> {
        let mut views: Vec<HostView> = Vec::new();
        for service in &app.services {
            let Some(name) = self.hosts.get(&service.name) else { continue };
            match views.iter_mut().find(|view| view.name == *name) {
                Some(view) => view.services.push(service.name.clone()),
                None => views.push(HostView { name: name.clone(), services: vec![service.name.clone()], pid: None }),
            }
        }
        views
    }

    fn totals(&self) -> Totals {
        let mut totals: Vec<f64> = self.totals.iter().copied().collect();
        totals.sort_by(f64::total_cmp);
        Totals { n: totals.len() as u64, p50: rank::nearest(&totals, 0.5), p95: rank::nearest(&totals, 0.95) }
    }
}

/// An app as its file says it, while nothing of it runs here.
pub fn outline(app: &app::App, file: &Path) -> Snapshot {
    let service = |service: &app::Service| snapshot::ServiceView {
        name: service.name.clone(),
        inputs: fields(service),
        output: service.output.written.clone(),
        ..snapshot::ServiceView::default()
    };
    Snapshot {
        app: app.name.clone(),
        file: file.to_owned(),
        services: app.services.iter().map(service).collect(),
        flow: app.flow.as_ref().map(Flow::to_string),
        edges: edges(app),
        types: types(app),
        ..Snapshot::default()
    }
}

fn fields(service: &app::Service) -> Vec<StateField> {
    service.inputs.iter().map(|input| StateField { name: input.name.clone(), ty: input.ty.clone() }).collect()
}

pub(super) fn condition(known: &Service, key: &str) -> Condition {
    match (known.host, &known.live) {
        _ if known.removing => Condition::Draining,
        (Host::Down, _) => Condition::Down,
        (_, None) => Condition::Starting,
        (_, Some(live)) if live.key == key => Condition::Live,
        _ if known.has_failed(key) => Condition::Stale,
        _ if matches!(known.build, Build::Running { .. }) || known.swapping.is_some() => Condition::Building,
        _ => Condition::Stale,
    }
}

pub(super) fn edges(app: &app::App) -> Vec<FlowEdge> {
    let mut edges = Vec::new();
    if let Some(flow) = &app.flow {
        feed(app, flow, &mut edges);
    }
    for service in &app.services {
        let calls = service.calls.iter();
        edges.extend(calls.map(|called| FlowEdge {
            from: called.clone(),
            to: service.name.clone(),
            input: None,
            within: false,
        }));
    }
    edges
}

fn feed(app: &app::App, flow: &Flow, edges: &mut Vec<FlowEdge>) {
    let Flow::Call { service, inputs } = flow else { return };
    let names = app.service(service).map(|service| service.inputs.as_slice()).unwrap_or_default();
    for (at, input) in inputs.iter().enumerate() {
        if let Flow::Call { service: from, .. } = input {
            let name = names.get(at).map(|input| input.name.clone());
            let edge = FlowEdge { from: from.clone(), to: service.clone(), input: name, within: false };
            if !edges.contains(&edge) {
                edges.push(edge);
            }
            feed(app, input, edges);
        }
    }
}

/// What the user's types look like.
pub(super) fn types(app: &app::App) -> BTreeMap<String, TypeShape> {
    app.types().into_iter().map(|(name, shape)| (name, shape_of(shape))).collect()
}

fn shape_of(shape: app::Shape) -> TypeShape {
    match shape {
        app::Shape::Struct(fields) => {
            TypeShape::Struct(fields.into_iter().map(|(name, ty)| StateField { name, ty }).collect())
        }
        app::Shape::Enum(names) => TypeShape::Enum(names),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::state::tests::{CHAIN, read};

    #[test]
    fn outline_of_an_app_is_its_services_and_flow_with_nothing_running() {
        let seen = outline(&read(CHAIN), Path::new("chain.rs"));
        let names: Vec<_> = seen.services.iter().map(|service| (service.name.as_str(), service.state)).collect();
        assert_eq!(names, [("get", Condition::Starting), ("map", Condition::Starting)]);
        assert_eq!((seen.flow.as_deref(), seen.url), (Some("map(get)"), None));
        let edge = FlowEdge { from: "get".into(), to: "map".into(), input: Some("value".into()), within: false };
        assert_eq!(seen.edges, [edge]);
        assert_eq!(seen.services.last().unwrap().inputs[0].ty, "f64");
    }
}
