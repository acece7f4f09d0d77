//! A push or rollback: what is done with each service, how that stands, what is asked.

use session_api::push::{PushAct, PushView, RollState, Stage};

use super::Scene;
use super::canvas::Canvas;
use super::text::{Row, width, wrap};
use crate::theme::{Theme, Tone};
use crate::units;

/// Draws the latest push over the panes.
pub(crate) fn overlay(scene: Scene<'_>, scroll: usize, canvas: &mut Canvas<'_>) {
    match scene.snapshot.pushes.last() {
        Some(push) => draw(scene, push, scroll, canvas),
        None => canvas.rule(scene, "push", "the cluster is asked"),
    }
}

/// Draws a push, so many rows of it gone at the top.
pub(crate) fn draw(scene: Scene<'_>, push: &PushView, scroll: usize, canvas: &mut Canvas<'_>) {
    let (_, words, _) = stage(scene.theme, push);
    let ago = units::ago(scene.snapshot.now_ms.saturating_sub(push.at_ms));
    canvas.rule(scene, &format!("{} {}", push.act.word(), push.push), &format!("{words}, begun {ago}"));
    for (at, row) in rows(scene.theme, push, canvas.width()).into_iter().skip(scroll).enumerate() {
        canvas.row(at + 1, row);
    }
}

/// Glyph, words and tone of how far a push is.
pub(crate) fn stage(theme: Theme, push: &PushView) -> (&'static str, String, Tone) {
    let glyphs = theme.glyphs();
    let all = push.changed().count();
    let done = push.changed().filter(|roll| matches!(roll.state, RollState::Live { .. })).count();
    match &push.stage {
        Stage::Preparing => (glyphs.building, "preparing".into(), Tone::Busy),
        Stage::Asking => (glyphs.stale, "asks".into(), Tone::Busy),
        Stage::Underway => (glyphs.building, format!("rolling {done}/{all}"), Tone::Busy),
        Stage::Stopping => (glyphs.draining, "stopping".into(), Tone::Busy),
        Stage::Planned => (glyphs.starting, "planned".into(), Tone::Dim),
        Stage::Nothing => (glyphs.starting, "no change".into(), Tone::Dim),
        Stage::Declined { .. } => (glyphs.starting, "declined".into(), Tone::Dim),
        Stage::Live { number, .. } => (glyphs.live, format!("live #{number}"), Tone::Good),
        Stage::Failed { put_back: true, .. } => (glyphs.stale, "put back".into(), Tone::Bad),
        Stage::Failed { put_back: false, .. } => (glyphs.down, "failed".into(), Tone::Bad),
        Stage::Stopped => (glyphs.stale, "stopped".into(), Tone::Bad),
    }
}

/// Milliseconds it took to carry it out.
pub(crate) fn took(push: &PushView) -> Option<f64> {
    match push.stage {
        Stage::Live { ms, .. } => Some(ms),
        _ => None,
    }
}

/// Everything about a push.
pub(crate) fn rows(theme: Theme, push: &PushView, columns: usize) -> Vec<Row> {
    let mut rows = Rows { theme, columns, rows: Vec::new() };
    if let Some(target) = &push.target {
        rows.say(2, &format!("to {target}  {}  cluster {}", target.server, target.cluster), Tone::Dim);
    }
    match &push.stage {
        Stage::Failed { why, hint, .. } => {
            rows.say(2, why, Tone::Bad);
            hint.iter().for_each(|hint| rows.say(2, &format!("hint: {hint}"), Tone::Busy));
        }
        Stage::Preparing if push.services.is_empty() => rows.say(2, "the cluster is asked", Tone::Busy),
        Stage::Asking | Stage::Underway | Stage::Preparing | Stage::Planned => {}
        stage => rows.say(2, &stage.to_string(), Tone::Plain),
    }
    rows.blank();
    let names = push.services.iter().map(|roll| width(&roll.name)).max().unwrap_or(0).min(24);
    // What is built is what is done with it, until it is done.
    let is_plan = matches!(push.stage, Stage::Asking | Stage::Planned | Stage::Declined { .. });
    for roll in &push.services {
        let (glyph, tone) = state(theme, &roll.state);
        let mut row = Row::new(theme);
        row.text("  ", Tone::Plain);
        let changed = roll.is_changed() || roll.state != RollState::Waiting;
        row.text(if changed { glyph } else { " " }, tone).text(" ", Tone::Plain);
        row.cell(&roll.name, names, if changed { Tone::Strong } else { Tone::Dim }).text("  ", Tone::Plain);
        let words = match &roll.state {
            _ if is_plan => roll.words(),
            RollState::Waiting => roll.words(),
            state if roll.what.is_empty() => state.to_string(),
            state => format!("{}  {state}", roll.what),
        };
        let tone = match &roll.state {
            _ if is_plan && roll.is_changed() => Tone::Plain,
            RollState::Waiting if !roll.is_changed() => Tone::Dim,
            RollState::Waiting => Tone::Plain,
            _ => tone,
        };
        let room = columns.saturating_sub(row.width() + 1).max(8);
        let before = row.width();
        for (at, piece) in wrap(&words, room).into_iter().enumerate() {
            if at > 0 {
                row.up_to(before);
            }
            row.text(piece, tone);
            rows.rows.push(std::mem::replace(&mut row, Row::new(theme)));
        }
        if roll.state == RollState::Waiting || is_plan {
            roll.reasons.iter().for_each(|reason| rows.say(names + 6, reason, Tone::Dim));
        }
        if let RollState::Failed { lines, .. } = &roll.state {
            lines.iter().for_each(|line| rows.say(names + 6, &format!("| {line}"), Tone::Plain));
        }
    }
    rows.blank();
    if push.unfinished {
        rows.say(2, "the last push was ended in the midst of it: this one goes on", Tone::Busy);
    }
    if push.layers > 0 && matches!(push.stage, Stage::Asking | Stage::Planned) {
        let layers = units::many(push.layers, "layer");
        rows.say(2, &format!("{layers} to send, {}", units::bytes(push.bytes)), Tone::Plain);
    }
    push.doing.iter().for_each(|doing| rows.say(2, doing, Tone::Busy));
    push.notes.iter().for_each(|note| rows.say(2, note, Tone::Dim));
    if push.stage == Stage::Asking {
        let question = match push.act {
            PushAct::Push => "push?",
            PushAct::Rollback { .. } => "roll back?",
        };
        rows.blank();
        rows.say(2, &format!("{question}  y yes, n no"), Tone::Accent);
    }
    rows.rows
}

fn state(theme: Theme, state: &RollState) -> (&'static str, Tone) {
    let glyphs = theme.glyphs();
    match state {
        RollState::Waiting => (glyphs.starting, Tone::Dim),
        RollState::Building => (glyphs.building, Tone::Busy),
        RollState::Built { .. } => (glyphs.starting, Tone::Busy),
        RollState::Rolling { why: None, .. } => (glyphs.building, Tone::Busy),
        RollState::Rolling { .. } => (glyphs.stale, Tone::Bad),
        RollState::Live { .. } => (glyphs.live, Tone::Good),
        RollState::Failed { .. } => (glyphs.down, Tone::Bad),
        RollState::PutBack => (glyphs.draining, Tone::Busy),
    }
}

/// Rows that grow downwards.
struct Rows {
    theme: Theme,
    columns: usize,
    rows: Vec<Row>,
}

impl Rows {
    fn say(&mut self, indent: usize, words: &str, tone: Tone) {
        for piece in wrap(words, self.columns.saturating_sub(indent + 1).max(8)) {
            let mut row = Row::new(self.theme);
            row.text(&" ".repeat(indent), Tone::Plain).text(piece, tone);
            self.rows.push(row);
        }
    }

    /// Two in a row are one.
    fn blank(&mut self) {
        if self.rows.last().is_some_and(|row| row.width() > 0) {
            self.rows.push(Row::new(self.theme));
        }
    }
}
