//! Named points at which a test stops the process, to kill it or to let it go on later, or lets one step die within the process; in a
//! shipped build `hit` is empty and the variable that arms it unknown.

/// A tenant's lease is taken; nothing of the tenant is built.
pub const LEASE_TAKEN: &str = "lease_taken";
/// What a dead owner of the tenant left is free again; nothing works for the tenant yet.
pub const TAKEN_OVER: &str = "taken_over";
/// The webhook's body was read; nothing is stored yet.
pub const BODY_READ: &str = "body_read";
/// Deliveries are taken together; none of them is stored yet.
pub const INBOX_GROUPED: &str = "inbox_grouped";
/// The inbox row is committed; the 200 is not sent yet.
pub const INBOX_COMMITTED: &str = "inbox_committed";
/// A delivery's attempt is counted; nothing of it is mapped.
pub const MAPPING_BEGUN: &str = "mapping_begun";
/// Shopify answered the order that was asked for by its id; nothing of it is committed.
pub const RE_READ_ANSWERED: &str = "re_read_answered";
/// A delivery, its order and its document are committed together; no writer was woken.
pub const MAPPED: &str = "mapped";
/// A document is claimed; nothing else happened.
pub const CLAIMED: &str = "claimed";
/// Shopify answered what became of an order that is held; nothing of it is committed.
pub const HOLD_ANSWERED: &str = "hold_answered";
/// A held order was judged anew and stands where that puts it; no writer was woken.
pub const HOLD_JUDGED: &str = "hold_judged";
/// IFS answered a look-up; nothing is decided.
pub const LOOKED_UP: &str = "looked_up";
/// The intent is committed; no byte left.
pub const INTENT_COMMITTED: &str = "intent_committed";
/// The bytes of a create left for IFS; its answer was not read.
pub const BYTES_SENT: &str = "bytes_sent";
/// IFS answered that the order exists; nothing of it is committed.
pub const CREATED_RECEIVED: &str = "created_received";
/// The order was read back; the gate and the settle are still to come.
pub const READ_BACK_DONE: &str = "read_back_done";

/// The intent of a change under ETags is committed; no byte left.
pub const AMEND_INTENT_COMMITTED: &str = "amend_intent_committed";
/// The bytes of a change under ETags left; its answer was not read.
pub const AMEND_BYTES_SENT: &str = "amend_bytes_sent";
/// IFS answered a change under ETags; nothing of it is committed.
pub const AMEND_ANSWERED: &str = "amend_answered";
/// The intent of a new row is committed; no byte left.
pub const ROW_INTENT_COMMITTED: &str = "row_intent_committed";
/// The bytes of a new row left for IFS; its answer was not read.
pub const ROW_BYTES_SENT: &str = "row_bytes_sent";
/// IFS answered that the row exists; nothing of it is committed.
pub const ROW_ANSWERED: &str = "row_answered";
/// The new row is linked and its intent closed; the rest of the order is still to come.
pub const ROW_LINKED: &str = "row_linked";
/// The intent of a row's cancellation or deletion is committed; no byte left.
pub const REMOVE_INTENT_COMMITTED: &str = "remove_intent_committed";
/// IFS answered that the row is gone; nothing of it is committed.
pub const REMOVE_ANSWERED: &str = "remove_answered";
/// The bytes of an action or of a change that goes alone left; its answer was not read.
pub const ACTION_BYTES_SENT: &str = "action_bytes_sent";
/// The intent of a release is committed; no byte left.
pub const RELEASE_INTENT_COMMITTED: &str = "release_intent_committed";
/// IFS answered the release; nothing of it is committed.
pub const RELEASE_ANSWERED: &str = "release_answered";
/// The intent of an order's cancellation is committed; no byte left.
pub const CANCEL_INTENT_COMMITTED: &str = "cancel_intent_committed";
/// IFS answered the cancellation; nothing of it is committed.
pub const CANCEL_ANSWERED: &str = "cancel_answered";
/// The intent of a customer's create is committed; no byte left.
pub const CUSTOMER_INTENT_COMMITTED: &str = "customer_intent_committed";
/// The bytes of a customer's create left for IFS; its answer was not read.
pub const CUSTOMER_BYTES_SENT: &str = "customer_bytes_sent";
/// IFS answered that the customer exists; nothing of it is committed.
pub const CUSTOMER_ANSWERED: &str = "customer_answered";
/// The customer is linked; its records are still to come.
pub const CUSTOMER_LINKED: &str = "customer_linked";
/// The intent of a change of a customer is committed; no byte left.
pub const CUSTOMER_CHANGE_COMMITTED: &str = "customer_change_committed";
/// IFS answered a change of a customer; nothing of it is committed.
pub const CUSTOMER_CHANGE_ANSWERED: &str = "customer_change_answered";
/// What the shop is to be told is committed; no byte left.
pub const WRITE_BACK_COMMITTED: &str = "write_back_committed";
/// The shop took the metafields; the tags and the settle are still to come.
pub const WRITE_BACK_ANSWERED: &str = "write_back_answered";
/// A page of orders was read by a sweep; nothing of it is stored.
pub const SWEEP_PAGE_READ: &str = "sweep_page_read";
/// A page of a sweep and the cursor behind it are committed; the next page is still to come.
pub const SWEEP_PAGE_STORED: &str = "sweep_page_stored";

/// A page of a reading of stock was read; nothing of it is stored.
pub const STOCK_PAGE_READ: &str = "stock_page_read";
/// A page of a reading of stock and the cursor behind it are committed; the next page is still to come.
pub const STOCK_PAGE_STORED: &str = "stock_page_stored";
/// A piece of the plan is committed; the cursor behind it is not.
pub const STOCK_PLANNED: &str = "stock_planned";
/// A call that sets levels is committed; no byte left.
pub const STOCK_CALL_COMMITTED: &str = "stock_call_committed";
/// Shopify answered a call that sets levels; nothing of it is committed.
pub const STOCK_CALL_ANSWERED: &str = "stock_call_answered";
/// A call that sets levels is settled; the next one is still to come.
pub const STOCK_CALL_SETTLED: &str = "stock_call_settled";
/// What is about to be done to a product that has run out, or is there again, is committed; no byte left.
pub const STOCK_OUT_COMMITTED: &str = "stock_out_committed";
/// Shopify answered a call to such a product; further channels of it are still to come, and no reading has shown it.
pub const STOCK_OUT_ANSWERED: &str = "stock_out_answered";
/// A reading showed it, and its row says so; the next product is still to come.
pub const STOCK_OUT_SHOWN: &str = "stock_out_shown";

/// A piece of prices is planned and committed; the cursor behind it is not.
pub const PRICES_PLANNED: &str = "prices_planned";
/// A run of prices has ended, and its row says so; the cursor still tells of it.
pub const PRICES_ENDED: &str = "prices_ended";
/// Shopify answered a call that sets prices; nothing of it is committed.
pub const PRICES_ANSWERED: &str = "prices_answered";
/// A call that sets prices is settled; the next one is still to come.
pub const PRICES_SETTLED: &str = "prices_settled";

/// The shop took the tags; the settle is still to come.
pub const WRITE_BACK_TAGGED: &str = "write_back_tagged";
/// A step is settled; nothing that follows from it has begun.
pub const SETTLED: &str = "settled";

/// Every point, in the order in which an order passes them.
pub const ALL: [&str; 42] = [
    LEASE_TAKEN,
    TAKEN_OVER,
    BODY_READ,
    INBOX_GROUPED,
    INBOX_COMMITTED,
    MAPPING_BEGUN,
    RE_READ_ANSWERED,
    MAPPED,
    CLAIMED,
    HOLD_ANSWERED,
    HOLD_JUDGED,
    LOOKED_UP,
    INTENT_COMMITTED,
    BYTES_SENT,
    CREATED_RECEIVED,
    READ_BACK_DONE,
    AMEND_INTENT_COMMITTED,
    AMEND_BYTES_SENT,
    AMEND_ANSWERED,
    ROW_INTENT_COMMITTED,
    ROW_BYTES_SENT,
    ROW_ANSWERED,
    ROW_LINKED,
    REMOVE_INTENT_COMMITTED,
    REMOVE_ANSWERED,
    ACTION_BYTES_SENT,
    RELEASE_INTENT_COMMITTED,
    RELEASE_ANSWERED,
    CANCEL_INTENT_COMMITTED,
    CANCEL_ANSWERED,
    CUSTOMER_INTENT_COMMITTED,
    CUSTOMER_BYTES_SENT,
    CUSTOMER_ANSWERED,
    CUSTOMER_LINKED,
    CUSTOMER_CHANGE_COMMITTED,
    CUSTOMER_CHANGE_ANSWERED,
    WRITE_BACK_COMMITTED,
    WRITE_BACK_ANSWERED,
    WRITE_BACK_TAGGED,
    SETTLED,
    SWEEP_PAGE_READ,
    SWEEP_PAGE_STORED,
];

/// Every point that stock passes on its way to the shop, in that order; no order passes them.
pub const STOCK: [&str; 9] = [
    STOCK_PAGE_READ,
    STOCK_PAGE_STORED,
    STOCK_PLANNED,
    STOCK_CALL_COMMITTED,
    STOCK_CALL_ANSWERED,
    STOCK_CALL_SETTLED,
    STOCK_OUT_COMMITTED,
    STOCK_OUT_ANSWERED,
    STOCK_OUT_SHOWN,
];

/// Every point that prices pass on their way to the shop, in that order.
pub const PRICES: [&str; 4] = [PRICES_PLANNED, PRICES_ENDED, PRICES_ANSWERED, PRICES_SETTLED];

#[cfg(any(debug_assertions, feature = "failpoints"))]
pub use armed::{Died, Watching, hit, is_armed, watch};
#[cfg(not(any(debug_assertions, feature = "failpoints")))]
pub use unarmed::{hit, is_armed};

#[cfg(any(debug_assertions, feature = "failpoints"))]
mod armed {
    use std::cell::RefCell;
    use std::io::Write as _;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    thread_local! {
        static WATCH: RefCell<Option<Watch>> = const { RefCell::new(None) };
    }

    type Watch = Box<dyn FnMut(&str) -> bool>;

    /// What a step that died at a point is unwound with, past the panic hook, since nothing went wrong: its owner catches it
    /// and drops the step.
    #[derive(Debug)]
    pub struct Died;

    /// Watches this thread until it is dropped.
    #[derive(Debug)]
    pub struct Watching(());

    impl Drop for Watching {
        fn drop(&mut self) {
            WATCH.set(None);
        }
    }

    /// From now on `on_hit` hears of every point that a step passes on this thread; where it answers true the step dies.
    /// For tests that poll their steps themselves and catch [`Died`].
    #[must_use = "it watches until it is dropped"]
    pub fn watch(on_hit: impl FnMut(&str) -> bool + 'static) -> Watching {
        WATCH.set(Some(Box::new(on_hit)));
        Watching(())
    }

    /// `ML_CONNECTOR_FAILPOINT=name[:n[:stop]]`: at the n-th passage (1 when left out) of that point the thread stands still for good, or
    /// the whole process is stopped as by SIGSTOP and goes on after SIGCONT.
    struct Plan {
        name: String,
        left: AtomicU32,
        manner: Manner,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Manner {
        ForGood,
        UntilContinued,
    }

    impl Plan {
        fn parse(text: &str) -> Option<Self> {
            let (name, rest) = text.split_once(':').unwrap_or((text, "1"));
            let (count, manner) = match rest.split_once(':') {
                None => (rest, Manner::ForGood),
                Some((count, "stop")) => (count, Manner::UntilContinued),
                Some(_) => return None,
            };
            let left = count.parse().ok().filter(|count| *count > 0)?;
            let known = [&super::ALL[..], &super::STOCK, &super::PRICES].concat();
            known.contains(&name).then(|| Self { name: name.to_owned(), left: AtomicU32::new(left), manner })
        }

        /// Counts one passage of `name`; true at the one that was asked for.
        fn passes(&self, name: &str) -> bool {
            self.name == name && self.left.fetch_sub(1, Ordering::SeqCst) == 1
        }
    }

    fn plan() -> Option<&'static Plan> {
        static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
        PLAN.get_or_init(|| {
            let text = std::env::var("ML_CONNECTOR_FAILPOINT").ok()?;
            let plan = Plan::parse(&text);
            if plan.is_none() {
                say("failpoint unknown", &text);
            }
            plan
        })
        .as_ref()
    }

    /// Passes the point `name`. When it is the armed one at its n-th passage: prints `failpoint reached: name` on stderr and never
    /// returns, so that the parent kills the process with SIGKILL and nothing of it gets to tidy up; or, as the plan says, stops the
    /// process and returns when it was told to go on.
    pub fn hit(name: &str) {
        if WATCH.with_borrow_mut(|watch| watch.as_mut().is_some_and(|on_hit| on_hit(name))) {
            std::panic::resume_unwind(Box::new(Died));
        }
        let Some(plan) = plan().filter(|plan| plan.passes(name)) else { return };
        say("failpoint reached", name);
        match plan.manner {
            Manner::ForGood => loop {
                std::thread::park();
            },
            Manner::UntilContinued => {
                let process_id = std::process::id().to_string();
                // Returns after SIGCONT.
                let stopped = std::process::Command::new("kill").args(["-STOP", &process_id]).status();
                say(if stopped.is_ok_and(|status| status.success()) { "continued" } else { "could not stop" }, name);
            }
        }
    }

    /// Whether the process was started to stop at `name`.
    pub fn is_armed(name: &str) -> bool {
        plan().is_some_and(|plan| plan.name == name)
    }

    fn say(what: &str, name: &str) {
        let mut stderr = std::io::stderr().lock();
        // Nobody is left to tell when stderr itself is gone.
        writeln!(stderr, "{what}: {name}").and_then(|()| stderr.flush()).unwrap_or_default();
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_plan_fires_once_at_the_passage_asked_for() {
            let plan = Plan::parse("claimed:2").expect("a known name with a count");
            assert!(!plan.passes("body_read"));
            assert!(!plan.passes("claimed"));
            assert!(plan.passes("claimed"));
            assert!(!plan.passes("claimed"));
        }

        #[test]
        fn a_watched_step_dies_where_its_watcher_says_and_only_as_long_as_it_is_watched() {
            let passed = std::rc::Rc::new(RefCell::new(Vec::new()));
            let heard = std::rc::Rc::clone(&passed);
            let watching = watch(move |name| {
                heard.borrow_mut().push(name.to_owned());
                name == super::super::CLAIMED
            });
            hit(super::super::BODY_READ);
            let died = std::panic::catch_unwind(|| hit(super::super::CLAIMED)).expect_err("it dies there");
            assert!(died.is::<Died>());
            drop(watching);
            hit(super::super::CLAIMED);
            assert_eq!(*passed.borrow(), [super::super::BODY_READ, super::super::CLAIMED]);
        }

        #[test]
        fn an_unknown_name_or_count_arms_nothing() {
            assert_eq!(Plan::parse("claimed:3:stop").map(|plan| plan.manner), Some(Manner::UntilContinued));
            for text in
                ["", "claim", "claimed:0", "claimed:x", "claimed:", "claimed:1:", "claimed:stop", "claimed:1:go"]
            {
                assert!(Plan::parse(text).is_none(), "{text}");
            }
        }
    }
}

#[cfg(not(any(debug_assertions, feature = "failpoints")))]
mod unarmed {
    /// Does nothing in this build.
    #[inline(always)]
    pub fn hit(_name: &str) {}

    /// Never, in this build.
    #[inline(always)]
    pub fn is_armed(_name: &str) -> bool {
        false
    }
}
