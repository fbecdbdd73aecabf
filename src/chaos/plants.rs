//! The checker is tested: bugs are planted in the service, one at a time, and each must be caught by the name of the
//! invariant that it breaks. The same scene without the bug must be clean, or nothing is shown.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};

use super::checker::Invariant;
use super::children::Environment;
use super::run::{Progress, Run, says};
use super::scene::Scene;
use super::stage::{Setup, WAIT};
use super::verdict::{Verdict, say};
use super::{Database, Trouble, tell};
use crate::cli::demo::Faults;
use crate::sandbox::faults::{Fault, FaultPlan};
use crate::sandbox::ledger::Class;
use crate::sandbox::shopify::Story;
use crate::{failpoint, planted};

/// How long a scene may take to come to rest; what a bug leaves stuck never does.
const QUIET_MAX: Duration = Duration::from_secs(25);
/// How long a second replica may take to end what a stopped one began.
const TAKEN_OVER_MAX: Duration = Duration::from_secs(90);
/// `Prefer: wait` there: for each part of a create in doubt the second replica waits so long before it makes another.
const SHORT_WAIT: Duration = Duration::from_secs(1);
/// What a replica that goes on needs at most to settle what it had in hand.
const STALE_SETTLE: Duration = Duration::from_secs(2);
/// Between two sweeps, where a scene has any.
const SWEEP_OFTEN: Duration = Duration::from_secs(1);
/// Scenes that are played at once.
const AT_ONCE: usize = 3;

/// A bug, the scene that brings it out, and what it breaks.
struct Plant {
    bug: &'static str,
    breaks: Invariant,
    scene: Scene,
    fault: fn(&FaultPlan),
    stop: Stop,
}

/// What happens to the child that plays the scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Nothing,
    /// It is killed at this point, and another one started.
    Killed(&'static str),
    /// It finds the orders in the shop when it starts, with sweeps, is killed at this point, and another one started.
    KilledSweeping(&'static str),
    /// It is stopped at this point until a second replica has taken over and is done, and goes on then.
    Paused(&'static str),
}

const SIX_PLAIN: &[Story] = &[Story::Plain; 6];

const PLANTS: [Plant; 10] = [
    Plant {
        bug: planted::ACKNOWLEDGED_BEFORE_COMMIT,
        breaks: Invariant::I1,
        scene: Scene::first(&[Story::Plain]),
        fault: |_| {},
        stop: Stop::Killed(failpoint::INBOX_GROUPED),
    },
    Plant {
        bug: planted::DEDUPED_BY_EVENT_ID,
        breaks: Invariant::I1,
        scene: Scene::first(SIX_PLAIN),
        fault: |_| {},
        stop: Stop::Nothing,
    },
    Plant {
        bug: planted::NO_LOOK_UP,
        breaks: Invariant::I2,
        scene: Scene::first(&[Story::Plain]),
        fault: |faults| faults.once(Class::Create, Fault::DropAnswer),
        stop: Stop::Nothing,
    },
    Plant {
        bug: planted::NO_NOT_BEFORE,
        breaks: Invariant::I2,
        scene: Scene::first(&[Story::Plain]),
        // Later than the first look-up, earlier than IFS must have given it up.
        fault: |faults| faults.once(Class::Create, Fault::Late(Duration::from_secs(6))),
        stop: Stop::Nothing,
    },
    Plant {
        bug: planted::IF_MATCH_ANY,
        breaks: Invariant::I4,
        scene: Scene::first(&[Story::NoteChanged]),
        fault: |_| {},
        stop: Stop::Nothing,
    },
    Plant {
        bug: planted::NEWER_CONTENT_FORGOTTEN,
        breaks: Invariant::I4,
        scene: Scene::first(&[Story::NoteChanged]),
        // The note changes while the create is under way.
        fault: |faults| faults.once(Class::Create, Fault::Slow(Duration::from_millis(1_500))),
        stop: Stop::Nothing,
    },
    Plant {
        bug: planted::CLAIMS_LEFT,
        breaks: Invariant::I3,
        scene: Scene::first(&[Story::Plain]),
        fault: |_| {},
        stop: Stop::Killed(failpoint::CLAIMED),
    },
    Plant {
        bug: planted::OLDER_VERSION_WINS,
        breaks: Invariant::I4,
        scene: Scene::first(&[Story::CancelledAtOnce]),
        fault: |_| {},
        stop: Stop::Nothing,
    },
    Plant {
        bug: planted::CURSOR_BEFORE_PAGE,
        breaks: Invariant::I3,
        // Hours lie between the two orders of the page: the mark is the younger one's, and no overlap reaches back to the other.
        scene: Scene::first(&[Story::PlacedEarlier, Story::Plain]).losing(Story::PlacedEarlier),
        fault: |_| {},
        stop: Stop::KilledSweeping(failpoint::SWEEP_PAGE_READ),
    },
    Plant {
        bug: planted::NO_FENCING,
        breaks: Invariant::I2,
        scene: Scene::first(&[Story::Plain]),
        fault: |_| {},
        // The other replica waits until a create that left may not come any more, and makes the order. Then the first one goes on,
        // with its own create still to be sent. After the bytes no stale settle does harm: the document's legal moves hold it.
        stop: Stop::Paused(failpoint::INTENT_COMMITTED),
    },
];

/// What came of one bug.
struct Caught {
    bug: &'static str,
    breaks: Invariant,
    with: Verdict,
    without: Verdict,
}

impl Caught {
    fn is_caught(&self) -> bool {
        let reached = self.with.unreached.is_empty();
        reached && self.without.is_clean() && self.with.broken.iter().any(|broken| broken.invariant == self.breaks)
    }

    fn to_json(&self) -> Value {
        let told = |verdict: &Verdict| verdict.broken.iter().map(ToString::to_string).collect::<Vec<_>>();
        json!({"bug": self.bug, "breaks": self.breaks.to_string(), "caught": self.is_caught(),
            "found_with_it": told(&self.with), "found_without_it": told(&self.without),
            "unreached": self.unreached().collect::<Vec<_>>()})
    }

    /// What the scene should have come by and did not, with the bug or without.
    fn unreached(&self) -> impl Iterator<Item = &String> {
        self.with.unreached.iter().chain(&self.without.unreached)
    }
}

/// Plants every bug that so many replicas can bring out; true when each was caught.
pub(super) async fn plants(seed: u64, replicas: u32, as_json: bool) -> Result<bool, Trouble> {
    let playable = PLANTS.iter().filter(|plant| replicas > 1 || !matches!(plant.stop, Stop::Paused(_)));
    let played = futures::stream::iter(playable).map(|plant| async move {
        let with = play(plant, seed, Some(plant.bug)).await?;
        let without = play(plant, seed, None).await?;
        let caught = Caught { bug: plant.bug, breaks: plant.breaks, with, without };
        tell(&format!("{}: {}", caught.bug, if caught.is_caught() { "caught" } else { "NOT CAUGHT" }));
        Ok::<_, Trouble>(caught)
    });
    let all: Vec<Result<Caught, Trouble>> = played.buffered(AT_ONCE).collect().await;
    let all = all.into_iter().collect::<Result<Vec<_>, _>>()?;
    let missed = all.iter().filter(|caught| !caught.is_caught()).count();
    if as_json {
        let bugs: Vec<Value> = all.iter().map(Caught::to_json).collect();
        say(&format!("{:#}", json!({"planted": all.len(), "missed": missed, "bugs": bugs})));
    } else {
        for caught in &all {
            let by = caught.with.broken.iter().find(|broken| broken.invariant == caught.breaks);
            let by = by.map_or_else(|| "NOT CAUGHT".to_owned(), ToString::to_string);
            say(&format!("{:<28} {by}", caught.bug));
            caught.without.broken.iter().for_each(|broken| say(&format!("    without it: {broken}")));
            caught.unreached().for_each(|point| say(&format!("    not reached: {point}")));
        }
        say(&format!("{} of {} planted bugs are caught", all.len() - missed, all.len()));
    }
    Ok(missed == 0)
}

async fn play(plant: &Plant, seed: u64, planted: Option<&'static str>) -> Result<Verdict, Trouble> {
    let paused = matches!(plant.stop, Stop::Paused(_));
    let sweeps = matches!(plant.stop, Stop::KilledSweeping(_));
    let setup = Setup {
        seed,
        faults: Faults::None,
        database: if paused { Database::Postgres } else { Database::Sqlite },
        database_url: None,
        replicas: if paused { 2 } else { 1 },
        lease_secs: 2,
        lag: Duration::from_secs(1),
        // A sweep reads orders again and heals what some bugs break; a census what a sweep leaves.
        sweep_every: sweeps.then_some(SWEEP_OFTEN),
        census_days: 0,
        wait: if paused { SHORT_WAIT } else { WAIT },
        is_stocked: false,
    };
    let failpoint = match plant.stop {
        Stop::Nothing => None,
        Stop::Killed(point) | Stop::KilledSweeping(point) => Some(point.to_owned()),
        Stop::Paused(point) => Some(format!("{point}:1:stop")),
    };
    let environment = Environment { failpoint, planted, ..Environment::default() };
    let mut run = Run::set(setup, environment, Progress::Silent).await?;
    (plant.fault)(&run.stage.sandbox.faults());
    if sweeps {
        plant.scene.play(&mut run);
        // All of them are on the page that the first sweep reads.
        while run.placed() < plant.scene.orders() {
            run.look().await?;
        }
    }
    run.start(0)?;
    match plant.stop {
        Stop::Nothing => plant.scene.play(&mut run),
        Stop::Killed(point) | Stop::KilledSweeping(point) => {
            if !sweeps {
                plant.scene.play(&mut run);
            }
            note(&mut run, point).await?;
            run.kill(0)?;
            run.environment.failpoint = None;
            run.start(0)?;
        }
        Stop::Paused(point) => {
            // The first one owns the tenant before there is a second.
            if !says(&mut run, 0, "ml-connector serves").await? {
                run.unreached("the start");
            }
            run.environment.failpoint = None;
            run.start(1)?;
            plant.scene.play(&mut run);
            note(&mut run, point).await?;
            if !run.until_rest(TAKEN_OVER_MAX).await? {
                run.unreached("the rest of a second replica that took over");
            }
            run.replicas[0].go_on()?;
            note_said(&mut run, &format!("continued: {point}")).await?;
            tokio::time::sleep(STALE_SETTLE).await;
        }
    }
    // The scripted fault must have met its request before the faults end.
    while run.stage.sandbox.faults().scripted_left() > 0 || !run.is_told() {
        run.look().await?;
    }
    run.heal(QUIET_MAX).await?;
    run.end().await
}

async fn note(run: &mut Run, point: &str) -> Result<(), Trouble> {
    note_said(run, &format!("failpoint reached: {point}")).await
}

/// Waits until the first child says this; what it never says is noted.
async fn note_said(run: &mut Run, words: &str) -> Result<(), Trouble> {
    if !says(run, 0, words).await? {
        run.unreached(words);
    }
    Ok(())
}
