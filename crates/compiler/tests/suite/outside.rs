//! What a library rests on beside the app's own files.

use dyninka::border::Kind;
use serde_json::json;

use crate::house::House;
use crate::library::Loaded;

/// Names a file by a macro of its own, and relative to itself.
const BY_MACRO: &str = "macro_rules! data { ($name:expr) => { include_str!(concat!(\"data/\", $name)) } }\n\
                        #[service] fn get() -> String { data!(\"g.txt\").to_owned() }\n";

const BY_PLACE: &str = "#[service] fn get() -> String { include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/data/g.txt\")).to_owned() }\n";

#[tokio::test]
async fn a_file_that_only_rustc_sees_named_counts_in_the_version() {
    for text in [BY_MACRO, BY_PLACE] {
        let house = House::new(text);
        house.write("data/g.txt", "one");
        let (builder, app) = (house.builder(), house.app());
        let first = builder.build(&app, "get").await.unwrap();
        assert_eq!(Loaded::open(&first.path).run(&[]), (Kind::Value, json!("one")));
        assert!(first.rests_on.iter().any(|file| file.ends_with("data/g.txt")), "{:?}", first.rests_on);
        let followed = builder.prepare(&app).await.unwrap();
        assert!(followed.consulted.is_superset(&first.rests_on));
        assert_eq!(followed.outside["get"], first.outside);

        house.write("data/g.txt", "two");
        // As after a restart: nothing is known but what is on the disk.
        let second = house.builder().build(&app, "get").await.unwrap();
        assert_eq!(Loaded::open(&second.path).run(&[]), (Kind::Value, json!("two")));
        assert_ne!(second.version, first.version);
        house.write("data/g.txt", "one");
        let third = builder.build(&app, "get").await.unwrap();
        assert_eq!((third.version, third.built), (first.version, false));
    }
}

#[tokio::test]
async fn services_that_come_upon_one_file_at_once_are_both_built() {
    let house = House::new(
        "include!(\"parts.in\");\n#[service] fn get() -> String { word().to_owned() }\n\
         #[service] fn other() -> String { format!(\"{} too\", word()) }\n",
    );
    house.write("parts.in", "fn word() -> &'static str { include_str!(concat!(\"deep/\", \"w.txt\")) }\n");
    house.write("deep/w.txt", "w");
    let (builder, app) = (house.builder(), house.app());
    builder.prepare(&app).await.unwrap();
    let (get, other) = tokio::join!(builder.build(&app, "get"), builder.build(&app, "other"));
    assert_eq!(Loaded::open(&get.unwrap().path).run(&[]).1, json!("w"));
    assert_eq!(Loaded::open(&other.unwrap().path).run(&[]).1, json!("w too"));
}

#[tokio::test]
async fn a_variable_that_rustc_reads_counts_in_the_version() {
    // By a macro's hand: no text names the variable.
    let house = House::new(
        "macro_rules! set { ($name:expr) => { option_env!(concat!(\"DYN_OUTSIDE_\", $name)) } }\n\
         #[service] fn get() -> Option<String> { set!(\"G\").map(str::to_owned) }\n",
    );
    let app = house.app();
    let unset = house.builder().build(&app, "get").await.unwrap();
    assert_eq!(Loaded::open(&unset.path).run(&[]).0, Kind::Filtered);
    // SAFETY: no other test reads or writes this variable.
    unsafe { std::env::set_var("DYN_OUTSIDE_G", "set") };
    let set = house.builder().build(&app, "get").await.unwrap();
    assert_eq!(Loaded::open(&set.path).run(&[]), (Kind::Value, json!("set")));
    assert_ne!(set.version, unset.version);
    assert_eq!(set.rests_on.len(), 0);
}

#[tokio::test]
async fn code_that_registers_itself_runs_as_it_does_with_cargo() {
    let house = House::new(
        "use std::sync::atomic::{AtomicU64, Ordering};\nstatic S: AtomicU64 = AtomicU64::new(0);\n\
         #[used] #[unsafe(link_section = \".init_array\")] static INIT: extern \"C\" fn() = init;\n\
         extern \"C\" fn init() { S.store(7, Ordering::Relaxed) }\n\
         #[service] fn get() -> u64 { S.load(Ordering::Relaxed) }\n",
    );
    let built = house.builder().build(&house.app(), "get").await.unwrap();
    assert_eq!(Loaded::open(&built.path).run(&[]), (Kind::Value, json!(7)));
}
