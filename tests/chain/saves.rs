//! Every way a file can be saved, and every way that is none.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use support::app;
use support::session::{Client, Dev};

/// An app that answers with a number.
pub(crate) fn numbered(number: u64) -> String {
    format!(
        "use dyninka::prelude::*;\n#[service] fn number() -> u64 {{ {number} }}\n#[dyninka::main] fn main() {{ number() }}\n"
    )
}

#[test]
fn every_way_an_editor_saves_goes_live() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let write = |path: &Path, number: u64| fs::write(path, numbered(number)).expect("a save");
    // The app is a link to begin with, as deployments and dotfiles have it.
    write(&at("1"), 1);
    write(&at("2"), 2);
    let file = at("app.rs");
    symlink("1", &file).expect("a link");
    let mut dev = Dev::start(&file, "process");
    let (client, url) = (Client::default(), dev.url());
    let serves = |dev: &mut Dev, number: u64| {
        dev.wait_for("live");
        assert_eq!(client.get(&url).body, number.to_string());
    };
    symlink("2", at("new")).and_then(|()| fs::rename(at("new"), &file)).expect("another link in its place");
    serves(&mut dev, 2);
    write(&at("2"), 3);
    serves(&mut dev, 3);
    // Written aside and renamed over.
    write(&at("app.rs.tmp"), 4);
    fs::rename(at("app.rs.tmp"), &file).expect("a rename");
    serves(&mut dev, 4);
    // The old one kept as a backup.
    fs::rename(&file, at("app.rs~")).expect("a backup");
    write(&file, 5);
    serves(&mut dev, 5);
    fs::remove_file(&file).expect("a removal");
    dev.wait_for("broken");
    write(&file, 6);
    serves(&mut dev, 6);
    // Half a file, then the rest: the half is told, and what served serves.
    let text = numbered(7);
    let (half, rest) = text.split_at(text.len() / 2);
    fs::write(&file, half).expect("a half");
    dev.wait_for("broken");
    assert_eq!(Client::default().get(&dev.url()).body, "6");
    let mut end = OpenOptions::new().append(true).open(&file).expect("the half");
    end.write_all(rest.as_bytes()).expect("the rest");
    serves(&mut dev, 7);
    dev.stop();
}

#[test]
fn of_a_thousand_saves_in_ten_seconds_the_last_goes_live() {
    let (_folder, file) = app(&numbered(0));
    let mut dev = Dev::start(&file, "process");
    let url = dev.url();
    // A connection of its own for each question: one that rested as long as saves went on may end in this moment.
    let answer = || Client::default().get(&url).body;
    let mut last = 0;
    for (saves, within) in [(50, Duration::from_secs(1)), (1000, Duration::from_secs(10))] {
        let begun = Instant::now();
        for save in 1..=saves {
            last += 1;
            fs::write(&file, numbered(last)).expect("a save");
            std::thread::sleep((within * save / saves).saturating_sub(begun.elapsed()));
        }
        // Saves on the way may go live; the last one must, as the last.
        while answer() != last.to_string() {
            dev.wait_for("live");
        }
    }
    // Nothing comes after it: the next that is told is the next save.
    fs::write(&file, format!("{}// The end.\n", numbered(last))).expect("a save");
    let next = dev.wait_until("an edit", |event| ["live", "unchanged", "broken"].contains(&kind(event)));
    let next = if kind(&next) == "live" { dev.wait_for("unchanged") } else { next };
    assert_eq!(kind(&next), "unchanged", "{next}");
    assert_eq!(answer(), last.to_string());
    dev.stop();
}

fn kind(event: &Value) -> &str {
    event["event"].as_str().unwrap_or("")
}

#[test]
fn a_file_that_is_no_text_is_told_in_one_message_while_the_old_serves() {
    let (folder, file) = app(&numbered(1));
    let mut dev = Dev::start(&file, "process");
    let (client, url) = (Client::default(), dev.url());
    let text = numbered(1);
    let huge = |file: &Path| fs::File::create(file).and_then(|file| file.set_len(100 << 20)).expect("a huge file");
    type Save<'a> = Box<dyn Fn(&Path) + 'a>;
    let bytes =
        |content: Vec<u8>| -> Save<'static> { Box::new(move |file| fs::write(file, &content).expect("a save")) };
    let bad: [(Save<'_>, &str); 7] = [
        (
            bytes(text.replace('1', "'\u{e9}'").into_bytes().into_iter().filter(|byte| *byte != 0xc3).collect()),
            "not UTF-8",
        ),
        (bytes(text.replace("{ 1", "{ \0 1").into_bytes()), "NUL byte"),
        (bytes(Vec::new()), "empty"),
        (Box::new(huge), "larger than"),
        (
            Box::new(|file| {
                fs::remove_file(file).expect("a removal");
                fs::create_dir(file).expect("a directory");
            }),
            "it is a directory",
        ),
        (
            Box::new(|file| {
                fs::remove_dir(file).expect("a removal");
                let made = std::process::Command::new("mkfifo").arg(file).status().expect("mkfifo");
                assert!(made.success());
            }),
            "it is no regular file",
        ),
        (
            Box::new(|file| {
                fs::remove_file(file).expect("a removal");
                symlink("nowhere", file).expect("a link");
            }),
            "no such file",
        ),
    ];
    for (save, words) in bad {
        save(&file);
        let told = |event: &Value| {
            let findings = event["diagnostics"].as_array().map(Vec::as_slice).unwrap_or_default();
            findings.len() == 1 && findings[0]["message"].as_str().is_some_and(|message| message.contains(words))
        };
        dev.wait_until(words, |event| kind(event) == "broken" && told(event));
        assert_eq!(client.get(&url).body, "1", "{words}");
    }
    fs::remove_file(&file).expect("a removal");
    // What editors of other systems write is no fault.
    fs::write(&file, format!("\u{feff}{}", numbered(2).replace('\n', "\r\n"))).expect("a save");
    dev.wait_for("live");
    assert_eq!(client.get(&url).body, "2");
    dev.stop();
    drop(folder);
}
