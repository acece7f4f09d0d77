use proptest::prelude::*;

use super::*;

const NAMES: [&str; 5] = ["get", "filter", "map", "sum", "last"];

/// Services of which some find a variable that others do not.
fn tenants(marked: &[bool]) -> Vec<Tenant<'static>> {
    let tenant = |(name, marked): (&&'static str, &bool)| {
        let own = (OWN_NAME.to_owned(), (*name).to_owned());
        let mark = marked.then(|| ("MODE".to_owned(), "x".to_owned()));
        let environment = Environment { open: mark.into_iter().chain([own]).collect(), ..Environment::default() };
        Tenant { service: name, host: name, environment }
    };
    NAMES.iter().zip(marked).map(tenant).collect()
}

fn placed(
    wishes: &str,
    marked: &[bool],
    alone: &[&str],
    now: &[(&str, &str)],
    takes_in: bool,
) -> (String, Vec<String>) {
    let wishes = wishes.parse().expect("wishes");
    let alone = alone.iter().map(|name| (*name).to_owned()).collect();
    let now = now.iter().map(|(service, host)| ((*service).to_owned(), (*host).to_owned())).collect();
    let circumstances = Circumstances { wishes: &wishes, alone: &alone, now: &now, takes_in };
    let Placement { hosts, notices } = place(&tenants(marked), circumstances);
    let hosts = NAMES.iter().take(marked.len()).map(|name| hosts[*name].as_str());
    (hosts.collect::<Vec<_>>().join(" "), notices)
}

const PLAIN: [bool; 5] = [false; 5];

#[test]
fn a_host_is_called_by_its_first_service() {
    let hosts = |wishes| placed(wishes, &PLAIN, &[], &[], true).0;
    assert_eq!(hosts("none"), "get filter map sum last");
    assert_eq!(hosts("all"), "get get get get get");
    assert_eq!(hosts("map+filter,last+get"), "get filter filter sum get");
}

#[test]
fn who_finds_another_environment_lives_elsewhere_and_that_is_said_where_it_was_asked_for() {
    let marked = [false, true, false, true, false];
    assert_eq!(placed("all", &marked, &[], &[], true), ("get filter get filter get".to_owned(), Vec::new()));
    let (hosts, notices) = placed("get+filter+map", &marked, &[], &[], true);
    assert_eq!(hosts, "get filter get sum last");
    let told = "filter does not run together with get: a host has one environment, and theirs differ (MODE)";
    assert_eq!(notices, [told]);
}

#[test]
fn who_has_a_host_keeps_it_and_who_comes_later_joins_where_that_is_possible() {
    let now = [("get", "get"), ("map", "get"), ("last", "last")];
    assert_eq!(placed("all", &PLAIN, &[], &now, true).0, "get get get get last");
    assert_eq!(placed("all", &PLAIN, &[], &now, false).0, "get filter get filter last");
    assert_eq!(placed("all", &PLAIN, &["get"], &[], true).0, "get filter filter filter filter");
    // The first service of a host left it.
    assert_eq!(
        placed("all", &PLAIN, &["get"], &[("filter", "get"), ("map", "get")], true).0.split(' ').next(),
        Some("get-alone")
    );
}

#[test]
fn wishes_that_cannot_be_are_refused() {
    let wrong = |text: &str| text.parse::<Together>().expect_err(text).to_string();
    for few in ["get", "", "get+", "+get", "get+map,", "get+map,last"] {
        assert!(wrong(few).contains("two services at least"), "{few}: {}", wrong(few));
    }
    for twice in ["get+get", "get+map,map+last"] {
        assert!(wrong(twice).contains("named twice"), "{twice}");
    }
    let wishes: Together = "get + no".parse().expect("a group");
    let error = wishes.check(NAMES.into_iter()).expect_err("no service");
    assert_eq!(error.to_string(), "no service is called no; there are filter, get, last, map, sum");
    assert_eq!(Together::All.check(NAMES.into_iter()), Ok(()));
}

proptest! {
    #[test]
    fn everybody_has_one_host_and_only_those_who_may_share_it(
        wishes in prop::sample::select(vec!["none", "all", "get+map", "get+map,filter+last", "sum+last+get"]),
        marked in prop::array::uniform5(any::<bool>()), alone in prop::sample::subsequence(NAMES.to_vec(), 0..3),
        settled in prop::sample::subsequence(NAMES.to_vec(), 0..5), takes_in in any::<bool>(),
    ) {
        let wishes: Together = wishes.parse().unwrap_or_default();
        let (alone, none) = (alone.into_iter().map(str::to_owned).collect(), BTreeSet::new());
        let tenants = tenants(&marked);
        let before = place(&tenants, Circumstances { wishes: &wishes, alone: &none, now: &BTreeMap::new(), takes_in });
        let now: BTreeMap<_, _> = before.hosts.into_iter().filter(|(name, _)| settled.contains(&name.as_str())).collect();
        let after = place(&tenants, Circumstances { wishes: &wishes, alone: &alone, now: &now, takes_in }).hosts;
        prop_assert_eq!(after.len(), NAMES.len());
        prop_assert!(now.iter().all(|(service, host)| after[service] == *host), "nobody moves");
        for one in &tenants {
            for other in tenants.iter().filter(|other| other.service != one.service) {
                let is_new = !now.contains_key(one.service);
                if after[one.service] == after[other.service] && is_new {
                    // Who is to leave may still be there.
                    let stays = now.contains_key(other.service);
                    prop_assert!(!alone.contains(one.service) && (stays || !alone.contains(other.service)));
                    prop_assert!(wishes.wish(one.service).is_some());
                    prop_assert_eq!(wishes.wish(one.service), wishes.wish(other.service));
                    prop_assert_eq!(differing(one, other), "");
                    prop_assert!(takes_in || !now.contains_key(other.service));
                }
            }
        }
    }
}
