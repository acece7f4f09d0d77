//! containerd.

use images::ship::{Containerd, MissingLayers, Owner, Programs, PullPolicy, Sent, Ship};

use crate::made::{SAYS, app, image, keep};
use crate::started::{containerd, run};

#[tokio::test]
async fn only_what_is_missing_is_loaded_and_what_came_runs() {
    let (_containerd, socket) = containerd();
    let programs = Programs { containerd: socket.clone().into(), ..Programs::default() };
    let app = app("containerd");
    let ship = Containerd::new(&programs, false, Owner::new(&app, "here"));
    assert_eq!(ship.pull_policy(), PullPolicy::Never);
    let (map, reduce) = (image(&app, "map", 1), image(&app, "reduce", 1));
    assert_eq!(ship.missing(&[&map, &reduce]).await.unwrap().layers, 3);
    let sent = ship.put(&[&map, &reduce]).await.unwrap();
    assert_eq!((sent.layers, sent.notices.len()), (3, 0));
    assert!(sent.bytes > map.bytes());
    assert_eq!(ship.put(&[&map, &reduce]).await.unwrap(), Sent::default());
    let edited = image(&app, "map", 2);
    assert_eq!(ship.missing(&[&edited]).await.unwrap(), MissingLayers { layers: 1, bytes: edited.own_bytes() });
    let sent = ship.put(&[&edited]).await.unwrap();
    assert_eq!((sent.layers, sent.notices.len()), (1, 0), "{sent:?}");
    assert!(sent.bytes < 40_000, "the archive has the host's layer not: {}", sent.bytes);
    let reference = ship.reference(&edited);
    let ctr = ["--address", &socket, "--namespace", "k8s.io"];
    let id = format!("{app}-run");
    let words = ["run", "--rm", "--read-only", &reference, &id, "/dyn", "--list"];
    let said = run("ctr", &[&ctr[..], &words].concat());
    assert!(said.contains(SAYS), "{said}");

    let stock = ship.stock().await.unwrap();
    let own = map.layers[1].compressed() + reduce.layers[1].compressed() + edited.layers[1].compressed();
    assert_eq!((stock.images, stock.bytes), (3, map.layers[0].compressed() + own));
    // Another place's name for the same image keeps it.
    let there = Containerd::new(&programs, false, Owner::new(&app, "there"));
    there.put(&[&map]).await.unwrap();
    let pruned = ship.prune(&keep(&[ship.reference(&edited)])).await.unwrap();
    assert_eq!((pruned.removed, pruned.kept), (2, 1));
    assert_eq!(ship.stock().await.unwrap().images, 1);
    assert_eq!(there.put(&[&map]).await.unwrap(), Sent::default());
    assert_eq!(ship.put(&[&edited]).await.unwrap(), Sent::default());
    there.prune(&keep(&[])).await.unwrap();
    assert_eq!(ship.missing(&[&map]).await.unwrap().layers, 1, "the layer is gone with the last name");
}
