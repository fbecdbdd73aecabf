//! A document's life: its states, what parks it, and the one function that says which move is legal.
//! `store` writes nothing else. No content lives here: what is desired is the mapping's.

use std::fmt;

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    /// A customer order in IFS.
    CustomerOrder,
    /// A customer in IFS.
    Customer,
    /// What Shopify is told about an order in IFS.
    WriteBack,
}

impl DocumentKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::CustomerOrder, Self::Customer, Self::WriteBack];

    /// The word stored in the row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CustomerOrder => "customer_order",
            Self::Customer => "customer",
            Self::WriteBack => "write_back",
        }
    }

    /// The kind of that word, if it is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Where a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Desired differs from written; waits for the writer.
    Planned,
    /// Claimed by a writer.
    Writing,
    /// The remote holds what was desired.
    Written,
    /// Failed by itself; tried again at its due time.
    Retry,
    /// A create was sent and no answer closed it: only a look-up may go on from here.
    Unknown,
    /// Waits for a condition, always with a due time.
    Held,
    /// A person must decide.
    Parked,
    /// Nothing has to be written any more (cancelled before it was written).
    Superseded,
    /// A named rule keeps it out.
    Skipped,
    /// A person closed it with a note.
    Resolved,
}

impl State {
    /// All states, in the order of a document's life.
    pub const ALL: [Self; 10] = [
        Self::Planned,
        Self::Writing,
        Self::Written,
        Self::Retry,
        Self::Unknown,
        Self::Held,
        Self::Parked,
        Self::Superseded,
        Self::Skipped,
        Self::Resolved,
    ];

    /// The word used in tables, metrics, logs and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Writing => "writing",
            Self::Written => "written",
            Self::Retry => "retry",
            Self::Unknown => "unknown",
            Self::Held => "held",
            Self::Parked => "parked",
            Self::Superseded => "superseded",
            Self::Skipped => "skipped",
            Self::Resolved => "resolved",
        }
    }

    /// The state of that word, if it is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether a writer looks at it when it is due.
    pub const fn is_claimable(self) -> bool {
        matches!(self, Self::Planned | Self::Retry | Self::Unknown | Self::Held)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a document is parked, as far as it decides what may open it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParkKind {
    /// The mapping cannot say what it becomes.
    Mapping,
    /// The money does not close.
    Money,
    /// The remote refused it as a matter of business.
    Refusal,
    /// A person in IFS and Shopify changed the same field, or the state forbids the change.
    Conflict,
    /// More than one record, or a foreign one, carries our key.
    Ambiguity,
    /// The linked record is gone.
    Vanished,
    /// It failed too often.
    Attempts,
}

impl ParkKind {
    const ALL: [Self; 7] =
        [Self::Mapping, Self::Money, Self::Refusal, Self::Conflict, Self::Ambiguity, Self::Vanished, Self::Attempts];

    /// The word stored in the row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mapping => "mapping",
            Self::Money => "money",
            Self::Refusal => "refusal",
            Self::Conflict => "conflict",
            Self::Ambiguity => "ambiguity",
            Self::Vanished => "vanished",
            Self::Attempts => "attempts",
        }
    }

    /// The kind of that word, if it is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether new content of the order may open the document without a person.
    pub const fn opens_with_new_content(self) -> bool {
        matches!(self, Self::Mapping | Self::Money | Self::Refusal)
    }
}

/// What the newest version of the order asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A live record in IFS.
    Write,
    /// No live record in IFS.
    Cancel(Trace),
    /// A named rule keeps it out.
    Skip,
    /// A named rule keeps it out, and whether it stands in IFS all the same is looked up once.
    Note,
    /// A condition is not met yet.
    Hold,
    /// A person must decide.
    Park,
}

/// Whether a cancelled order can have left anything in IFS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trace {
    /// It is linked, or only a look-up can tell.
    Possible,
    /// We saw its birth and never sent it: nothing can be there.
    Impossible,
}

/// What stands in the row before the move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The present state.
    pub state: State,
    /// Whether an intent of it is open.
    pub open_intent: bool,
    /// Whether a record in IFS is linked that is ours to change: one that was only noted is not.
    pub linked: bool,
    /// Why it is parked, when it is.
    pub parked: Option<ParkKind>,
}

/// Something that may move a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// New desired content came through the mapping.
    Content(Wanted),
    /// A writer takes it.
    Claim,
    /// A new owner finds it as a dead owner left it.
    TakeOver,
    /// A writer's step ended with the remote holding the version that it sent.
    Wrote {
        /// Whether newer content arrived meanwhile.
        newer_desired: bool,
    },
    /// A writer's step ended without a decision; `Unknown` when an intent stays open.
    Failed {
        /// Whether the record itself failed, or the remote as a whole.
        own_fault: bool,
    },
    /// A writer's step ended with the call's fate unknown.
    LostAnswer,
    /// A writer's step found that a condition is not met yet.
    Hold,
    /// A writer's step ended needing a person.
    Park,
    /// A writer's step found that nothing has to be there.
    Supersede,
    /// A writer's step found that a rule keeps it out.
    Skip,
    /// A person asks for another try.
    OperatorRetry,
    /// A person lets it go on although a condition is not met.
    OperatorRelease,
    /// A person closes it.
    OperatorResolve,
    /// The standing query found a record with its key that no link explains.
    Stray,
}

/// A move that the design does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a document in state {state} (open intent: {open_intent}) cannot take the step {event:?}")]
pub struct IllegalMove {
    state: State,
    open_intent: bool,
    event: Event,
}

/// The state after `event`: the single place that knows the legal moves.
///
/// The open intent, not the state, forbids a create: while one is open, new content only waits.
///
/// # Errors
/// [`IllegalMove`] for a step that the document's standing does not allow.
pub fn next_state(standing: Standing, event: Event) -> Result<State, IllegalMove> {
    let Standing { state, open_intent, .. } = standing;
    let illegal = IllegalMove { state, open_intent, event };
    match event {
        Event::Content(wanted) => Ok(after_content(standing, wanted)),
        Event::Claim => match state {
            State::Planned | State::Retry | State::Held => Ok(State::Writing),
            State::Unknown => Ok(State::Unknown),
            _ => Err(illegal),
        },
        Event::TakeOver => match (state, open_intent) {
            (State::Writing, true) => Ok(State::Unknown),
            (State::Writing, false) => Ok(State::Planned),
            (other, _) => Ok(other),
        },
        Event::Wrote { .. }
        | Event::Failed { .. }
        | Event::LostAnswer
        | Event::Hold
        | Event::Park
        | Event::Supersede
        | Event::Skip
            if !matches!(state, State::Writing | State::Unknown) =>
        {
            Err(illegal)
        }
        // An end would hide a create that may still commit: its intent closes first, in the same settle.
        Event::Wrote { .. } | Event::Hold | Event::Park | Event::Supersede | Event::Skip if open_intent => Err(illegal),
        Event::Wrote { newer_desired: true } => Ok(State::Planned),
        Event::Wrote { newer_desired: false } => Ok(State::Written),
        Event::Failed { .. } if open_intent => Ok(State::Unknown),
        Event::Failed { own_fault: true } => Ok(State::Retry),
        Event::Failed { own_fault: false } => Ok(State::Planned),
        Event::LostAnswer => Ok(State::Unknown),
        Event::Hold => Ok(State::Held),
        Event::Park => Ok(State::Parked),
        Event::Supersede => Ok(State::Superseded),
        Event::Skip => Ok(State::Skipped),
        Event::OperatorRetry => match state {
            _ if open_intent => Err(illegal),
            State::Parked | State::Resolved | State::Held | State::Retry | State::Skipped => Ok(State::Planned),
            _ => Err(illegal),
        },
        Event::OperatorRelease => match state {
            _ if open_intent => Err(illegal),
            // One that waited too long is parked.
            State::Held | State::Parked => Ok(State::Planned),
            _ => Err(illegal),
        },
        Event::OperatorResolve => match state {
            _ if open_intent => Err(illegal),
            State::Parked | State::Held | State::Retry => Ok(State::Resolved),
            _ => Err(illegal),
        },
        Event::Stray => match state {
            _ if open_intent => Err(illegal),
            State::Planned | State::Written | State::Retry | State::Held | State::Parked | State::Superseded => {
                Ok(State::Parked)
            }
            State::Writing | State::Unknown | State::Skipped | State::Resolved => Err(illegal),
        },
    }
}

fn after_content(standing: Standing, wanted: Wanted) -> State {
    let Standing { state, open_intent, linked, parked } = standing;
    if open_intent {
        return state;
    }
    match state {
        State::Writing | State::Unknown | State::Resolved => return state,
        State::Parked => {
            let opens = parked.is_none_or(ParkKind::opens_with_new_content);
            if !opens && !matches!(wanted, Wanted::Cancel(_)) {
                return state;
            }
            // A cancelled order acts before everything, but two records with our key stay a person's.
            if parked == Some(ParkKind::Ambiguity) {
                return state;
            }
        }
        State::Planned | State::Written | State::Retry | State::Held | State::Superseded | State::Skipped => {}
    }
    match wanted {
        Wanted::Write => State::Planned,
        Wanted::Cancel(_) if linked => State::Planned,
        Wanted::Cancel(Trace::Possible) => State::Planned,
        Wanted::Cancel(Trace::Impossible) => State::Superseded,
        // A record that stands in IFS is never forgotten because a filter would keep it out today.
        Wanted::Skip | Wanted::Note if linked => State::Parked,
        Wanted::Skip => State::Skipped,
        Wanted::Note => State::Planned,
        Wanted::Hold => State::Held,
        Wanted::Park => State::Parked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(state: State) -> Standing {
        Standing { state, open_intent: false, linked: false, parked: None }
    }

    #[test]
    fn new_content_never_moves_a_document_with_an_open_intent() {
        for state in State::ALL {
            for wanted in [Wanted::Write, Wanted::Cancel(Trace::Possible), Wanted::Skip, Wanted::Note, Wanted::Park] {
                let standing = Standing { open_intent: true, ..standing(state) };
                assert_eq!(next_state(standing, Event::Content(wanted)), Ok(state));
            }
        }
    }

    #[test]
    fn a_resolved_document_reopens_only_by_a_persons_retry() {
        let resolved = standing(State::Resolved);
        assert_eq!(next_state(resolved, Event::Content(Wanted::Write)), Ok(State::Resolved));
        assert_eq!(next_state(resolved, Event::OperatorRetry), Ok(State::Planned));
        let open = Standing { open_intent: true, ..resolved };
        assert!(next_state(open, Event::OperatorRetry).is_err());
    }

    #[test]
    fn a_cancelled_order_is_superseded_only_when_nothing_can_stand_in_ifs() {
        let parked = Standing { parked: Some(ParkKind::Conflict), ..standing(State::Parked) };
        let cancel = |trace| Event::Content(Wanted::Cancel(trace));
        assert_eq!(next_state(parked, cancel(Trace::Impossible)), Ok(State::Superseded));
        assert_eq!(next_state(parked, cancel(Trace::Possible)), Ok(State::Planned));
        let linked = Standing { linked: true, ..parked };
        assert_eq!(next_state(linked, cancel(Trace::Impossible)), Ok(State::Planned));
    }

    #[test]
    fn an_order_that_is_kept_out_is_looked_up_unless_it_is_ours_already() {
        let note = Event::Content(Wanted::Note);
        assert_eq!(next_state(standing(State::Skipped), note), Ok(State::Planned));
        assert_eq!(next_state(standing(State::Resolved), note), Ok(State::Resolved));
        let ours = Standing { linked: true, ..standing(State::Written) };
        assert_eq!(next_state(ours, note), Ok(State::Parked));
    }

    #[test]
    fn a_park_that_needs_a_person_is_not_opened_by_new_content() {
        for (kind, after) in [
            (ParkKind::Mapping, State::Planned),
            (ParkKind::Money, State::Planned),
            (ParkKind::Refusal, State::Planned),
            (ParkKind::Conflict, State::Parked),
            (ParkKind::Ambiguity, State::Parked),
            (ParkKind::Vanished, State::Parked),
            (ParkKind::Attempts, State::Parked),
        ] {
            let parked = Standing { parked: Some(kind), ..standing(State::Parked) };
            assert_eq!(next_state(parked, Event::Content(Wanted::Write)), Ok(after), "{kind:?}");
        }
    }

    #[test]
    fn a_dead_owners_document_is_unknown_when_its_intent_is_open() {
        let writing = standing(State::Writing);
        assert_eq!(next_state(writing, Event::TakeOver), Ok(State::Planned));
        let open = Standing { open_intent: true, ..writing };
        assert_eq!(next_state(open, Event::TakeOver), Ok(State::Unknown));
    }

    #[test]
    fn a_settle_without_a_claim_is_illegal() {
        for state in State::ALL {
            let legal = next_state(standing(state), Event::Wrote { newer_desired: false }).is_ok();
            assert_eq!(legal, matches!(state, State::Writing | State::Unknown), "{state}");
        }
    }

    #[test]
    fn no_document_comes_to_rest_while_its_intent_is_open() {
        let open = Standing { open_intent: true, ..standing(State::Writing) };
        for event in [Event::Wrote { newer_desired: false }, Event::Park, Event::Supersede, Event::Skip] {
            assert!(next_state(open, event).is_err(), "{event:?}");
        }
        assert_eq!(next_state(open, Event::Failed { own_fault: true }), Ok(State::Unknown));
    }

    #[test]
    fn a_stray_record_parks_what_is_at_rest_and_never_what_is_under_way_or_a_persons() {
        for state in State::ALL {
            let parks = !matches!(state, State::Writing | State::Unknown | State::Skipped | State::Resolved);
            assert_eq!(next_state(standing(state), Event::Stray).is_ok(), parks, "{state}");
            let open = Standing { open_intent: true, ..standing(state) };
            assert!(next_state(open, Event::Stray).is_err(), "{state}");
        }
    }

    #[test]
    fn every_state_is_found_by_its_word() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        assert_eq!(State::parse("done"), None);
    }
}
