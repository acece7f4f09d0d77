//! A data server as a process of its own, over folders and a real SeaweedFS, on good days and on bad ones.
//!
//! Truth is what a reader of these tests finds in folders and through SeaweedFS' own filer, and not what the server says.

mod door;
mod faults;
mod faults_s3;
mod functions;
mod good;
mod link;
mod odd;
mod oddities;
mod races;
mod rough;
mod server;
mod tls;
mod versions;
mod weed;
