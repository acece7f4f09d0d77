//! Help: commands in groups, an example for each.

use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::{Command, CommandFactory};

use super::Arguments;
use crate::version;

const ABOUT: &str = "\
Split one Rust file into services, run them, and push them to a cluster.

Mark functions with `#[service]`, chain them in `main`, and run the file with `dyn dev`.";

/// Commands in the order a newcomer meets them.
const GROUPS: [(&str, &[&str]); 7] = [
    ("Start", &["new", "ide", "dev", "fuse", "split", "ui", "stop"]),
    ("Look", &["check", "graph", "status", "logs", "events", "history", "bundle", "debug"]),
    #[cfg(feature = "jobs")]
    ("Call", &["invoke", "shell", "jobs", "openapi", "client"]),
    #[cfg(not(feature = "jobs"))]
    ("Call", &["invoke", "shell", "openapi", "client"]),
    ("Record", &["recordings", "replay", "keep"]),
    ("Cluster", &["push", "rollback", "cluster", "trust", "export"]),
    #[cfg(feature = "data")]
    ("Nodes and data", &["node", "nodes", "simulate", "data"]),
    #[cfg(not(feature = "data"))]
    ("Nodes", &["node", "nodes", "simulate"]),
    ("Tools", &["mcp", "doctor", "clean", "schema", "completions", "help"]),
];

/// An example of each command.
const EXAMPLES: &[(&str, &str)] = &[
    ("new", "dyn new plant --template stream"),
    ("ide", "dyn ide app.rs"),
    ("dev", "dyn dev app.rs --on process --record lunch"),
    ("ui", "dyn ui app.rs"),
    ("fuse", "dyn fuse app.rs get filter"),
    ("split", "dyn split app.rs filter"),
    ("stop", "dyn stop app.rs"),
    ("check", "dyn check app.rs --json"),
    ("graph", "dyn graph app.rs --format mermaid"),
    ("status", "dyn status app.rs --json"),
    ("debug", "dyn debug app.rs map --attach"),
    ("logs", "dyn logs app.rs map --follow"),
    ("events", "dyn events app.rs --after 120"),
    ("history", "dyn history app.rs"),
    ("bundle", "dyn bundle app.rs -o app.html --no-values"),
    ("invoke", "dyn invoke app.rs map values='[1, 2]'"),
    ("shell", "echo 'map([1, 2])' | dyn shell app.rs"),
    #[cfg(feature = "jobs")]
    ("jobs", "dyn jobs run app.rs map values='[1, 2]' --wait"),
    #[cfg(feature = "jobs")]
    ("jobs run", "dyn jobs run app.rs map values='[1, 2]' --key import-7"),
    #[cfg(feature = "jobs")]
    ("jobs usage", "dyn jobs usage app.rs --by service,day --csv"),
    #[cfg(feature = "data")]
    ("data", "dyn data serve --config data.toml"),
    #[cfg(feature = "data")]
    ("data serve", "dyn data serve --config data.toml --door 127.0.0.1:6000"),
    #[cfg(feature = "data")]
    ("data endpoint", "dyn data endpoint add aws https://functions.example.org --place aws --path /prod"),
    #[cfg(feature = "data")]
    ("data route", "dyn data route set images --policy first --endpoint aws --endpoint hpc"),
    ("openapi", "dyn openapi app.rs > openapi.json"),
    ("client", "dyn client app.rs --lang typescript > client.ts"),
    ("recordings", "dyn recordings app.rs"),
    ("replay", "dyn replay app.rs lunch --ignore /timestamp"),
    ("keep", "dyn keep app.rs lunch --as-tests"),
    ("push", "dyn push app.rs --plan"),
    ("rollback", "dyn rollback app.rs --to 3"),
    ("cluster", "dyn cluster status app.rs"),
    ("trust", "dyn trust staging"),
    ("export", "dyn export app.rs --format kubernetes | kubectl apply -f -"),
    ("node", "dyn node up --listen 0.0.0.0:7940"),
    ("node init", "dyn node init --fleet plant --name edge-1"),
    ("node invite", "dyn node invite --uses 3 --for 2h"),
    ("node join", "dyn node join dynj1_TOKEN --name edge-2 --label zone=eu-1"),
    ("node up", "dyn node up --on docker --neighbours fog-1,nearest=4 --metrics 127.0.0.1:9100"),
    ("node expel", "dyn node expel edge-2"),
    ("nodes", "dyn nodes --watch"),
    ("push", "dyn push app.rs --to edge-1,edge-2"),
    ("simulate", "dyn simulate dfaas-1 --strategy offer,recalc"),
    ("mcp", "dyn mcp app.rs"),
    ("doctor", "dyn doctor"),
    ("clean", "dyn clean"),
    ("schema", "dyn schema > dyn.schema.json"),
    ("completions", "dyn completions bash > ~/.local/share/bash-completion/completions/dyn"),
    ("cluster logs", "dyn cluster logs app.rs map --follow"),
    ("cluster invoke", "dyn cluster invoke app.rs map values='[1, 2]'"),
    ("cluster down", "dyn cluster down app.rs --namespace staging"),
];

const EXIT_CODES: &str = "  0    done
  1    the app or a call is wrong; the message names the place
  2    the command line is wrong
  3    this machine lacks something: run `dyn doctor`
  4    another session or push has the app
  5    nothing could be compared by `dyn replay`; the message says why
  130  interrupted";

pub(super) const FILE: &str = "App's source file [default: app.rs, or the only app in the folder]";

/// The command line, with its help.
pub(crate) fn command() -> Command {
    let command = adorned(Arguments::command(), "");
    let template = grouped(&command);
    // Help is made once in the life of the process.
    let (short, long): (&'static str, &'static str) = (version::short().leak(), version::long().leak());
    command.version(short).long_version(long).about(ABOUT).long_about(None).help_template(template)
}

/// Whether the command of a line is about an app, whose file may be left out.
pub(super) fn takes_app(line: &[OsString]) -> bool {
    let mut words = line.iter().skip(1).filter_map(|word| word.to_str()).skip_while(|word| word.starts_with('-'));
    let command = Arguments::command();
    let Some(mut of) = words.next().and_then(|name| command.find_subcommand(name)) else { return false };
    if let Some(below) = words.next().and_then(|name| of.find_subcommand(name)) {
        of = below;
    }
    is_about_app(of)
}

fn is_about_app(command: &Command) -> bool {
    command.get_name() != "new" && command.get_arguments().any(|argument| argument.get_id() == "file")
}

/// Commands by group, with their own descriptions.
fn grouped(command: &Command) -> StyledStr {
    let header = command.get_styles().get_header();
    let literal = command.get_styles().get_literal();
    let mut text = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    for (group, names) in GROUPS {
        text += &format!("\n{header}{group}:{header:#}\n");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
            let about = about.unwrap_or_else(|| "Print the help of a command".to_owned());
            text += &format!("  {literal}{name:<11}{literal:#}  {about}\n");
        }
    }
    text +=
        &format!("\n{header}Options:{header:#}\n  {literal}-h{literal:#}, {literal}--help{literal:#}     Print help\n");
    text += &format!(
        "  {literal}-v{literal:#}, {literal}--verbose{literal:#}  Log more, to stderr or the app's folder; -vv logs everything\n"
    );
    text += &format!(
        "  {literal}-V{literal:#}, {literal}--version{literal:#}  Print version; --version also prints the formats that dyn speaks\n"
    );
    text += &format!("\n{header}Exit codes:{header:#}\n{EXIT_CODES}\n");
    StyledStr::from(text)
}

/// Each command with its example, and with the file as what may be left out. `above`: the commands that it belongs to.
fn adorned(command: Command, above: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(&name, |mut sub| {
            let path = format!("{above}{name}");
            if is_about_app(&sub) {
                let words = sub.clone().bin_name(format!("dyn {path}")).render_usage().to_string();
                let usage = words.trim_start_matches("Usage: ").replace("<FILE>", "[FILE]");
                sub = sub.override_usage(usage);
            }
            let examples: Vec<&str> =
                EXAMPLES.iter().filter(|(of, _)| *of == path).map(|(_, example)| *example).collect();
            if !examples.is_empty() {
                let header = sub.get_styles().get_header();
                let words = format!("{header}Example:{header:#}\n  {}", examples.join("\n  "));
                sub = sub.after_long_help(words);
            }
            adorned(sub, &format!("{path} "))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_grammar_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn every_command_is_in_one_group_and_has_an_example_that_parses() {
        let command = command();
        let visible: BTreeSet<&str> =
            command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(Command::get_name).collect();
        let listed: Vec<&str> =
            GROUPS.iter().flat_map(|(_, names)| *names).copied().filter(|name| *name != "help").collect();
        assert_eq!(listed.len(), visible.len());
        assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), visible);
        for name in visible {
            assert!(EXAMPLES.iter().any(|(of, _)| *of == name), "{name} has no example");
        }
        for (_, example) in EXAMPLES {
            let line = example.split(" | ").find(|part| part.starts_with("dyn ")).unwrap_or_default();
            let line = line.split(" > ").next().unwrap_or_default().replace("'[1, 2]'", "[1,2]");
            let parsed = command.clone().try_get_matches_from(line.split(' '));
            assert!(parsed.is_ok(), "{example}: {parsed:?}");
        }
    }

    #[test]
    fn help_is_one_text_long_or_short() {
        let mut command = command();
        let text = command.render_help().to_string();
        assert_eq!(text, command.render_long_help().to_string());
        assert!(text.lines().all(|line| line.len() <= 110), "{text}");
    }
}
