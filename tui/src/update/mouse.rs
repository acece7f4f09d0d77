//! The mouse: the wheel moves what is under it, a click chooses it.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;
use session_api::Snapshot;

use super::deeds;
use crate::act::Action;
use crate::deed::{Deed, Stride, Way};
use crate::layout::{self, Part};
use crate::log::LogRing;
use crate::model::Model;

/// Takes in what the mouse did.
pub(super) fn update(model: &mut Model, event: MouseEvent, snapshot: &Snapshot, logs: &LogRing) -> Vec<Action> {
    if model.prompt.is_some() {
        return Vec::new();
    }
    let way = match event.kind {
        MouseEventKind::ScrollUp => Some(Way::Back),
        MouseEventKind::ScrollDown => Some(Way::On),
        MouseEventKind::Down(MouseButton::Left) => None,
        _ => return Vec::new(),
    };
    let covered = model.overlay.is_some() || model.shows_diagnostics(snapshot);
    if !covered {
        let at = Position::new(event.column, event.row);
        let layout = layout::of(model, snapshot);
        let Some(place) = layout.panes.into_iter().find(|place| place.area.contains(at)) else { return Vec::new() };
        model.focus = place.pane;
        if way.is_none() && place.part == Part::List {
            deeds::choose(model, place, usize::from(event.row - place.area.y), snapshot, logs);
        }
    }
    match way {
        Some(way) => deeds::perform(model, Deed::Move(way, Stride::Row), snapshot, logs),
        None => Vec::new(),
    }
}
