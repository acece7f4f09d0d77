//! A session whose `fetch` has an instance in each of some places, and whose buckets settings place: no data server runs.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::load::{Check, Goal, Wire, address};
use crate::memory;
use crate::session::{Session, Setting};

/// A session of three services. Dropped in this order: the session before its files.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) session: Session,
    _folder: TempDir,
}

/// A host of the session: its admin API.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) url: String,
    pub(super) token: String,
}

/// What an app is: what `fetch` does, whether it is near the bucket, and its settings.
pub(super) struct Shape<'a> {
    /// Body and result of `fetch(n: u64) -> u64`.
    pub(super) fetch: &'a str,
    pub(super) is_near: bool,
    /// Of dyn.toml and data.toml, where FOLDER is the app's; none: neither is there.
    pub(super) settings: Option<(&'a str, &'a str)>,
    pub(super) further: &'a [&'a str],
}

/// The process that answers: who reads it knows the instance.
pub(super) const PROCESS: &str = "fn fetch(wished: u64) -> u64 { wished.min(0) + u64::from(std::process::id()) }";

impl Places {
    pub(super) async fn start(setting: &Setting, shape: &Shape<'_>) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let (bucket, near) = match shape.is_near {
            true => ("static IMAGES: Bucket = Bucket::named(\"images\");\n\n", "(near = \"images\")"),
            false => ("", ""),
        };
        let text = format!(
            "use dyninka::prelude::*;\n\n{bucket}#[service]\nfn wish() -> u64 {{ 1 }}\n\n#[service{near}]\n{}\n\n\
             #[service]\nfn last(found: u64) -> u64 {{ found }}\n\n#[dyninka::main]\nfn main() {{ wish().fetch().last() }}\n",
            shape.fetch
        );
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).with_context(|| format!("write {name}"))
        };
        write("app.rs", &text)?;
        if let Some((dyn_toml, data_toml)) = shape.settings {
            write("dyn.toml", dyn_toml)?;
            write("data.toml", &data_toml.replace("FOLDER", &folder.path().display().to_string()))?;
        }
        let further = [&["--together", "none"][..], shape.further].concat();
        let session = Session::start_with(setting, &folder.path().join("app.rs"), "process", None, &further).await?;
        Ok(Self { session, _folder: folder })
    }

    /// The public listener, asked with further header lines.
    pub(super) fn goal(&self, headers: &str) -> anyhow::Result<Goal> {
        let wire = Wire::Http { address: address(&self.session.url()?)?, headers: headers.to_owned() };
        Ok(Goal { wire, check: Check::Status(200) })
    }

    /// The admin API of every host.
    pub(super) fn doors(&self) -> anyhow::Result<Vec<Door>> {
        let hosts = memory::hosts(self.session.pid()?)?;
        let doors = hosts.into_iter().map(|(_, folder)| {
            let config = config(&folder)?;
            let part = |name: &str| config[name].as_str().with_context(|| format!("{folder}: no {name}"));
            Ok(Door { url: format!("http://{}/_dyninka/near", part("listen")?), token: part("token")?.to_owned() })
        });
        let doors: Vec<Door> = doors.collect::<anyhow::Result<_>>()?;
        ensure!(doors.len() >= 3, "the session has {} hosts", doors.len());
        Ok(doors)
    }

    /// Where the instances of a service listen.
    pub(super) fn instances(&self, service: &str) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        for (_, folder) in memory::hosts(self.session.pid()?)? {
            let config = config(&folder)?;
            if config["service"] == service {
                found.push(config["listen"].as_str().context("a host that listens nowhere")?.to_owned());
            }
        }
        Ok(found)
    }

    /// The processes of the session's hosts.
    pub(super) fn processes(&self) -> anyhow::Result<BTreeSet<u64>> {
        Ok(memory::hosts(self.session.pid()?)?.into_iter().map(|(pid, _)| u64::from(pid)).collect())
    }
}

/// What a host was told, by its folder.
fn config(folder: &str) -> anyhow::Result<Value> {
    let file = Path::new(folder).join("config.json");
    let text = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("read {}", file.display()))
}

/// Settings of two places, each with a folder below FOLDER, which is the app's; `images` is in both, its master in hpc.
pub(super) const TWO: (&str, &str) = (
    "[data]\nsettings = \"data.toml\"\nplace = \"cc1\"\n[services.fetch]\nplaces = [\"hpc\", \"cc1\"]\n",
    "places = { hpc = {}, cc1 = {} }\n[stores]\nhpc = { place = \"hpc\", folder = \"FOLDER/hpc\" }\n\
     cc1 = { place = \"cc1\", folder = \"FOLDER/cc1\" }\n[buckets]\nimages = { master = \"hpc\", at = [\"cc1\"] }\n",
);
