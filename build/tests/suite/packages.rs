//! Where the dependencies of a file come from.

use build::BuildError;
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
        if let build::Progress::Notice(words) = progress {
            sender.send(words).unwrap();
        }
    };
    let builder = build::Builder::open(&house.path("app.rs"), cache.path(), tell).unwrap();
    let recipe = builder.prepare(&app).await.unwrap();
    let serde = recipe.libraries.iter().find(|library| library.to_string_lossy().contains("libserde-")).unwrap();
    // What an interrupted disk leaves: a library rustc cannot read.
    std::fs::write(serde, "").unwrap();
    builder.build(&app, "get").await.unwrap();
    assert_eq!(notices.try_iter().count(), 1);
}
