//! What a session keeps on this disk, and how other commands find it there.

pub(crate) mod clean;
pub(crate) mod home;
pub(crate) mod journal;
pub(crate) mod lock;
pub(crate) mod running;
pub(crate) mod settle;
pub(crate) mod stop;
pub(crate) mod texts;
pub(crate) mod timeline;
