//! What a session records of requests, and what that says of an edit.

pub(crate) mod again;
pub(crate) mod detail;
pub(crate) mod judge;
pub(crate) mod recall;
pub(crate) mod recorder;
pub(crate) mod request_query;
pub(crate) mod subject;
pub(crate) mod verdict;
pub(crate) mod work;
