//! Libraries that are built to be shipped.

use compiler::{BuildError, Builder, Profile};

use crate::house::House;
use crate::library::Loaded;

const APP: &str = "use dyninka::prelude::*;
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reading { sensor: String, value: f64 }
#[service]
fn scale(reading: Reading) -> f64 { if reading.value < 0.0 { panic!(\"too cold\") } reading.value * 2.0 }
#[service]
fn sum(part: u64) -> u64 { debug_assert!(part != 7); part + u64::MAX }
";

fn builder(house: &House) -> Builder {
    house.builder().profile(Profile::Optimised)
}

#[tokio::test]
async fn the_same_source_in_another_folder_is_the_same_library() {
    let (one, other) = (House::new(APP), House::new(APP));
    let built = builder(&one).build(&one.app(), "scale").await.unwrap();
    let again = builder(&other).build(&other.app(), "scale").await.unwrap();
    assert!(again.built, "another folder's library is not looked for");
    assert_eq!(again.version, built.version);
    let content = std::fs::read(&built.path).unwrap();
    assert!(content == std::fs::read(&again.path).unwrap(), "the same bytes");
    for house in [&one, &other] {
        let place = house.folder.path().display().to_string();
        assert!(!contains(&content, &place), "a library does not tell where it was built");
    }
    let dev = one.builder().build(&one.app(), "scale").await.unwrap();
    assert_ne!(dev.version, built.version);
}

fn contains(content: &[u8], words: &str) -> bool {
    content.windows(words.len()).any(|window| window == words.as_bytes())
}

#[tokio::test]
async fn it_answers_counts_and_panics_as_it_did_when_it_was_tried_out() {
    let house = House::new(APP);
    let builder = builder(&house);
    let loaded = Loaded::open(&builder.build(&house.app(), "scale").await.unwrap().path);
    assert_eq!(loaded.run(&[r#"{"sensor":"t","value":1.5}"#]).1, serde_json::json!(3.0));
    let (_, said) = loaded.run(&[r#"{"sensor":"t","value":-1.5}"#]);
    assert!(said == serde_json::json!({"message": "too cold", "file": "app.rs", "line": 5, "column": 62}), "{said}");
    let loaded = Loaded::open(&builder.build(&house.app(), "sum").await.unwrap().path);
    let (_, said) = loaded.run(&["7"]);
    assert!(said.to_string().contains("overflow"), "{said}");
}

#[tokio::test]
async fn what_rustc_says_is_at_the_users_lines() {
    let house = House::new("#[service]\nfn one() -> u64 {\n    \"one\"\n}\n");
    let BuildError::Rustc { findings, .. } = builder(&house).build(&house.app(), "one").await.unwrap_err() else {
        panic!("rustc refuses it")
    };
    let diagnostic = &findings[0].diagnostic;
    let BuildError::Rustc { findings: dev, .. } = house.builder().build(&house.app(), "one").await.unwrap_err() else {
        panic!("rustc refuses it")
    };
    assert_eq!(format!("{diagnostic:?}"), format!("{:?}", dev[0].diagnostic));
}
