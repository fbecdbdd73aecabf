//! The crash matrix: a child is killed at every failpoint in turn, each time with orders under way that lead there; its
//! successor, armed with the next point, takes over what it left. Behind the points of orders come those of stock and prices. At the end
//! one checker reads everything.

use std::time::Duration;

use super::children::Environment;
use super::run::{Progress, Run, says};
use super::scene::Scene;
use super::stage::{CENSUS_DAYS, SWEEP_EVERY, Setup, WAIT};
use super::verdict::Verdict;
use super::{ChaosArgs, Trouble, stock, tell};
use crate::cli::demo::Faults;
use crate::failpoint;
use crate::sandbox::shopify::{Feature, Ruled, Story};

/// How long everything may take to come to rest.
const QUIET_MAX: Duration = Duration::from_secs(180);

/// Within this time the next owner has the lease and has written an order.
const WRITTEN_BY_THEN: Duration = Duration::from_secs(8);

const PLAIN: Scene = Scene::first(&[Story::Plain]);
const EARLIER: Scene = Scene::first(&[Story::PlacedEarlier]);
const OLD_PAYLOAD: Scene = Scene::first(&[Story::Sold(Feature::OldPayload)]);
const NOTE: Scene = Scene::first(&[Story::NoteChanged]).spread_over(WRITTEN_BY_THEN);
const LINE_ADDED: Scene = Scene::first(&[Story::Sold(Feature::LineAdded)]);
const LINE_REMOVED: Scene = Scene::first(&[Story::Sold(Feature::LineRemoved)]);
const CANCELLED: Scene = Scene::first(&[Story::CancelledAfterWritten]);
/// Slow by more than a held order may rest between two looks (`holds.look_every_secs`), then right: what was held is due at once. By
/// then also a child has mapped it that had to wait for a dead one's lease.
const SLOW_THEN_RIGHT: &str = "0:-700,7:0";
const HELD: Scene = Scene::second(&[Story::Ruled(Ruled::HeldUnpaid)]).under_clock(SLOW_THEN_RIGHT);
const HELD_FOR_TIME: Scene = Scene::second(&[Story::Ruled(Ruled::CustomerByEmail)]).under_clock(SLOW_THEN_RIGHT);
const OWN_CUSTOMER: Scene = Scene::second(&[Story::Ruled(Ruled::CustomerCreated)]);

/// What leads past each point.
const SCENES: [(&str, Scene); failpoint::ALL.len()] = [
    // Each start takes the lease.
    (failpoint::LEASE_TAKEN, PLAIN),
    (failpoint::TAKEN_OVER, PLAIN),
    (failpoint::BODY_READ, PLAIN),
    (failpoint::INBOX_GROUPED, PLAIN),
    (failpoint::INBOX_COMMITTED, PLAIN),
    (failpoint::MAPPING_BEGUN, PLAIN),
    (failpoint::RE_READ_ANSWERED, OLD_PAYLOAD),
    (failpoint::MAPPED, PLAIN),
    (failpoint::CLAIMED, PLAIN),
    (failpoint::HOLD_ANSWERED, HELD),
    (failpoint::HOLD_JUDGED, HELD_FOR_TIME),
    (failpoint::LOOKED_UP, EARLIER),
    (failpoint::INTENT_COMMITTED, PLAIN),
    (failpoint::BYTES_SENT, PLAIN),
    (failpoint::CREATED_RECEIVED, PLAIN),
    (failpoint::READ_BACK_DONE, PLAIN),
    (failpoint::AMEND_INTENT_COMMITTED, NOTE),
    (failpoint::AMEND_BYTES_SENT, NOTE),
    (failpoint::AMEND_ANSWERED, NOTE),
    (failpoint::ROW_INTENT_COMMITTED, LINE_ADDED),
    (failpoint::ROW_BYTES_SENT, LINE_ADDED),
    (failpoint::ROW_ANSWERED, LINE_ADDED),
    (failpoint::ROW_LINKED, LINE_ADDED),
    (failpoint::REMOVE_INTENT_COMMITTED, LINE_REMOVED),
    (failpoint::REMOVE_ANSWERED, LINE_REMOVED),
    (failpoint::ACTION_BYTES_SENT, CANCELLED),
    (failpoint::RELEASE_INTENT_COMMITTED, OWN_CUSTOMER),
    (failpoint::RELEASE_ANSWERED, OWN_CUSTOMER),
    (failpoint::CANCEL_INTENT_COMMITTED, CANCELLED),
    (failpoint::CANCEL_ANSWERED, CANCELLED),
    (failpoint::CUSTOMER_INTENT_COMMITTED, OWN_CUSTOMER),
    (failpoint::CUSTOMER_BYTES_SENT, OWN_CUSTOMER),
    (failpoint::CUSTOMER_ANSWERED, OWN_CUSTOMER),
    (failpoint::CUSTOMER_LINKED, OWN_CUSTOMER),
    (failpoint::CUSTOMER_CHANGE_COMMITTED, OWN_CUSTOMER),
    (failpoint::CUSTOMER_CHANGE_ANSWERED, OWN_CUSTOMER),
    (failpoint::WRITE_BACK_COMMITTED, PLAIN),
    (failpoint::WRITE_BACK_ANSWERED, PLAIN),
    (failpoint::WRITE_BACK_TAGGED, OWN_CUSTOMER),
    (failpoint::SETTLED, PLAIN),
    // Each start sweeps.
    (failpoint::SWEEP_PAGE_READ, PLAIN),
    (failpoint::SWEEP_PAGE_STORED, PLAIN),
];

/// Runs it.
pub(super) async fn matrix(args: &ChaosArgs) -> Result<Verdict, Trouble> {
    let setup = Setup {
        seed: args.seed,
        faults: Faults::None,
        database: args.database,
        database_url: args.database_url.clone(),
        replicas: 1,
        lease_secs: args.lease_secs.min(2),
        lag: Duration::from_secs(1),
        sweep_every: Some(SWEEP_EVERY),
        census_days: CENSUS_DAYS,
        wait: WAIT,
        is_stocked: true,
    };
    let mut run = Run::set(setup, Environment::default(), Progress::Told).await?;
    for (point, scene) in SCENES {
        killed_at(&mut run, point, scene).await?;
    }
    // Not before: while the clock is wrong a reading is begun anew.
    run.stage.follow_stock()?;
    for (index, point) in stock::points().enumerate() {
        stock::lead_to(&run, index).await?;
        killed_at(&mut run, point, PLAIN).await?;
    }
    run.environment.failpoint = None;
    run.environment.clock_jumps = None;
    run.start_all()?;
    run.heal(QUIET_MAX).await?;
    stock::until_equal(&mut run, QUIET_MAX).await?;
    run.end().await
}

/// Starts a child that is armed with a point, plays what leads there, and kills it there.
async fn killed_at(run: &mut Run, point: &'static str, scene: Scene) -> Result<(), Trouble> {
    run.environment.failpoint = Some(point.to_owned());
    run.environment.clock_jumps = scene.clock.map(str::to_owned);
    run.start_all()?;
    scene.play(run);
    if says(run, 0, &format!("failpoint reached: {point}\n")).await? {
        tell(&format!("killed at {point}"));
    } else {
        tell(&format!("nothing came by {point}"));
        run.unreached(point);
    }
    run.kill(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failpoint_has_its_scene() {
        let scenes: Vec<&str> = SCENES.iter().map(|(point, _)| *point).collect();
        for point in failpoint::ALL {
            assert!(scenes.contains(&point), "{point}");
        }
    }
}
