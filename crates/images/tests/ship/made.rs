//! Images made for tests: this very test program stands for the host, a few lines of Rust for a service.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use images::{Base, BuiltLibrary, Image, build, build_together};

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
fn services_that_share_an_image_have_a_layer_each_and_an_edit_of_one_is_one_layer() {
    let folder = tempfile::tempdir().unwrap();
    let number = |name: &str, number: u32| {
        let text = format!("#[unsafe(no_mangle)] pub extern \"C\" fn number() -> u32 {{ {number} }}");
        compile(folder.path(), &format!("{name}{number}"), &text, &[])
    };
    let (get, map, edited) = (number("get", 1), number("map", 2), number("map", 3));
    let library =
        |service: &'static str, path: &'static Path| BuiltLibrary { app: "a", service, version: service, path };
    let [get, map, edited] = [get, map, edited].map(|path| &*Box::leak(path.into_boxed_path()));
    let of = |map: &'static Path| build_together(base(), &[("get", library("get", get)), ("map", library("map", map))]);
    let (one, other) = (of(map).unwrap(), of(edited).unwrap());
    let digests = |image: &Image| image.layers.iter().map(|layer| layer.digest.clone()).collect::<Vec<_>>();
    let (before, after) = (digests(&one), digests(&other));
    assert_eq!((before.len(), &before[..before.len() - 1]), (after.len(), &after[..after.len() - 1]));
    assert_ne!(before.last(), after.last());
    assert_ne!(one.digest, other.digest);
    // Each is in the folder of its name.
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&*one.layers.last().unwrap().content));
    let paths: Vec<String> =
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    assert_eq!(paths, ["dyninka/map/", "dyninka/map/libmap2.so"]);
    assert!(build_together(base(), &[]).is_err());
    // Beyond the layers that an image may have, they share one.
    let names: Vec<String> = (0..70).map(|number| format!("s{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), library("get", get))).collect();
    let layers = build_together(base(), &many).unwrap().layers.len();
    assert_eq!(layers, before.len() - 2 + 61);
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
