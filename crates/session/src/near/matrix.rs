//! What a data server says of buckets, as faces show it.

use std::collections::BTreeSet;

use data::view::{BucketLook, DataView};
use session_api::data::{BucketRow, CopyCell, DataMatrix};

/// Buckets and the places that hold them.
pub(crate) fn matrix(view: &DataView, server: &str) -> DataMatrix {
    let places: BTreeSet<&String> = view.stores.values().map(|store| &store.place).collect();
    let mut matrix = DataMatrix {
        server: server.to_owned(),
        why: None,
        places: places.into_iter().cloned().collect(),
        buckets: view.buckets.iter().map(|(name, look)| row(name, look, view)).collect(),
    };
    matrix.sort();
    matrix
}

fn row(name: &str, look: &BucketLook, view: &DataView) -> BucketRow {
    let place = |store: &str| view.stores.get(store).map(|store| store.place.clone()).unwrap_or_default();
    let at = view.stores.get(&look.master).cloned().unwrap_or_default();
    let master = CopyCell {
        place: at.place,
        store: look.master.clone(),
        state: if at.state == "away" { "away" } else { "master" }.to_owned(),
        lag: 0,
        through: look.head,
        trouble: at.trouble,
    };
    let copies = look.replicas.iter().map(|(store, replica)| CopyCell {
        place: place(store),
        store: store.clone(),
        state: replica.state.clone(),
        lag: replica.pending,
        through: replica.through,
        trouble: replica.trouble.clone(),
    });
    let route = look.route.as_ref().map(|route| {
        let policy = route.policy.map(|policy| policy.name().to_owned());
        let endpoints = (!route.endpoints.is_empty()).then(|| route.endpoints.join(", "));
        [policy, endpoints].into_iter().flatten().collect::<Vec<_>>().join(" among ")
    });
    let serving = view.endpoints.iter().filter(|(_, endpoint)| endpoint.buckets.iter().any(|served| served == name));
    let endpoints = serving.map(|(endpoint, of)| format!("{endpoint} at {}", of.place)).collect();
    BucketRow {
        name: name.to_owned(),
        state: look.state.clone(),
        why: look.why.clone(),
        objects: look.objects,
        bytes: look.bytes,
        head: look.head,
        route,
        endpoints,
        copies: std::iter::once(master).chain(copies).collect(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use data::route::{BucketRoute, RoutePolicy};
    use data::view::{ReplicaLook, StoreLook};

    use super::*;

    #[test]
    fn each_copy_stands_in_its_place_and_alarms_come_first() {
        let store = |place: &str, state: &str| StoreLook {
            place: place.to_owned(),
            state: state.to_owned(),
            ..StoreLook::default()
        };
        let replica = ReplicaLook { state: "behind".to_owned(), through: 7, pending: 2, ..ReplicaLook::default() };
        let route = BucketRoute { policy: Some(RoutePolicy::First), endpoints: vec!["b".to_owned(), "a".to_owned()] };
        let fine = BucketLook {
            master: "s1".to_owned(),
            state: "following".to_owned(),
            head: 9,
            replicas: BTreeMap::from([("s2".to_owned(), replica)]),
            route: Some(route),
            ..BucketLook::default()
        };
        let view = DataView {
            stores: BTreeMap::from([
                ("s1".to_owned(), store("hpc", "up")),
                ("s2".to_owned(), store("cc1", "up")),
                ("s3".to_owned(), store("cc1", "away")),
            ]),
            buckets: BTreeMap::from([
                ("a-fine".to_owned(), fine.clone()),
                ("lost".to_owned(), BucketLook { master: "s3".to_owned(), route: None, ..fine }),
            ]),
            ..DataView::default()
        };
        let matrix = matrix(&view, "127.0.0.1:7070");
        assert_eq!(matrix.places, ["cc1", "hpc"]);
        assert_eq!(matrix.headline(), "2 buckets in 2 places, look after 1");
        let cells = |name: &str| {
            let row = matrix.buckets.iter().find(|row| row.name == name).unwrap();
            row.copies.iter().map(|copy| format!("{} {copy}", copy.place)).collect::<Vec<_>>().join(", ")
        };
        assert_eq!((matrix.buckets[0].name.as_str(), cells("lost").as_str()), ("lost", "cc1 away, cc1 behind 2"));
        assert_eq!(cells("a-fine"), "hpc master, cc1 behind 2");
        assert_eq!(matrix.buckets[1].route.as_deref(), Some("first among b, a"));
    }
}
