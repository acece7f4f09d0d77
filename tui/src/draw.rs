//! The picture: a pure function of what the view and the session are like at one moment.

mod bottom;
mod canvas;
mod data;
mod diagnostics;
mod edit_detail;
mod edits;
mod flow;
mod header;
mod histogram;
mod hop_detail;
mod hops;
mod jobs;
pub(crate) mod logs;
pub(crate) mod overlay;
mod push;
mod request;
mod service_detail;
mod split;
mod text;

use ratatui::Frame;
use session_api::Snapshot;

use crate::layout::{self, Arrangement, Layout, Part, Place};
use crate::log::LogRing;
use crate::model::{Model, Pane};
use crate::theme::Theme;
use canvas::Canvas;

/// Everything a picture is made of.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) model: &'a Model,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) logs: &'a LogRing,
    pub(crate) theme: Theme,
}

/// Draws the whole screen.
pub fn draw(model: &Model, snapshot: &Snapshot, logs: &LogRing, frame: &mut Frame<'_>) {
    let scene = Scene { model, snapshot, logs, theme: model.theme };
    let Layout { header, panes, message, bottom } = layout::of(model, snapshot);
    if layout::arrangement(model) == Arrangement::Line {
        header::line(scene, &mut Canvas::new(frame.buffer_mut(), header));
        return;
    }
    header::header(scene, &mut Canvas::new(frame.buffer_mut(), header));
    let body = panes.iter().map(|place| place.area).reduce(|all, area| all.union(area)).unwrap_or_default();
    if model.overlay.is_some() {
        overlay::draw(scene, &mut Canvas::new(frame.buffer_mut(), body));
    } else if model.shows_diagnostics(snapshot) {
        diagnostics::draw(scene, &mut Canvas::new(frame.buffer_mut(), body));
    } else {
        for place in panes {
            pane(scene, place, &mut Canvas::new(frame.buffer_mut(), place.area));
        }
    }
    bottom::draw(scene, message, bottom, frame);
}

fn pane(scene: Scene<'_>, place: Place, canvas: &mut Canvas<'_>) {
    match (place.pane, place.part) {
        (Pane::Flow, Part::List) => flow::draw(scene, canvas),
        (Pane::Flow, Part::Detail) => service_detail::draw(scene, canvas),
        (Pane::Hops, Part::List) => hops::draw(scene, canvas),
        (Pane::Hops, Part::Detail) => hop_detail::draw(scene, canvas),
        (Pane::Edits, Part::List) => edits::draw(scene, canvas),
        (Pane::Edits, Part::Detail) => edit_detail::draw(scene, canvas),
        (Pane::Logs, _) => logs::draw(scene, canvas),
        (Pane::Jobs, _) => jobs::draw(scene, canvas),
        (Pane::Data, _) => data::draw(scene, canvas),
    }
}
