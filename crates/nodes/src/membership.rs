//! Who is in the fleet: SWIM, by foca. Time is handed in, and what is to be sent is handed out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;
use std::time::Duration;

use foca::{
    AccumulatingRuntime, Config, Foca, Identity, Member, NoCustomBroadcast, OwnedNotification, PeriodicParams,
    PostcardCodec, Timer,
};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

/// The members that periods are made for.
const USUAL_SIZE: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// The longest message of a membership.
const LONGEST: NonZeroUsize = NonZeroUsize::new(8 << 10).unwrap();
/// Members that an answer tells of, about.
const TOLD: usize = 150;
/// How often members that are down are asked whether they still are: two halves of a fleet find each other by it.
const ASK_DOWN: Duration = Duration::from_secs(2);
/// How many of them are asked each time.
const ASKED: NonZeroUsize = NonZeroUsize::new(2).unwrap();
/// The longest name of a node, a DNS label.
const LONGEST_NAME: usize = 63;

/// Stands for a node as long as it has its key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberId(pub [u8; 16]);

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no id of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id of a node has 32 hexadecimal digits")]
pub struct NoMemberId;

impl FromStr for MemberId {
    type Err = NoMemberId;

    fn from_str(text: &str) -> Result<Self, NoMemberId> {
        let mut id = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return Err(NoMemberId);
        }
        for (at, byte) in id.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| NoMemberId)?;
        }
        Ok(Self(id))
    }
}

/// A node as members know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetMember {
    pub id: MemberId,
    /// Grows with each start, and whenever the node has to say that it is there after all.
    pub life: u64,
    /// Where others reach it.
    pub address: SocketAddr,
    pub name: String,
}

impl Identity for FleetMember {
    type Addr = MemberId;

    fn renew(&self) -> Option<Self> {
        Some(Self { life: self.life + 1, ..self.clone() })
    }

    fn addr(&self) -> MemberId {
        self.id
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        (self.life, self.address) > (adversary.life, adversary.address)
    }
}

/// How fast a membership is: for nodes beside each other, or far from each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MembershipPace {
    #[default]
    Lan,
    Wan,
}

/// What comes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MembershipEffect {
    Send {
        to: FleetMember,
        bytes: Vec<u8>,
    },
    Up(FleetMember),
    Down(FleetMember),
    /// A member has another address, or began anew.
    Changed(FleetMember),
    /// This node was taken for down, and has said that it is not.
    Rejoined(FleetMember),
}

/// The members of a fleet, as one of them sees them.
pub struct Membership {
    config: Config,
    foca: Foca<FleetMember, PostcardCodec, Xoshiro256PlusPlus, NoCustomBroadcast>,
    runtime: AccumulatingRuntime<FleetMember>,
    /// What wakes it, by time and in the order it was asked for.
    timers: BinaryHeap<Reverse<(Duration, u64)>>,
    waiting: std::collections::BTreeMap<u64, Timer<FleetMember>>,
    count: u64,
    standing: Standing,
    /// The first of those that are asked next, while this node takes no part.
    next_asked: usize,
}

/// Whether a node takes part in the fleet. Foca probes, gossips and asks only while it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    TakesPart,
    /// Nobody was heard since it began, lost its last member or changed its identity; it asks when the time comes.
    Apart {
        asks_at: Option<Duration>,
    },
    Left,
}

impl Membership {
    /// A fleet of one.
    pub fn new(me: FleetMember, pace: MembershipPace, seed: u64) -> Self {
        let base = match pace {
            MembershipPace::Lan => Config::new_lan(USUAL_SIZE),
            MembershipPace::Wan => Config::new_wan(USUAL_SIZE),
        };
        let ask_down = PeriodicParams { frequency: ASK_DOWN, num_members: ASKED };
        let gossip = PeriodicParams { frequency: base.probe_period, num_members: NonZeroUsize::MIN.saturating_add(1) };
        let config = Config {
            max_packet_size: LONGEST,
            periodic_announce_to_down_members: Some(ask_down),
            periodic_gossip: Some(gossip),
            ..base
        };
        Self {
            config: config.clone(),
            foca: Foca::new(me, config, Xoshiro256PlusPlus::seed_from_u64(seed), PostcardCodec),
            runtime: AccumulatingRuntime::new(),
            timers: BinaryHeap::new(),
            waiting: std::collections::BTreeMap::new(),
            count: 0,
            standing: Standing::Apart { asks_at: None },
            next_asked: 0,
        }
    }

    pub fn me(&self) -> &FleetMember {
        self.foca.identity()
    }

    /// The other members that are there, or were not yet found to be gone.
    pub fn members(&self) -> Vec<FleetMember> {
        self.foca.iter_members().map(|member| member.id().clone()).collect()
    }

    /// When it has to be woken next.
    pub fn wakes_at(&self) -> Option<Duration> {
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        let asks_at = match self.standing {
            Standing::Apart { asks_at } => asks_at,
            Standing::TakesPart | Standing::Left => None,
        };
        [timer, asks_at].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn wake(&mut self, now: Duration) -> Vec<MembershipEffect> {
        while let Some(Reverse((at, count))) = self.timers.peek().copied() {
            if at > now {
                break;
            }
            self.timers.pop();
            let Some(timer) = self.waiting.remove(&count) else { continue };
            // A timer of an identity that is no more: nothing is to be done.
            drop(self.foca.handle_timer(timer, &mut self.runtime));
            self.note(now);
        }
        if matches!(self.standing, Standing::Apart { asks_at: Some(at) } if at <= now) {
            self.standing = Standing::Apart { asks_at: None };
            self.ask_in_turn();
        }
        self.effects(now)
    }

    /// Asks some of all members that were ever there, down or not. A node that was taken for down may have all others
    /// for there, and they have it for down: the one message by which it says otherwise may be lost.
    fn ask_in_turn(&mut self) {
        let all: Vec<FleetMember> = self.foca.iter_membership_state().map(|member| member.id().clone()).collect();
        let first = self.next_asked;
        self.next_asked = first.wrapping_add(ASKED.get());
        for at in 0..ASKED.get().min(all.len()) {
            let to = all[first.wrapping_add(at) % all.len()].clone();
            // It can only fail to write to memory.
            drop(self.foca.announce(to, &mut self.runtime));
        }
    }

    /// Asks a member whom it knows, and tells it of this node.
    pub fn announce(&mut self, to: FleetMember, now: Duration) -> Vec<MembershipEffect> {
        if to.id != self.me().id {
            // It can only fail to write to memory.
            drop(self.foca.announce(to, &mut self.runtime));
        }
        self.effects(now)
    }

    /// Notes a message; what is none changes nothing and is told.
    pub fn hear(&mut self, bytes: &[u8], now: Duration) -> Result<Vec<MembershipEffect>, MembershipError> {
        let heard = self.foca.handle_data(bytes, &mut self.runtime);
        let effects = self.effects(now);
        match heard {
            Ok(()) => Ok(effects),
            // It is of a node with this one's id, which the certificate rules out but for a copied key.
            Err(error) => Err(MembershipError { words: error.to_string(), effects }),
        }
    }

    /// Tells others of another address of this node.
    pub fn move_to(&mut self, address: SocketAddr, now: Duration) -> Vec<MembershipEffect> {
        let me = self.me().clone();
        if me.address != address {
            let moved = FleetMember { life: me.life + 1, address, ..me };
            drop(self.foca.change_identity(moved, &mut self.runtime));
            self.stand(Standing::Apart { asks_at: None });
        }
        self.effects(now)
    }

    /// Says goodbye.
    pub fn leave(&mut self, now: Duration) -> Vec<MembershipEffect> {
        drop(self.foca.leave_cluster(&mut self.runtime));
        self.effects(now)
    }

    /// Takes over what is to be woken for.
    fn note(&mut self, now: Duration) {
        while let Some((after, timer)) = self.runtime.to_schedule() {
            self.count += 1;
            self.timers.push(Reverse((now + after, self.count)));
            self.waiting.insert(self.count, timer);
        }
    }

    /// Notes whether this node takes part; one that has left stays away.
    fn stand(&mut self, standing: Standing) {
        if self.standing != Standing::Left {
            self.standing = standing;
        }
    }

    /// Has news told on as often as it takes to reach a fleet of this size: with too few times some miss it, and learn it
    /// by asking alone. Who is asked tells of as many members as a message holds, so more are asked in a larger fleet.
    fn fit(&mut self) {
        let size = u32::try_from(self.foca.iter_membership_state().len()).unwrap_or(u32::MAX);
        let wanted = Config::new_lan(USUAL_SIZE.max(NonZeroU32::MIN.saturating_add(size))).max_transmissions;
        if wanted != self.config.max_transmissions {
            self.config.max_transmissions = wanted;
            if let Some(asks) = &mut self.config.periodic_announce {
                asks.num_members = NonZeroUsize::MIN.saturating_add(self.foca.iter_membership_state().len() / TOLD);
            }
            // Refused is only what changes periods.
            drop(self.foca.set_config(self.config.clone()));
        }
    }

    fn effects(&mut self, now: Duration) -> Vec<MembershipEffect> {
        self.fit();
        self.note(now);
        let mut effects = Vec::new();
        let apart = Standing::Apart { asks_at: None };
        while let Some(notification) = self.runtime.to_notify() {
            let (standing, effect) = match notification {
                OwnedNotification::MemberUp(member) => (None, Some(MembershipEffect::Up(member))),
                OwnedNotification::MemberDown(member) => (None, Some(MembershipEffect::Down(member))),
                OwnedNotification::Rename(_, member) => (None, Some(MembershipEffect::Changed(member))),
                // Foca takes no part until it hears from somebody who knows the new identity.
                OwnedNotification::Rejoin(member) => (Some(apart), Some(MembershipEffect::Rejoined(member))),
                OwnedNotification::Active => (Some(Standing::TakesPart), None),
                OwnedNotification::Idle => (Some(apart), None),
                OwnedNotification::Defunct => (Some(Standing::Left), None),
            };
            if let Some(standing) = standing {
                self.stand(standing);
            }
            effects.extend(effect);
        }
        if self.standing == apart && self.foca.iter_membership_state().len() > 0 {
            self.standing = Standing::Apart { asks_at: Some(now + ASK_DOWN) };
        }
        while let Some((to, bytes)) = self.runtime.to_send() {
            effects.push(MembershipEffect::Send { to, bytes: bytes.to_vec() });
        }
        effects
    }

    /// Takes members for there whom somebody trusted told of.
    pub fn learn(&mut self, members: Vec<FleetMember>, now: Duration) -> Vec<MembershipEffect> {
        let me = self.me().id;
        let others = members.into_iter().filter(|member| member.id != me && is_name(&member.name));
        drop(self.foca.apply_many(others.map(Member::alive), true, &mut self.runtime));
        self.effects(now)
    }
}

/// A message that is none, and what came of it all the same.
#[derive(Debug, thiserror::Error)]
#[error("a message of the membership does not read: {words}")]
pub struct MembershipError {
    words: String,
    pub effects: Vec<MembershipEffect>,
}

/// Whether a text can be the name of a node: a DNS label.
pub fn is_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte != b'-');
    let mut bytes = name.bytes();
    name.len() <= LONGEST_NAME && name.bytes().all(is_inner) && edge(bytes.next()) && edge(name.bytes().last())
}
