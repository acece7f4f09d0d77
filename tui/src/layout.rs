//! Where everything is, by the size of the screen.

use ratatui::layout::Rect;
use session_api::Snapshot;

use crate::edits;
use crate::model::{self, Model, Pane};

/// How the screen is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrangement {
    /// Every pane.
    All,
    /// The focused pane's list, and the detail of what is chosen in it.
    Split,
    /// The focused pane's list, or the detail.
    One,
    Line,
}

/// A pane's part of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) pane: Pane,
    pub(crate) part: Part,
    pub(crate) area: Rect,
}

/// What of a pane is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    List,
    Detail,
}

/// Where everything is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) header: Rect,
    pub(crate) panes: Vec<Place>,
    /// What is said to the user; empty where the bottom line says it.
    pub(crate) message: Rect,
    /// The keys, or the line that is typed.
    pub(crate) bottom: Rect,
}

/// How the screen is used.
pub(crate) fn arrangement(model: &Model) -> Arrangement {
    match model.size {
        (width, height) if width < 40 || height < 10 => Arrangement::Line,
        (width, height) if width < 80 || height < 24 => Arrangement::One,
        (width, height) if width < 120 || height < 30 || model.expanded => Arrangement::Split,
        _ => Arrangement::All,
    }
}

/// Where everything is.
pub(crate) fn of(model: &Model, snapshot: &Snapshot) -> Layout {
    let (width, height) = model.size;
    let screen = Rect::new(0, 0, width, height);
    let arrangement = arrangement(model);
    if arrangement == Arrangement::Line {
        let line = Rect { height: height.min(1), ..screen };
        return Layout { header: line, panes: Vec::new(), message: Rect::ZERO, bottom: Rect::ZERO };
    }
    let spare = u16::from(height >= 24);
    let header = Rect { height: 1, ..screen };
    let bottom = Rect { y: height - 1, height: 1, ..screen };
    let message = Rect { y: height - 1 - spare, height: spare, ..screen };
    let body = Rect { y: 1, height: height - 2 - spare, ..screen };
    let panes = match arrangement {
        Arrangement::All => all(body, model, snapshot),
        Arrangement::Split => split(model, snapshot, body),
        _ => {
            let has_detail = !matches!(model.focus, Pane::Logs | Pane::Jobs | Pane::Data);
            let part = if model.expanded && has_detail { Part::Detail } else { Part::List };
            vec![Place { pane: model.focus, part, area: body }]
        }
    };
    Layout { header, panes, message, bottom }
}

/// Jobs or Data stand beside Logs from so many columns on, and in their place below.
const BESIDE: u16 = 160;

/// Flow beside Edits, Hops under them with the detail of the chosen one, Logs at the bottom.
fn all(body: Rect, model: &Model, snapshot: &Snapshot) -> Vec<Place> {
    let services = u16::try_from(snapshot.services.len()).unwrap_or(u16::MAX);
    let third = body.height / 3;
    let top = services.saturating_add(2).clamp(5, third.max(5));
    let rest = body.height - top;
    let list = services.saturating_add(2).clamp(3, (rest / 2).min(rest.saturating_sub(12)).max(3));
    // The figures of a service take seven rows; a histogram, where there is room for a third more, is worth its rows.
    let spans = snapshot.traces.iter().map(|trace| trace.spans.len()).max().unwrap_or(0);
    let figures = u16::try_from(spans + 1).unwrap_or(u16::MAX).clamp(7, (rest / 3).max(7)).min(rest - list);
    let third = rest / 3;
    let spare = rest - list;
    let detail = if spare >= third + figures + 6 { spare - third } else { figures };
    let hops = list + detail;
    let logs = rest - hops;
    let left = body.width / 2 - 1;
    let row = |y: u16, height: u16| Rect { y: body.y + y, height, ..body };
    let mut places = vec![
        Place { pane: Pane::Flow, part: Part::List, area: Rect { width: left, ..row(0, top) } },
        Place {
            pane: Pane::Edits,
            part: Part::List,
            area: Rect { x: left + 2, width: body.width - left - 2, ..row(0, top) },
        },
        Place { pane: Pane::Hops, part: Part::List, area: row(top, list) },
        Place { pane: Pane::Hops, part: Part::Detail, area: row(top + list, hops - list) },
    ];
    let bottom = row(top + hops, logs);
    let (logs, beside) = (Rect { width: left, ..bottom }, Rect { x: left + 2, width: body.width - left - 2, ..bottom });
    let whole = |pane| Place { pane, part: Part::List, area: bottom };
    let others = [Pane::Jobs, Pane::Data];
    let focused = others.into_iter().find(|pane| *pane == model.focus);
    match focused.or_else(|| others.into_iter().find(|pane| pane.is_there(snapshot))) {
        Some(pane) if body.width >= BESIDE && pane.is_there(snapshot) => {
            places.push(Place { area: logs, ..whole(Pane::Logs) });
            places.push(Place { area: beside, ..whole(pane) });
        }
        _ => places.push(whole(focused.unwrap_or(Pane::Logs))),
    }
    places
}

fn split(model: &Model, snapshot: &Snapshot, body: Rect) -> Vec<Place> {
    let (pane, list) = (model.focus, Part::List);
    let rows = match pane {
        Pane::Logs | Pane::Jobs | Pane::Data => return vec![Place { pane, part: list, area: body }],
        Pane::Flow | Pane::Hops => model::listed(model, snapshot).len(),
        Pane::Edits => edits::listed(model, snapshot).len(),
    };
    let wanted = u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(2);
    let height = wanted.clamp(5, (body.height / 2).max(5));
    let below = Rect { y: body.y + height, height: body.height - height, ..body };
    vec![Place { pane, part: list, area: Rect { height, ..body } }, Place { pane, part: Part::Detail, area: below }]
}

/// The first row that is shown, such that the chosen one stands in the middle where it can.
pub(crate) fn first(chosen: usize, rows: usize, height: usize) -> usize {
    chosen.saturating_sub(height / 2).min(rows.saturating_sub(height))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::theme::Theme;

    proptest! {
        #[test]
        fn nothing_leaves_the_screen_or_lies_over_another(
            width in 0_u16..400, height in 0_u16..200, expanded: bool, pane in 0_usize..6, services in 0_usize..300, jobs: bool, data: bool,
        ) {
            let mut model = Model::new(Theme { colour: true, ascii: false }, false, (width, height));
            model.expanded = expanded;
            model.focus = Pane::ALL[pane];
            let services = (0..services).map(|n| session_api::snapshot::ServiceView { name: format!("s{n}"), ..Default::default() });
            let jobs = jobs.then(session_api::jobs::JobsView::default);
            let data = data.then(session_api::data::DataMatrix::default);
            let snapshot = Snapshot { services: services.collect(), jobs, data, ..Snapshot::default() };
            let layout = of(&model, &snapshot);
            let mut areas: Vec<_> = layout.panes.iter().map(|place| place.area).collect();
            areas.extend([layout.header, layout.message, layout.bottom]);
            areas.retain(|area| !area.is_empty());
            let screen = Rect::new(0, 0, width, height);
            for (at, area) in areas.iter().enumerate() {
                prop_assert_eq!(area.intersection(screen), *area);
                for other in &areas[..at] {
                    prop_assert!(!area.intersects(*other), "{} over {}", area, other);
                }
            }
        }
    }

    #[test]
    fn a_list_shows_the_chosen_row() {
        assert_eq!([first(0, 3, 10), first(50, 100, 10), first(99, 100, 10), first(5, 6, 0)], [0, 45, 90, 5]);
    }
}
