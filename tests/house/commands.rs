//! Command lines of README and guide: each is read by `dyn`, and those that need no session and no cluster are run.

use std::path::Path;
use std::process::{Command, Output};

use super::documents::{self, Block};

/// Subcommands that are run as they are written, in a folder of their own with the app that `dyn new` writes.
const RUN: &[&str] =
    &["new", "check", "graph", "invoke", "completions", "doctor", "stop", "simulate", "openapi", "client"];

/// Those that need recordings: they are run where the line names the ones of an example.
const RUN_ON_EXAMPLES: &[&str] = &["recordings", "replay"];

/// A command line of a document: what follows `dyn`.
struct Line {
    /// The document, and the line as it is written.
    name: String,
    arguments: Vec<String>,
}

fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    for document in documents::of_users() {
        for Block { language, lines: written } in document.blocks() {
            // In a terminal session a prompt stands before what was typed; the rest is what was printed.
            let prompt = match language {
                "sh" => "",
                "console" => "$ ",
                _ => continue,
            };
            for line in written.into_iter().filter_map(|line| line.strip_prefix(prompt)) {
                let ours = commands(line).into_iter().filter_map(own);
                lines.extend(ours.map(|arguments| Line { name: format!("{}: {line}", document.name), arguments }));
            }
        }
    }
    lines
}

/// What follows `dyn` in a command, if it is one.
fn own(words: Vec<String>) -> Option<Vec<String>> {
    let is_variable = |word: &String| word.contains('=') && word.starts_with(|c: char| c.is_ascii_uppercase());
    let words: Vec<String> = words.into_iter().skip_while(is_variable).collect();
    let begins = [&["dyn"][..], &["cargo", "run", "--"]];
    let begin = begins.into_iter().find(|begin| words.iter().take(begin.len()).eq(begin.iter()))?;
    Some(words[begin.len()..].to_vec())
}

/// The commands of a line, each as its words, as a shell takes them apart: quotes, pipes, comments and redirections.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars().chain([' ']) {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => match word.take() {
                Some(word) if word == "|" => all.push(Vec::new()),
                Some(word) if word == ">" || word.starts_with('#') => return all,
                Some(word) => all.last_mut().expect("a command").push(word),
                None => {}
            },
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    all
}

fn run(arguments: &[String], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dyn"));
    command.env("DYNINKA_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("home")).env("NO_COLOR", "1");
    command.args(arguments).current_dir(folder).output().expect("dyn runs")
}

#[test]
fn command_lines_are_taken_apart_as_a_shell_does() {
    let line = "X=1 dyn invoke app.rs 'a b' \"c\" # d | e";
    assert_eq!(commands(line), [["X=1", "dyn", "invoke", "app.rs", "a b", "c"]]);
    assert_eq!(commands("a | dyn b > c"), [vec!["a"], vec!["dyn", "b"]]);
    assert_eq!(own(commands(line).remove(0)).expect("of dyn")[0], "invoke");
    assert_eq!(own(vec!["curl".to_owned()]), None);
}

/// Before it prints help, clap refuses commands, options and values that there are none of, and words too many.
#[test]
fn command_lines_of_readme_and_guide_are_understood() {
    let lines = lines();
    assert!(lines.len() > 40, "{}", lines.len());
    for Line { name, mut arguments } in lines {
        arguments.push("--help".to_owned());
        let output = run(&arguments, documents::root());
        assert!(output.status.success(), "{name}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn command_lines_that_need_no_session_run() {
    let mut ran = Vec::new();
    for Line { name, arguments } in lines() {
        let Some(command) = arguments.first().map(String::as_str) else { continue };
        let is_of_example = arguments.iter().any(|argument| argument.starts_with("examples/"));
        if !(RUN.contains(&command) || is_of_example && RUN_ON_EXAMPLES.contains(&command)) {
            continue;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let place = if is_of_example { documents::root() } else { folder.path() };
        if !is_of_example && command != "new" {
            assert!(run(&["new".to_owned(), "app.rs".to_owned()], place).status.success());
        }
        let output = run(&arguments, place);
        assert!(output.status.success(), "{name}\n{}", String::from_utf8_lossy(&output.stderr));
        ran.push(command.to_owned());
    }
    for command in RUN.iter().chain(RUN_ON_EXAMPLES) {
        assert!(ran.iter().any(|name| name == command), "no line of README or guide runs dyn {command}");
    }
}
