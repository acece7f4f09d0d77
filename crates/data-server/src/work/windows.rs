//! A listing and what is known, window by window.

use std::collections::VecDeque;

use data::compare::{KnownObject, SeenObject};
use storage::ObjectStore;

use super::Stopped;
use crate::ledger::Ledger;

/// Objects of a window at most, of those that are known.
const WINDOW: usize = 2_000;

/// Walks over a bucket at a store, and over what is known of it.
pub(crate) struct Windows<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) store: &'a ObjectStore,
    /// The bucket, and its name at the store.
    pub(crate) bucket: &'a str,
    pub(crate) name: &'a str,
    seen: VecDeque<SeenObject>,
    /// Keys up to this one are done.
    after: String,
    /// Where the listing goes on; none once it has ended.
    next: Option<String>,
    is_over: bool,
}

/// Keys of a stretch: those that are known, and those that were listed.
pub(crate) struct Window {
    pub(crate) after: String,
    /// None for the last one, which has no end.
    pub(crate) until: Option<String>,
    pub(crate) known: Vec<KnownObject>,
    pub(crate) seen: Vec<SeenObject>,
}

impl<'a> Windows<'a> {
    pub(crate) fn new(ledger: &'a Ledger, store: &'a ObjectStore, bucket: &'a str, name: &'a str) -> Self {
        Self {
            ledger,
            store,
            bucket,
            name,
            seen: VecDeque::new(),
            after: String::new(),
            next: Some(String::new()),
            is_over: false,
        }
    }

    /// The next stretch of keys; none at the end. A listing that fails midway is an error, and never an end.
    pub(crate) async fn next(&mut self) -> Result<Option<Window>, Stopped> {
        if self.is_over {
            return Ok(None);
        }
        if self.seen.is_empty()
            && let Some(after) = self.next.take()
        {
            let page = self.store.list(self.name, "", &after).await?;
            self.next = page.next;
            let seen = page.objects.into_iter().map(|object| SeenObject {
                key: object.key,
                etag: object.tag,
                size: object.size,
            });
            self.seen = seen.collect();
        }
        // The listing says nothing of keys after its last one, unless it has ended.
        let mut until = self.next.is_some().then(|| self.seen.back().map(|last| last.key.clone())).flatten();
        let known = self.ledger.known(self.bucket, &self.after, until.as_deref(), WINDOW).await?;
        if known.len() == WINDOW {
            until = known.last().map(|last| last.key.clone());
        }
        let is_in = |seen: &SeenObject| until.as_ref().is_none_or(|until| seen.key.as_bytes() <= until.as_bytes());
        let count = self.seen.iter().take_while(|seen| is_in(seen)).count();
        let seen: Vec<SeenObject> = self.seen.drain(..count).collect();
        let after = std::mem::take(&mut self.after);
        match &until {
            Some(until) => self.after.clone_from(until),
            None => self.is_over = true,
        }
        Ok(Some(Window { after, until, known, seen }))
    }
}
