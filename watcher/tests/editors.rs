//! The ways editors save, on a real file system: whatever the way, a batch comes that names the file.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use watcher::Watcher;

/// Reached only when a save was not seen.
const PATIENCE: Duration = Duration::from_secs(20);

fn watched(file: &Path) -> BTreeSet<PathBuf> {
    BTreeSet::from([file.to_owned()])
}

async fn seen(watcher: &mut Watcher, file: &Path) {
    let batch = tokio::time::timeout(PATIENCE, watcher.next()).await.expect("the save was not seen").unwrap().files;
    assert_eq!(batch, watched(file));
}

type Save = fn(&Path);

const SAVES: &[(&str, Save)] = &[
    ("truncate and write", |file| fs::write(file, "1").unwrap()),
    ("rename over", |file| {
        fs::write(file.with_extension("new"), "2").unwrap();
        fs::rename(file.with_extension("new"), file).unwrap();
    }),
    ("backup and write", |file| {
        fs::rename(file, file.with_extension("bak")).unwrap();
        fs::write(file, "3").unwrap();
    }),
    ("delete and create", |file| {
        fs::remove_file(file).unwrap();
        fs::write(file, "4").unwrap();
    }),
];

async fn every_save_is_seen(make: fn(&BTreeSet<PathBuf>) -> Watcher) {
    for (name, save) in SAVES {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.rs");
        fs::write(&file, "before").unwrap();
        let mut watcher = make(&watched(&file));
        save(&file);
        eprintln!("{name}");
        seen(&mut watcher, &file).await;
    }
}

#[tokio::test]
async fn every_way_to_save_is_seen() {
    every_save_is_seen(|files| Watcher::new(files).unwrap()).await;
}

#[tokio::test]
async fn every_way_to_save_is_seen_by_polling() {
    every_save_is_seen(|files| Watcher::by_polling(files).unwrap()).await;
}

#[tokio::test]
async fn a_swapped_link_and_its_target_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two, link) = (folder.path().join("one.rs"), folder.path().join("two.rs"), folder.path().join("app.rs"));
    fs::write(&one, "1").unwrap();
    fs::write(&two, "2").unwrap();
    std::os::unix::fs::symlink(&one, &link).unwrap();
    let mut watcher = Watcher::new(&watched(&link)).unwrap();
    fs::write(&one, "11").unwrap();
    seen(&mut watcher, &link).await;
    std::os::unix::fs::symlink(&two, folder.path().join("aside")).unwrap();
    fs::rename(folder.path().join("aside"), &link).unwrap();
    seen(&mut watcher, &link).await;
}

#[tokio::test]
async fn a_file_of_a_roundabout_name_is_seen_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    let file = folder.path().join("sub/../app.rs");
    fs::write(&file, "1").unwrap();
    let mut watcher = Watcher::new(&watched(&file)).unwrap();
    fs::remove_file(&file).unwrap();
    seen(&mut watcher, &file).await;
    // Whoever reads it finds nothing, and goes on watching.
    watcher.watch(&watched(&file)).unwrap();
    fs::write(&file, "2").unwrap();
    seen(&mut watcher, &file).await;
}

#[tokio::test]
async fn other_files_and_reading_are_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.rs");
    fs::write(&file, "before").unwrap();
    let mut watcher = Watcher::new(&watched(&file)).unwrap();
    fs::write(folder.path().join("other.rs"), "x").unwrap();
    fs::read(&file).unwrap();
    // Events come in order: what follows the save was not preceded by a batch for the others.
    fs::write(&file, "after").unwrap();
    seen(&mut watcher, &file).await;
    assert!(tokio::time::timeout(Duration::ZERO, watcher.next()).await.is_err());
}

#[tokio::test]
async fn files_can_be_added_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (app, module) = (folder.path().join("app.rs"), folder.path().join("module/mod.rs"));
    fs::create_dir(folder.path().join("module")).unwrap();
    fs::write(&app, "").unwrap();
    fs::write(&module, "").unwrap();
    let mut watcher = Watcher::new(&watched(&app)).unwrap();
    watcher.watch(&watched(&module)).unwrap();
    fs::write(&app, "1").unwrap();
    fs::write(&module, "1").unwrap();
    seen(&mut watcher, &module).await;
}
