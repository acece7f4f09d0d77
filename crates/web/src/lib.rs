//! The session in a browser: one more front end, over the same snapshots and commands.
//!
//! A page has a listener of its own, on both loopbacks, under a host name of its own ([`SessionPage`]). `door` decides
//! about every request, `entry` knows who may come in, `live` tells what changes, `relay` hands questions and
//! commands to the session and `beside` to other servers of this machine, and `assets` has the files, all of them inside
//! this program. `layout` places the services of a flow, `bundle` writes a session to one file; `page/` is what runs in
//! the browser.

#![warn(missing_docs)]

mod assets;
mod beside;
mod bundle;
mod door;
mod entry;
mod key;
mod layout;
mod listener;
mod live;
mod page;
mod relay;

pub use beside::{AskBeside, BesideAnswer, BesideQuestion, BesideServer};
pub use bundle::BundleParts;
pub use layout::{DrawnEdge, GraphLayout};
pub use page::{LinkUse, PageError, PageListener, PageOptions, PageSource, SessionPage, forget, link};
