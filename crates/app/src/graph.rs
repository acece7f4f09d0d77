//! The flow drawn, and the app told, for people and programs.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::diagnostic::Diagnostic;
use crate::model::{App, Flow};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawing {
    /// For reading.
    Text,
    /// For Markdown.
    Mermaid,
    /// For Graphviz.
    Dot,
    /// For programs: [`report`] without findings.
    Json,
}

/// Draws which service feeds which.
pub fn graph(app: &App, drawing: Drawing) -> String {
    match drawing {
        Drawing::Text => text(app),
        Drawing::Mermaid => mermaid(app),
        Drawing::Dot => dot(app),
        Drawing::Json => report(app, &[]).to_string(),
    }
}

/// The app in the shape of `check --json`.
pub fn report(app: &App, diagnostics: &[Diagnostic]) -> Value {
    let services = app.services.iter().map(|service| {
        let placed: Vec<_> = service
            .placed
            .iter()
            .map(|placed| json!({ "name": placed.name, "type": placed.ty, "state": placed.is_state }))
            .collect();
        json!({
            "name": service.name,
            "inputs": service.inputs,
            "output": service.output.written,
            "placed": placed,
            "calls": service.calls,
        })
    });
    json!({
        "services": services.collect::<Vec<_>>(),
        "flow": app.flow.as_ref().map(Flow::to_string),
        "diagnostics": diagnostics,
    })
}

/// The last service at the head, what feeds it below: the way a request goes.
fn text(app: &App) -> String {
    fn branch(app: &App, flow: &Flow, lead: &str, out: &mut String) {
        let Flow::Call { service, inputs } = flow else { return };
        for (at, input) in inputs.iter().enumerate() {
            let last = at + 1 == inputs.len();
            let name =
                app.service(service).and_then(|service| service.inputs.get(at)).map_or("", |input| input.name.as_str());
            let label = match input {
                Flow::Call { service, .. } => describe(app, service),
                Flow::Literal(json) => json.clone(),
            };
            let _ = writeln!(out, "{lead}{} {name}: {label}", if last { "└──" } else { "├──" });
            branch(app, input, &format!("{lead}{}", if last { "    " } else { "│   " }), out);
        }
    }
    let mut out = String::new();
    if let Some(flow @ Flow::Call { service, .. }) = &app.flow {
        let _ = writeln!(out, "{}", describe(app, service));
        branch(app, flow, "", &mut out);
    }
    for service in &app.services {
        for called in &service.calls {
            let _ = writeln!(out, "{} calls {called} in its body", service.name);
        }
    }
    out
}

fn describe(app: &App, name: &str) -> String {
    let Some(service) = app.service(name) else { return name.to_owned() };
    let placed: Vec<_> = service.placed.iter().map(|placed| placed.name.as_str()).collect();
    let placed = if placed.is_empty() { String::new() } else { format!(" [{}]", placed.join(", ")) };
    format!("{name} -> {}{placed}", service.output.written)
}

/// An edge of a drawing: from, to, the input's name.
struct Edge {
    from: String,
    to: String,
    input: String,
    in_body: bool,
}

/// Nodes and edges. A service that stands twice in the flow is two nodes.
#[derive(Default)]
struct Picture {
    /// Identifier and label.
    nodes: Vec<(String, String)>,
    edges: Vec<Edge>,
}

/// Words of Mermaid's that cannot be identifiers.
const MERMAID: [&str; 11] = [
    "class",
    "classDef",
    "click",
    "default",
    "direction",
    "end",
    "flowchart",
    "graph",
    "linkStyle",
    "style",
    "subgraph",
];

impl Picture {
    fn new(app: &App) -> Self {
        let mut picture = Self::default();
        if let Some(flow) = &app.flow {
            picture.flow(app, flow);
        }
        for service in &app.services {
            if picture.first(&service.name).is_none() {
                picture.node(&service.name, &service.name);
            }
        }
        for service in &app.services {
            for called in &service.calls {
                if let (Some(from), Some(to)) = (picture.first(called), picture.first(&service.name)) {
                    picture.edges.push(Edge { from, to, input: String::new(), in_body: true });
                }
            }
        }
        picture
    }

    fn flow(&mut self, app: &App, flow: &Flow) -> String {
        let (service, inputs) = match flow {
            Flow::Literal(json) => return self.node("literal", json),
            Flow::Call { service, inputs } => (service, inputs),
        };
        let id = self.node(service, service);
        for (at, input) in inputs.iter().enumerate() {
            let from = self.flow(app, input);
            let input = app.service(service).and_then(|service| service.inputs.get(at));
            let input = input.map_or_else(String::new, |input| input.name.clone());
            self.edges.push(Edge { from, to: id.clone(), input, in_body: false });
        }
        id
    }

    fn node(&mut self, name: &str, label: &str) -> String {
        let is_free = |id: &String| !MERMAID.contains(&id.as_str()) && self.nodes.iter().all(|(taken, _)| taken != id);
        let ids = (1..).map(|number| if number == 1 { name.to_owned() } else { format!("{name}_{number}") });
        let id = { ids }.find(is_free).unwrap_or_default();
        self.nodes.push((id.clone(), label.to_owned()));
        id
    }

    /// The first node of a service.
    fn first(&self, service: &str) -> Option<String> {
        self.nodes.iter().find(|(_, label)| label == service).map(|(id, _)| id.clone())
    }
}

fn mermaid(app: &App) -> String {
    let Picture { nodes, edges } = Picture::new(app);
    let mut out = "flowchart LR\n".to_owned();
    for (id, label) in nodes {
        let _ = writeln!(out, "    {id}[\"{}\"]", label.replace('"', "#quot;"));
    }
    for Edge { from, to, input, in_body } in edges {
        let arrow = if in_body { "-.->".to_owned() } else { format!("-->|{input}|") };
        let _ = writeln!(out, "    {from} {arrow} {to}");
    }
    out
}

fn dot(app: &App) -> String {
    let Picture { nodes, edges } = Picture::new(app);
    let mut out = "digraph app {\n    rankdir=LR;\n    node [shape=box];\n".to_owned();
    for (id, label) in nodes {
        let _ = writeln!(out, "    {id:?} [label={label:?}];");
    }
    for Edge { from, to, input, in_body } in edges {
        let style = if in_body { " [style=dashed]".to_owned() } else { format!(" [label={input:?}]") };
        let _ = writeln!(out, "    {from:?} -> {to:?}{style};");
    }
    out.push_str("}\n");
    out
}
