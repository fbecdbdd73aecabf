//! The law of stock: whatever customers, warehouse, readings, calls and crashes do, and in whatever order, what the shop shows of a
//! part never exceeds what can be sold, and in the end both sides are equal. One seed decides a run.
//!
//! `ML_CONNECTOR_SEEDS=20000 cargo test mapping::stock::laws` runs more seeds, `ML_CONNECTOR_SEED=17 …` one, with all it did.

mod connector;
mod plans;
mod world;

use connector::{Connector, Planted};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use world::World;

/// Seeds of a plain `cargo test`.
const SEEDS: u64 = 1_500;
/// Acts of a run.
const ACTS: usize = 150;
/// Readings until nothing moves any more: the last one must find nothing to do.
const LAST_READINGS: usize = 4;

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    // Customers and the merchant.
    Order,
    Add,
    Cancel,
    Fulfil,
    Draft,
    CompleteDraft,
    GiveUpDraft,
    // The warehouse.
    Reserve,
    Release,
    Ship,
    Receive,
    Move,
    // What takes stock away behind the shop's back.
    SellElsewhere,
    Scrap,
    // The connector.
    Hear,
    WriteOrder,
    Read,
    Call,
    Crash,
}

/// How often each act is drawn; stock that is taken away behind the shop's back, in every other run.
const DRAWN: [(Act, usize); 17] = [
    (Act::Order, 4),
    (Act::Add, 1),
    (Act::Cancel, 1),
    (Act::Fulfil, 1),
    (Act::Draft, 1),
    (Act::CompleteDraft, 1),
    (Act::GiveUpDraft, 1),
    (Act::Reserve, 2),
    (Act::Release, 1),
    (Act::Ship, 2),
    (Act::Receive, 1),
    (Act::Move, 1),
    (Act::Hear, 3),
    (Act::WriteOrder, 3),
    (Act::Read, 10),
    (Act::Call, 5),
    (Act::Crash, 1),
];

/// Plays one seed; gives the calls that Shopify obeyed, or how the law was broken. Each act is told to `trace`.
fn run(seed: u64, planted: Planted, trace: &mut dyn FnMut(&dyn std::fmt::Debug, &World)) -> Result<u64, String> {
    let mut random = StdRng::seed_from_u64(seed);
    let behind = seed % 2 == 1;
    let mut acts: Vec<Act> = DRAWN.iter().flat_map(|(act, times)| std::iter::repeat_n(*act, *times)).collect();
    if behind {
        acts.extend([Act::SellElsewhere, Act::Scrap]);
    }
    let mut world = World::new(&mut random);
    let mut connector = Connector::new(planted);
    for _ in 0..ACTS {
        let act = *acts.choose(&mut random).expect("there are acts");
        world.now += 1;
        let done = one(act, &mut world, &mut connector, &mut random);
        trace(&act, &world);
        done?;
        // Without anybody behind the shop's back there is no excuse at any moment.
        if !behind && world.slack() < 0 {
            return Err(format!("{} units are shown that nobody has", -world.slack()));
        }
    }
    // Nothing happens any more: orders reach IFS, calls their answer, and the readings their end.
    world.settle();
    connector.forget_reading();
    for _ in 0..LAST_READINGS {
        connector.answer_all(&mut world, &mut random)?;
        connector.read_to_the_end(&mut world);
        trace(&"reading", &world);
    }
    if connector.open_calls() > 0 {
        return Err(format!("{} calls where nothing changed", connector.open_calls()));
    }
    if world.shown() != world.sellable().max(0) {
        return Err(format!("in the end {} units are shown of {}", world.shown(), world.sellable()));
    }
    Ok(connector.obeyed)
}

fn one(act: Act, world: &mut World, connector: &mut Connector, random: &mut StdRng) -> Result<(), String> {
    match act {
        Act::Order => world.order(random),
        Act::Add => world.add(random),
        Act::Cancel => world.cancel(random),
        Act::Fulfil => world.fulfil(random),
        Act::Draft => world.draft(random),
        Act::CompleteDraft => world.complete_draft(random),
        Act::GiveUpDraft => world.give_up_draft(random),
        Act::Reserve => world.reserve(random),
        Act::Release => {
            connector.sees_release();
            world.release(random);
        }
        // Known limit: what was released for a moment while it was read, reserved again and gone before the reading's end.
        Act::Ship if connector.saw_release() => {}
        Act::Ship => world.ship(random),
        Act::Receive => world.receive(random),
        Act::Move => world.transfer(random),
        Act::SellElsewhere => world.sell_elsewhere(random),
        Act::Scrap => world.scrap(random),
        Act::Hear => world.hear(random),
        Act::WriteOrder => world.write(random),
        Act::Read => {
            let whole = random.random_bool(0.8);
            connector.read(world, whole);
        }
        Act::Call => return connector.call(world, random),
        Act::Crash => connector.forget_reading(),
    }
    Ok(())
}

fn asked(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number of seeds"))
}

/// The same seed once more, with all it did.
fn explain(seed: u64, what: &str) -> String {
    let mut lines = Vec::new();
    let again = run(seed, Planted::Nothing, &mut |act, world| lines.push(format!("{act:?}: {}", world.told())));
    let again = again.err().unwrap_or_else(|| "not when it is run again".to_owned());
    let (lines, command) = (lines.join("\n"), format!("ML_CONNECTOR_SEED={seed} cargo test mapping::stock::laws"));
    format!("seed {seed} breaks the law: {what}; again: {command}\n{lines}\n{again}")
}

#[test]
fn what_is_shown_never_exceeds_what_can_be_sold_and_both_sides_end_equal() {
    let (first, count) = match asked("ML_CONNECTOR_SEED") {
        Some(seed) => (seed, 1),
        None => (0, asked("ML_CONNECTOR_SEEDS").unwrap_or(SEEDS)),
    };
    let mut obeyed = 0;
    for seed in first..first + count {
        match run(seed, Planted::Nothing, &mut |_, _| ()) {
            Ok(calls) => obeyed += calls,
            Err(what) => panic!("{}", explain(seed, &what)),
        }
    }
    // A law over runs in which nothing is ever written would hold too.
    assert!(count == 1 || obeyed > count, "{obeyed} calls in {count} runs");
}

#[test]
fn each_planted_bug_breaks_the_law() {
    for planted in Planted::BUGS {
        let seeds = SEEDS * 2;
        let caught = (0..seeds).any(|seed| run(seed, planted, &mut |_, _| ()).is_err());
        assert!(caught, "{planted:?} is not caught in {seeds} seeds");
    }
}
