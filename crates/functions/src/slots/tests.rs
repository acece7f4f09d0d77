//! The slots under any course of events.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// The pool as it looks to the slots: what is asked of it is done later, in any order.
#[derive(Default)]
struct World {
    starting: Vec<SlotId>,
    /// Processes, and whom they have served.
    live: BTreeMap<SlotId, Option<String>>,
    busy: Vec<SlotId>,
    asks: BTreeMap<AskId, String>,
    served: BTreeSet<AskId>,
    most: usize,
}

impl World {
    fn carry_out(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Start(slot) => {
                    assert!(self.live.insert(slot, None).is_none());
                    self.starting.push(slot);
                }
                Act::Give(slot, ask) => {
                    let tenant = self.asks[&ask].clone();
                    assert!(!self.busy.contains(&slot) && !self.starting.contains(&slot));
                    let before = self.live.get_mut(&slot).expect("a process that lives");
                    assert!(before.as_ref().is_none_or(|before| *before == tenant), "{before:?} and {tenant}");
                    *before = Some(tenant);
                    assert!(self.served.insert(ask), "served twice");
                    self.busy.push(slot);
                }
                Act::End(slot) => {
                    assert!(!self.busy.contains(&slot), "ended under a run");
                    assert!(self.live.remove(&slot).is_some());
                    self.starting.retain(|starting| *starting != slot);
                }
            }
            assert!(self.live.len() <= self.most);
        }
    }
}

#[derive(Clone, Debug)]
enum Event {
    Ask(u8),
    Withdraw(usize),
    Started(usize),
    Done(usize),
    Gone(usize),
    Tick(usize, u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0_u8..5).prop_map(Event::Ask),
        1 => any::<usize>().prop_map(Event::Withdraw),
        4 => any::<usize>().prop_map(Event::Started),
        3 => any::<usize>().prop_map(Event::Done),
        1 => any::<usize>().prop_map(Event::Gone),
        1 => (0_usize..9, 0_u8..40).prop_map(|(want, seconds)| Event::Tick(want, seconds)),
    ]
}

fn pick<T: Copy>(from: &[T], at: usize) -> Option<T> {
    (!from.is_empty()).then(|| from[at % from.len()])
}

proptest! {
    #[test]
    fn a_process_serves_one_tenant_and_each_ask_is_served_once(
        events in prop::collection::vec(event(), 0..200),
        most in 1_usize..6,
    ) {
        let (mut slots, mut world) = (Slots::new(most), World { most, ..World::default() });
        let (mut now, mut next) = (Duration::ZERO, 0);
        let mut withdrawn = BTreeSet::new();
        for event in events {
            let acts = match event {
                Event::Ask(tenant) => {
                    next += 1;
                    world.asks.insert(next, tenant.to_string());
                    slots.ask(next, &tenant.to_string(), now)
                }
                Event::Withdraw(at) => {
                    let open: Vec<_> = world.asks.keys().copied().filter(|ask| !world.served.contains(ask)).collect();
                    if let Some(ask) = pick(&open, at) {
                        slots.withdraw(ask);
                        withdrawn.insert(ask);
                    }
                    Vec::new()
                }
                Event::Started(at) => match pick(&world.starting, at) {
                    Some(slot) => {
                        world.starting.retain(|starting| *starting != slot);
                        slots.started(slot, now)
                    }
                    None => Vec::new(),
                },
                Event::Done(at) => match pick(&world.busy, at) {
                    Some(slot) => {
                        world.busy.retain(|busy| *busy != slot);
                        slots.done(slot, now)
                    }
                    None => Vec::new(),
                },
                Event::Gone(at) => match pick(&world.busy, at) {
                    Some(slot) => {
                        world.busy.retain(|busy| *busy != slot);
                        world.live.remove(&slot);
                        slots.gone(slot, now)
                    }
                    None => Vec::new(),
                },
                Event::Tick(want, seconds) => {
                    now += Duration::from_secs(seconds.into());
                    slots.tick(want, now)
                }
            };
            world.carry_out(acts);
        }
        // Once everything that was begun comes to its end, nobody waits.
        for _ in 0..10_000 {
            let acts = if let Some(slot) = world.starting.pop() {
                slots.started(slot, now)
            } else if let Some(slot) = world.busy.pop() {
                slots.done(slot, now)
            } else {
                break;
            };
            world.carry_out(acts);
        }
        let unserved: Vec<_> =
            world.asks.keys().filter(|ask| !world.served.contains(ask) && !withdrawn.contains(ask)).collect();
        prop_assert!(unserved.is_empty(), "{unserved:?} of {slots:?}");
        // And all are ended after a while, but the one in reserve.
        for _ in 0..4 {
            now += IDLE;
            let acts = slots.tick(1, now);
            world.carry_out(acts);
            while let Some(slot) = world.starting.pop() {
                let acts = slots.started(slot, now);
                world.carry_out(acts);
            }
        }
        prop_assert!(world.live.len() <= 1, "{slots:?}");
    }
}

const NOW: Duration = Duration::ZERO;

#[test]
fn a_spare_process_waits_for_the_next_tenant() {
    let mut slots = Slots::new(4);
    assert_eq!(slots.ask(1, "a", NOW), [Act::Start(1), Act::Start(2)]);
    assert_eq!(slots.started(1, NOW), [Act::Give(1, 1)]);
    assert_eq!(slots.started(2, NOW), []);
    // Another tenant is given the spare at once, and one is started in its place.
    assert_eq!(slots.ask(2, "b", NOW), [Act::Give(2, 2), Act::Start(3)]);
    // The first one waits for its own process while one is enough.
    assert_eq!(slots.ask(3, "a", NOW), []);
    assert_eq!(slots.done(1, NOW), [Act::Give(1, 3)]);
}

#[test]
fn a_process_of_another_tenant_gives_way_where_there_is_no_room() {
    let mut slots = Slots::new(1);
    assert_eq!(slots.ask(1, "a", NOW), [Act::Start(1)]);
    assert_eq!(slots.started(1, NOW), [Act::Give(1, 1)]);
    assert_eq!(slots.ask(2, "b", NOW), []);
    assert_eq!(slots.done(1, NOW), [Act::End(1), Act::Start(2)]);
    assert_eq!(slots.started(2, NOW), [Act::Give(2, 2)]);
}

#[test]
fn a_process_is_replaced_after_a_thousand_runs() {
    let mut slots = Slots::new(1);
    slots.ask(0, "a", NOW);
    slots.started(1, NOW);
    for run in 1..1_000 {
        assert_eq!(slots.done(1, NOW), []);
        assert_eq!(slots.ask(run, "a", NOW), [Act::Give(1, run)]);
    }
    assert_eq!(slots.done(1, NOW), [Act::End(1), Act::Start(2)]);
}

#[test]
fn a_process_that_cannot_be_started_is_told_to_who_waits_longest() {
    let mut slots = Slots::new(2);
    slots.ask(1, "a", NOW);
    slots.ask(2, "b", NOW);
    let (told, acts) = slots.failed(1, NOW);
    assert_eq!((told, acts), (Some(1), vec![Act::Start(3)]));
    assert_eq!(slots.failed(2, NOW), (Some(2), vec![]));
    assert_eq!(slots.failed(3, NOW), (None, vec![]));
}

#[test]
fn more_processes_serve_a_tenant_once_they_are_wanted() {
    let mut slots = Slots::new(4);
    slots.ask(1, "a", NOW);
    slots.started(1, NOW);
    slots.started(2, NOW);
    assert_eq!(slots.ask(2, "a", NOW), []);
    assert_eq!(slots.tick(2, NOW), [Act::Give(2, 2), Act::Start(3)]);
}
