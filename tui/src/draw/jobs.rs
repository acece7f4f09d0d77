//! Durable jobs: a row a tenant, dead letters, the latest jobs.

use session_api::jobs::{DeadLetters, JobCondition, JobLine, JobsView, TenantJobs};

use super::Scene;
use super::canvas::Canvas;
use super::text::{Row, width};
use crate::model::Pane;
use crate::theme::{Theme, Tone};
use crate::{jobs, layout, units};

/// Columns of figures of a tenant: head, width, and from which width of the pane on they are shown.
const COLUMNS: [(&str, usize, usize); 9] = [
    ("weight", 8, 110),
    ("queued", 9, 0),
    ("running", 9, 0),
    ("done/s", 9, 56),
    ("done", 9, 90),
    ("failed", 8, 0),
    ("wait p50", 10, 66),
    ("p99", 9, 66),
    ("function/s", 12, 100),
];

/// Rows of dead letters.
const LETTERS: usize = 3;

/// Draws the pane.
pub(crate) fn draw(scene: Scene<'_>, canvas: &mut Canvas<'_>) {
    let Some(view) = &scene.snapshot.jobs else {
        canvas.title(scene, Pane::Jobs, "off: dyn dev --jobs accepts them");
        return;
    };
    let of = view.why.as_ref().map_or_else(|| view.headline(), |why| format!("the job server does not answer: {why}"));
    canvas.title(scene, Pane::Jobs, &of);
    let room = (canvas.height().saturating_sub(2) / 2).max(1);
    let letters = view.dead.len().min(LETTERS).min(room / 2);
    let shown = jobs::tenants(view, room - letters);
    let next = tenants(scene, view, &shown, canvas);
    for (at, group) in view.dead.iter().take(letters).enumerate() {
        canvas.row(next + at, dead(scene.theme, group));
    }
    let listed = jobs::listed(scene.model, scene.snapshot);
    let (chosen, top) = (jobs::chosen(scene.model, &listed), next + letters);
    let height = canvas.height().saturating_sub(top);
    let first = layout::first(chosen, listed.len(), height);
    let longest = |of: fn(&JobLine) -> &str| listed.iter().map(|job| width(of(job))).max().unwrap_or(0).min(20);
    let (names, services) = (longest(|job| &job.tenant), longest(|job| &job.service));
    for (at, job) in listed.iter().enumerate().skip(first).take(height) {
        let marker = if at == chosen { scene.theme.glyphs().marker } else { " " };
        let mut row = Row::new(scene.theme);
        row.text(marker, Tone::Accent);
        line(&mut row, job, names, services);
        canvas.row(top + at - first, row);
        if at == chosen && scene.model.focus == Pane::Jobs {
            canvas.choose(top + at - first, scene.theme.chosen());
        }
    }
}

/// Draws the table of tenants; the row after it.
fn tenants(scene: Scene<'_>, view: &JobsView, shown: &[&TenantJobs], canvas: &mut Canvas<'_>) -> usize {
    let columns: Vec<_> = COLUMNS.iter().filter(|column| column.2 <= canvas.width()).collect();
    let figures: usize = columns.iter().map(|column| column.1).sum();
    let longest = shown.iter().map(|tenant| width(&tenant.name)).max().unwrap_or(0);
    let names = longest.clamp(7, 24).min(canvas.width().saturating_sub(figures + 3));
    let mut head = Row::new(scene.theme);
    head.text("   ", Tone::Plain).cell("tenant", names, Tone::Dim);
    for (name, columns, _) in &columns {
        head.figure(name, *columns, Tone::Dim);
    }
    let more = view.tenants.len() - shown.len();
    if more > 0 {
        head.text(&format!("  and {more} more"), Tone::Dim);
    }
    canvas.row(1, head);
    for (at, tenant) in shown.iter().enumerate() {
        let (glyph, tone) = match (tenant.running, tenant.queued) {
            (0, 0) => (scene.theme.glyphs().starting, Tone::Dim),
            (0, _) => (scene.theme.glyphs().starting, Tone::Busy),
            _ => (scene.theme.glyphs().live, Tone::Good),
        };
        let mut row = Row::new(scene.theme);
        row.text(" ", Tone::Plain).text(glyph, tone).text(" ", Tone::Plain).cell(&tenant.name, names, Tone::Strong);
        for (name, columns, _) in &columns {
            let (text, tone) = figure(tenant, name);
            row.figure(&text, *columns, tone);
        }
        canvas.row(2 + at, row);
    }
    2 + shown.len()
}

fn figure(tenant: &TenantJobs, name: &str) -> (String, Tone) {
    let count = |count: u64| (units::count(count), if count == 0 { Tone::Dim } else { Tone::Plain });
    let time = |ms: Option<f64>| ms.map_or(("-".to_owned(), Tone::Dim), |ms| (units::millis(ms), Tone::Plain));
    match name {
        "weight" => (tenant.weight.to_string(), Tone::Dim),
        "queued" => count(tenant.queued),
        "running" => count(tenant.running),
        "done/s" => {
            (units::rate(tenant.done_per_second), if tenant.done_per_second < 0.05 { Tone::Dim } else { Tone::Plain })
        }
        "done" => count(tenant.done),
        "failed" => (units::count(tenant.failed), if tenant.failed == 0 { Tone::Dim } else { Tone::Bad }),
        "wait p50" => time(tenant.wait_p50),
        "p99" => time(tenant.wait_p99),
        _ => time(Some(tenant.function_ms_per_second)),
    }
}

fn dead(theme: Theme, group: &DeadLetters) -> Row {
    let DeadLetters { tenant, service, kind, jobs, .. } = group;
    let mut row = Row::new(theme);
    let letters = units::many(usize::try_from(*jobs).unwrap_or(usize::MAX), "dead letter");
    row.text(" ", Tone::Plain).text(theme.glyphs().down, Tone::Bad).text(" ", Tone::Plain);
    row.text(&format!("{letters} of {tenant}: {service} {kind}"), Tone::Bad);
    row
}

fn line(row: &mut Row, job: &JobLine, names: usize, services: usize) {
    let tone = match job.state {
        JobCondition::Queued => Tone::Dim,
        JobCondition::Running => Tone::Busy,
        JobCondition::Done => Tone::Good,
        JobCondition::Failed => Tone::Bad,
        JobCondition::Cancelled | JobCondition::Expired => Tone::Plain,
    };
    // Ids begin with their time: of two jobs of one moment the ends tell which is which.
    let end = job.id.rsplit('-').next().unwrap_or(&job.id);
    row.text(" ", Tone::Plain).cell(end, 12, Tone::Dim).text("  ", Tone::Plain);
    row.cell(&job.tenant, names, Tone::Plain).text("  ", Tone::Plain);
    row.cell(&job.service, services, Tone::Strong).text("  ", Tone::Plain);
    row.cell(job.state.word(), 10, tone).cell(&format!("{}/{}", job.used, job.attempts), 6, Tone::Dim);
    if let Some(waited) = job.waited_ms {
        row.text(&format!("waited {}", units::millis(waited)), Tone::Plain).text("  ", Tone::Plain);
    }
    if job.state.is_over() {
        row.text(&format!("ran {}", units::millis(job.function_ms)), Tone::Plain).text("  ", Tone::Plain);
    }
    if let Some(kind) = &job.kind {
        row.text(kind, Tone::Bad);
    }
}
