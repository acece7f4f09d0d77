//! Every target.

mod cell;
mod file;
mod jail;
mod job;
mod line;
mod link;
mod near;
mod recording;
mod scenario;
mod wire;

use crate::Target;

/// Every target, in the order they are told of.
pub const TARGETS: &[Target] = &[
    Target { name: "file", seeds: file::seeds, words: file::WORDS, run: file::read },
    Target { name: "edit", seeds: file::seeds, words: file::WORDS, run: file::edit },
    Target { name: "route", seeds: wire::routes, words: wire::ROUTE_WORDS, run: wire::route },
    Target {
        name: "otlp",
        seeds: wire::payloads,
        words: &["\u{a}", "\u{12}", "service.name", "urn:dyninka"],
        run: wire::otlp,
    },
    Target { name: "config", seeds: wire::configs, words: wire::JSON_WORDS, run: wire::config },
    Target { name: "command", seeds: line::commands, words: wire::JSON_WORDS, run: line::command },
    Target { name: "answer", seeds: line::answers, words: wire::JSON_WORDS, run: line::answer },
    Target { name: "record", seeds: recording::lines, words: recording::WORDS, run: recording::line },
    Target { name: "recording", seeds: recording::files, words: recording::WORDS, run: recording::file },
    Target { name: "jail", seeds: jail::conversations, words: jail::WORDS, run: jail::conversation },
    Target { name: "cell", seeds: cell::seeds, words: &[], run: cell::shared },
    Target { name: "scenario", seeds: scenario::scenarios, words: scenario::WORDS, run: scenario::scenario },
    Target { name: "instance", seeds: scenario::instances, words: scenario::WORDS, run: scenario::instance },
    Target { name: "report", seeds: scenario::reports, words: wire::JSON_WORDS, run: scenario::report },
    Target { name: "frames", seeds: link::frames, words: link::WORDS, run: link::frame },
    Target {
        name: "invitation",
        seeds: link::invitations,
        words: &["dynj1_", "-", "_", "=", ":"],
        run: link::invitation,
    },
    Target { name: "data", seeds: near::headers, words: near::WORDS, run: near::header },
    Target { name: "table", seeds: near::tables, words: wire::JSON_WORDS, run: near::table },
    Target { name: "membership", seeds: link::messages, words: &[], run: link::message },
    Target { name: "job", seeds: job::requests, words: job::WORDS, run: job::request },
    Target { name: "batch", seeds: job::batches, words: job::WORDS, run: job::batch },
    Target { name: "token", seeds: job::tokens, words: &["dyn_", "_", ".", "0"], run: job::token },
    Target {
        name: "cron",
        seeds: job::crons,
        words: &["*", "/", "-", ",", "L", "W", "#", "@daily", " "],
        run: job::cron,
    },
    Target { name: "line", seeds: line::lines, words: line::WORDS, run: line::line },
];
