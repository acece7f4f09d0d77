//! Services of one host whose dependencies have statics, thread-locals and C code of the same names: each has its own.

use std::fs;
use std::path::Path;

use support::session::{Client, Dev};

const APP: &str = "#[service]
fn get() -> u64 { first::leave(7); first::next() + 1000 * first::counted_in_c() }

#[service]
fn last(value: u64) -> Vec<u64> {
    vec![value, first::next(), second::next(), first::found(), first::counted_in_c()]
}

fn main() { get().last() }
";

/// Two versions of one dependency, and C code in one of them.
const FILES: [(&str, &str); 8] = [
    ("app.rs", APP),
    ("src/lib.rs", ""),
    (
        "Cargo.toml",
        "[package]\nname = \"shop\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[workspace]\nexclude = [\"first\", \"second\"]\n[[example]]\nname = \"app\"\n\
         path = \"app.rs\"\n[dependencies]\nserde = \"1\"\nfirst = { package = \"counter\", path = \"first\" }\n\
         second = { package = \"counter\", path = \"second\" }\n",
    ),
    (
        "first/Cargo.toml",
        "[package]\nname = \"counter\"\nversion = \"0.1.0\"\nedition = \"2024\"\nlinks = \"counted\"\n",
    ),
    (
        "first/src/lib.rs",
        "use std::cell::Cell;\nuse std::sync::atomic::{AtomicU64, Ordering};\n\
         static NEXT: AtomicU64 = AtomicU64::new(1);\n\
         thread_local! { static OWN: Cell<u64> = const { Cell::new(0) }; }\n\
         unsafe extern \"C\" { fn dyn_test_counted() -> u64; }\n\
         pub fn next() -> u64 { NEXT.fetch_add(1, Ordering::Relaxed) }\n\
         pub fn leave(value: u64) { OWN.set(value) }\n\
         pub fn found() -> u64 { OWN.get() }\n\
         pub fn counted_in_c() -> u64 { unsafe { dyn_test_counted() } }\n",
    ),
    (
        "first/build.rs",
        "use std::process::Command;\nfn main() {\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n    \
         let run = |command: &mut Command| assert!(command.status().unwrap().success());\n    \
         run(Command::new(\"cc\").args([\"-c\", \"-fPIC\", \"counted.c\", \"-o\"]).arg(format!(\"{out}/counted.o\")));\n    \
         run(Command::new(\"ar\").arg(\"crs\").args([format!(\"{out}/libcounted.a\"), format!(\"{out}/counted.o\")]));\n    \
         println!(\"cargo:rustc-link-search=native={out}\");\n    println!(\"cargo:rustc-link-lib=static=counted\");\n}\n",
    ),
    (
        "first/counted.c",
        "unsigned long dyn_test_count;\nunsigned long dyn_test_counted(void) { return ++dyn_test_count; }\n",
    ),
    ("second/Cargo.toml", "[package]\nname = \"counter\"\nversion = \"0.2.0\"\nedition = \"2024\"\n"),
];

const SECOND: &str = "use std::sync::atomic::{AtomicU64, Ordering};\nstatic NEXT: AtomicU64 = AtomicU64::new(100);\n\
                      pub fn next() -> u64 { NEXT.fetch_add(100, Ordering::Relaxed) }\n";

fn write(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    fs::write(file, text).expect("a file");
}

#[test]
fn versions_of_a_dependency_thread_locals_and_c_code_are_each_services_own_together_as_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in FILES.into_iter().chain([("second/src/lib.rs", SECOND)]) {
        write(folder.path(), name, text);
    }
    let file = folder.path().join("app.rs");
    for together in ["all", "none"] {
        let mut dev = Dev::launch(&file, &["--on", "process", "--port", "0", "--together", together]);
        dev.ready = dev.wait_for("ready");
        let client = Client::default();
        let answer = || client.get(&dev.url()).body;
        assert_eq!([answer(), answer()], ["[1001,1,100,0,1]", "[2002,2,200,0,2]"], "{together}");
        // The next version of one begins from nothing beside the version before, and the other goes on.
        write(folder.path(), "app.rs", &APP.replace("vec![value,", "vec![value + 1,"));
        dev.wait_for("live");
        assert_eq!(client.get(&dev.url()).body, "[3004,1,100,0,1]", "{together}");
        write(folder.path(), "app.rs", APP);
        dev.wait_for("live");
        dev.stop();
    }
}
