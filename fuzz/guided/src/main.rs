//! One target under libFuzzer: `FUZZ_TARGET` names it, `FUZZ_CORPUS` is the folder that its seeds are written to.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;
use std::{env, fs, process};

use fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = env::var("FUZZ_TARGET").unwrap_or_default();
    fuzz::find(&name).unwrap_or_else(|| end(&format!("no target {name:?}: set FUZZ_TARGET")))
});

fuzz_target!(init: write_seeds(), |input: &[u8]| (TARGET.run)(input));

/// Seeds are where the search begins.
fn write_seeds() {
    let Some(corpus) = env::var_os("FUZZ_CORPUS") else { return };
    for (number, seed) in (TARGET.seeds)().iter().enumerate() {
        let file = Path::new(&corpus).join(format!("seed-{number}"));
        if let Err(error) = fs::write(&file, seed) {
            end(&format!("cannot write {}: {error}", file.display()));
        }
    }
}

fn end(why: &str) -> ! {
    eprintln!("fuzz: {why}");
    process::exit(2)
}
