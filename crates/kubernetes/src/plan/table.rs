//! A plan for people.

use std::fmt::{self, Display};

use comfy_table::{ContentArrangement, Table, presets};

use super::{Plan, PlanPlace, PlanStep, content};

impl Display for Plan {
    /// A line a service, the reasons below, then what refuses the push and what is worth knowing. As wide as it needs to
    /// be: a face that has less room cuts it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(["service", "", "image", "pods", "to send"]);
        for step in &self.services {
            table.add_row([step.name.clone(), step.what.to_string(), image(step), pods(step), size(step.bytes)]);
        }
        for line in table.lines() {
            writeln!(f, "{}", line.trim_end())?;
        }
        for step in &self.services {
            for why in whys(step) {
                writeln!(f, "  {}: {why}", step.name)?;
            }
        }
        for group in &self.groups {
            writeln!(f, "  {}: {} share pods and roll together", group.name, group.services.join(", "))?;
        }
        for PlanPlace { service, place, nodes, why, .. } in &self.places {
            let nodes: Vec<String> = nodes.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            writeln!(f, "  {service} has pods in {place} ({}){why}", nodes.join(" and "))?;
        }
        for object in &self.objects {
            writeln!(f, "  {object}")?;
        }
        for object in &self.leftovers {
            writeln!(f, "  {object}: not wanted any more, removed once nobody calls it")?;
        }
        for found in &self.breaks {
            writeln!(f, "refused: {found}")?;
        }
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        Ok(())
    }
}

fn whys(step: &PlanStep) -> Vec<String> {
    let mut whys = step.what.reasons();
    if step.form_changes {
        whys.push("what it takes or returns has another form: its callers go over with it".to_owned());
    }
    whys
}

fn image(step: &PlanStep) -> String {
    let short = |image: &Option<String>| {
        let content = content(image.as_deref()?);
        Some(content.get(..12).unwrap_or(content).to_owned())
    };
    match (short(&step.image_before), short(&step.image_after)) {
        (Some(before), Some(after)) if before != after => format!("{before} -> {after}"),
        (before, after) => after.or(before).unwrap_or_else(|| "-".to_owned()),
    }
}

fn pods(step: &PlanStep) -> String {
    match step.replicas_before {
        Some(before) if before != step.replicas => format!("{before} -> {}", step.replicas),
        _ => step.replicas.to_string(),
    }
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    match bytes {
        0 => "-".to_owned(),
        1..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
