//! What somebody has to know who compares two runs.

use std::path::Path;

use anyhow::Context;
use procfs::Current;

use crate::program;

/// The `dyn` that is measured, and what on: a line each.
pub(crate) fn lines(named: Option<&Path>) -> anyhow::Result<Vec<String>> {
    let cores = std::thread::available_parallelism().context("count the cores")?;
    let processors = procfs::CpuInfo::current().context("read what processors there are")?;
    let model = processors.model_name(0).unwrap_or("of no known model").to_owned();
    let load = procfs::LoadAverage::current().context("read the load")?;
    let kernel = rustix::system::uname();
    let rustc = std::process::Command::new("rustc").arg("--version").output().context("start rustc")?;
    let commit = std::process::Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(program::workspace())
        .output();
    let commit = commit.ok().filter(|output| output.status.success());
    let commit = commit.map_or_else(|| "unknown".to_owned(), |output| words(&output.stdout));
    let built = match named {
        Some(named) => format!("{}, as named, measured at {commit}", named.display()),
        None => format!("{} build of {commit}", program::PROFILE),
    };
    Ok(vec![
        format!("dyn: {built}"),
        format!(
            "machine: {cores} cores ({model}), Linux {}, load {:.2} at the start; {}",
            kernel.release().to_string_lossy(),
            load.one,
            words(&rustc.stdout)
        ),
    ])
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}
