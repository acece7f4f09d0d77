//! An answer of the session in words.

use session_api::Answer;
use session_api::command::{Called, LatencySpread};
use session_api::verdict::Verdict;

/// An answer in lines of text, without what the view shows by itself.
pub(crate) fn shown(answer: &Answer) -> Vec<String> {
    match answer {
        Answer::Planned { .. } => Vec::new(),
        answer => words(answer),
    }
}

/// An answer in lines of text.
pub(crate) fn words(answer: &Answer) -> Vec<String> {
    match answer {
        Answer::Done { message } => vec![message.clone()],
        Answer::Refused { message, hint } => {
            let hint = hint.iter().map(|hint| format!("hint: {hint}"));
            [message.clone()].into_iter().chain(hint).collect()
        }
        Answer::Judged { verdicts } => verdicts.iter().flat_map(Verdict::lines).collect(),
        Answer::Recordings { recordings } if recordings.is_empty() => vec!["there is no recording".to_owned()],
        Answer::Recordings { recordings } => recordings.iter().map(ToString::to_string).collect(),
        Answer::Where(places) => places.to_string().lines().map(str::to_owned).collect(),
        Answer::Stepped { steps, again } => {
            let again = again.iter().map(|end| format!("called again -> {end}"));
            steps.iter().map(ToString::to_string).chain(again).collect()
        }
        Answer::Jobs { jobs } => jobs.lines(),
        Answer::Job { job } => job.lines(),
        Answer::Planned { push } => {
            let end = format!("{} {}: {}", push.act.word(), push.push, push.stage);
            push.plan().into_iter().chain([end]).collect()
        }
        Answer::State { values } => values.iter().map(|(name, value)| format!("{name} = {value:#}")).collect(),
        Answer::Called(called) => self::called(called),
        Answer::Timed(timed) => {
            let mut lines = vec![format!("{} calls, {} errors", timed.n, timed.errors)];
            lines.extend(timed.first_error.iter().flat_map(called));
            lines.push(spread("total", &timed.total));
            lines.extend(timed.hops.iter().map(|(name, total, _)| spread(name, total)));
            lines
        }
    }
}

fn called(called: &Called) -> Vec<String> {
    let mut lines = match (&called.value, &called.filtered_by) {
        (Some(value), _) => format!("{value:#}").lines().map(str::to_owned).collect(),
        (None, Some(service)) => vec![format!("filtered by {service}")],
        (None, None) => Vec::new(),
    };
    lines.push(format!("{} in {:.2} ms, trace {}", called.status, called.ms, called.trace));
    for hop in &called.hops {
        let (total, function) = (hop.total_ms, hop.function_ms);
        lines.push(format!("  {}  {total:.2} ms, {function:.2} ms in the function  {}", hop.service, hop.version));
    }
    lines
}

fn spread(name: &str, spread: &LatencySpread) -> String {
    let LatencySpread { p50, p90, p99, max } = spread;
    format!("  {name}  p50 {p50:.2} ms  p90 {p90:.2} ms  p99 {p99:.2} ms  max {max:.2} ms")
}
