//! Durable jobs from outside: `dyn dev --jobs`, its HTTP API, and days on which things end.

mod bad_days;
mod callbacks;
mod counter;
mod faces;
mod faults;
mod flow;
mod functions;
mod gate;
mod server;
mod tenants;
mod terms;
