//! Files of others in the repository: each is listed with its package, version and licence, and is as it was taken.

use std::collections::BTreeSet;
use std::fs;

use sha2::{Digest, Sha256};

use super::documents;

const FOLDERS: &[&str] = &["crates/web/vendor", "tests/page/vendor"];

#[test]
fn vendored_files_are_as_npm_has_them_and_their_licences_are_allowed() {
    let root = documents::root();
    let deny = fs::read_to_string(root.join("deny.toml")).expect("deny.toml");
    for folder in FOLDERS {
        let read = |name: &str| fs::read_to_string(root.join(folder).join(name)).expect(name);
        let list: toml::Table = read("vendor.toml").parse().expect("vendor.toml");
        let mut listed: BTreeSet<String> = ["vendor.toml", "update"].map(str::to_owned).into();
        for package in list["package"].as_array().expect("packages") {
            let text = |key: &str| package[key].as_str().unwrap_or_else(|| panic!("{folder}: {key}")).to_owned();
            let licence = text("licence");
            assert!(deny.contains(&format!("\"{licence}\"")), "{} is under {licence}", text("name"));
            assert!(text("integrity").starts_with("sha512-"), "{}", text("name"));
            for file in package["file"].as_array().expect("files") {
                let path = file["path"].as_str().expect("a path");
                let bytes = fs::read(root.join(folder).join(path)).expect(path);
                let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(Some(&*hash), file["sha256"].as_str(), "{folder}/{path} is not what was taken from npm");
                listed.insert(path.to_owned());
            }
        }
        let there = fs::read_dir(root.join(folder)).expect(folder);
        for name in there.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()) {
            assert!(listed.contains(&name), "{folder}/{name} is in no list");
        }
    }
}
