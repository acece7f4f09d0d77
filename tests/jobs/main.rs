//! Durable jobs from outside: `dyn dev --jobs`, its HTTP API, and days on which things end.

#![cfg(feature = "jobs")]

mod bad_days;
mod callbacks;
mod contract;
mod counter;
mod faces;
mod faults;
mod flow;
mod functions;
mod gate;
mod instances;
mod later;
mod long;
mod metrics;
mod renamed;
mod secrets;
mod server;
mod tenants;
mod terms;
