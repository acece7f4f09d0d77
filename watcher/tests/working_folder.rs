//! A relative name goes on meaning what its user sees. Alone in its process, whose working folder it changes.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use watcher::Watcher;

#[tokio::test]
async fn a_working_folder_that_is_replaced_is_followed_by_its_name() {
    let outside = tempfile::tempdir().unwrap();
    let (folder, aside) = (outside.path().join("project"), outside.path().join("aside"));
    fs::create_dir_all(folder.join("svc")).unwrap();
    fs::write(folder.join("svc/app.rs"), "before").unwrap();
    std::env::set_current_dir(&folder).unwrap();
    let file = PathBuf::from("svc/app.rs");
    let files = BTreeSet::from([file.clone()]);
    let mut watcher = Watcher::new(&files).unwrap();

    fs::rename(&folder, &aside).unwrap();
    fs::create_dir_all(folder.join("svc")).unwrap();
    fs::write(folder.join("svc/app.rs"), "after").unwrap();
    let read_anew = async {
        while fs::read_to_string(&file).unwrap() != "after" {
            assert_eq!(watcher.next().await.unwrap().files, files);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read_anew).await.expect("the other folder was not seen");

    // And by an edit in it.
    fs::write(folder.join("svc/app.rs"), "later").unwrap();
    let batch = tokio::time::timeout(Duration::from_secs(20), watcher.next()).await.expect("the edit was not seen");
    assert_eq!(batch.unwrap().files, files);
}
