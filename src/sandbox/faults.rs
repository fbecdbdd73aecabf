//! What goes wrong on purpose: a plan of scripted one-shot faults and of seeded chances, per class of
//! request. Holds no effect; the services carry the drawn fault out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::ledger::Class;

/// One way in which a request goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Carried out completely; then the connection is closed without an answer.
    DropAnswer,
    /// The connection is closed before anything is done.
    Reset,
    /// Nothing is done until `release_held()`; the caller never gets an answer.
    Hold,
    /// As `Hold`, but the connection is closed at once: the caller hears of no answer without waiting for it. A shop holds so too.
    Shelved,
    /// Carried out after this delay, whether the caller still waits or not; no answer.
    Late(Duration),
    /// Answered rightly, after this delay (nothing is done before it).
    Slow(Duration),
    /// Carried out, then answered 2xx with a body cut in half.
    CutBody,
    /// 429 with this `Retry-After` (seconds, a date, or nonsense); nothing is done.
    TooMany(String),
    /// 503 with `Retry-After` and IFS's own error body (`MI_MODIFIED_ERROR`); nothing is done.
    Busy(String),
    /// 503 as a proxy's HTML page, without `Retry-After`; nothing is done.
    BusyHtml,
    /// 504 `ODP_OPERATION_TIMEOUT`; nothing is done.
    GatewayTimeout,
    /// 504, but carried out.
    GatewayTimeoutDone,
    /// 401; all tokens of IFS are void from now on. On Shopify: this one request.
    Unauthorized,
    /// 403.
    Forbidden,
    /// Before each of the next PATCH parts a person edits another field of the same record: 412.
    Storm(u32),
    /// Shopify's THROTTLED inside a 200.
    Throttled,
    /// This status and body, as `text/html`; nothing is done.
    Plain(u16, String),
    /// Carried out; the connection breaks within so many bytes of the answer.
    Torn(u32),
    /// Carried out, then answered 200 with a body of 64 MiB.
    Endless,
    /// Only for [`Class::Connection`]: it breaks within so many bytes of what the caller sends.
    CutRequest(u32),
}

impl Fault {
    /// The kind's name, as it stands in ledgers and counts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::DropAnswer => "drop_answer",
            Self::Reset => "reset",
            Self::Hold => "hold",
            Self::Shelved => "shelved",
            Self::Late(_) => "late_commit",
            Self::Slow(_) => "slow",
            Self::CutBody => "cut_body",
            Self::TooMany(_) => "too_many",
            Self::Busy(_) => "busy",
            Self::BusyHtml => "busy_html",
            Self::GatewayTimeout => "gateway_timeout",
            Self::GatewayTimeoutDone => "gateway_timeout_done",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Storm(_) => "storm_412",
            Self::Throttled => "throttled",
            Self::Plain(..) => "plain",
            Self::Torn(_) => "torn_answer",
            Self::Endless => "endless",
            Self::CutRequest(_) => "cut_request",
        }
    }
}

/// What the sandbox injects from the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FaultPreset {
    /// Everything answers, in time and once.
    #[default]
    None,
    /// Webhooks lost, twice and out of order, dropped answers, late commits, 429, 503, 401 in mid-run, slow answers.
    Usual,
    /// The same, and connections that break at any byte, answers that are cut or never end, pages instead of tokens, storms of
    /// 412, 504, odd `Retry-After`.
    Harsh,
}

impl FaultPreset {
    /// Of a thousand webhooks so many are never sent.
    pub(super) fn lost_per_mille(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Usual => 20,
            Self::Harsh => 50,
        }
    }
}

#[derive(Debug)]
struct Scripted {
    class: Class,
    fault: Fault,
    left: u32,
}

#[derive(Debug)]
struct Chance {
    class: Class,
    fault: Fault,
    per_mille: u32,
}

#[derive(Debug)]
struct Inner {
    random: StdRng,
    scripted: Vec<Scripted>,
    chances: Vec<Chance>,
    injected: BTreeMap<&'static str, u64>,
}

/// Shared handle to the faults of one sandbox.
#[derive(Clone, Debug)]
pub struct FaultPlan {
    inner: Arc<Mutex<Inner>>,
}

impl FaultPlan {
    pub(super) fn new(seed: u64) -> Self {
        let inner = Inner {
            random: StdRng::seed_from_u64(seed ^ 0x00FA_0175),
            scripted: Vec::new(),
            chances: Vec::new(),
            injected: BTreeMap::new(),
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// The next request of this class goes wrong in this way. Scripted faults run in the order given.
    pub fn once(&self, class: Class, fault: Fault) {
        self.times(class, fault, 1);
    }

    /// The next `count` requests of this class go wrong in this way.
    pub fn times(&self, class: Class, fault: Fault, count: u32) {
        self.lock().scripted.push(Scripted { class, fault, left: count });
    }

    /// Each request of this class goes wrong in this way with `per_mille` of 1,000.
    pub fn chance(&self, class: Class, fault: Fault, per_mille: u32) {
        self.lock().chances.push(Chance { class, fault, per_mille });
    }

    /// From now on nothing goes wrong any more (what is held stays held).
    pub fn clear(&self) {
        let mut inner = self.lock();
        inner.scripted.clear();
        inner.chances.clear();
    }

    /// Scripted faults that no request has met yet.
    pub fn scripted_left(&self) -> u32 {
        self.lock().scripted.iter().map(|scripted| scripted.left).sum()
    }

    /// How often each kind was injected.
    pub fn injected(&self) -> BTreeMap<&'static str, u64> {
        self.lock().injected.clone()
    }

    /// The chances of `FaultPreset::Usual`: a day of 200 orders meets each kind several times.
    pub(super) fn arm_usual(&self, late_commit: Duration, slow: Duration) {
        let one_sec = || "1".to_owned();
        for class in [Class::Create, Class::CustomerCreate] {
            self.chance(class, Fault::DropAnswer, 40);
            self.chance(class, Fault::Late(late_commit), 30);
            self.chance(class, Fault::TooMany(one_sec()), 30);
            self.chance(class, Fault::Busy(one_sec()), 30);
            self.chance(class, Fault::Slow(slow), 30);
            self.chance(class, Fault::Unauthorized, 15);
            self.chance(class, Fault::Reset, 15);
        }
        for class in [Class::Amend, Class::Action] {
            self.chance(class, Fault::DropAnswer, 60);
            self.chance(class, Fault::Storm(1), 60);
            self.chance(class, Fault::TooMany(one_sec()), 30);
            self.chance(class, Fault::Busy(one_sec()), 30);
        }
        for class in [Class::Lookup, Class::Read] {
            self.chance(class, Fault::TooMany(one_sec()), 15);
            self.chance(class, Fault::BusyHtml, 15);
            self.chance(class, Fault::Slow(slow), 20);
            self.chance(class, Fault::Reset, 10);
            self.chance(class, Fault::Unauthorized, 8);
        }
        self.chance(Class::Stock, Fault::TooMany(one_sec()), 30);
        self.chance(Class::Stock, Fault::BusyHtml, 30);
        self.chance(Class::Stock, Fault::Slow(slow), 20);
        self.chance(Class::Stock, Fault::Reset, 30);
        self.chance(Class::Stock, Fault::Unauthorized, 15);
        self.chance(Class::GraphQl, Fault::Throttled, 80);
        self.chance(Class::GraphQl, Fault::TooMany(one_sec()), 50);
        self.chance(Class::ShopStock, Fault::Throttled, 80);
        self.chance(Class::ShopStock, Fault::DropAnswer, 60);
        self.chance(Class::ShopStock, Fault::TooMany(one_sec()), 30);
    }

    /// A number below `most`, by the seed.
    pub(super) fn up_to(&self, most: u32) -> u32 {
        self.lock().random.random_range(0..most.max(1))
    }

    /// The fault that this request meets, if any.
    pub(super) fn draw(&self, class: Class) -> Option<Fault> {
        let mut inner = self.lock();
        let fault = match inner.scripted.iter().position(|scripted| scripted.class == class) {
            Some(index) => Some(take_scripted(&mut inner.scripted, index)),
            None => draw_chance(&mut inner, class),
        }?;
        *inner.injected.entry(fault.name()).or_default() += 1;
        Some(fault)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take_scripted(scripted: &mut Vec<Scripted>, index: usize) -> Fault {
    let entry = &mut scripted[index];
    entry.left = entry.left.saturating_sub(1);
    let fault = entry.fault.clone();
    if entry.left == 0 {
        scripted.remove(index);
    }
    fault
}

fn draw_chance(inner: &mut Inner, class: Class) -> Option<Fault> {
    let Inner { random, chances, .. } = inner;
    let mut lot = random.random_range(0..1000_u32);
    for chance in chances.iter().filter(|chance| chance.class == class) {
        if lot < chance.per_mille {
            return Some(chance.fault.clone());
        }
        lot -= chance.per_mille;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripted_faults_come_once_in_their_order_and_only_for_their_class() {
        let plan = FaultPlan::new(1);
        plan.once(Class::Create, Fault::Reset);
        plan.times(Class::Create, Fault::DropAnswer, 2);
        assert_eq!(plan.draw(Class::Read), None);
        let drawn: Vec<_> = (0..4).map(|_| plan.draw(Class::Create)).collect();
        assert_eq!(drawn, [Some(Fault::Reset), Some(Fault::DropAnswer), Some(Fault::DropAnswer), None]);
        assert_eq!(plan.injected()["drop_answer"], 2);
    }

    #[test]
    fn chances_of_one_class_are_drawn_near_their_weight() {
        let plan = FaultPlan::new(7);
        plan.chance(Class::Read, Fault::Reset, 250);
        plan.chance(Class::Read, Fault::BusyHtml, 250);
        let hits = (0..4000).filter(|_| plan.draw(Class::Read).is_some()).count();
        assert!((1800..2200).contains(&hits), "half of the draws, not {hits}");
    }
}
