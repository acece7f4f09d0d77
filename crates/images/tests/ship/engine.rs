//! Docker's engine.

use images::ship::{Engine, Owner, Programs, Sent, Ship};

use crate::made::{SAYS, app, image, keep};
use crate::started::{Removed, run_dyn};

#[tokio::test]
async fn only_what_is_missing_is_loaded_and_what_came_runs() {
    let app = app("engine");
    let ship = Engine::new(&Programs::default(), Owner::new(&app, "here"));
    let (map, reduce) = (image(&app, "map", 1), image(&app, "reduce", 1));
    let edited = image(&app, "map", 2);
    let _removed = [&map, &reduce, &edited].map(|image| Removed(ship.reference(image)));
    let sent = ship.put(&[&map, &reduce]).await.unwrap();
    // The host's layer may be there, of another test's image.
    assert!((2..=3).contains(&sent.layers) && sent.notices.is_empty(), "{sent:?}");
    assert_eq!(ship.put(&[&map, &reduce]).await.unwrap(), Sent::default());
    let sent = ship.put(&[&edited]).await.unwrap();
    assert_eq!((sent.layers, sent.notices.len()), (1, 0), "{sent:?}");
    assert!(sent.bytes < 40_000, "the archive has the host's layer not: {}", sent.bytes);
    let reference = ship.reference(&edited);
    let said = run_dyn(&reference);
    assert!(said.contains(SAYS), "{said}");
    let stock = ship.stock().await.unwrap();
    assert_eq!(stock.images, 3);
    assert!(stock.bytes > 1_000_000 && stock.bytes < 2 * map.layers[0].unpacked, "{stock:?}");
    let pruned = ship.prune(&keep(&[reference])).await.unwrap();
    assert_eq!((pruned.removed, pruned.kept), (2, 1));
    assert_eq!(ship.prune(&keep(&[])).await.unwrap().removed, 1);
    assert_eq!(ship.stock().await.unwrap().images, 0);
}
