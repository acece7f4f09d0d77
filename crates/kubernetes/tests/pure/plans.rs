use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use kubernetes::model::{RunningApp, Wanted};
use kubernetes::object::{Stamp, objects, read};
use kubernetes::plan::{What, plan, select};
use kubernetes::settings::read as settings;
use kubernetes::wire::Wires;
use proptest::prelude::*;

use crate::{app, building, wanted, wanted_with};

const BUILDING: &str = include_str!("../../../../examples/building.rs");

/// What runs once all that is wanted was applied.
pub(crate) fn applied(wanted: &Wanted) -> RunningApp {
    let objects = objects(wanted, &Stamp::default());
    let deployments: Vec<Deployment> = objects.units.iter().flat_map(|unit| unit.deployments.clone()).collect();
    let services = objects.units.iter().flat_map(|unit| &unit.services);
    let services: Vec<_> = services.map(|service| service.plain.clone()).collect();
    read(&deployments, &services)
}

fn edited(from: &str, to: &str) -> Wanted {
    assert!(BUILDING.contains(from), "{from}");
    wanted(&app("building", &BUILDING.replace(from, to)))
}

#[test]
fn a_first_push_is_all_new_in_the_order_of_the_flow() {
    let plan = plan(&wanted(&building()), &RunningApp::default());
    let steps: Vec<_> = plan.services.iter().map(|step| (step.name.as_str(), &step.what)).collect();
    assert_eq!(steps, [("get", &What::New), ("filter", &What::New), ("map", &What::New), ("moving_avg", &What::New)]);
    assert_eq!(plan.bytes(), 4 * 274_000);
    insta::assert_snapshot!(plan.to_string(), @r"
    service          image         pods  to send
    get         new  6ea47ac6491d  1     274 kB
    filter      new  db220f309403  1     274 kB
    map         new  597d4ead960e  1     274 kB
    moving_avg  new  0da20dc39720  1     274 kB
    ");
}

#[test]
fn a_changed_body_touches_one_service_and_says_why() {
    let plan = plan(
        &edited(
            "fn map(reading: Reading) -> f64 {\n    (reading.value - 32.0) / 1.8",
            "fn map(reading: Reading) -> f64 {\n    scale(reading.value)\n}\nfn scale(value: f64) -> f64 {\n    (value - 32.0) / 1.8",
        ),
        &applied(&wanted(&building())),
    );
    let touched: Vec<_> = plan.steps(false).map(|step| step.name.as_str()).collect();
    assert_eq!(touched, ["map"]);
    assert_eq!(plan.bytes(), 274_000);
    insta::assert_snapshot!("body_changed", plan.to_string());
}

#[test]
fn a_changed_type_takes_along_who_calls_it_and_nobody_else() {
    let new = edited("    units: String,\n", "    units: Option<String>,\n");
    let running = applied(&wanted(&building()));
    let plan = plan(&new, &running);
    let steps: Vec<_> =
        plan.services.iter().map(|step| (step.name.as_str(), step.what.to_string(), step.form_changes)).collect();
    assert_eq!(
        steps,
        [
            ("get", "changed".to_owned(), true),
            ("filter", "changed".to_owned(), true),
            ("map", "changed".to_owned(), true),
            ("moving_avg", "route only".to_owned(), false),
        ]
    );
    assert_eq!(plan.leftovers.len(), 3);
    insta::assert_json_snapshot!("type_changed", plan);
}

#[test]
fn settings_routes_drift_and_what_is_gone_are_told_apart() {
    let app = building();
    let file =
        settings("dyn.toml".as_ref(), "[services.get]\nreplicas = 3\n[services.filter]\nmemory = \"1Gi\"\n", &app)
            .unwrap();
    let mut running = applied(&wanted(&app));
    running.services.iter_mut().find(|runs| runs.name == "map").unwrap().drift =
        vec!["spec.replicas is 3, applied was 2".to_owned()];
    let mut gone = running.current("map").unwrap().clone();
    gone.name = "former".to_owned();
    running.services.push(gone);
    let plan = plan(&wanted_with(&app, &file), &running);
    let steps: Vec<_> = plan.services.iter().map(|step| step.what.clone()).collect();
    assert_eq!(
        steps,
        [
            What::Settings { changes: vec!["1 pods become 3".to_owned()] },
            What::Settings { changes: vec!["what it asks for, its environment or its place changed".to_owned()] },
            What::Drifted { fields: vec!["spec.replicas is 3, applied was 2".to_owned()] },
            What::Unchanged,
            What::Gone,
        ]
    );
    assert_eq!((plan.steps(false).count(), plan.steps(true).count()), (3, 4));
    assert!(plan.notes.iter().any(|note| note == "each of the 3 pods of get has its own NEXT"), "{:?}", plan.notes);
}

#[test]
fn an_image_of_another_host_is_a_change_with_its_reason() {
    let mut new = wanted(&building());
    let running = applied(&new);
    // Kept elsewhere, it is the same image.
    new.services[0].image =
        new.services[0].image.as_ref().map(|image| image.replace("localhost:5000", "10.0.0.1:41000"));
    assert!(plan(&new, &running).is_nothing(true));
    new.services[0].image = Some("localhost:5000/dyninka/get@sha256:0".to_owned());
    let plan = plan(&new, &running);
    assert_eq!(plan.services[0].what, What::Changed { reasons: vec!["the host program changed".to_owned()] });
}

#[test]
fn a_push_of_one_service_is_refused_where_it_leaves_a_neighbour_behind() {
    let running = applied(&wanted(&building()));
    let text = BUILDING
        .replace(
            "fn map(reading: Reading) -> f64 {\n    (reading.value - 32.0) / 1.8",
            "fn map(reading: Reading) -> String {\n    String::new()",
        )
        .replace("fn moving_avg(value: f64)", "fn moving_avg(text: String)")
        .replace("AVERAGE.update(|a| {", "let value = 1.0;\n    AVERAGE.update(|a| {");
    let new = app("building", &text);
    let (all, wires) = (wanted(&new), Wires::of(&new));
    let named = BTreeSet::from(["map".to_owned()]);
    let refused = select(&all, &running, &wires, &named, false);
    let told: Vec<String> = refused.breaks.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["map and moving_avg, as it runs, do not fit together: value is written as text and read as f64"]);
    let along = select(&all, &running, &wires, &named, true);
    assert_eq!((along.breaks.len(), &along.taken_along), (0, &BTreeSet::from(["moving_avg".to_owned()])));
    let plan = plan(&along.wanted, &running);
    assert_eq!(plan.steps(false).map(|step| step.name.as_str()).collect::<Vec<_>>(), ["map", "moving_avg"]);
}

#[test]
fn who_is_left_keeps_its_image_and_is_led_to_the_new_form() {
    let running = applied(&wanted(&building()));
    let text = BUILDING
        .replace(
            "fn map(reading: Reading) -> f64 {\n    (reading.value - 32.0) / 1.8",
            "fn map(reading: Reading) -> f32 {\n    reading.value as f32",
        )
        .replace("value: f64) -> Average {", "value: f32) -> Average {\n    let value = f64::from(value);");
    let new = app("building", &text);
    let selected = select(&wanted(&new), &running, &Wires::of(&new), &BTreeSet::from(["map".to_owned()]), false);
    assert_eq!(selected.breaks, []);
    let (left, before) = (selected.wanted.service("moving_avg").unwrap(), running.current("moving_avg").unwrap());
    assert_eq!(
        (left.image.as_ref(), &left.version, &left.config.library),
        (Some(&before.image), &before.version, &before.library)
    );
    let plan = plan(&selected.wanted, &running);
    let steps: Vec<_> = plan.steps(false).map(|step| (step.name.as_str(), step.what.to_string())).collect();
    assert_eq!(steps, [("map", "changed".to_owned()), ("moving_avg", "route only".to_owned())]);
}

/// A chain of some services, each with a type it returns and a number in its body.
fn chain(types: &[usize], bodies: &[u8]) -> Wanted {
    const TYPES: [&str; 3] = ["u8", "String", "Vec<bool>"];
    let mut text = "use dyninka::prelude::*;\n".to_owned();
    let mut flow = String::new();
    for (at, (ty, body)) in types.iter().zip(bodies).enumerate() {
        let input = at.checked_sub(1).map(|before| format!("v: {}", TYPES[types[before]])).unwrap_or_default();
        text.push_str(&format!("#[service] fn s{at}({input}) -> {} {{ make({body}) }}\n", TYPES[*ty]));
        flow.push_str(&format!("{}s{at}()", if at > 0 { "." } else { "" }));
    }
    text.push_str(&format!("fn make<T>(n: u8) -> T {{ loop {{}} }}\nfn main() {{ {flow} }}"));
    wanted(&app("chain", &text))
}

fn any_chain() -> impl Strategy<Value = Wanted> {
    (1_usize..5).prop_flat_map(|length| {
        (prop::collection::vec(0_usize..3, length), prop::collection::vec(any::<u8>(), length))
            .prop_map(|(types, bodies)| chain(&types, &bodies))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Doing what a plan says, and no more, leads from what runs to what is wanted.
    #[test]
    fn a_plan_leads_to_what_is_wanted(before in any_chain(), after in any_chain()) {
        let mut running = applied(&before);
        let todo = plan(&after, &running);
        let target = applied(&after);
        for step in todo.steps(true) {
            running.services.retain(|runs| runs.name != step.name);
            running.services.extend(target.current(&step.name).cloned());
        }
        running.services.sort_by(|one, other| one.name.cmp(&other.name));
        prop_assert_eq!(&running, &target);
        prop_assert!(plan(&after, &running).is_nothing(true));
    }

    #[test]
    fn nothing_changed_is_nothing_to_do(app in any_chain()) {
        let plan = plan(&app, &applied(&app));
        prop_assert!(plan.is_nothing(true));
        prop_assert_eq!((plan.bytes(), plan.notes.len(), plan.leftovers.len()), (0, 0, 0));
    }

    /// Whoever is called is there before who calls it.
    #[test]
    fn upstreams_come_first(app in any_chain()) {
        for (at, service) in app.services.iter().enumerate() {
            for upstream in &service.upstreams {
                prop_assert!(app.services[..at].iter().any(|before| before.name == *upstream));
            }
        }
    }
}

#[test]
fn a_partial_push_sees_what_services_that_stay_call_as_they_run() {
    let text = |entry: &str, call: &str| {
        format!(
            "use dyninka::prelude::*;
            {entry}
            #[service] async fn asks(value: u8) -> Result<u8> {{ {call} }}
            #[service] fn first() -> u8 {{ 1 }}
            #[dyninka::main] fn main() {{ first().asks() }}"
        )
    };
    let two = "#[service] fn entry(key: u8, more: u8) -> u8 { 1 }";
    let old = applied(&wanted(&app("calls", &text(two, "entry(value, 1).await"))));
    let select_one = |new: &app::App, name: &str| {
        select(&wanted(new), &old, &Wires::of(new), &BTreeSet::from([name.to_owned()]), false)
    };
    // An input that the called one lost: who stays goes on sending it.
    let lost = app("calls", &text("#[service] fn entry(key: u8) -> u8 { 1 }", "entry(value).await"));
    let breaks: Vec<String> = select_one(&lost, "entry").breaks.iter().map(ToString::to_string).collect();
    assert_eq!(breaks, ["entry and asks, as it runs, do not fit together: more is sent and no input any more"]);
    // The source calls it no more; who stays does.
    let uncalled = app("calls", &text("#[service] fn entry(key: u8) -> u8 { 1 }", "Ok(value)"));
    assert_eq!(select_one(&uncalled, "entry").breaks.len(), 1);
    let selected = select_one(&app("calls", &text(two, "Ok(value)")), "first");
    assert_eq!(selected.breaks, []);
    let asks = selected.wanted.service("asks").unwrap();
    assert!(asks.upstreams.contains("entry") && asks.config.peers["entry"].address.starts_with("entry-w"));
    // It is gone altogether.
    let gone = select_one(&app("calls", &text("", "Ok(value)")), "first").breaks;
    assert_eq!(gone.iter().map(|found| found.field.as_str()).collect::<Vec<_>>(), ["entry()"]);
}
