//! Members, and what takes their messages from one to the other.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::time::Duration;

use nodes::{FleetMember, MemberId, Membership, MembershipEffect, MembershipPace};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// How long a message takes.
pub(crate) const TRIP: Duration = Duration::from_millis(2);

/// When it arrives, in which order, from whom, to whom, and what.
type Message = (Duration, u64, usize, usize, Vec<u8>);

/// How a network treats messages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// The part of them that is lost.
    pub(crate) loss: f64,
    /// The most by which one comes later than usual, which is another one for each.
    pub(crate) jitter: Duration,
}

pub(crate) struct Fleet {
    members: Vec<Membership>,
    stopped: BTreeSet<usize>,
    /// What was sent to members that are stopped and keep it, by sender and receiver.
    kept: Vec<(usize, usize, Vec<u8>)>,
    keeps: bool,
    weather: Weather,
    random: Xoshiro256PlusPlus,
    /// Those of one half, where there are two.
    half: BTreeSet<usize>,
    now: Duration,
    count: u64,
    under_way: BinaryHeap<Reverse<Message>>,
    pub(crate) bytes: usize,
    /// Who was taken for down by whom.
    pub(crate) downs: Vec<(usize, String)>,
}

fn member(at: usize) -> FleetMember {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(at as u64).to_be_bytes());
    let address = SocketAddr::from(([10, 0, (at >> 8) as u8, at as u8], 7940));
    FleetMember { id: MemberId(id), life: 1 << 20, address, name: format!("n{at}") }
}

impl Fleet {
    pub(crate) fn new(count: usize, pace: MembershipPace) -> Self {
        Self {
            members: (0..count).map(|at| Membership::new(member(at), pace, at as u64)).collect(),
            stopped: BTreeSet::new(),
            kept: Vec::new(),
            keeps: false,
            weather: Weather::default(),
            random: Xoshiro256PlusPlus::seed_from_u64(0),
            half: BTreeSet::new(),
            now: Duration::ZERO,
            count: 0,
            under_way: BinaryHeap::new(),
            bytes: 0,
            downs: Vec::new(),
        }
    }

    /// A fleet in which all know each other.
    pub(crate) fn whole(count: usize) -> Self {
        let mut fleet = Self::new(count, MembershipPace::Lan);
        for at in 1..count {
            fleet.announce(at, 0);
        }
        let most = Duration::from_secs(120);
        while !fleet.is_whole() && fleet.now < most {
            fleet.run(Duration::from_millis(500));
        }
        assert!(fleet.is_whole(), "not whole after {most:?}");
        fleet
    }

    pub(crate) fn now(&self) -> Duration {
        self.now
    }

    pub(crate) fn known(&self, at: usize) -> Vec<FleetMember> {
        self.members[at].members()
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.members.iter().all(|member| member.members().len() + 1 == self.members.len())
    }

    /// Whether each knows every other one as it is now.
    pub(crate) fn agrees(&self) -> bool {
        let knows = |known: &[FleetMember], other: &Membership| known.contains(other.me());
        self.is_whole()
            && self.members.iter().enumerate().all(|(at, member)| {
                let known = member.members();
                self.members.iter().enumerate().all(|(other, of)| other == at || knows(&known, of))
            })
    }

    pub(crate) fn others_know(&self, at: usize) -> bool {
        let name = format!("n{at}");
        let others = (0..self.members.len()).filter(|other| *other != at);
        others.into_iter().any(|other| self.known(other).iter().any(|member| member.name == name))
    }

    pub(crate) fn announce(&mut self, at: usize, to: usize) {
        let to = self.members[to].me().clone();
        let effects = self.members[at].announce(to, self.now);
        self.carry(at, effects);
    }

    pub(crate) fn leave(&mut self, at: usize) {
        let effects = self.members[at].leave(self.now);
        self.carry(at, effects);
        self.run(TRIP);
        self.stopped.insert(at);
    }

    pub(crate) fn move_to(&mut self, at: usize, address: SocketAddr) {
        let effects = self.members[at].move_to(address, self.now);
        self.carry(at, effects);
    }

    pub(crate) fn inject(&mut self, at: usize, bytes: &[u8]) {
        let effects = match self.members[at].hear(bytes, self.now) {
            Ok(effects) => effects,
            Err(error) => error.effects,
        };
        self.carry(at, effects);
    }

    pub(crate) fn stop(&mut self, at: usize) {
        self.stopped.insert(at);
    }

    /// Stops a member whose machine keeps what comes for it, as that of a process that was sent SIGSTOP does.
    pub(crate) fn pause(&mut self, at: usize) {
        self.keeps = true;
        self.stop(at);
    }

    pub(crate) fn start(&mut self, at: usize) {
        self.stopped.remove(&at);
        for (from, to, bytes) in std::mem::take(&mut self.kept) {
            self.count += 1;
            self.under_way.push(Reverse((self.now, self.count, from, to, bytes)));
        }
    }

    /// Changes how messages fare from now on.
    pub(crate) fn weather(&mut self, weather: Weather, seed: u64) {
        self.weather = weather;
        self.random = Xoshiro256PlusPlus::seed_from_u64(seed);
    }

    pub(crate) fn cut(&mut self, half: BTreeSet<usize>) {
        self.half = half;
    }

    pub(crate) fn mend(&mut self) {
        self.half.clear();
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let wakes = self.members.iter().enumerate().filter(|(at, _)| !self.stopped.contains(at));
            let wakes = wakes.filter_map(|(at, member)| Some((member.wakes_at()?, at))).min();
            let arrives = self.under_way.peek().map(|Reverse((at, ..))| *at);
            let next = [wakes.map(|(at, _)| at), arrives].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            if arrives == Some(next) {
                let Some(Reverse((_, _, from, to, bytes))) = self.under_way.pop() else { continue };
                let is_cut = self.half.contains(&from) != self.half.contains(&to) && !self.half.is_empty();
                let is_stopped = self.stopped.contains(&to);
                if !is_cut && !is_stopped {
                    self.inject(to, &bytes);
                } else if !is_cut && self.keeps {
                    self.kept.push((from, to, bytes));
                }
            } else if let Some((_, at)) = wakes {
                let effects = self.members[at].wake(self.now);
                self.carry(at, effects);
            }
        }
        self.now = until;
    }

    fn carry(&mut self, from: usize, effects: Vec<MembershipEffect>) {
        for effect in effects {
            match effect {
                MembershipEffect::Send { to, bytes } => {
                    let at = u64::from_be_bytes(*to.id.0.first_chunk().expect("an id")) as usize;
                    self.count += 1;
                    self.bytes += bytes.len();
                    let is_lost = self.random.random_bool(self.weather.loss);
                    let arrives = self.now + TRIP + self.weather.jitter.mul_f64(self.random.random_range(0.0..1.0));
                    if !is_lost {
                        self.under_way.push(Reverse((arrives, self.count, from, at, bytes)));
                    }
                }
                MembershipEffect::Down(member) => self.downs.push((from, member.name)),
                MembershipEffect::Up(_) | MembershipEffect::Changed(_) | MembershipEffect::Rejoined(_) => {}
            }
        }
    }
}
