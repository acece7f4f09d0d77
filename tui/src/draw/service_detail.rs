//! Everything about one service.

use session_api::snapshot::ServiceView;

use super::Scene;
use super::canvas::Canvas;
use super::flow::fate_word;
use super::text::{Row, wrap};
use crate::theme::Tone;
use crate::{model, units};

/// Draws the chosen service.
pub(crate) fn draw(scene: Scene<'_>, canvas: &mut Canvas<'_>) {
    let Some(service) = model::chosen_service(scene.model, scene.snapshot) else {
        canvas.rule(scene, "service", "");
        return;
    };
    canvas.rule(scene, &service.name, &signature(service));
    let room = canvas.width().saturating_sub(14);
    let mut at = 1;
    for (name, words, tone) in facts(scene, service) {
        for (part, piece) in wrap(&words, room).into_iter().enumerate() {
            let mut row = Row::new(scene.theme);
            row.text("  ", Tone::Plain).cell(if part == 0 { name } else { "" }, 11, Tone::Dim).text(piece, tone);
            canvas.row(at, row);
            at += 1;
        }
    }
}

fn signature(service: &ServiceView) -> String {
    let inputs: Vec<_> = service.inputs.iter().map(|input| format!("{}: {}", input.name, input.ty)).collect();
    let output = if service.output.is_empty() { String::new() } else { format!(" -> {}", service.output) };
    format!("({}){output}", inputs.join(", "))
}

fn facts(scene: Scene<'_>, service: &ServiceView) -> Vec<(&'static str, String, Tone)> {
    let snapshot = scene.snapshot;
    let (glyph, word, tone) = scene.theme.condition(service.state);
    let mut facts = vec![("state", format!("{glyph} {word}"), tone)];
    if let Some(why) = &service.why {
        facts.push(("why", why.clone(), tone));
    }
    if let Some(version) = &service.version {
        let since = service.since_ms.map(|since| units::age(snapshot.now_ms.saturating_sub(since)));
        facts.push(("version", format!("{version}, for {}", since.unwrap_or_else(|| "?".into())), Tone::Plain));
    }
    if let Some(url) = &service.url {
        facts.push(("url", url.clone(), Tone::Plain));
    }
    if let Some(backend) = &snapshot.backend {
        let times = if service.restarts == 1 { "once".into() } else { format!("{} times", service.restarts) };
        let restarts = if service.restarts > 0 { format!(", restarted {times}") } else { String::new() };
        facts.push(("backend", format!("{backend}{restarts}"), Tone::Plain));
    }
    if !service.together.is_empty() {
        facts.push(("host", service.together.join(", "), Tone::Plain));
    }
    facts.extend(service.at.as_ref().map(|place| ("place", place.clone(), Tone::Plain)));
    for instance in &service.instances {
        let (glyph, word, tone) = scene.theme.condition(instance.state);
        let times = if instance.restarts == 1 { "once".into() } else { format!("{} times", instance.restarts) };
        let restarts = if instance.restarts > 0 { format!(", restarted {times}") } else { String::new() };
        let version = instance.version.as_deref().map(|version| format!(", {version}")).unwrap_or_default();
        let count = service.instances.len();
        let at = instance.at.as_deref().map(|place| format!(" in {place}")).unwrap_or_default();
        let words = format!("{glyph} {word}{at}, {} of {count}{version}{restarts}", instance.number);
        facts.push((if instance.number == 1 { "instances" } else { "" }, words, tone));
    }
    let mut feeds = snapshot.edges.iter().filter(|edge| edge.to == service.name).map(|edge| {
        let within = if edge.within { ", in its own host" } else { "" };
        match &edge.input {
            Some(input) => format!("{input} from {}{within}", edge.from),
            None => format!("calls {}{within}", edge.from),
        }
    });
    facts.extend(feeds.next().map(|first| ("fed by", first, Tone::Plain)));
    facts.extend(feeds.map(|next| ("", next, Tone::Plain)));
    for edge in snapshot.edges.iter().filter(|edge| edge.from == service.name) {
        facts.push(("feeds", edge.to.clone(), Tone::Plain));
    }
    for (name, placed) in &service.placed {
        let fate = match &placed.fate {
            Some(session_api::Fate::Reset { why }) => format!(", reset: {why}"),
            Some(session_api::Fate::Carried { why }) if !why.is_empty() => format!(", carried: {why}"),
            Some(fate) => format!(", {}", fate_word(fate)),
            None => String::new(),
        };
        facts.push(("placed", format!("{name}: {}{fate}", placed.ty), Tone::Plain));
    }
    facts
}
