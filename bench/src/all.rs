//! Everything that is measured, in one table and one JSON.

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use serde::Serialize;

use crate::arguments::{All, Arguments, Command};
use crate::chain::Findings;
use crate::report::Report;
use crate::{chain, data, edits, jobs, nodes, page, program, push};

/// All parts.
#[derive(Debug, Serialize)]
struct Everything {
    chain: Findings,
    data: Report,
    edits: Report,
    jobs: Report,
    nodes: Report,
    page: Report,
    push: Report,
}

/// Measures all of it; whether it failed.
pub(crate) async fn run(options: &All) -> anyhow::Result<bool> {
    let file = |name: &str| program::workspace().join("target/bench").join(name);
    // The same defaults as by hand.
    let words = ["bench", "chain", "--minutes", &options.minutes.to_string()].map(str::to_owned);
    let Command::Chain(chain_options) = parse(&words)? else { anyhow::bail!("chain is another command") };
    let words = ["bench", "edits", "--rounds", &options.rounds.to_string()].map(str::to_owned);
    let Command::Edits(edits_options) = parse(&words)? else { anyhow::bail!("edits is another command") };
    let words = ["bench", "data"].map(str::to_owned);
    let Command::Data(data_options) = parse(&words)? else { anyhow::bail!("data is another command") };
    let words = ["bench", "jobs"].map(str::to_owned);
    let Command::Jobs(jobs_options) = parse(&words)? else { anyhow::bail!("jobs is another command") };
    let words = ["bench", "nodes"].map(str::to_owned);
    let Command::Nodes(nodes_options) = parse(&words)? else { anyhow::bail!("nodes is another command") };
    let words = ["bench", "page"].map(str::to_owned);
    let Command::Page(page_options) = parse(&words)? else { anyhow::bail!("page is another command") };
    let words = ["bench", "push"].map(str::to_owned);
    let Command::Push(push_options) = parse(&words)? else { anyhow::bail!("push is another command") };
    let chain = chain::run(&chain_options).await?;
    let data = data::run(&data_options).await?;
    let edits = edits::run(&edits_options).await?;
    let jobs = jobs::run(&jobs_options).await?;
    let nodes = nodes::run(&nodes_options).await?;
    let page = page::run(&page_options).await?;
    let push = push::run(&push_options).await?;
    let reports = [&data, &edits, &jobs, &nodes, &page, &push];
    let failed = chain.is_failed(options.strict) || reports.iter().any(|report| report.is_failed(options.strict));
    let text = serde_json::to_vec_pretty(&Everything { chain, data, edits, jobs, nodes, page, push })
        .context("write everything as JSON")?;
    let json: PathBuf = file("all.json");
    std::fs::write(&json, text).with_context(|| format!("write {}", json.display()))?;
    eprintln!("bench: wrote {}", json.display());
    Ok(failed)
}

fn parse(words: &[String]) -> anyhow::Result<Command> {
    Ok(Arguments::try_parse_from(words).context("read a command of our own")?.command)
}
