use std::collections::BTreeMap;

use local_cluster::Environment;
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn tenants() -> Vec<Tenant<'static>> {
    NAMES.map(|name| Tenant { service: name, host: name, environment: Environment::default() }).to_vec()
}

fn apart() -> BTreeMap<String, String> {
    NAMES.map(|name| (name.to_owned(), name.to_owned())).into()
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A chain.
fn edges() -> Vec<(&'static str, &'static str)> {
    NAMES.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

#[test]
fn who_is_of_another_flow_or_finds_another_environment_is_refused_with_the_reason() {
    let (mut tenants, hosts) = (tenants(), apart());
    let edges = [("a", "b"), ("c", "b"), ("d", "e")];
    let open = BTreeMap::from([("MODE".to_owned(), "x".to_owned())]);
    tenants[2].environment = Environment { open, ..Environment::default() };
    let present = Present { tenants: &tenants, edges: &edges, hosts: &hosts, takes_in: true };
    let fuse = |names: &[&str]| regroup(Regrouping::Fuse, &named(names), present);
    assert_eq!(fuse(&["a", "b"]), Ok(vec![("b".to_owned(), "a".to_owned())]));
    let apart = fuse(&["a", "e"]).unwrap_err();
    assert!(apart.starts_with("a and e are of two flows"), "{apart}");
    let unlike = fuse(&["a", "c"]).unwrap_err();
    assert_eq!(unlike, "c and a find different environments, and a host has one (MODE)");
}

#[test]
fn where_no_host_takes_another_service_in_all_of_a_group_go_to_a_new_one() {
    let (tenants, hosts, edges) = (tenants(), apart(), edges());
    let present = Present { tenants: &tenants, edges: &edges, hosts: &hosts, takes_in: false };
    let going = regroup(Regrouping::Fuse, &named(&["a", "b"]), present);
    let new = "a-alone".to_owned();
    assert_eq!(going, Ok(vec![("a".to_owned(), new.clone()), ("b".to_owned(), new)]));
}

proptest! {
    #[test]
    fn whatever_is_asked_for_in_a_row_each_service_has_one_host_and_names_of_hosts_tell_them_apart(
        asked in prop::collection::vec((any::<bool>(), prop::sample::subsequence(NAMES.to_vec(), 1..=6)), 1..12),
    ) {
        let (tenants, mut hosts, edges) = (tenants(), apart(), edges());
        for (fuses, names) in asked {
            let present = Present { tenants: &tenants, edges: &edges, hosts: &hosts, takes_in: true };
            let wanted = if fuses { Regrouping::Fuse } else { Regrouping::Split };
            let Ok(going) = regroup(wanted, &named(&names), present) else { continue };
            let before = hosts.clone();
            for (service, host) in &going {
                prop_assert_ne!(before.get(service), Some(host), "who stays does not move");
                hosts.insert(service.clone(), host.clone());
            }
            let of = |name: &str| hosts[name].clone();
            if fuses {
                prop_assert!(names.iter().all(|name| of(name) == of(names[0])));
                prop_assert_eq!(&of(names[0]), &before[names[0]], "the first stays");
            } else {
                for name in &names {
                    prop_assert_eq!(hosts.values().filter(|host| **host == of(name)).count(), 1);
                }
            }
            // Nobody else went anywhere, nor got company that nobody asked for.
            for name in NAMES.iter().filter(|name| !names.contains(name)) {
                prop_assert_eq!(&of(name), &before[*name]);
            }
        }
    }
}
