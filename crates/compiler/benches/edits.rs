//! What an edit of `examples/building.rs` waits for in this room, in milliseconds: `cargo bench -p compiler`.
//!
//! Each figure is over 30 edits, none of them built before, with a cache of its own whose dependencies are compiled
//! already.
#![expect(clippy::unwrap_used, reason = "a bench has nobody to tell")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use app::{App, Sources};
use compiler::{BuildError, Builder};

const EDITS: usize = 30;

/// The line of `map` that is edited.
const BODY: &str = "(reading.value - 32.0) / 1.8";

struct House {
    folder: tempfile::TempDir,
    text: String,
}

impl House {
    fn new() -> Self {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::copy(example.join("data/readings.csv"), folder.path().join("data/readings.csv")).unwrap();
        let text = fs::read_to_string(example.join("building.rs")).unwrap();
        assert!(text.contains(BODY));
        let house = Self { folder, text };
        fs::write(house.root(), &house.text).unwrap();
        house
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("building.rs")
    }

    /// The app with something else where `part` stands.
    fn edited(&self, part: &str, other: &str) -> App {
        let text = self.text.replace(part, other);
        let included = BTreeMap::from([(self.folder.path().join("data/readings.csv"), "readings".to_owned())]);
        let texts = BTreeMap::from([(self.root(), text.into())]);
        app::parse(&Sources { root: self.root(), texts, included, ..Sources::default() }).0
    }
}

/// Median and 95th percentile of what each run took.
fn print(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    println!("{what:<44} p50 {:>6.1}  p95 {:>6.1}", at(0.5), at(0.95));
}

fn ms(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1000.0
}

#[tokio::main]
async fn main() {
    let house = House::new();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    // A number no earlier run used: what was built once is not built again.
    let seed = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let builder = Builder::open(&house.root(), &cache, |progress| eprintln!("{progress:?}")).unwrap();
    let app = house.edited(BODY, BODY);
    for service in &app.services {
        builder.build(&app, &service.name).await.unwrap();
    }
    builder.check_flow(&app).await.unwrap();
    builder.settled().await;
    let machine = builder.machine().await.unwrap();
    println!("{}, linker {}", machine.toolchain.version, machine.linker.name);

    let (mut prepare, mut body, mut broken, mut typed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut doubtful, mut same, mut fits, mut unfit) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for edit in 0..EDITS {
        let begun = Instant::now();
        builder.prepare(&app).await.unwrap();
        prepare.push(ms(begun));

        let app = house.edited(BODY, &format!("(reading.value - 32.0) / 1.8 + {seed}{edit}.0"));
        let begun = Instant::now();
        assert!(builder.build(&app, "map").await.unwrap().built);
        body.push(ms(begun));
        let begun = Instant::now();
        builder.check_flow(&app).await.unwrap();
        same.push(ms(begun));

        let app = house.edited(BODY, &format!("\"{seed}{edit}\""));
        let begun = Instant::now();
        assert!(matches!(builder.build(&app, "map").await, Err(BuildError::Rustc { .. })));
        broken.push(ms(begun));

        let app = house.edited(BODY, &format!("reading.value.missing_{seed}{edit}()"));
        let begun = Instant::now();
        assert!(matches!(builder.build(&app, "map").await, Err(BuildError::Rustc { .. })));
        doubtful.push(ms(begun));

        let app = house
            .edited("    value: f64,\n}", &format!("    value: f64,\n    #[serde(default)] a{seed}{edit}: u8,\n}}"));
        let begun = Instant::now();
        assert!(builder.build(&app, "map").await.unwrap().built);
        typed.push(ms(begun));
        builder.settled().await;
        let begun = Instant::now();
        builder.check_flow(&app).await.unwrap();
        fits.push(ms(begun));

        let app = house.edited("fn moving_avg(value: f64)", "fn moving_avg(value: u64)");
        let begun = Instant::now();
        assert!(matches!(builder.check_flow(&app).await, Err(BuildError::Flow { .. })));
        unfit.push(ms(begun));
        builder.settled().await;
    }
    print("prepare, nothing changed", prepare);
    print("build, the body of map edited", body);
    print("first diagnostic, a type error in map", broken);
    print("first diagnostic, a method no type has", doubtful);
    print("build, a type edited", typed);
    print("flow, nothing in it changed", same);
    print("flow, a type edited", fits);
    print("flow, a step that does not fit", unfit);
}
