//! What a node of a quiet fleet sends, counted in virtual time over the code that runs: memberships as they are, beats and
//! reports as each link has them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use nodes::{
    BEAT, FleetMember, LinkFrame, LoadReport, MemberId, Membership, MembershipEffect, MembershipPace, ReportedService,
};

use crate::report::{Row, Target};

/// A record of TLS 1.3 around a frame: header, kind and tag.
const RECORD: usize = 22;
/// Neighbours that a node has.
const NEIGHBOURS: usize = 8;
/// Services that each node reports.
const SERVICES: usize = 3;
/// How long a message is under way.
const TRIP: Duration = Duration::from_millis(2);
/// The fleet is whole within this.
const GATHERS: Duration = Duration::from_secs(600);
/// How long bytes are counted.
const TIME: Duration = Duration::from_secs(60);
/// Bytes a second, at most.
const MOST: f64 = 10_000.0;

pub(super) fn measure(sizes: &[u32]) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut all = Vec::new();
    for size in sizes {
        let count = usize::try_from(*size)?;
        let links = links(NEIGHBOURS.min(count.saturating_sub(1)))?;
        let bytes = links + members(count)?;
        let note = format!("{links:.0} of them beats and reports; frames in records of TLS, without TCP and IP");
        let name = format!("bytes a second that each of {size} quiet nodes sends");
        rows.push(Row::value(&name, "simulated", "B/s", count, bytes, Some(Target::AtMost(MOST))).note(note));
        all.push(bytes);
    }
    if let (Some(first), Some(last)) = (all.first(), all.last()) {
        let name = "the largest fleet's over the smallest one's";
        rows.push(Row::value(name, "simulated", "x", all.len(), last / first, Some(Target::AtMost(1.5))));
    }
    Ok(rows)
}

fn sent(frame: &LinkFrame) -> anyhow::Result<usize> {
    Ok(frame.bytes()?.len() + RECORD)
}

/// Bytes a second of a node's links: beats, echoes of others' beats, and a report a second.
fn links(neighbours: usize) -> anyhow::Result<f64> {
    let service = |at: usize| {
        let schema = "1a2b3c4d".to_owned();
        let (limit, users, served) = (Some(200.0), 120.5, 120.5);
        let load = ReportedService { schema, limit, users, served, need: 0.0, offer: 12.5, p50_us: 140, replicas: 1 };
        (format!("service-{at}"), load)
    };
    let apps = BTreeMap::from([("app".to_owned(), (0..SERVICES).map(service).collect())]);
    let report = serde_json::to_vec(&LoadReport { apps, ..LoadReport::new(1_000) }).context("write a report")?;
    let beats = 1.0 / BEAT.as_secs_f64();
    let each = beats * (sent(&LinkFrame::Beat(0))? + sent(&LinkFrame::Echo(0))?) as f64;
    Ok(neighbours as f64 * (each + sent(&LinkFrame::Report(report))? as f64))
}

/// When it arrives, in which order, to whom, and what.
type Message = (Duration, u64, usize, Vec<u8>);

struct Fleet {
    members: Vec<Membership>,
    now: Duration,
    count: u64,
    under_way: BinaryHeap<Reverse<Message>>,
    wakes: BinaryHeap<Reverse<(Duration, usize)>>,
    /// When each is woken next; what else is in the heap is old.
    woken_at: Vec<Option<Duration>>,
    bytes: usize,
}

/// Bytes a second that each membership of so many sends.
fn members(count: usize) -> anyhow::Result<f64> {
    let member = |at: usize| {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(at as u64).to_be_bytes());
        let address = SocketAddr::from(([10, 0, (at >> 8) as u8, at as u8], 7940));
        FleetMember { id: MemberId(id), life: 1 << 20, address, name: format!("n{at}") }
    };
    let mut fleet = Fleet {
        members: (0..count).map(|at| Membership::new(member(at), MembershipPace::Lan, at as u64)).collect(),
        now: Duration::ZERO,
        count: 0,
        under_way: BinaryHeap::new(),
        wakes: BinaryHeap::new(),
        woken_at: vec![None; count],
        bytes: 0,
    };
    let first = member(0);
    for at in 1..count {
        let effects = fleet.members[at].announce(first.clone(), fleet.now);
        fleet.carry(at, effects)?;
    }
    let is_whole = |fleet: &Fleet| fleet.members.iter().all(|member| member.members().len() + 1 == count);
    while !is_whole(&fleet) {
        ensure!(fleet.now < GATHERS, "a fleet of {count} is not whole after {GATHERS:?}");
        fleet.run(Duration::from_secs(10))?;
    }
    // What is new is told on for a while.
    fleet.run(TIME)?;
    let before = fleet.bytes;
    fleet.run(TIME)?;
    Ok((fleet.bytes - before) as f64 / TIME.as_secs_f64() / count as f64)
}

impl Fleet {
    fn run(&mut self, time: Duration) -> anyhow::Result<()> {
        let until = self.now + time;
        loop {
            let wakes = self.wakes.peek().map(|Reverse((at, _))| *at);
            let arrives = self.under_way.peek().map(|Reverse((at, ..))| *at);
            let Some(next) = [wakes, arrives].into_iter().flatten().min().filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            let (at, effects) = if arrives == Some(next) {
                let Some(Reverse((_, _, at, bytes))) = self.under_way.pop() else { continue };
                (at, self.members[at].hear(&bytes, self.now)?)
            } else {
                let Some(Reverse((time, at))) = self.wakes.pop() else { continue };
                if self.woken_at[at] != Some(time) {
                    continue;
                }
                self.woken_at[at] = None;
                (at, self.members[at].wake(self.now))
            };
            self.carry(at, effects)?;
        }
        self.now = until;
        Ok(())
    }

    fn carry(&mut self, from: usize, effects: Vec<MembershipEffect>) -> anyhow::Result<()> {
        for effect in effects {
            if let MembershipEffect::Send { to, bytes } = effect {
                let at = usize::try_from(u64::from_be_bytes(*to.id.0.first_chunk().context("an id")?))?;
                self.count += 1;
                self.bytes += sent(&LinkFrame::Swim(bytes.clone()))?;
                self.under_way.push(Reverse((self.now + TRIP, self.count, at, bytes)));
            }
        }
        let wakes_at = self.members[from].wakes_at();
        if let Some(at) = wakes_at.filter(|at| self.woken_at[from].is_none_or(|known| *at < known)) {
            self.woken_at[from] = Some(at);
            self.wakes.push(Reverse((at, from)));
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_a_quiet_node_sends_does_not_grow_with_its_fleet() {
        let rows = measure(&[10, 40]).unwrap();
        assert_eq!(rows.len(), 3);
        assert!(rows.iter().all(|row| row.verdict == crate::report::Verdict::Met), "{rows:?}");
    }
}
