//! How the project speaks: what a user reads has short sentences, and no word that docs/glossary.md gave up.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::documents;

/// Words that stood for something that has a name in the field, and that name.
const GIVEN_UP: &[(&str, &str)] = &[
    ("desk", "session"),
    ("finding", "diagnostic"),
    ("front door", "public listener"),
    ("ground", "backend"),
    ("grounds", "backends"),
    ("journey", "request context"),
    ("lane", "inline execution"),
    ("seat", "endpoint"),
    ("shelf", "recordings"),
    ("told", "a verb with a subject"),
];

/// More, and a sentence is read twice.
const LONGEST: usize = 35;

/// Commands whose help is read.
const COMMANDS: &[&str] = &[
    "new",
    "ide",
    "dev",
    "stop",
    "check",
    "graph",
    "status",
    "debug",
    "logs",
    "events",
    "history",
    "bundle",
    "ui",
    "invoke",
    "shell",
    "recordings",
    "replay",
    "keep",
    "push",
    "rollback",
    "cluster",
    "trust",
    "export",
    "simulate",
    "doctor",
    "completions",
];

/// Help of every command, as printed.
fn helps() -> Vec<(String, String)> {
    let help = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_dyn")).args(arguments).arg("--help").output().expect("dyn runs");
        assert!(output.status.success(), "{arguments:?}");
        (format!("dyn {} --help", arguments.join(" ")), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let own = COMMANDS.iter().map(|command| help(&[command]));
    let cluster = ["status", "logs", "events", "invoke", "down"].map(|command| help(&["cluster", command]));
    own.chain(cluster).chain([help(&[])]).collect()
}

#[test]
fn help_readme_and_guide_use_the_words_of_the_glossary() {
    let mut texts = helps();
    assert!(texts[0].1.contains("Example:"), "{}", texts[0].1);
    texts.extend(documents::of_users().into_iter().map(|document| (document.name, document.text)));
    for (name, text) in texts {
        let words: Vec<String> = text
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        let spaced = format!(" {} ", words.join(" "));
        for (word, instead) in GIVEN_UP {
            assert!(!spaced.contains(&format!(" {word} ")), "{name} says {word:?}: say {instead}");
        }
    }
}

#[test]
fn sentences_of_readme_and_guide_are_short() {
    let mut sentences = 0;
    for document in documents::of_users() {
        let prose = document.prose().into_iter().filter(|line| !line.starts_with(['|', '#']));
        // An item of a list is a paragraph of its own.
        let prose = prose.collect::<Vec<_>>().join("\n").replace("\n- ", "\n\n- ");
        for paragraph in prose.split("\n\n") {
            let paragraph = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
            for sentence in paragraph.split_inclusive(['.', '?', '!', ':', ';']).fold(Vec::<String>::new(), sentence) {
                let words = sentence.split_whitespace().count();
                assert!(words <= LONGEST, "{}: {words} words: {sentence}", document.name);
                sentences += 1;
            }
        }
    }
    assert!(sentences > 50, "{sentences}");
}

#[test]
fn the_readme_is_short() {
    let readme = documents::of_users().remove(0);
    assert!(readme.text.lines().count() <= 140, "{} has more than 140 lines: the guide has room", readme.name);
}

#[test]
fn the_architecture_is_short() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    assert!(text.lines().count() <= 170, "it has more than 170 lines: a crate's own page has room");
}

/// Puts parts of a text together to sentences: one ends where a blank follows.
fn sentence(mut found: Vec<String>, part: &str) -> Vec<String> {
    match found.last_mut().filter(|_| !part.starts_with(' ')) {
        Some(last) => last.push_str(part),
        None => found.push(part.to_owned()),
    }
    found
}

#[test]
fn the_glossary_is_short_and_names_nothing_twice() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/glossary.md");
    let text = fs::read_to_string(path).expect("docs/glossary.md");
    let rows = text.lines().filter(|line| line.starts_with("| ")).skip(1);
    let words: Vec<&str> = rows.filter_map(|row| row.split('|').nth(1)).map(str::trim).collect();
    assert!((10..=30).contains(&words.len()), "{}", words.len());
    assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len());
    for (word, _) in GIVEN_UP {
        assert!(!words.contains(word), "{word}");
    }
}
