//! What services are linked with is there once, as shared objects beside their libraries.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use compiler::{Artifact, Builder, Profile, Progress, needs};
use dyninka::border::Kind;
use serde_json::json;

use crate::house::House;
use crate::library::Loaded;

const APP: &str = "use dyninka::prelude::*;
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reading { sensor: String, value: f64 }
#[service]
fn scale(reading: Reading) -> Reading {
    assert!(reading.value >= 0.0, \"too cold\");
    Reading { value: reading.value * 2.0, ..reading }
}
";

/// A builder in a cache of its own, and what it says.
struct Site {
    house: House,
    cache: tempfile::TempDir,
    notices: Arc<Mutex<Vec<String>>>,
}

impl Site {
    async fn new(text: &str) -> Self {
        Self::of(House::new(text)).await
    }

    async fn of(house: House) -> Self {
        let site = Self { house, cache: tempfile::tempdir().unwrap(), notices: Arc::default() };
        site.house.builder_in(site.cache.path()).await;
        site
    }

    fn builder(&self) -> Builder {
        let notices = self.notices.clone();
        let note = move |progress| {
            if let Progress::Notice(words) = progress {
                notices.lock().unwrap().push(words);
            }
        };
        Builder::open(&self.house.path("app.rs"), self.cache.path(), note).unwrap()
    }

    async fn build(&self, builder: &Builder, text: &str, service: &str) -> Artifact {
        self.house.write("app.rs", text);
        builder.build(&self.house.app(), service).await.unwrap()
    }

    fn notices(&self) -> Vec<String> {
        std::mem::take(&mut *self.notices.lock().unwrap())
    }
}

fn names(artifact: &Artifact) -> Vec<String> {
    needs(&artifact.path).iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[tokio::test]
async fn a_library_holds_its_own_code_alone_and_names_what_it_needs() {
    let site = Site::new(APP).await;
    let builder = site.builder();
    let built = site.build(&builder, APP, "scale").await;
    let [base, standard] = &names(&built)[..] else { panic!("{:?}", names(&built)) };
    assert!(base.starts_with("libdyninka_base-") && standard.starts_with("libstd-"), "{base} {standard}");
    assert!(needs(&built.path).iter().all(|file| file.is_file()));
    let answer = json!({ "sensor": "t", "value": 3.0 });
    assert_eq!(Loaded::open(&built.path).run(&[r#"{"sensor":"t","value":1.5}"#]), (Kind::Value, answer));
    let shipped = site.builder().profile(Profile::Optimised);
    let shipped = site.build(&shipped, APP, "scale").await;
    assert_eq!(names(&shipped), [""; 0], "what is shipped is whole");
    assert_eq!(site.notices(), [""; 0]);
    // A folder that it is copied to with what it needs is enough.
    let elsewhere = tempfile::tempdir().unwrap();
    for file in needs(&built.path).into_iter().chain([built.path.clone()]) {
        fs::copy(&file, elsewhere.path().join(file.file_name().unwrap())).unwrap();
    }
    let copy = elsewhere.path().join(built.path.file_name().unwrap());
    assert_eq!(Loaded::open(&copy).run(&[r#"{"sensor":"t","value":1}"#]).1["value"], json!(2.0));
}

/// What becomes of a file, in words and as it is done.
type Damage = (&'static str, fn(&PathBuf));

#[tokio::test]
async fn a_base_that_is_missing_or_damaged_is_built_anew_and_named() {
    let site = Site::new(APP).await;
    let first = site.build(&site.builder(), APP, "scale").await;
    let files: Vec<PathBuf> = needs(&first.path);
    let damages: [Damage; 3] = [
        ("gone", |file| fs::remove_file(file).unwrap()),
        ("cut short", |file| {
            let content = fs::read(file).unwrap();
            fs::remove_file(file).unwrap();
            fs::write(file, &content[..100]).unwrap();
        }),
        // Another builder looks at the content, once.
        ("other bytes", |file| {
            let mut content = fs::read(file).unwrap();
            fs::remove_file(file).unwrap();
            content[5000] ^= 1;
            fs::write(file, content).unwrap();
        }),
    ];
    for (number, file) in files.iter().enumerate() {
        for (how, damage) in damages {
            let builder = site.builder();
            site.build(&builder, APP, "scale").await;
            damage(file);
            let text = APP.replace("* 2.0", &format!("* 2.0 + {number}.{}", how.len()));
            let other = site.builder();
            let built = site.build(if how == "other bytes" { &other } else { &builder }, &text, "scale").await;
            assert_eq!(needs(&built.path), files, "{how}");
            let told = site.notices();
            assert_eq!(told, ["what services are linked with is damaged or gone, and built anew"], "{how}: {told:?}");
        }
    }
    let last = site.build(&site.builder(), APP, "scale").await;
    assert!(!last.built, "what was built over it fits");
    assert_eq!(Loaded::open(&last.path).run(&[r#"{"sensor":"t","value":1}"#]).1["value"], json!(2.0));
}

#[tokio::test]
async fn each_version_has_the_statics_of_its_dependencies_to_itself_in_rust_and_in_c() {
    let house = House::new("");
    let counted = "#[service] fn count() -> u64 { counter::next() }\n";
    house.write("app.rs", counted);
    house.write(
        "Cargo.toml",
        "[package]\nname = \"shop\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[workspace]\n[[example]]\nname = \"app\"\n\
         path = \"app.rs\"\n[dependencies]\nserde = \"1\"\ncounter = { path = \"counter\" }\n",
    );
    house.write("src/lib.rs", "");
    house.write("counter/Cargo.toml", "[package]\nname = \"counter\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    // In Rust, of a thread, and in C.
    house.write(
        "counter/build.rs",
        "use std::process::Command;\nfn main() {\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n    \
         let run = |name: &str, words: &[&str]| assert!(Command::new(name).args(words).status().unwrap().success());\n    \
         let (object, archive) = (format!(\"{out}/own.o\"), format!(\"{out}/libown.a\"));\n    \
         run(\"cc\", &[\"-fPIC\", \"-c\", \"own.c\", \"-o\", &object]);\n    run(\"ar\", &[\"crs\", &archive, &object]);\n    \
         println!(\"cargo::rustc-link-search=native={out}\\ncargo::rustc-link-lib=static=own\");\n}\n",
    );
    house.write(
        "counter/own.c",
        "static unsigned long counted = 0;\nunsigned long counted_in_c(void) { return ++counted; }\n",
    );
    house.write(
        "counter/src/lib.rs",
        "use std::cell::Cell;\nuse std::sync::atomic::{AtomicU64, Ordering};\nstatic NEXT: AtomicU64 = AtomicU64::new(1);\n\
         thread_local! { static OWN: Cell<u64> = const { Cell::new(0) }; }\n\
         unsafe extern \"C\" { safe fn counted_in_c() -> std::ffi::c_ulong; }\n\
         pub fn next() -> u64 { OWN.set(OWN.get() + 100); NEXT.fetch_add(1, Ordering::SeqCst) + OWN.get() + 10_000 * counted_in_c() }\n",
    );
    let site = Site::of(house).await;
    let builder = site.builder();
    let first = site.build(&builder, counted, "count").await;
    assert_eq!(names(&first).len(), 2);
    let first = Loaded::open(&first.path);
    assert_eq!([first.run(&[]).1, first.run(&[]).1], [json!(10101), json!(20202)]);
    let second = site.build(&builder, &counted.replace("counter::next()", "counter::next() + 1000"), "count").await;
    assert_eq!(Loaded::open(&second.path).run(&[]).1, json!(11101));
    assert_eq!(first.run(&[]).1, json!(30303));
    assert_eq!(site.notices(), [""; 0]);
}

#[tokio::test]
async fn two_bases_in_a_process_serve_side_by_side() {
    let plain = Site::new(APP).await;
    let first = plain.build(&plain.builder(), APP, "scale").await;
    let waiting = "use dyninka::prelude::*;\n#[service]\nasync fn wait(ms: u64) -> u64 {\n    \
                   tokio::time::sleep(std::time::Duration::from_millis(ms)).await;\n    assert!(ms < 2, \"{ms}\");\n    ms\n}\n";
    let site = Site::new(waiting).await;
    let second = site.build(&site.builder(), waiting, "wait").await;
    assert_ne!(names(&first)[0], names(&second)[0], "this one has tokio in it");
    assert_eq!(names(&first)[1], names(&second)[1], "and the standard library is the same");
    let (first, second) = (Loaded::open(&first.path), Loaded::open(&second.path));
    for _ in 0..2 {
        assert_eq!(second.run(&["1"]), (Kind::Value, json!(1)));
        assert_eq!(first.run(&[r#"{"sensor":"t","value":1}"#]).0, Kind::Value);
        let (kind, fallen) = second.run(&["2"]);
        assert_eq!((kind, &fallen["message"], &fallen["line"]), (Kind::Panicked, &json!("2"), &json!(5)));
        let (kind, fallen) = first.run(&[r#"{"sensor":"t","value":-1}"#]);
        assert_eq!((kind, &fallen["message"], &fallen["line"]), (Kind::Panicked, &json!("too cold"), &json!(6)));
    }
}

#[tokio::test]
async fn a_panic_has_its_place_whatever_hook_a_version_before_has_set() {
    let hooked = "use dyninka::prelude::*;\n#[service]\nfn fall(of: u64) -> u64 {\n    if of == 0 { std::panic::set_hook(Box::new(|_| {})); }\n    \
                  if of == 1 { panic!(\"first\") }\n    of\n}\n";
    let site = Site::new(hooked).await;
    let builder = site.builder();
    let first = Loaded::open(&site.build(&builder, hooked, "fall").await.path);
    let (kind, fallen) = first.run(&["1"]);
    assert_eq!((kind, &fallen["line"]), (Kind::Panicked, &json!(5)));
    assert_eq!(first.run(&["0"]).1, json!(0));
    // Without a hook of ours nobody knows where it was: that is the app's own doing.
    let (kind, fallen) = first.run(&["1"]);
    assert_eq!((kind, &fallen["message"]), (Kind::Panicked, &json!("first")));
    let second = Loaded::open(&site.build(&builder, &hooked.replace("first", "second"), "fall").await.path);
    let (kind, fallen) = second.run(&["1"]);
    assert_eq!((kind, &fallen["message"], &fallen["line"]), (Kind::Panicked, &json!("second"), &json!(5)));
}

#[tokio::test]
async fn code_that_registers_itself_and_an_allocator_of_a_dependency_are_linked_whole() {
    let marked = "#[global_allocator]\nstatic HEAP: std::alloc::System = std::alloc::System;\n#[service] fn mark() -> u64 { 7 }\n";
    let site = Site::new(marked).await;
    let built = site.build(&site.builder(), marked, "mark").await;
    assert_eq!(names(&built), [""; 0]);
    assert_eq!(Loaded::open(&built.path).run(&[]).1, json!(7));
    assert_eq!(site.notices(), [""; 0]);

    let house = House::new("#[service] fn word() -> String { heap::word() }\n");
    house.write(
        "Cargo.toml",
        "[package]\nname = \"shop\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[workspace]\n[[example]]\nname = \"app\"\n\
         path = \"app.rs\"\n[dependencies]\nserde = \"1\"\nheap = { path = \"heap\" }\n",
    );
    house.write("src/lib.rs", "");
    house.write("heap/Cargo.toml", "[package]\nname = \"heap\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
    house.write(
        "heap/src/lib.rs",
        "#[global_allocator]\nstatic HEAP: std::alloc::System = std::alloc::System;\npub fn word() -> String { \"own\".to_owned() }\n",
    );
    let site = Site::of(house).await;
    let text = fs::read_to_string(site.house.path("app.rs")).unwrap();
    let built = site.build(&site.builder(), &text, "word").await;
    assert_eq!(names(&built), [""; 0]);
    assert_eq!(Loaded::open(&built.path).run(&[]).1, json!("own"));
    assert_eq!(site.notices(), ["each service is linked with its dependencies: heap brings an allocator"]);
}
