//! `fuzz`: every target side by side. `fuzz TARGET`: one. `fuzz TARGET FILE`: one input again.
//!
//! A target runs in a process of its own, which keeps its input in a file for as long as it reads it: what takes the
//! process along, or never ends, is found there.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use fuzz::{TARGETS, Target, find, mutation};
use rand::{RngExt, SeedableRng, rngs::SmallRng};

/// Longer than any input may take, whatever else the machine does.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => all(),
        [name] => find(name).map_or_else(|| Err(unknown(name)), one),
        [name, file] => find(name).map_or_else(|| Err(unknown(name)), |target| again(target, Path::new(file))),
        _ => Err("usage: fuzz [TARGET [FILE]]; FUZZ_SECONDS, FUZZ_SEED".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            eprintln!("fuzz: {words}");
            ExitCode::FAILURE
        }
    }
}

fn unknown(name: &str) -> String {
    format!("no target {name}: there are {}", TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", "))
}

fn number(variable: &str) -> Result<Option<u64>, String> {
    let Ok(text) = std::env::var(variable) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| format!("{variable} is no number: {text}"))
}

fn seconds() -> Result<Duration, String> {
    Ok(Duration::from_secs(number("FUZZ_SECONDS")?.unwrap_or(10)))
}

/// Where the input of a target is kept while it is read.
fn kept(target: &Target) -> PathBuf {
    std::env::temp_dir().join(format!("dyninka-fuzz-{}.input", target.name))
}

/// Every target in a process of its own; all of them, even where one is found wanting.
fn all() -> Result<(), String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let longest = seconds()? + PATIENCE;
    let begun = Instant::now();
    let mut running = Vec::new();
    for target in TARGETS {
        let child = Command::new(&own).arg(target.name).spawn().map_err(|error| format!("{}: {error}", target.name))?;
        running.push((target, child));
    }
    let mut found = Vec::new();
    for (target, mut child) in running {
        let status = loop {
            match child.try_wait().map_err(|error| error.to_string())? {
                Some(status) => break Some(status),
                None if begun.elapsed() > longest => {
                    drop(child.kill().and_then(|()| child.wait()));
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        if !status.as_ref().is_some_and(ExitStatus::success) {
            let how = status.map_or("an input it never ends with".to_owned(), |status| status.to_string());
            found.push(format!("{}: {how}; the input: {}", target.name, kept(target).display()));
        }
    }
    if found.is_empty() { Ok(()) } else { Err(found.join("\n")) }
}

/// Mutates seeds for as long as it is let.
fn one(target: &Target) -> Result<(), String> {
    let (longest, begun) = (seconds()?, Instant::now());
    let seed = number("FUZZ_SEED")?.unwrap_or_else(|| rand::rng().random());
    let (mut random, seeds) = (SmallRng::seed_from_u64(seed), (target.seeds)());
    let path = kept(target);
    let file = File::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let read = |input: &[u8]| -> io::Result<()> {
        file.set_len(0)?;
        file.write_all_at(input, 0)?;
        (target.run)(input);
        Ok(())
    };
    // The seeds themselves have to hold first.
    let (mut inputs, mut slowest) = (0_u64, (Duration::ZERO, Vec::new()));
    for seed in &seeds {
        read(seed).map_err(|error| error.to_string())?;
    }
    while begun.elapsed() < longest {
        let input = mutation::mutate(&mut random, &seeds, target.words);
        let began = Instant::now();
        read(&input).map_err(|error| error.to_string())?;
        inputs += 1;
        if began.elapsed() > slowest.0 {
            slowest = (began.elapsed(), input);
        }
    }
    // What took longest is worth a look, though how long says little on a machine that does other things.
    let (took, input) = slowest;
    fs::write(path.with_extension("slowest"), input).map_err(|error| error.to_string())?;
    fs::remove_file(&path).map_err(|error| error.to_string())?;
    let (name, seconds, took) = (target.name, begun.elapsed().as_secs_f64(), took.as_secs_f64() * 1e3);
    println!("{name:<8} {inputs:>9} inputs in {seconds:>3.0} s, the slowest {took:.0} ms, seed {seed}");
    Ok(())
}

fn again(target: &Target, file: &Path) -> Result<(), String> {
    let input = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    (target.run)(&input);
    println!("{}: holds for {}", target.name, file.display());
    Ok(())
}
