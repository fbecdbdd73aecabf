//! The append-only ledger of the simulated remotes: every request that reached them, also those whose
//! answer was dropped. Holds no judgement about what should have happened (that is `books`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::clock::SandboxClock;

/// Which simulated side a request belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remote {
    /// IFS Cloud: token endpoint and OData service.
    Ifs,
    /// Shopify's Admin API.
    Shopify,
    /// Webhook deliveries that the simulated Shopify sent out.
    Webhook,
}

/// What a request is about; fault rules match on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Token endpoint.
    Token,
    /// Creates an order: a change set (or a plain POST) with `POST CustomerOrderSet`.
    Create,
    /// Creates a customer: a POST of `CustomerInfoSet`, or `CopyExistingCustomer`.
    CustomerCreate,
    /// Any other write to rows: PATCH, POST of rows to an existing order, DELETE.
    Amend,
    /// A bound action outside a create.
    Action,
    /// A collection read with `$filter`.
    Lookup,
    /// Any other read, also a `$batch` of reads.
    Read,
    /// Anything about stock, parts, prices or the lines of all orders in IFS.
    Stock,
    /// Shopify's GraphQL endpoint, but for what `ShopStock` counts.
    GraphQl,
    /// A mutation of stock, of a product's standing or of prices in a shop.
    ShopStock,
    /// A shop's token endpoint.
    ShopToken,
    /// A webhook try of ours.
    Webhook,
    /// A connection, before anything is known of its requests.
    Connection,
    /// What fits nowhere: unknown paths, unreadable batches.
    Other,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Still in work.
    Pending,
    /// Answered with this HTTP status.
    Answered(u16),
    /// The connection was closed on purpose without an answer.
    Dropped,
    /// The caller went away before the answer.
    CallerGone,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Position in the ledger, from 1.
    pub seq: u64,
    /// When it was received (or sent, for webhooks).
    pub at: Timestamp,
    /// Whose ledger it is.
    pub remote: Remote,
    /// HTTP method of the outer request.
    pub method: String,
    /// Path and query of the outer request.
    pub path: String,
    /// What it is about.
    pub class: Class,
    /// Business keys seen in it: `CustomerPoNo` and `AssociationNo` values, order ids, webhook ids.
    pub keys: Vec<String>,
    /// Every `If-Match` value in it, parts included.
    pub if_match: Vec<String>,
    /// Number of parts in a `$batch`, 1 for any other request.
    pub parts: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// From its arrival to its end here, once it has ended: what the remote took, and nobody else.
    pub took: Option<Duration>,
    /// Whether it changed state: `None` for reads or while undecided.
    pub committed: Option<bool>,
    /// The fault that was injected, by name.
    pub fault: Option<&'static str>,
    /// A short remark, such as the error code answered.
    pub remark: Option<String>,
}

/// What the sandbox knows when a request arrives.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) remote: Remote,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) class: Class,
    pub(super) keys: Vec<String>,
    pub(super) if_match: Vec<String>,
    pub(super) parts: u32,
}

/// Sums over the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests that IFS received, tokens included.
    pub ifs_requests: u64,
    /// Requests that Shopify's Admin API received.
    pub shopify_requests: u64,
    /// Webhook tries sent.
    pub webhook_tries: u64,
    /// Requests that wanted to create an order.
    pub creates: u64,
    /// Requests that wanted to create a customer.
    pub customer_creates: u64,
    /// Requests that wanted to write anything, creates included.
    pub writes: u64,
    /// Requests refused for exceeding the rate ceiling.
    pub over_rate: u64,
    /// Writes that came with `If-Match: *`.
    pub if_match_any: u64,
    /// PATCHes of a missing key without `If-Match`: upserts, which are refused.
    pub upserts: u64,
    /// Most requests in work at one moment, per remote.
    pub concurrency_max: BTreeMap<Remote, u32>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<Entry>,
    over_rate: u64,
    upserts: u64,
    in_work: BTreeMap<Remote, u32>,
    concurrency_max: BTreeMap<Remote, u32>,
}

/// Shared handle to the one ledger of a sandbox.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    inner: Arc<Mutex<Inner>>,
    clock: SandboxClock,
}

impl Ledger {
    pub(super) fn new(clock: SandboxClock) -> Self {
        Self { inner: Arc::default(), clock }
    }

    /// A copy of all entries, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    /// Entries that match, oldest first.
    pub fn entries_where(&self, keep: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.lock().entries.iter().filter(|entry| keep(entry)).cloned().collect()
    }

    /// Requests that wanted to create an order with this business key.
    pub fn creates_of(&self, key: &str) -> usize {
        self.entries_where(|entry| entry.class == Class::Create && entry.keys.iter().any(|k| k == key)).len()
    }

    /// How many entries match.
    pub fn count_where(&self, keep: impl Fn(&Entry) -> bool) -> usize {
        self.lock().entries.iter().filter(|entry| keep(entry)).count()
    }

    /// Requests of one class.
    pub fn count_of(&self, class: Class) -> usize {
        self.lock().entries.iter().filter(|entry| entry.class == class).count()
    }

    /// Sums over everything so far.
    pub fn counters(&self) -> Counters {
        let inner = self.lock();
        let mut sums = Counters {
            over_rate: inner.over_rate,
            upserts: inner.upserts,
            concurrency_max: inner.concurrency_max.clone(),
            ..Counters::default()
        };
        for entry in &inner.entries {
            match entry.remote {
                Remote::Ifs => sums.ifs_requests += 1,
                Remote::Shopify => sums.shopify_requests += 1,
                Remote::Webhook => sums.webhook_tries += 1,
            }
            if entry.class == Class::Create {
                sums.creates += 1;
            }
            if entry.class == Class::CustomerCreate {
                sums.customer_creates += 1;
            }
            if matches!(entry.class, Class::Create | Class::CustomerCreate | Class::Amend | Class::Action) {
                sums.writes += 1;
            }
            if entry.if_match.iter().any(|tag| tag.trim() == "*") {
                sums.if_match_any += 1;
            }
        }
        sums
    }

    /// Opens an entry. The guard marks it `CallerGone` when it is dropped undecided.
    pub(super) fn open(&self, arrival: Arrival) -> OpenEntry {
        let at = self.clock.now();
        let remote = arrival.remote;
        let mut inner = self.lock();
        let seq = inner.entries.len() as u64 + 1;
        inner.entries.push(Entry {
            seq,
            at,
            remote,
            method: arrival.method,
            path: arrival.path,
            class: arrival.class,
            keys: arrival.keys,
            if_match: arrival.if_match,
            parts: arrival.parts,
            outcome: Outcome::Pending,
            took: None,
            committed: None,
            fault: None,
            remark: None,
        });
        let in_work = inner.in_work.entry(remote).or_default();
        *in_work += 1;
        let peak = *in_work;
        let most = inner.concurrency_max.entry(remote).or_default();
        *most = (*most).max(peak);
        drop(inner);
        OpenEntry { ledger: self.clone(), seq, remote, since: Instant::now() }
    }

    pub(super) fn note_over_rate(&self) {
        self.lock().over_rate += 1;
    }

    pub(super) fn note_upsert(&self) {
        self.lock().upserts += 1;
    }

    pub(super) fn note_committed(&self, seq: u64, committed: bool) {
        self.change(seq, |entry| entry.committed = Some(committed));
    }

    pub(super) fn note_remark(&self, seq: u64, remark: String) {
        self.change(seq, |entry| entry.remark = Some(remark));
    }

    fn change(&self, seq: u64, edit: impl FnOnce(&mut Entry)) {
        let index = usize::try_from(seq.saturating_sub(1)).unwrap_or(usize::MAX);
        if let Some(entry) = self.lock().entries.get_mut(index) {
            edit(entry);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An entry whose end is not known yet.
#[derive(Debug)]
pub(super) struct OpenEntry {
    ledger: Ledger,
    seq: u64,
    remote: Remote,
    since: Instant,
}

impl OpenEntry {
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    pub(super) fn fault(&self, name: &'static str) {
        self.ledger.change(self.seq, |entry| entry.fault = Some(name));
    }

    pub(super) fn remark(&self, text: &str) {
        self.ledger.change(self.seq, |entry| entry.remark = Some(text.to_owned()));
    }

    pub(super) fn end(&self, outcome: Outcome) {
        let took = self.since.elapsed();
        self.ledger.change(self.seq, |entry| {
            if entry.outcome == Outcome::Pending {
                entry.outcome = outcome;
                entry.took = Some(took);
            }
        });
    }
}

impl Drop for OpenEntry {
    fn drop(&mut self) {
        self.end(Outcome::CallerGone);
        if let Some(in_work) = self.ledger.lock().in_work.get_mut(&self.remote) {
            *in_work = in_work.saturating_sub(1);
        }
    }
}
