//! A node's agent, its pure part: no socket, no clock, and random numbers are handed in.
//!
//! A [`ServiceMeter`] makes rates of what hosts count. A [`NodeBook`] holds them beside the reports of neighbours, and makes
//! of both what a strategy sees, what neighbours are told, and what hosts are told. [`AwayWays`] choose a neighbour for each
//! request that did not fit, and [`AwayCircuits`] leave those alone that promise what they do not do.
//!
//! A [`Membership`] knows who is in the fleet. [`LinkFrame`]s go over links, whose [`LinkPulse`] tells whether the other side
//! is there; [`choose_neighbours`] says to whom there is one. An [`InvitationBook`] lets machines in.

mod book;
mod circuits;
mod frame;
mod invitation;
mod membership;
mod meter;
mod neighbours;
mod pulse;
mod report;
mod sent_pace;
mod token_bucket;
mod ways;

pub use book::{NodeBook, OwnService};
pub use circuits::{AwayCircuits, AwayOutcomeSeen};
pub use frame::{LONGEST_FRAME, LinkFrame, LinkFrameError, LinkFrameReader};
pub use invitation::{FleetRole, InvitationBook, InvitationRefusal, InvitationToken, InvitationTokenError};
pub use membership::{
    FleetMember, MemberId, Membership, MembershipEffect, MembershipError, MembershipPace, NoMemberId, is_name,
};
pub use meter::{MeasuredLoad, ServiceMeter};
pub use neighbours::{NeighbourCandidate, NeighbourRule, NeighbourRuleError, choose_neighbours};
pub use pulse::{BEAT, LinkPulse};
pub use report::{LoadReport, LoadReportError, ReportedService};
pub use sent_pace::SentPace;
pub use ways::{AwayWays, GuestLimits};
