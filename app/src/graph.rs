//! The flow drawn, and the app told, for people and programs.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::diagnostic::Diagnostic;
use crate::model::{App, Flow};

/// How to draw.
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

/// Nodes (id and label) and edges. A service that stands twice in the flow is two nodes.
fn edges(app: &App) -> (Vec<(String, String)>, Vec<Edge>) {
    fn walk(app: &App, flow: &Flow, nodes: &mut Vec<(String, String)>, edges: &mut Vec<Edge>) -> String {
        let (label, id) = match flow {
            Flow::Literal(json) => (json.clone(), format!("literal_{}", nodes.len())),
            Flow::Call { service, .. } => {
                let taken = nodes.iter().any(|(id, _)| id == service);
                (service.clone(), if taken { format!("{service}_{}", nodes.len()) } else { service.clone() })
            }
        };
        nodes.push((id.clone(), label));
        if let Flow::Call { service, inputs } = flow {
            for (at, input) in inputs.iter().enumerate() {
                let from = walk(app, input, nodes, edges);
                let input = app
                    .service(service)
                    .and_then(|service| service.inputs.get(at))
                    .map_or_else(String::new, |input| input.name.clone());
                edges.push(Edge { from, to: id.clone(), input, in_body: false });
            }
        }
        id
    }
    let (mut nodes, mut edges) = (Vec::new(), Vec::new());
    if let Some(flow) = &app.flow {
        walk(app, flow, &mut nodes, &mut edges);
    }
    for service in &app.services {
        if !nodes.iter().any(|(id, _)| *id == service.name) {
            nodes.push((service.name.clone(), service.name.clone()));
        }
        for called in &service.calls {
            edges.push(Edge { from: called.clone(), to: service.name.clone(), input: String::new(), in_body: true });
        }
    }
    (nodes, edges)
}

fn mermaid(app: &App) -> String {
    let (nodes, edges) = edges(app);
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
    let (nodes, edges) = edges(app);
    let mut out = "digraph app {\n    rankdir=LR;\n    node [shape=box];\n".to_owned();
    for (id, label) in nodes {
        let _ = writeln!(out, "    {id} [label={label:?}];");
    }
    for Edge { from, to, input, in_body } in edges {
        let style = if in_body { " [style=dashed]".to_owned() } else { format!(" [label={input:?}]") };
        let _ = writeln!(out, "    {from} -> {to}{style};");
    }
    out.push_str("}\n");
    out
}
