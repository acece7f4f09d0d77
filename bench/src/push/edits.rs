//! One changed service, and two that depend on each other's types: how long, how much, and what callers saw.

use anyhow::ensure;

use super::backend::Backend;
use super::exported::Exported;
use super::pushed::push;
use super::traffic::{Traffic, after};
use super::{BACKEND, Run};
use crate::report::{Row, Target};
use crate::sample::Sample;

/// From the start of the command to the rollout's end.
const WITHIN: f64 = 8_000.0;
/// Of which the build.
const BUILD_WITHIN: f64 = 4_000.0;

pub(super) async fn measure(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let backend = Backend::new(run, "push")?;
    let exported = Exported::new(run)?;
    let mut number = run.nonce * 10_000;
    let mut sets = vec![after(&[], &push(run, &backend).await?.live())];
    exported.apply(run).await?;
    let traffic = Traffic::start(&backend.url()?)?;
    let (mut whole, mut live, mut build, mut bytes) =
        (Sample::default(), Sample::default(), Sample::default(), Sample::default());
    let (mut by_kubectl, mut ratio, mut layers) = (Sample::default(), Sample::default(), 0.0_f64);
    for round in 0..run.options.rounds {
        eprintln!("bench: push {} of {}", round + 1, run.options.rounds);
        number += 1;
        backend.add(number)?;
        let pushed = push(run, &backend).await?;
        ensure!(pushed.live().len() == 1, "one service changed, and {:?} were pushed", pushed.live());
        sets.extend(sets.last().map(|set| after(set, &pushed.live())));
        whole.push(pushed.whole());
        live.push(pushed.until("live")?);
        build.push(pushed.number("built", "ms")?);
        bytes.push(pushed.number("shipped", "bytes")? / 1e3);
        layers = layers.max(pushed.number("shipped", "layers")?);
        // The same change once more, with a constant of its own: neither finds what the other has built.
        number += 1;
        exported.add(number)?;
        let ms = exported.apply(run).await?;
        by_kubectl.push(ms);
        ratio.push(pushed.whole() / ms);
    }
    let answers = traffic.end().await?;
    let (mixed, first) = answers.mixed(&sets);
    let none = Some(Target::Exactly(0.0));
    Ok(vec![
        Row::spread("push of one changed service", BACKEND, &whole, Some(Target::P50(WITHIN)))
            .note("to the end of the command: all live, looked at again, old images gone"),
        Row::spread("  of which until it is live", BACKEND, &live, None),
        Row::spread("  of which the build", BACKEND, &build, Some(Target::P50(BUILD_WITHIN))),
        Row::value("  layers sent, at most", BACKEND, "layers", bytes.len(), layers, Some(Target::AtMost(1.0))),
        Row::sample("  sent", BACKEND, "KB", &bytes, None).note("compressed, that layer"),
        Row::value("  failed requests", BACKEND, "requests", answers.asked(), answers.failed as f64, none)
            .note(&answers.words),
        Row::value("  answers of mixed versions", BACKEND, "answers", answers.answered(), mixed as f64, none)
            .note(first),
        Row::spread("dyn export, kubectl apply, rollout status", BACKEND, &by_kubectl, None)
            .note("the same change, in turn, to the end of `kubectl rollout status`; nothing looks again"),
        Row::sample("  a push takes of it", BACKEND, "times", &ratio, None),
    ])
}

pub(super) async fn measure_types(run: &Run<'_>) -> anyhow::Result<Vec<Row>> {
    let backend = Backend::new(run, "types")?;
    let mut sets = vec![after(&[], &push(run, &backend).await?.live())];
    let traffic = Traffic::start(&backend.url()?)?;
    let mut whole = Sample::default();
    for round in 0..run.options.types {
        eprintln!("bench: push of types {} of {}", round + 1, run.options.types);
        backend.retype(run.nonce * 100 + u64::from(round))?;
        let pushed = push(run, &backend).await?;
        ensure!(pushed.live().len() == 2, "two services changed, and {:?} were pushed", pushed.live());
        sets.extend(sets.last().map(|set| after(set, &pushed.live())));
        whole.push(pushed.whole());
    }
    let answers = traffic.end().await?;
    let (mixed, first) = answers.mixed(&sets);
    let none = Some(Target::Exactly(0.0));
    Ok(vec![
        Row::spread("push of another type between two services", BACKEND, &whole, None)
            .note("until the pods of the form before have answered their last request"),
        Row::value("  failed requests", BACKEND, "requests", answers.asked(), answers.failed as f64, none)
            .note(&answers.words),
        Row::value("  answers of mixed versions", BACKEND, "answers", answers.answered(), mixed as f64, none)
            .note(first),
    ])
}
