//! Where a request's time goes, as the hosts measured it themselves.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use super::app::{App, Readings};
use super::{Run, counted, load};
use crate::load::{Length, Load};
use crate::peers::Name;
use crate::report::{Row, Target};

/// The session's shortest window.
const WINDOW: Duration = Duration::from_secs(10);

/// What may be ours of a hop, at its median.
const MOST: f64 = 25.0;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for on in &run.backends {
        let app = App::building(&run.setting, *on, Readings::Temperatures, &[]).await?;
        for connections in [1, 32] {
            let load_ = Load { length: Length::Time(WINDOW), ..run.turn(connections) };
            load(&app.door()?, load_).await?;
            let status = app.status(&run.setting).await?;
            for service in Name::ALL {
                let window = window(&status, service.text())?;
                let p50 = |part: &str| window[part]["p50"].as_f64().with_context(|| format!("no {part} in {window}"));
                let n = window["n"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or_default();
                ensure!(n > 0, "{} measured nothing in {WINDOW:?}", service.text());
                // Under load a request waits for a processor: that is told, and no fault of the host's.
                let target = (connections == 1).then_some(Target::AtMost(MOST));
                let name = format!("own work in {}, {}", service.text(), counted(connections, "connection"));
                let row = Row::value(&name, on.name(), "µs", n, p50("overhead")?, target);
                let note = format!(
                    "p50; all {} µs, function {}, network {}, upstream {}",
                    p50("total")?,
                    p50("function")?,
                    p50("network")?,
                    p50("upstream")?
                );
                rows.push(row.note(note));
            }
        }
    }
    Ok(rows)
}

fn window<'a>(status: &'a Value, service: &str) -> anyhow::Result<&'a Value> {
    let mut windows = status["hops"][service]["windows"].as_array().into_iter().flatten();
    let found = windows.find(|window| window["seconds"].as_u64() == Some(WINDOW.as_secs()));
    found.with_context(|| format!("dyn status has no {WINDOW:?} of {service}"))
}
