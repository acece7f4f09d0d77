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

/// A folder that goes and comes back, with the file `svc/app.rs` in it: afterwards the file is there again.
type Return = fn(&Path);

const RETURNS: &[(&str, Return)] = &[
    ("moved away and back", |root| {
        fs::rename(root.join("up/svc"), root.join("aside")).unwrap();
        fs::rename(root.join("aside"), root.join("up/svc")).unwrap();
    }),
    ("deleted and restored", |root| {
        fs::remove_dir_all(root.join("up/svc")).unwrap();
        fs::create_dir(root.join("up/svc")).unwrap();
        fs::write(root.join("up/svc/app.rs"), "restored").unwrap();
    }),
    ("swapped with another", |root| {
        fs::create_dir(root.join("other")).unwrap();
        fs::write(root.join("other/app.rs"), "other").unwrap();
        fs::rename(root.join("up/svc"), root.join("aside")).unwrap();
        fs::rename(root.join("other"), root.join("up/svc")).unwrap();
    }),
    ("a folder above moved away and back", |root| {
        fs::rename(root.join("up"), root.join("aside")).unwrap();
        fs::rename(root.join("aside"), root.join("up")).unwrap();
    }),
    ("a folder above replaced by a copy", |root| {
        fs::create_dir_all(root.join("copy/svc")).unwrap();
        fs::write(root.join("copy/svc/app.rs"), "copy").unwrap();
        fs::rename(root.join("up"), root.join("aside")).unwrap();
        fs::rename(root.join("copy"), root.join("up")).unwrap();
    }),
    ("a folder above deleted and restored", |root| {
        fs::remove_dir_all(root.join("up")).unwrap();
        fs::create_dir_all(root.join("up/svc")).unwrap();
        fs::write(root.join("up/svc/app.rs"), "restored").unwrap();
    }),
    ("a folder above becomes a link to a copy", |root| {
        fs::create_dir_all(root.join("copy/svc")).unwrap();
        fs::write(root.join("copy/svc/app.rs"), "copy").unwrap();
        fs::rename(root.join("up"), root.join("aside")).unwrap();
        std::os::unix::fs::symlink(root.join("copy"), root.join("up")).unwrap();
    }),
];

/// Saves are seen, one after the other: more of them than there can be batches left of what was before.
async fn saves_are_seen(watcher: &mut Watcher, written: &Path, file: &Path) {
    for save in 0..5 {
        fs::write(written, format!("save {save}")).unwrap();
        seen(watcher, file).await;
    }
}

#[tokio::test]
async fn a_folder_that_goes_and_comes_back_is_watched_whoever_moved_it() {
    for (name, go_and_return) in RETURNS {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("up/svc/app.rs");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "before").unwrap();
        let mut watcher = Watcher::new(&watched(&file)).unwrap();
        go_and_return(root.path());
        eprintln!("{name}");
        saves_are_seen(&mut watcher, &file, &file).await;
    }
}

#[tokio::test]
async fn a_folder_that_comes_later_is_told_with_what_is_in_it() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("later/app.rs");
    let mut watcher = Watcher::new(&watched(&file)).unwrap();
    fs::create_dir(root.path().join("later")).unwrap();
    fs::write(&file, "here").unwrap();
    seen(&mut watcher, &file).await;
}

#[tokio::test]
async fn a_link_above_that_leads_elsewhere_is_an_edit() {
    let root = tempfile::tempdir().unwrap();
    for folder in ["one", "two"] {
        fs::create_dir(root.path().join(folder)).unwrap();
        fs::write(root.path().join(folder).join("app.rs"), folder).unwrap();
    }
    let link = root.path().join("current");
    std::os::unix::fs::symlink("one", &link).unwrap();
    let file = link.join("app.rs");
    let mut watcher = Watcher::new(&watched(&file)).unwrap();
    std::os::unix::fs::symlink("two", root.path().join("next")).unwrap();
    fs::rename(root.path().join("next"), &link).unwrap();
    seen(&mut watcher, &file).await;
    saves_are_seen(&mut watcher, &root.path().join("two/app.rs"), &file).await;
}

#[tokio::test]
async fn a_link_to_a_file_in_another_folder_is_followed_when_it_is_swapped() {
    let root = tempfile::tempdir().unwrap();
    for folder in ["one", "two"] {
        fs::create_dir(root.path().join(folder)).unwrap();
        fs::write(root.path().join(folder).join("code.rs"), folder).unwrap();
    }
    let link = root.path().join("app.rs");
    std::os::unix::fs::symlink("one/code.rs", &link).unwrap();
    let mut watcher = Watcher::new(&watched(&link)).unwrap();
    std::os::unix::fs::symlink("two/code.rs", root.path().join("next")).unwrap();
    fs::rename(root.path().join("next"), &link).unwrap();
    seen(&mut watcher, &link).await;
    saves_are_seen(&mut watcher, &root.path().join("two/code.rs"), &link).await;
}

#[tokio::test]
async fn polling_reads_no_file_but_those_that_are_watched() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("app.rs");
    fs::write(&file, "before").unwrap();
    // Whoever opens it to read waits for a writer, for good.
    rustix::fs::mkfifoat(rustix::fs::CWD, root.path().join("beside"), rustix::fs::Mode::RWXU).unwrap();
    let mut watcher = Watcher::by_polling(&watched(&file)).unwrap();
    fs::write(&file, "after!").unwrap();
    seen(&mut watcher, &file).await;
}

#[tokio::test]
async fn a_file_that_is_named_in_two_ways_is_told_by_both() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("src")).unwrap();
    let files = BTreeSet::from([root.path().join("g.txt"), root.path().join("src/../g.txt")]);
    fs::write(root.path().join("g.txt"), "before").unwrap();
    let mut watcher = Watcher::new(&files).unwrap();
    fs::write(root.path().join("g.txt"), "after!").unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, watcher.next()).await.unwrap().unwrap().files, files);
}

#[tokio::test]
async fn a_file_that_was_closed_or_moved_to_its_name_is_told_without_a_wait() {
    for (name, save) in &SAVES[..2] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.rs");
        fs::write(&file, "before").unwrap();
        let mut watcher = Watcher::new(&watched(&file)).unwrap();
        save(&file);
        eprintln!("{name}");
        seen(&mut watcher, &file).await;
        // Nothing of the save is left to be told.
        assert!(tokio::time::timeout(2 * watcher::LONGEST, watcher.next()).await.is_err());
    }
}

#[tokio::test]
async fn a_file_that_was_emptied_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.rs");
    fs::write(&file, "before").unwrap();
    let mut watcher = Watcher::new(&watched(&file)).unwrap();
    fs::write(&file, "").unwrap();
    let batch = tokio::time::timeout(PATIENCE, watcher.next()).await.unwrap().unwrap();
    assert!(batch.settled >= watcher::SETTLE, "{:?}", batch.settled);
}
