//! A registry.

use std::collections::BTreeSet;
use std::path::PathBuf;

use images::ship::{MissingLayers, Owner, Programs, Registry, RegistryAddress, Sent, Ship, ShipError};

use crate::made::{SAYS, app, image, keep};
use crate::started::{Removed, registry, run_dyn};

async fn open(address: &str, owner: Owner, docker_config: Option<PathBuf>) -> Registry {
    let programs = Programs { docker_config, ..Programs::default() };
    Registry::open(RegistryAddress::read(address).unwrap(), None, owner, &programs).await.unwrap()
}

#[tokio::test]
async fn only_what_is_missing_travels_and_what_came_runs() {
    let (_registry, address) = registry("");
    let app = app("registry");
    let ship = open(&address, Owner::new(&app, "here"), None).await;
    let (map, reduce) = (image(&app, "map", 1), image(&app, "reduce", 1));
    let missing = ship.missing(&[&map, &reduce]).await.unwrap();
    assert_eq!((missing.layers, missing.bytes), (3, map.bytes() + reduce.own_bytes()));
    let sent = ship.put(&[&map, &reduce]).await.unwrap();
    assert_eq!(sent, Sent { layers: 3, bytes: missing.bytes, notices: vec![] }, "the host's layer once");
    // Nothing changed: nothing is sent.
    assert_eq!(ship.missing(&[&map, &reduce]).await.unwrap(), MissingLayers::default());
    assert_eq!(ship.put(&[&map, &reduce]).await.unwrap(), Sent::default());
    // One edit: one small layer.
    let edited = image(&app, "map", 2);
    let sent = ship.put(&[&edited, &reduce]).await.unwrap();
    assert_eq!((sent.layers, sent.bytes), (1, edited.own_bytes()));
    // The engine fetches it by its digest and runs it, as nobody and with nothing to write to.
    let reference = ship.reference(&edited);
    let _removed = Removed(reference.clone());
    let said = run_dyn(&reference);
    assert!(said.contains(SAYS), "{said}");
}

#[tokio::test]
async fn what_is_ours_and_old_is_removed_and_nothing_else() {
    let (_registry, address) = registry("");
    let app = app("retention");
    let (here, there) =
        (open(&address, Owner::new(&app, "here"), None).await, open(&address, Owner::new(&app, "there"), None).await);
    assert_eq!(here.stock().await.unwrap().images, 0);
    assert_eq!(here.prune(&BTreeSet::new()).await.unwrap().removed, 0);
    let images = [1, 2, 3].map(|number| image(&app, "map", number));
    here.put(&[&images[0], &images[1], &images[2]]).await.unwrap();
    there.put(&[&images[1]]).await.unwrap();
    let stock = here.stock().await.unwrap();
    let own: u64 = images.iter().map(|image| image.layers[1].compressed()).sum();
    assert_eq!((stock.images, stock.bytes), (3, images[0].layers[0].compressed() + own));
    let pruned = here.prune(&keep(&[here.reference(&images[2])])).await.unwrap();
    assert_eq!((pruned.removed, pruned.kept), (1, 2), "{:?}", pruned.notices);
    assert!(pruned.notices.iter().any(|notice| notice.contains("another cluster has them")), "{:?}", pruned.notices);
    assert!(pruned.notices.iter().any(|notice| notice.contains("garbage")), "{:?}", pruned.notices);
    assert_eq!(there.put(&[&images[1]]).await.unwrap(), Sent::default(), "another place's is untouched");
    assert_eq!(here.put(&[&images[2]]).await.unwrap(), Sent::default());
    // One that was removed comes back: its layers are there until the registry collects them.
    let sent = here.put(&[&images[0]]).await.unwrap();
    assert_eq!(sent.bytes, images[0].manifest.len() as u64);
}

#[tokio::test]
async fn a_registry_that_removes_nothing_is_told_of() {
    let (_registry, address) = registry("no-removal");
    let app = app("kept");
    let ship = open(&address, Owner::new(&app, "here"), None).await;
    let images = [1, 2, 3].map(|number| image(&app, "map", number));
    ship.put(&[&images[0], &images[1], &images[2]]).await.unwrap();
    let pruned = ship.prune(&keep(&[ship.reference(&images[0])])).await.unwrap();
    assert_eq!((pruned.removed, pruned.kept), (0, 3));
    assert!(pruned.notices[0].starts_with(&format!("2 old images stay at {address}: cannot remove map.")));
    assert!(pruned.notices[0].contains("405"), "{:?}", pruned.notices);
}

#[tokio::test]
async fn credentials_of_docker_login_are_used_and_never_told() {
    let auth = "auth:\n  htpasswd:\n    realm: tests\n    path: FOLDER/users\n";
    let (registry, address) = registry(auth);
    let app = app("login");
    let map = image(&app, "map", 1);
    let write = |name: &str, auth: &str| {
        let folder = registry.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        let text = format!("{{\"auths\": {{\"{address}\": {{\"auth\": \"{auth}\"}}}}}}");
        std::fs::write(folder.join("config.json"), text).unwrap();
        Some(folder)
    };
    let nobody = open(&address, Owner::new(&app, "here"), None).await;
    let refused = nobody.put(&[&map]).await.unwrap_err();
    assert!(matches!(refused, ShipError::Refused { status: 401, .. }), "{refused}");
    assert_eq!(refused.mend().unwrap(), format!("log in: docker login {address}"));
    // me:wrong
    let wrong = open(&address, Owner::new(&app, "here"), write("wrong", "bWU6d3Jvbmc=")).await;
    let refused = wrong.put(&[&map]).await.unwrap_err();
    assert!(refused.mend().unwrap().contains("are not taken"), "{refused:?}");
    assert!(!format!("{refused} {refused:?}").contains("bWU6"), "{refused:?}");
    // me:secret
    let right = open(&address, Owner::new(&app, "here"), write("right", "bWU6c2VjcmV0")).await;
    assert_eq!(right.put(&[&map]).await.unwrap().bytes, map.bytes());
}
