//! Every strategy with figures that were worked out by hand.

#![expect(clippy::unwrap_used, reason = "tests")]

mod views;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use balance::{
    Decision, EmpiricalCandidate, LimitIn, NodeId, NodeResources, Observation, Policy, ServiceId, SharingMode,
    StrategyError, StrategyName, StrategySettings, empirical_weights, offers, random_weights,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use views::{F, G, load, neighbour, remote, view};

fn decide_at(settings: &StrategySettings, view: &balance::View, now: Duration) -> Decision {
    settings.build(None).unwrap().decide(view, now, &mut Xoshiro256PlusPlus::seed_from_u64(1))
}

fn decide(name: StrategyName, view: &balance::View) -> Decision {
    decide_at(&StrategySettings::new(name), view, Duration::ZERO)
}

/// Limits in for a service, by neighbour.
fn rates(limits_in: Option<Vec<LimitIn>>, service: ServiceId) -> Vec<f64> {
    let of = limits_in.unwrap().into_iter().filter(|limit| limit.service == service);
    of.map(|limit| limit.rate).collect()
}

/// What stays here, and weights by neighbour.
fn weights(decision: &Decision) -> (f64, Vec<f64>) {
    let sharing = &decision.shares.as_ref().unwrap()[0];
    let local = match sharing.mode {
        SharingMode::Spill => 100.0,
        SharingMode::Split { local, .. } => local,
    };
    (local, sharing.to.iter().map(|recipient| recipient.weight).collect())
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-4
}

#[test]
fn recalc_divides_the_margin_by_neighbours_and_rounds_down() {
    let recalc = StrategySettings::new(StrategyName::Recalc);
    let exact = StrategySettings { exact: true, ..recalc.clone() };
    let three = |limit, users| view(vec![load(F, limit, users)], vec![vec![remote(F, 100.0)]; 3]);
    let limits = |settings, limit, users| rates(decide_at(settings, &three(limit, users), Duration::ZERO).limits_in, F);
    assert_eq!(limits(&recalc, 100.0, 40.0), [20.0; 3]);
    assert_eq!(limits(&recalc, 45.0, 40.0), [1.0; 3]);
    assert!(limits(&exact, 45.0, 40.0).iter().all(|rate| near(*rate, 1.6667)));
}

#[test]
fn recalc_is_overloaded_from_its_limit_on() {
    let one = |users| view(vec![load(F, 100.0, users)], vec![vec![remote(F, 100.0)]]);
    assert_eq!(rates(decide(StrategyName::Recalc, &one(100.0)).limits_in, F), [0.0]);
    assert_eq!(rates(decide(StrategyName::Recalc, &one(99.5)).limits_in, F), [1.0]);
}

#[test]
fn recalc_weighs_neighbours_half_a_period_later_and_only_where_it_was_overloaded() {
    let step = |offers: [f64; 2], users| {
        let mut strategy = StrategySettings::new(StrategyName::Recalc).build(None).unwrap();
        let random = &mut Xoshiro256PlusPlus::seed_from_u64(1);
        let mut view = view(vec![load(F, 200.0, users)], vec![vec![remote(F, 450.0)], vec![remote(F, 700.0)]]);
        for (neighbour, offer) in view.neighbours.iter_mut().zip(offers) {
            neighbour.services[0].offer = offer;
        }
        strategy.decide(&view, Duration::from_secs(60), random);
        weights(&strategy.decide(&view, Duration::from_secs(90), random)).1
    };
    assert_eq!(step([225.0, 350.0], 250.0), [39.0, 60.0]);
    assert_eq!(step([0.0, 0.0], 250.0), [0.0, 0.0]);
    assert_eq!(step([225.0, 350.0], 150.0), [0.0; 0]);
}

#[test]
fn recalc_forgets_a_neighbour_that_was_silent_for_more_than_a_period() {
    let mut view = view(vec![load(F, 100.0, 40.0)], vec![vec![remote(F, 100.0)]; 2]);
    view.neighbours[0].age = Duration::from_secs(73);
    assert_eq!(rates(decide(StrategyName::Recalc, &view).limits_in, F), [60.0]);
}

#[test]
fn recalc_looks_at_the_last_second_unless_the_whole_period_is_asked_for() {
    let window = |settings: StrategySettings| match settings.build(None).unwrap().cadence() {
        balance::Cadence::Periodic { window, .. } => window,
        balance::Cadence::Events { .. } => unreachable!("recalc goes by the clock"),
    };
    let recalc = StrategySettings::new(StrategyName::Recalc);
    assert_eq!(window(recalc.clone()), Duration::from_secs(1));
    assert_eq!(window(StrategySettings { window: Some(recalc.period), ..recalc }), Duration::from_secs(60));
    assert_eq!(window(StrategySettings::new(StrategyName::NodeMargin)), Duration::from_secs(60));
}

#[test]
fn static_keeps_sixty_of_a_hundred() {
    let of = |neighbours| weights(&decide(StrategyName::Static, &view(vec![load(F, 100.0, 10.0)], neighbours)));
    assert_eq!(of(vec![vec![remote(F, 100.0)]; 3]), (60.0, vec![13.0; 3]));
    assert_eq!(of(vec![]), (100.0, vec![]));
    assert_eq!(of(vec![vec![remote(F, 100.0)]; 6]), (60.0, vec![7.0; 6]));
}

#[test]
fn latency_splits_between_those_that_are_near() {
    let of = |rtts: &[u64], threshold| {
        let mut view = view(vec![load(F, 100.0, 10.0)], vec![vec![remote(F, 100.0)]; rtts.len()]);
        for (neighbour, rtt) in view.neighbours.iter_mut().zip(rtts) {
            neighbour.rtt = Some(Duration::from_millis(*rtt));
        }
        let threshold = Duration::from_millis(threshold);
        let settings = StrategySettings { threshold, ..StrategySettings::new(StrategyName::Latency) };
        weights(&decide_at(&settings, &view, Duration::ZERO))
    };
    assert_eq!(of(&[9, 9, 11], 10), (34.0, vec![33.0, 33.0]));
    assert_eq!(of(&[9, 9, 9], 10), (25.0, vec![25.0; 3]));
    assert_eq!(of(&[9; 6], 10), (15.0, vec![15.0, 14.0, 14.0, 14.0, 14.0, 14.0]));
    assert_eq!(of(&[9, 9], 0), (100.0, vec![]));
}

#[test]
fn random_gives_the_last_what_is_left_and_repeats_with_its_seed() {
    assert_eq!(random_weights(&[0.2, 0.5, 0.3]), [20.0, 50.0, 30.0]);
    assert_eq!(random_weights(&[0.9, 0.4, 0.8]), [42.0, 19.0, 39.0]);
    let view = view(vec![load(F, 100.0, 10.0)], vec![vec![remote(F, 100.0)]; 3]);
    let twice = |seed| {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut strategy = StrategySettings::new(StrategyName::Random).build(None).unwrap();
        [(); 2].map(|()| weights(&strategy.decide(&view, Duration::ZERO, &mut random)))
    };
    assert_eq!(twice(7), twice(7));
    assert_ne!(twice(7), twice(8));
    assert_ne!(twice(7)[0], twice(7)[1]);
    let all = |(local, away): (f64, Vec<f64>)| local + away.iter().sum::<f64>();
    assert_eq!(all(twice(7)[0].clone()), 100.0);
}

#[test]
fn node_margin_is_what_is_left_of_the_mean_of_three_thresholds() {
    let limits = NodeResources { cpu: 190.0, memory: 5.5e9, power: 2.1e6 };
    let mut view = view(vec![load(F, 100.0, 0.0)], vec![vec![remote(F, 100.0)]; 2]);
    view.thresholds = limits;
    view.resources = NodeResources { cpu: 152.0, memory: 2.75e9, power: 1.05e6 };
    assert_eq!(view.resources.percent_of(limits), 60.0);
    assert_eq!(decide(StrategyName::NodeMargin, &view).margin, 20.0);
    view.resources.power = 2.2e6;
    assert_eq!(decide(StrategyName::NodeMargin, &view).margin, 0.0);
}

/// CPU is 10 + 0.5 r of 190, here at 400 and there at 100.
fn half_a_percent_each(neighbours: usize, margin: f64) -> balance::View {
    let cost = Some(NodeResources { cpu: 0.5, ..NodeResources::default() });
    let limits = NodeResources { cpu: 190.0, memory: f64::INFINITY, power: f64::INFINITY };
    let own = balance::LocalLoad { cost, served: 400.0, ..load(F, 400.0, 400.0) };
    let there = balance::RemoteLoad { cost, users: 100.0, served: 100.0, ..remote(F, 400.0) };
    let mut view = view(vec![own], vec![vec![there]; neighbours]);
    view.thresholds = limits;
    view.resources.cpu = 210.0;
    for neighbour in &mut view.neighbours {
        (neighbour.thresholds, neighbour.margin, neighbour.resources.cpu) = (limits, margin, 60.0);
    }
    view
}

#[test]
fn node_margin_moves_a_hundredth_at_a_time_until_the_rest_fits() {
    // 400 · 0.99¹¹ = 358.1353.
    let (local, away) = weights(&decide(StrategyName::NodeMargin, &half_a_percent_each(1, 20.0)));
    assert_eq!((local, away), (90.0, vec![10.0]));
}

#[test]
fn node_margin_is_refused_what_its_margin_does_not_cover() {
    // A percent of 190 is 3.8 requests a second: the fourth hundredth would be 15.8.
    let (local, away) = weights(&decide(StrategyName::NodeMargin, &half_a_percent_each(1, 4.0)));
    assert_eq!((local, away), (97.0, vec![3.0]));
    assert_eq!(weights(&decide(StrategyName::NodeMargin, &half_a_percent_each(1, 0.0))), (100.0, vec![]));
}

#[test]
fn equal_moves_whole_requests_to_all_alike() {
    let (local, away) = weights(&decide(StrategyName::Equal, &half_a_percent_each(3, 0.0)));
    assert_eq!((local, away), (0.9, vec![0.035, 0.0325, 0.0325]));
}

#[test]
fn power_saving_keeps_to_seven_tenths_of_its_limit() {
    let mut view = view(vec![load(F, 100.0, 0.0)], vec![vec![remote(F, 100.0)]; 2]);
    view.thresholds = NodeResources { power: 2.2e6, ..NodeResources::UNLIMITED };
    let mut margin = |power| {
        view.resources.power = power;
        decide(StrategyName::PowerSaving, &view).margin
    };
    assert!(near(margin(0.77e6), 25.0));
    assert_eq!(margin(1.54e6), 0.0);
    assert_eq!(margin(2.3e6), 0.0);
}

#[test]
fn empirical_weighs_by_eight_figures() {
    let a = EmpiricalCandidate {
        replicas: 2.0,
        rate: 10.0,
        limit: 100.0,
        time: 0.01,
        margin: 90.0,
        memory: 0.4,
        cpu: 0.2,
        own_memory: 0.05,
        own_cpu: 0.02,
    };
    let b = EmpiricalCandidate {
        replicas: 1.0,
        rate: 50.0,
        time: 0.02,
        margin: 50.0,
        memory: 0.6,
        cpu: 0.4,
        own_cpu: 0.08,
        ..a
    };
    let weights = empirical_weights(&[a, b]);
    assert!((weights[0] - 0.672_024).abs() < 1e-6 && (weights[1] - 0.327_976).abs() < 1e-6, "{weights:?}");
    let nothing =
        EmpiricalCandidate { rate: 0.0, time: 0.0, memory: 0.0, cpu: 0.0, own_memory: 0.0, own_cpu: 0.0, ..a };
    let least =
        EmpiricalCandidate { rate: 1.0, time: 0.001, memory: 0.01, cpu: 0.01, own_memory: 0.01, own_cpu: 0.01, ..a };
    assert_eq!(empirical_weights(&[nothing, b]), empirical_weights(&[least, b]));
}

#[test]
fn empirical_shares_overflow_alone_and_disturbs_weights_only_where_asked() {
    let view = |users| view(vec![load(F, 100.0, users)], vec![vec![remote(F, 100.0)], vec![remote(F, 200.0)]]);
    let quiet = StrategySettings { noise: false, ..StrategySettings::new(StrategyName::Empirical) };
    let plain = weights(&decide_at(&quiet, &view(150.0), Duration::ZERO)).1;
    assert!(near(plain.iter().sum::<f64>(), 100.0) && plain[1] > plain[0], "{plain:?}");
    assert_eq!(weights(&decide_at(&quiet, &view(50.0), Duration::ZERO)), (100.0, vec![]));
    let noisy = StrategySettings::new(StrategyName::Empirical).build(None).unwrap();
    let (mut noisy, mut random) = (noisy, Xoshiro256PlusPlus::seed_from_u64(3));
    let drawn: Vec<_> = (0..20).map(|_| weights(&noisy.decide(&view(150.0), Duration::ZERO, &mut random)).1).collect();
    let disturbed = drawn.iter().filter(|weights| !near(weights[0], plain[0])).count();
    assert!((5..20).contains(&disturbed), "{disturbed}");
}

#[test]
fn offers_are_a_tenth_open_and_the_rest_by_need() {
    let rounded = |room, needs: &[f64]| offers(room, needs).into_iter().map(f64::round).collect::<Vec<_>>();
    assert_eq!(rounded(340.0, &[150.0, 0.0]), [323.0, 17.0]);
    assert_eq!(rounded(590.0, &[150.0, 150.0]), [295.0, 295.0]);
    assert_eq!(rounded(450.0, &[0.0, 0.0]), [225.0, 225.0]);
    let limits = |limit, users, needs: [f64; 2]| {
        let there = |need| vec![balance::RemoteLoad { need, ..remote(F, 100.0) }];
        let view = view(vec![load(F, limit, users)], needs.map(there).to_vec());
        rates(decide(StrategyName::Offer, &view).limits_in, F).into_iter().map(f64::round).collect::<Vec<_>>()
    };
    assert_eq!(limits(450.0, 100.0, [150.0, 0.0]), [323.0, 17.0]);
    assert_eq!(limits(700.0, 100.0, [150.0, 150.0]), [295.0, 295.0]);
    assert_eq!(limits(450.0, 0.0, [0.0, 0.0]), [225.0, 225.0]);
}

#[test]
fn offers_weigh_by_distance_and_pace_requests() {
    let mut view = view(vec![load(F, 200.0, 350.0)], vec![vec![remote(F, 450.0)], vec![remote(F, 700.0)]]);
    for (neighbour, (offer, rtt)) in view.neighbours.iter_mut().zip([(255.0, 5), (295.0, 20)]) {
        neighbour.services[0].offer = offer;
        neighbour.rtt = Some(Duration::from_millis(rtt));
    }
    let decision = decide(StrategyName::Offer, &view);
    let sharing = &decision.shares.as_ref().unwrap()[0];
    let weights = weights(&decision).1;
    assert!(near(weights[0], 0.5804) && near(weights[1], 0.4196), "{weights:?}");
    assert_eq!(sharing.to.iter().map(|to| to.pace).collect::<Vec<_>>(), [Some(255.0), Some(295.0)]);
    assert_eq!(sharing.beyond, [NodeId(2), NodeId(1)]);
    // Nobody is asked that is too far, is away, or lacks what the service needs.
    let asked = |change: &dyn Fn(&mut balance::View)| {
        let mut view = view.clone();
        change(&mut view);
        decide(StrategyName::Offer, &view).shares.unwrap()[0].to.iter().map(|to| to.node.0).collect::<Vec<_>>()
    };
    assert_eq!(asked(&|view| view.services[0].latency = Some(Duration::from_millis(10))), [1]);
    assert_eq!(asked(&|view| view.neighbours[0].is_up = false), [2]);
    assert_eq!(asked(&|view| view.neighbours[1].services[0].fits = false), [1]);
    assert_eq!(asked(&|view| view.services[0].stays = true), [0; 0]);
}

#[test]
fn offers_without_a_limit_go_by_cpu() {
    let cost = |cpu| Some(NodeResources { cpu, ..NodeResources::default() });
    let unlimited =
        |service, users, cpu| balance::LocalLoad { limit: None, cost: cost(cpu), ..load(service, 0.0, users) };
    let there = |need| balance::RemoteLoad { need, ..remote(F, 0.0) };
    // 170 % of CPU, of which 1.1 · (40 · 1 + 10 · 2) = 66 are kept: 104 are left.
    let mut view =
        view(vec![unlimited(F, 40.0, 1.0), unlimited(G, 10.0, 2.0)], vec![vec![there(0.0)], vec![there(30.0)]]);
    view.capacity = 170.0;
    let decision = decide(StrategyName::Offer, &view);
    let limits = rates(decision.limits_in, F);
    assert!(near(limits[0], 5.2) && near(limits[1], 98.8), "{limits:?}");
    assert_eq!(decision.limits, []);
    // Hosts have limits only while the node is above its capacity.
    view.resources.cpu = 200.0;
    view.services[0].served = 80.0;
    assert_eq!(decide(StrategyName::Offer, &view).limits, [(F, 68.0), (G, 0.0)]);
}

#[test]
fn all_local_shares_nothing() {
    let view = view(vec![load(F, 100.0, 250.0)], vec![vec![remote(F, 100.0)]; 3]);
    assert_eq!(weights(&decide(StrategyName::AllLocal, &view)), (100.0, vec![]));
}

/// Answers in turn, and keeps what it was asked.
struct Answers(Vec<Result<BTreeMap<String, f64>, String>>, Arc<Mutex<Vec<Observation>>>);

impl Policy for Answers {
    fn act(&mut self, observation: &Observation) -> Result<BTreeMap<String, f64>, String> {
        self.1.lock().unwrap().push(observation.clone());
        self.0.remove(0)
    }
}

#[test]
fn remote_does_what_its_model_says_and_serves_here_when_that_fails_three_times() {
    let parts = |parts: &[(&str, f64)]| parts.iter().map(|(name, part)| ((*name).to_owned(), *part)).collect();
    let good = || Ok(parts(&[("local", 0.6), ("node_1", 0.3), ("reject", 0.1)]));
    let answers = vec![
        good(),
        Err("503".to_owned()),
        Ok(parts(&[("local", 0.6), ("node_9", 0.4)])),
        Ok(parts(&[("local", 0.6)])),
        good(),
        Ok(parts(&[("local", f64::NAN)])),
    ];
    let asked = Arc::new(Mutex::new(Vec::new()));
    let settings = StrategySettings { explore: true, ..StrategySettings::new(StrategyName::Remote) };
    let mut strategy = settings.build(Some(Box::new(Answers(answers, asked.clone())))).unwrap();
    let mut view = view(vec![load(F, 100.0, 40.0)], vec![vec![remote(F, 100.0)]]);
    view.services[0].refused = 10.0;
    view.neighbours[0].services[0].sent = 5.0;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut turn = || {
        let decision = strategy.decide(&view, Duration::ZERO, &mut random);
        (weights(&decision), decision.notice)
    };
    let shared = (0.6, vec![0.3]);
    assert_eq!(turn(), (shared.clone(), None));
    let words = |why: &str| Some(format!("the model gave no answer, the last shares stay: {why}"));
    assert_eq!(turn(), (shared.clone(), words("503")));
    assert_eq!(turn(), (shared.clone(), words("node_9 is no neighbour that serves this")));
    let (local, notice) = turn();
    assert_eq!(local, (100.0, vec![]));
    assert!(notice.unwrap().contains("3 times, everything is served here: the parts add up to 0.6"));
    assert_eq!(turn(), (shared.clone(), None));
    assert_eq!(turn(), (shared, words("local is NaN")));
    let asked = asked.lock().unwrap();
    let (first, second) = (&asked[0].observation, &asked[1].observation);
    assert_eq!((first["input_rate"], first["previous_input_rate"], first["previous_n_replicas"]), (40.0, 0.0, 1.0));
    assert_eq!((second["previous_input_rate"], second["reject_rate"]), (40.0, 0.25));
    assert_eq!((first["previous_fwd_to_node_1"], second["previous_fwd_to_node_1"]), (0.0, 5.0));
    assert!(asked[0].agent_parameters.explore);
}

#[test]
fn strategies_that_there_are_none_of_are_answered_with_the_nearest() {
    let error = StrategyName::parse("recalk").unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.hint().as_str()),
        ("unknown strategy recalk", "did you mean recalc?")
    );
    assert!(StrategyName::parse("x").unwrap_err().hint().starts_with("strategies: offer, recalc, node-margin, "));
    for name in StrategyName::ALL {
        assert_eq!(StrategyName::parse(name.as_str()), Ok(name));
    }
    let refused = |settings: StrategySettings| settings.build(None).err().unwrap();
    assert_eq!(refused(StrategySettings::new(StrategyName::Remote)), StrategyError::NoModel);
    let never = StrategySettings { period: Duration::ZERO, ..StrategySettings::new(StrategyName::Recalc) };
    assert_eq!(refused(never), StrategyError::NoPeriod);
}

#[test]
fn a_neighbour_serves_only_what_it_has() {
    let neighbour = neighbour(1, vec![remote(G, 100.0)]);
    assert!(neighbour.serves(F).is_none() && neighbour.serves(G).is_some());
}
