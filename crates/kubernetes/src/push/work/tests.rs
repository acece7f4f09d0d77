use super::*;
use crate::history::{KeptRecord, Operation, PushOutcome, PushRecord};

fn object(kind: &str, name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name } })
}

fn record(number: u32, outcome: PushOutcome, objects: Vec<Value>) -> KeptRecord {
    let (by, at) = ("me@box".to_owned(), jiff::Timestamp::UNIX_EPOCH);
    let (services, reasons) = (BTreeMap::new(), BTreeMap::new());
    let record = PushRecord { number, at, by, act: Operation::Push, outcome, services, reasons };
    KeptRecord { record, objects, source: None }
}

#[test]
fn what_was_there_before_a_push_is_none_that_it_brought() {
    let objects = ["old", "gone", "new"].map(|name| object("Service", name));
    let objects = [objects.as_slice(), &[object("Ingress", "way"), object("ConfigMap", "new")]].concat();
    let service = |name: &str| Service {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        ..Service::default()
    };
    // `gone` left the app and was left running; now it is back in it.
    let mut site = Site {
        records: vec![record(1, PushOutcome::Live, vec![object("Service", "old")])],
        services: vec![service("old"), service("gone")],
        ..Site::default()
    };
    let names = |site: &Site| -> Vec<String> {
        let words = |object: &&Value| format!("{} {}", object["kind"], object["metadata"]["name"]).replace('"', "");
        brought(&objects, site).iter().map(words).collect()
    };
    assert_eq!(names(&site), ["Ingress way", "Service new", "ConfigMap new"]);
    // What a push left that nobody saw the end of is no more wanted than what this one brought.
    site.records.push(record(2, PushOutcome::Underway, objects.clone()));
    assert_eq!(names(&site), ["Ingress way", "Service gone", "Service new", "ConfigMap new"]);
}

const TEXT: &str = "use dyninka::prelude::*;
    #[service] fn first() -> u8 { 1 }
    #[service] fn more(value: u8) -> u8 { value }
    #[service] fn last(value: u8) -> u8 { value }
    fn main() { first().more().last() }";

/// What is wanted of an app, with a `dyn.toml`.
fn wanted(text: &str, file: &str) -> Wanted {
    let root = std::path::PathBuf::from("app.rs");
    let mut sources = app::Sources { root: root.clone(), ..app::Sources::default() };
    sources.texts.insert(root, text.into());
    let (app, _) = app::parse(&sources);
    let file = crate::settings::read("dyn.toml".as_ref(), file, &app).unwrap();
    Wanted::of(&app, &crate::settings::AppSettings::of(&app, &file), &BTreeMap::new())
}

/// What is there once all that is wanted was applied.
fn site(wanted: &Wanted) -> Site {
    let objects = object::objects(wanted, &Stamp::default());
    let deployments: Vec<_> = objects.units.iter().flat_map(|unit| unit.deployments.clone()).collect();
    let leads = objects.units.iter().flat_map(|unit| &unit.services);
    let services = leads.flat_map(|service| [service.form.clone(), service.plain.clone()]);
    let services: Vec<_> = services.chain(objects.units.iter().flat_map(|unit| unit.places.clone())).collect();
    Site {
        running: object::read(&deployments, &services),
        records: vec![record(1, PushOutcome::Live, objects.values().unwrap())],
        configs: objects.units.iter().map(|unit| unit.config.metadata.clone()).collect(),
        deployments,
        services,
        ..Site::default()
    }
}

/// What a push writes, and what it leaves over.
fn push(wanted: &Wanted, site: &Site) -> (Work, Leftovers) {
    let steps = objects(wanted, site).unwrap();
    let needed = needed(wanted, site, &steps);
    let hosts = wanted.services.iter().filter(|service| needed.contains(&service.name));
    let hosts = hosts.map(|service| service.dns.clone()).collect();
    let all = applied(wanted, &object::objects(wanted, &Stamp::default()), &needed, site).unwrap();
    (work(&all, &hosts, site).unwrap(), leftovers(&all, site))
}

const APART: &str = "";
const TOGETHER: &str = "[together]\nends = [\"first\", \"last\"]\n";

#[test]
fn names_lead_to_other_pods_once_those_are_there_and_back_where_that_fails() {
    for (before, after, changes) in [(APART, TOGETHER, vec!["first+last"]), (TOGETHER, APART, vec!["first", "last"])] {
        let (old, new) = (wanted(TEXT, before), wanted(TEXT, after));
        let (work, left) = push(&new, &site(&old));
        let names: Vec<String> = work
            .changes
            .iter()
            .map(|change| change.services.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("+"))
            .collect();
        assert_eq!(names, changes);
        assert!(work.changes.iter().all(|change| change.before.is_none()), "they come beside the old ones");
        // Nobody is led anywhere before: what is written first are configurations.
        let kinds: BTreeSet<&str> =
            work.groundwork.iter().map(|object| object.types.as_ref().unwrap().kind.as_str()).collect();
        assert_eq!(kinds, BTreeSet::from(["ConfigMap"]));
        let named = |objects: &[kube::api::DynamicObject]| -> BTreeSet<String> {
            objects.iter().map(|object| object.metadata.name.clone().unwrap()).collect()
        };
        let doors = named(&work.doors);
        assert!(doors.len() == 4 && doors.contains("first") && doors.contains("last"), "{doors:?}");
        assert_eq!(named(&work.doors_before), doors);
        assert_ne!(work.doors_before[0].data["spec"]["selector"], work.doors[0].data["spec"]["selector"]);
        // Afterwards the pods of old go, and no name.
        assert_eq!(left.forms.len(), 3 - changes.len());
        assert_eq!((left.names.len(), left.gone.len(), left.configs.len()), (0, 0, left.forms.len()));
        // Once that is done there is nothing left to do.
        let (work, left) = push(&new, &site(&new));
        assert_eq!((work.changes.len(), work.doors.len(), work.groundwork.len()), (0, 0, 0));
        assert_eq!(left, Leftovers::default());
    }
}

#[test]
fn a_group_is_written_whole_and_others_stay_as_they_were_applied() {
    let old = wanted(TEXT, TOGETHER);
    let new =
        wanted(&TEXT.replace("fn last(value: u8) -> u8 { value }", "fn last(value: u8) -> u8 { value + 1 }"), TOGETHER);
    let (work, left) = push(&new, &site(&old));
    let services: Vec<&str> = work.changes[0].services.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((work.changes.len(), services), (1, vec!["first", "last"]));
    assert!(work.changes[0].before.is_some(), "the Deployment that is there rolls");
    assert_eq!(left.forms, []);
}

#[test]
fn pods_of_a_service_that_left_the_app_stay_and_a_schema_of_old_leads_to_them_to_their_end() {
    let old = wanted(TEXT, TOGETHER);
    let other = TEXT
        .replace("fn first() -> u8 { 1 }", "fn first() -> bool { true }")
        .replace("fn more(value: u8)", "fn more(value: bool)");
    let other = other.replace("-> u8 { value }", "-> u8 { 1 }");
    let (_, left) = push(&wanted(&other, TOGETHER), &site(&old));
    let group = left.forms.iter().find(|old| old.hosts == ["first", "last"]).unwrap();
    assert_eq!(group.names.len(), 1, "the schema of last is wanted, and first's of old is not: {group:?}");
    assert!(group.names[0].starts_with("first-w"));
    let fewer = TEXT.replace("#[service] fn last(value: u8) -> u8 { value }", "").replace(".last()", "");
    let (_, left) = push(&wanted(&fewer, APART), &site(&old));
    assert_eq!(left.gone.iter().map(|old| old.hosts.join("+")).collect::<Vec<_>>(), ["first+last"]);
    assert_eq!(left.forms, []);
}

const PLACES: &str = "[data]\nsettings = \"data.toml\"\n[services.more]\nplaces = [\"hpc\", \"cc1\"]\n";

#[test]
fn pods_in_places_come_beside_those_without_and_names_lead_over_once_they_are_there() {
    for (before, after, (changes, left, names)) in [(APART, PLACES, (2, 1, 0)), (PLACES, APART, (1, 2, 2))] {
        let (old, new) = (wanted(TEXT, before), wanted(TEXT, after));
        let (work, leftovers) = push(&new, &site(&old));
        let fresh = work.changes.iter().filter(|change| change.before.is_none());
        let fresh: Vec<&str> = fresh.flat_map(|change| &change.services).map(|(name, _)| name.as_str()).collect();
        assert_eq!(fresh, vec!["more"; changes]);
        let doors: BTreeSet<&str> = work.doors.iter().filter_map(|door| door.metadata.name.as_deref()).collect();
        let form = name::of_form("more", &new.service("more").unwrap().wire);
        assert!(doors.contains("more") && doors.contains(form.as_str()), "{doors:?}");
        assert_eq!((leftovers.forms.len(), leftovers.names.len()), (left, names), "{leftovers:?}");
        assert_eq!(leftovers.gone, []);
        // Once that is done there is nothing left to do.
        let (work, leftovers) = push(&new, &site(&new));
        assert_eq!((work.changes.len(), leftovers), (0, Leftovers::default()));
    }
}

#[test]
fn a_place_that_somebody_took_away_is_pushed_again() {
    let wanted = wanted(TEXT, PLACES);
    let mut site = site(&wanted);
    let is_gone = |name: Option<&String>| name.is_some_and(|name| name.ends_with("-cc1"));
    site.deployments.retain(|deployment| !is_gone(deployment.metadata.name.as_ref()));
    site.running.services.retain(|running| !is_gone(Some(&running.object)));
    let steps = objects(&wanted, &site).unwrap();
    assert_eq!(needed(&wanted, &site, &steps), BTreeSet::from(["more".to_owned()]));
}

#[test]
fn a_data_server_is_changed_before_hosts_are_and_goes_without_its_claim() {
    let served = |settings: &str| {
        let mut wanted = wanted(TEXT, APART);
        let server = crate::settings::PodServer { settings: settings.to_owned(), ..Default::default() };
        let (version, image, pull_policy) = ("v".to_owned(), Some("agent@sha256:1".to_owned()), String::new());
        wanted.data = Some(crate::model::WantedData { server, version, image, pull_policy });
        wanted
    };
    let mut site = site(&served("a"));
    site.deployments.extend(object::objects(&served("a"), &Stamp::default()).data.map(|data| data.deployment));
    let mut new = served("b");
    new.services[0].version = "first@2".to_owned();
    let (work, left) = push(&new, &site);
    let names: Vec<&str> = work.changes.iter().map(|change| change.services[0].0.as_str()).collect();
    assert_eq!(names, [DATA, "first"]);
    assert_eq!(left.data, None);
    let (work, left) = push(&wanted(TEXT, APART), &site);
    assert_eq!((work.changes.len(), left.data.as_deref()), (0, Some(&*object::data::name("app"))));
    assert_eq!((left.node, left.gone.len()), (None, 0));
}

#[test]
fn a_rollback_puts_back_pods_with_and_without_places_and_leaves_those_alone_that_are_as_they_were() {
    use crate::push::rollback::hosts;
    let (apart, placed) = (wanted(TEXT, APART), wanted(TEXT, PLACES));
    for (was, is) in [(&apart, &placed), (&placed, &apart)] {
        let target = site(was).records.remove(0);
        let put_back = hosts(&target, &site(is), None).unwrap();
        assert!(put_back.contains("more") && put_back.contains("last"), "{put_back:?}");
        assert_eq!(hosts(&target, &site(was), None), Err("what runs is what ran after push 1".to_owned()));
    }
}
