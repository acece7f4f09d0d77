//! Where the dependencies of a file come from.

use std::os::unix::ffi::OsStrExt;

use compiler::BuildError;
use dyninka::border::Kind;
use serde_json::json;

use crate::house::House;
use crate::library::Loaded;

async fn answer(house: &House, root: &str) -> serde_json::Value {
    let built = house.builder_of(root).build(&house.app_of(root), "get").await.unwrap();
    let (kind, body) = Loaded::open(&built.path).run(&[]);
    assert_eq!(kind, Kind::Value);
    body
}

const BESIDE: &str = "#[service] fn get() -> String { beside::word().to_owned() }";

/// A package with a library, an example and a crate beside it.
fn package() -> House {
    let house = House::new("");
    house.write(
        "Cargo.toml",
        "[package]\nname = \"shop-window\"\nversion = \"1.2.3\"\nedition = \"2021\"\n[workspace]\n\
         [features]\ndefault = [\"bright\"]\nbright = []\n\
         [dependencies]\nserde = \"1\"\nbeside = { path = \"beside\" }\n\
         [dev-dependencies]\nrenamed = { path = \"beside\", package = \"beside\" }\n",
    );
    house.write("src/lib.rs", "pub fn own() -> &'static str { \"own\" }\n");
    house.write("beside/Cargo.toml", "[package]\nname = \"beside\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    house.write("beside/src/lib.rs", "pub fn word() -> &'static str { \"beside\" }\n");
    house.write("examples/app.rs", BESIDE);
    house
}

#[tokio::test]
async fn a_file_in_a_package_has_the_packages_dependencies_features_and_variables() {
    let house = package();
    let text = "#[service] fn get() -> String { [renamed::word(), shop_window::own(), env!(\"CARGO_PKG_VERSION\"), \
                if cfg!(feature = \"bright\") { \"bright\" } else { \"dark\" }].join(\" \") }";
    house.write("examples/app.rs", text);
    assert_eq!(answer(&house, "examples/app.rs").await, json!("beside own 1.2.3 bright"));
}

#[tokio::test]
async fn a_changed_path_dependency_is_another_version_of_the_service() {
    let house = package();
    let (builder, app) = (house.builder_of("examples/app.rs"), house.app_of("examples/app.rs"));
    let before = builder.version(&app, "get").await.unwrap();
    assert_eq!(builder.version(&app, "get").await.unwrap(), before);
    house.write("beside/src/lib.rs", "pub fn word() -> &'static str { \"changed\" }\n");
    assert_ne!(builder.version(&app, "get").await.unwrap(), before);
    assert_eq!(answer(&house, "examples/app.rs").await, json!("changed"));
}

#[tokio::test]
async fn a_dependency_nobody_saw_a_mention_of_is_taken_when_rustc_asks_for_it() {
    let house = package();
    let builder = house.builder_of("examples/app.rs");
    let mut app = house.app_of("examples/app.rs");
    // As where a macro of another crate brings the name.
    app.crates.clear();
    let built = builder.build(&app, "get").await.unwrap();
    assert_eq!(Loaded::open(&built.path).run(&[]), (Kind::Value, json!("beside")));
}

#[tokio::test]
async fn a_package_that_does_not_read_is_said_in_cargos_words() {
    let house = package();
    house.write("Cargo.toml", "[package]\nname = \"shop-window\"\nedition = \"1999\"\n");
    let error = house.builder_of("examples/app.rs").prepare(&house.app_of("examples/app.rs")).await.unwrap_err();
    let BuildError::Manifest { file, words } = error else { panic!("{error:?}") };
    assert!(file.ends_with("Cargo.toml"));
    assert!(words.contains("1999"), "{words}");
}

#[tokio::test]
async fn frontmatter_declares_for_a_file_alone() {
    let house = package();
    house.write("app.rs", &format!("---\n[dependencies]\nbeside.path = \"beside\"\n---\n{BESIDE}\n"));
    assert_eq!(answer(&house, "app.rs").await, json!("beside"));
    house.write("app.rs", &format!("---\n[dependencies\n---\n{BESIDE}\n"));
    let error = house.builder().prepare(&house.app()).await.unwrap_err();
    assert!(matches!(error, BuildError::Manifest { .. }), "{error}");
}

#[tokio::test]
async fn a_dependency_that_does_not_compile_is_said_in_rustcs_words() {
    let house = package();
    house.write("beside/src/lib.rs", "pub fn word() -> u8 { \"text\" }\n");
    let error = house.builder_of("examples/app.rs").prepare(&house.app_of("examples/app.rs")).await.unwrap_err();
    let BuildError::Cargo { words } = error else { panic!("{error:?}") };
    assert!(words.contains("mismatched types") && words.contains("beside"), "{words}");
}

#[tokio::test]
async fn tokio_is_there_for_a_file_alone_and_services_run_inside_it() {
    let text = "#[service] async fn get() -> String { tokio::time::sleep(std::time::Duration::from_millis(1)).await; \
                \"slept\".to_owned() }";
    let house = House::new(text);
    assert_eq!(answer(&house, "app.rs").await, json!("slept"));
}

#[tokio::test]
async fn libraries_that_do_not_fit_are_built_anew() {
    let text = "use dyninka::prelude::*;\n#[derive(Serialize)] struct A;\n#[service] fn get() -> A { A }\n";
    let house = House::new(text);
    let app = house.app();
    let cache = tempfile::tempdir().unwrap();
    let (sender, notices) = std::sync::mpsc::channel();
    let tell = move |progress| {
        if let compiler::Progress::Notice(words) = progress {
            sender.send(words).unwrap();
        }
    };
    let builder = compiler::Builder::open(&house.path("app.rs"), cache.path(), tell).unwrap();
    let recipe = builder.prepare(&app).await.unwrap();
    let serde = recipe.libraries.iter().find(|library| library.to_string_lossy().contains("libserde-")).unwrap();
    // What an interrupted disk leaves: a library rustc cannot read.
    std::fs::write(serde, "").unwrap();
    builder.build(&app, "get").await.unwrap();
    assert_eq!(notices.try_iter().count(), 1);
}

#[tokio::test]
async fn a_library_that_depends_on_dyninka_itself_is_used_by_its_own_app() {
    let house = package();
    let runtime = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime");
    let manifest = std::fs::read_to_string(house.path("Cargo.toml")).unwrap();
    let dependency = format!("dyninka = {{ path = {runtime:?}, default-features = false }}\nbeside");
    // The package's own library, and a crate that it shares with others.
    house.write("Cargo.toml", &manifest.replacen("beside", &dependency, 1));
    let shared = format!("[dependencies]\ndyninka = {{ path = {runtime:?}, default-features = false }}\n");
    let beside = std::fs::read_to_string(house.path("beside/Cargo.toml")).unwrap();
    house.write("beside/Cargo.toml", &format!("{beside}{shared}"));
    let state = "pub static SEEN: dyninka::Placed<u64> = dyninka::Placed::new(|| 1);\npub fn word() -> &'static str { \"beside\" }\n";
    house.write("beside/src/lib.rs", state);
    house.write("src/lib.rs", "pub fn own() -> String { dyninka::Error::new(beside::word()).to_string() }\n");
    house.write("src/bin/app.rs", "#[service] fn get() -> String { shop_window::own() }");
    assert_eq!(answer(&house, "src/bin/app.rs").await, json!("beside"));
}

#[tokio::test]
async fn what_the_packages_build_script_says_holds_for_services() {
    let house = package();
    let manifest = std::fs::read_to_string(house.path("Cargo.toml")).unwrap();
    house.write("Cargo.toml", &manifest.replacen("edition", "build = \"make.rs\"\nedition", 1));
    house.write("word.txt", "made");
    house.write(
        "make.rs",
        "fn main() { let out = std::env::var(\"OUT_DIR\").unwrap(); let word = std::fs::read_to_string(\"word.txt\").unwrap();\n\
         std::fs::write(format!(\"{out}/made.rs\"), format!(\"pub const WORD: &str = {word:?};\")).unwrap();\n\
         println!(\"cargo::rustc-env=SAID=by {}\", std::env::var(\"CARGO_PKG_NAME\").unwrap());\n\
         println!(\"cargo::rustc-check-cfg=cfg(scripted)\\ncargo::rustc-cfg=scripted\\ncargo::rerun-if-changed=word.txt\"); }",
    );
    let text = "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n#[cfg(scripted)] const CFG: &str = \"cfg\";\n\
                #[service] fn get() -> String { [WORD, env!(\"SAID\"), CFG].join(\" \") }";
    house.write("examples/app.rs", text);
    assert_eq!(answer(&house, "examples/app.rs").await, json!("made by shop-window cfg"));
    // Another run of the script, and the library in the same graph.
    house.write("word.txt", "again");
    house.write("examples/app.rs", &format!("{text}\nfn own() -> &'static str {{ shop_window::own() }}\n"));
    assert_eq!(answer(&house, "examples/app.rs").await, json!("again by shop-window cfg"));
    house.write("word.txt", "thrice");
    assert_eq!(answer(&house, "examples/app.rs").await, json!("thrice by shop-window cfg"));
}

#[tokio::test]
async fn services_build_whatever_profile_and_flags_the_users_configuration_has() {
    let house = package();
    house.write(
        ".cargo/config.toml",
        "[profile.release]\npanic = \"abort\"\nlto = true\ncodegen-units = 1\nstrip = true\n\
         [build]\nrustc-wrapper = \"/no/such/wrapper\"\nbuild-dir = \"elsewhere\"\ntarget-dir = \"elsewhere\"\n\
         rustflags = [\"-C\", \"panic=abort\", \"-Clto=fat\", \"--remap-path-prefix\", \"/nowhere=/x\", \"--cfg\", \"flagged\", \"-g\"]\n\
         [env]\nRUST_SAID = \"by the configuration\"\n",
    );
    let text = "#[service] fn get() -> String { let caught = std::panic::catch_unwind(|| panic!(\"p\")).is_err();\n\
                format!(\"{} {} {caught}\", beside::word(), env!(\"RUST_SAID\")) + if cfg!(flagged) { \" flagged\" } else { \"\" } }";
    house.write("examples/app.rs", text);
    assert_eq!(answer(&house, "examples/app.rs").await, json!("beside by the configuration true flagged"));
    assert!(!house.path("examples/elsewhere").exists() && !house.path("elsewhere").exists());
    // What does not compile is told at its place, not as raw text.
    house.write("examples/app.rs", "#[service] fn get() -> u8 { \"text\" }");
    let error = house.builder_of("examples/app.rs").build(&house.app_of("examples/app.rs"), "get").await.unwrap_err();
    assert_eq!(error.diagnostics().first().map(|said| said.place.line), Some(1), "{error}");
}

#[test]
fn a_cache_that_cargo_cannot_build_in_is_refused_by_name() {
    let house = House::new("");
    let error = compiler::Builder::open(&house.path("app.rs"), &house.path("a:b"), |_| {}).map(drop).unwrap_err();
    assert!(error.to_string().contains("a:b") && error.hint().unwrap().contains("DYNINKA_HOME"), "{error}");
    let folder = house.path("").join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    std::fs::create_dir(&folder).unwrap();
    let error = compiler::Builder::open(&folder.join("app.rs"), &house.path("cache"), |_| {}).map(drop).unwrap_err();
    assert!(error.to_string().contains("not UTF-8"), "{error}");
}

#[tokio::test]
async fn a_module_named_behind_a_condition_is_built() {
    let house = package();
    house.write("examples/parts/here.rs", "pub fn word() -> &'static str { \"here\" }");
    let text = "#[cfg_attr(windows, path = \"parts/there.rs\")] #[cfg_attr(unix, path = \"parts/here.rs\")] mod part;\n\
                #[service] fn get() -> String { part::word().to_owned() }";
    house.write("examples/app.rs", text);
    assert_eq!(answer(&house, "examples/app.rs").await, json!("here"));
}

#[tokio::test]
async fn what_a_path_dependency_reads_outside_its_folder_counts() {
    let house = package();
    let text =
        "pub fn word() -> &'static str { include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/../word.txt\")) }\n";
    house.write("beside/src/lib.rs", text);
    for word in ["one", "two"] {
        house.write("word.txt", word);
        assert_eq!(answer(&house, "examples/app.rs").await, json!(word));
    }
}
