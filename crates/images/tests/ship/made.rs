//! Images made for tests: this very test program stands for the host, a few lines of Rust for a service.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use images::{Base, BuiltLibrary, Image, build};

/// The host's layer, made once.
static BASE: LazyLock<Base> = LazyLock::new(|| {
    let cache = tempfile::tempdir().unwrap();
    Base::prepare(&std::env::current_exe().unwrap(), cache.path()).unwrap()
});

pub(crate) fn base() -> &'static Base {
    &BASE
}

/// Compiles a library in a folder; `more` goes to rustc, too.
pub(crate) fn compile(folder: &Path, name: &str, text: &str, more: &[&str]) -> PathBuf {
    let (source, library) = (folder.join(format!("{name}.rs")), folder.join(format!("lib{name}.so")));
    std::fs::write(&source, text).unwrap();
    let mut command = Command::new("rustc");
    command.args(["--crate-type=cdylib", "-Cpanic=abort", "--edition=2024", "-Cstrip=symbols", "-o"]).arg(&library);
    let output = command.args(more).arg(&source).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// An image of a service whose library answers `number`.
pub(crate) fn image(app: &str, service: &str, number: u32) -> Image {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "#![no_std]\n#[unsafe(no_mangle)] pub extern \"C\" fn number() -> u32 {{ {number} }}\n\
                        #[panic_handler] fn panic(_: &core::panic::PanicInfo) -> ! {{ loop {{}} }}\n"
    );
    let path = compile(folder.path(), service, &text, &[]);
    let version = format!("{service}@{number:08x}");
    build(base(), &BuiltLibrary { app, service, version: &version, path: &path }).unwrap()
}

/// An app's name that no other run has.
pub(crate) fn app(name: &str) -> String {
    format!("test-{name}-{}", std::process::id())
}

/// What a program of an image says of itself when it runs: the names of these tests.
pub(crate) const SAYS: &str = "made::what_a_library_needs_comes_along: test";

pub(crate) fn keep(references: &[String]) -> BTreeSet<String> {
    references.iter().cloned().collect()
}

#[test]
fn what_a_library_needs_comes_along() {
    let folder = tempfile::tempdir().unwrap();
    compile(folder.path(), "other", "#[unsafe(no_mangle)] pub extern \"C\" fn other() -> u32 { 7 }", &[]);
    let text = "#[link(name = \"other\")] unsafe extern \"C\" { fn other() -> u32; }\n\
                #[unsafe(no_mangle)] pub extern \"C\" fn number() -> u32 { unsafe { other() } }";
    let place = folder.path().to_str().unwrap();
    let path = compile(folder.path(), "one", text, &["-L", place, &format!("-Clink-arg=-Wl,-rpath,{place}")]);
    let library = BuiltLibrary { app: "a", service: "one", version: "one@1", path: &path };
    let image = build(base(), &library).unwrap();
    assert_eq!(image.layers.len(), 3, "the host's, what the library needs, the library's");
    let config = String::from_utf8(image.config.to_vec()).unwrap();
    assert!(config.contains("LD_LIBRARY_PATH=") && config.contains(place), "{config}");
    std::fs::remove_file(folder.path().join("libother.so")).unwrap();
    let said = build(base(), &library).unwrap_err().to_string();
    assert!(said.starts_with("cannot find libother.so, which ") && said.contains("not on this machine"), "{said}");
}

#[test]
fn the_same_library_is_the_same_image_and_another_is_one_small_layer() {
    let (one, again, other) = (image("a", "map", 1), image("a", "map", 1), image("a", "map", 2));
    assert_eq!((&one.digest, &one.manifest, &one.config), (&again.digest, &again.manifest, &again.config));
    assert_ne!(one.digest, other.digest);
    assert_eq!(one.layers[0].digest, other.layers[0].digest);
    assert_eq!(one.layers.len(), 2);
    assert!(one.own_bytes() < 20_000, "{}", one.own_bytes());
    assert!(one.bytes() > one.own_bytes());
}
