//! The chain as a graph: a row a service, data from top to bottom.

use session_api::snapshot::{Condition, ServiceView};

use super::Scene;
use super::canvas::Canvas;
use super::text::{Row, width};
use crate::graph::{self, Mark};
use crate::model::{self, Pane, matches};
use crate::theme::Tone;
use crate::{layout, units};

/// Lanes that are drawn; an app with more is drawn without those that lie further right.
const MOST_LANES: usize = 8;

/// Draws the list of services.
pub(crate) fn draw(scene: Scene<'_>, canvas: &mut Canvas<'_>) {
    let (model, snapshot) = (scene.model, scene.snapshot);
    let mut of = snapshot.flow.clone().unwrap_or_default();
    if !model.filter.is_empty() {
        of = format!("/{}", model.filter);
    }
    canvas.title(scene, Pane::Flow, &of);
    let graph = graph::rows(snapshot);
    let rows: Vec<_> =
        graph.iter().filter(|row| matches(&snapshot.services[row.service].name, &model.filter)).collect();
    if rows.is_empty() {
        canvas.row(1, nothing_listed(scene));
        return;
    }
    // Lines of a graph with rows taken out would lead astray.
    let lanes = if model.filter.is_empty() { rows.iter().map(|row| row.marks.len()).max().unwrap_or(0) } else { 0 };
    let lanes = lanes.min(MOST_LANES);
    let names = rows.iter().map(|row| width(&snapshot.services[row.service].name)).max().unwrap_or(0);
    let chosen = model::chosen(model, snapshot, &model::listed(model, snapshot));
    let services: Vec<_> = rows.iter().map(|row| &snapshot.services[row.service]).collect();
    let brackets = brackets(scene, &services);
    let height = canvas.height().saturating_sub(1);
    let first = layout::first(chosen, rows.len(), height);
    for (at, graph_row) in rows.iter().enumerate().skip(first).take(height) {
        let service = &snapshot.services[graph_row.service];
        let mut row = Row::new(scene.theme);
        row.text(if at == chosen { scene.theme.glyphs().marker } else { " " }, Tone::Accent);
        gutter(&mut row, &graph_row.marks, lanes);
        if let Some(glyph) = brackets.get(at) {
            let is_within = snapshot.edges.iter().any(|edge| edge.within && edge.to == service.name);
            let within = if is_within { scene.theme.glyphs().within } else { " " };
            row.text(glyph, Tone::Accent).text(within, Tone::Accent).text(" ", Tone::Plain);
        }
        let room = canvas.width().saturating_sub(row.width());
        cells(scene, &mut row, service, names, room);
        canvas.row(1 + at - first, row);
        if at == chosen && model.focus == Pane::Flow {
            canvas.choose(1 + at - first, scene.theme.chosen());
        }
    }
}

/// Why there is nothing to see.
pub(crate) fn nothing_listed(scene: Scene<'_>) -> Row {
    let mut row = Row::new(scene.theme);
    let none = scene.snapshot.services.is_empty();
    row.text(if none { "  no services yet" } else { "  no service matches the filter" }, Tone::Dim);
    row
}

/// A bracket for the services of each host, a glyph a row; nothing where each has a host to itself. The sign of a hop
/// within a host stands beside it, at the service that is fed by it.
fn brackets(scene: Scene<'_>, services: &[&ServiceView]) -> Vec<&'static str> {
    if services.iter().all(|service| service.together.is_empty()) {
        return Vec::new();
    }
    let glyphs = &scene.theme.glyphs().lanes;
    let glyph = |at: usize| {
        let own = &services[at].together;
        let is_with = |other: &&ServiceView| !own.is_empty() && other.together == *own;
        match (services[..at].iter().any(&is_with), services[at + 1..].iter().any(&is_with)) {
            (false, true) => glyphs.begin,
            (true, true) => glyphs.through,
            (true, false) => glyphs.end,
            // The bracket of others goes by.
            (false, false) if services[..at].iter().any(|above| spans(above, &services[at + 1..])) => glyphs.pass,
            (false, false) => " ",
        }
    };
    (0..services.len()).map(glyph).collect()
}

fn spans(above: &ServiceView, below: &[&ServiceView]) -> bool {
    !above.together.is_empty() && below.iter().any(|other| other.together == above.together)
}

fn gutter(row: &mut Row, marks: &[Mark], lanes: usize) {
    let glyphs = &row.theme().glyphs().lanes;
    let begun = marks.iter().position(|mark| !matches!(mark, Mark::Empty | Mark::Pass));
    for at in 0..lanes {
        let mark = marks.get(at).copied().unwrap_or(Mark::Across);
        let leads = begun.is_some_and(|begun| begun <= at);
        let glyph = match mark {
            Mark::Empty => " ",
            Mark::Pass => glyphs.pass,
            // A line that comes in from the left changes the corner.
            Mark::Begin if begun < Some(at) => glyphs.turn,
            Mark::Begin => glyphs.begin,
            Mark::Through | Mark::JoinOn if begun < Some(at) => glyphs.join_on,
            Mark::Through | Mark::JoinOn => glyphs.through,
            Mark::End | Mark::Join if begun < Some(at) => glyphs.join,
            Mark::End | Mark::Join => glyphs.end,
            Mark::Across if leads => glyphs.across,
            Mark::Across => " ",
        };
        row.text(glyph, Tone::Dim).text(if leads { glyphs.across } else { " " }, Tone::Dim);
    }
    row.text(if lanes > 0 { "" } else { " " }, Tone::Plain);
}

fn cells(scene: Scene<'_>, row: &mut Row, service: &ServiceView, names: usize, room: usize) {
    let begun = row.width();
    let (glyph, word, tone) = scene.theme.condition(service.state);
    row.text(glyph, tone).text(" ", Tone::Plain);
    row.cell(&service.name, names.min(room.saturating_sub(12)).min(24), Tone::Strong);
    row.text("  ", Tone::Plain).cell(word, 9, tone);
    if room < 40 {
        return;
    }
    let version = service.version.as_deref().map(units::short).unwrap_or("-");
    row.cell(version, 8, Tone::Dim);
    let age = service.since_ms.map(|since| units::age(scene.snapshot.now_ms.saturating_sub(since)));
    row.figure(age.as_deref().unwrap_or("-"), 6, Tone::Plain).text("  ", Tone::Plain);
    let (words, tone) = note(scene, service);
    let left = (begun + room).saturating_sub(row.width());
    row.cell(&words, width(&words).min(left), tone);
}

/// The most important that is left to say of a service.
fn note(scene: Scene<'_>, service: &ServiceView) -> (String, Tone) {
    let hop = scene.snapshot.hops.get(&service.name);
    if let Some(why) = &service.why {
        return (why.clone(), if service.state == Condition::Down { Tone::Bad } else { Tone::Busy });
    }
    if let Some(open) = hop.map(|hop| &hop.open).filter(|open| !open.is_empty()) {
        return (format!("circuit to {} open", open.join(", ")), Tone::Bad);
    }
    let mut parts: Vec<_> = instances(service).into_iter().collect();
    let reset = service.placed.values().any(|placed| matches!(placed.fate, Some(session_api::Fate::Reset { .. })));
    if service.restarts > 0 {
        parts.push(format!("{}x restarted", service.restarts));
    }
    if let Some(retries) = hop.map(|hop| hop.retries).filter(|retries| *retries > 0) {
        parts.push(format!("{retries}x retried"));
    }
    for (name, placed) in &service.placed {
        parts.push(match &placed.fate {
            Some(fate) => format!("{name} {}", fate_word(fate)),
            None => name.clone(),
        });
    }
    // A value that was lost is worth a look.
    let tone = if reset { Tone::Busy } else { Tone::Plain };
    (parts.join(&format!(" {} ", scene.theme.glyphs().dot)), tone)
}

/// How many hosts a service has, and how many of them serve, where it has several.
fn instances(service: &ServiceView) -> Option<String> {
    let (all, live) =
        (service.instances.len(), service.instances.iter().filter(|one| one.state == Condition::Live).count());
    match all {
        0 | 1 => None,
        _ if live == all => Some(format!("{all} instances")),
        _ => Some(format!("{live} of {all} instances live")),
    }
}

/// What a takeover did with a placed value, in a word.
pub(crate) fn fate_word(fate: &session_api::Fate) -> &'static str {
    match fate {
        session_api::Fate::Kept => "kept",
        session_api::Fate::Carried { .. } => "carried",
        session_api::Fate::Reset { .. } => "reset",
        session_api::Fate::New => "new",
    }
}

#[cfg(test)]
mod tests {
    use session_api::snapshot::{Condition, InstanceView, ServiceView};

    use super::instances;

    #[test]
    fn several_instances_are_told_with_those_that_do_not_serve() {
        let of = |states: &[Condition]| {
            let instances = states.iter().map(|state| InstanceView { state: *state, ..InstanceView::default() });
            ServiceView { instances: instances.collect(), ..ServiceView::default() }
        };
        assert_eq!(instances(&of(&[])), None);
        assert_eq!(instances(&of(&[Condition::Live; 3])).as_deref(), Some("3 instances"));
        let one_down = of(&[Condition::Live, Condition::Down, Condition::Live]);
        assert_eq!(instances(&one_down).as_deref(), Some("2 of 3 instances live"));
    }
}
