//! One run: stage, children, what is measured on the way, and the end, at which the checker reads three ledgers.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::account::Account;
use super::checker::check;
use super::children::{Environment, Peaks, Replica};
use super::evidence::Evidence;
use super::quiet::{Recovery, is_quiet, shops, waiting};
use super::stage::{Setup, Stage};
use super::verdict::Verdict;
use super::{Trouble, tell};
use crate::app::chain;
use crate::cli::demo::{CONNECTIONS, Faults, preset};
use crate::sandbox::shopify::{Deck, Play, PlaySettings, Receipts};

/// How often the run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often it is told how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// A child that ended by itself is started again after this time, as an orchestrator would.
const RESTART_AFTER: Duration = Duration::from_millis(200);
/// How long a word of a child's may be waited for.
const SAID_MAX: Duration = Duration::from_secs(40);
/// After a word: what other threads had under way gets out before anything is done to the child, as in life.
const LINGER: Duration = Duration::from_millis(150);
/// Tries of one webhook: in fast motion, and the receiver is mostly dead.
const TRIES_MAX: u32 = 60;

/// Whether a run says how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    Told,
    Silent,
}

/// Waits until a child has written this to its log; false when it does not in time.
pub(super) async fn says(run: &mut Run, index: usize, words: &str) -> Result<bool, Trouble> {
    let deadline = Instant::now() + SAID_MAX;
    while Instant::now() < deadline {
        run.look().await?;
        if run.replicas[index].log()?.contains(words) {
            tokio::time::sleep(LINGER).await;
            return Ok(true);
        }
    }
    Ok(false)
}

/// How the children's clocks go under harsh faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clocks {
    Jump,
    Right,
}

/// Offsets that a clock may jump by, seconds. Shorter ones than the longest legal pause (an hour) put off what is due by as much;
/// longer ones than `held_max_hours` park what is held.
const JUMPS_SECS: [i64; 5] = [0, -7_200, 7_200, -86_400, 86_400];

/// A clock that starts off by one of these, and jumps once more.
fn jumps(random: &mut StdRng) -> String {
    let offset = |random: &mut StdRng| JUMPS_SECS[random.random_range(0..JUMPS_SECS.len())];
    format!("0:{},{}:{}", offset(random), random.random_range(1..4_u32), offset(random))
}

/// A run and all that is measured on its way.
pub(super) struct Run {
    pub(super) replicas: Vec<Replica>,
    pub(super) environment: Environment,
    pub(super) random: StdRng,
    pub(super) stage: Stage,
    setup: Setup,
    progress: Progress,
    receipts: Receipts,
    plays: Vec<Play>,
    recovery: Recovery,
    peaks: Peaks,
    clocks: Clocks,
    kills: u32,
    ended_by_themselves: u32,
    unreached: Vec<String>,
    begun: Instant,
    told_at: Instant,
    quiet_secs: f64,
}

impl Run {
    /// Sets the stage; no child runs yet.
    pub(super) async fn set(setup: Setup, environment: Environment, progress: Progress) -> Result<Self, Trouble> {
        let begun = Instant::now();
        let stage = Stage::set(&setup).await?;
        let receipts = Receipts::create(&stage.folder().join("receipts.jsonl")).map_err(|error| error.to_string())?;
        let random = StdRng::seed_from_u64(setup.seed ^ 0x00C4_A052);
        let log = |index: u32| stage.folder().join(format!("replica-{index}.log"));
        let replicas = (0..setup.replicas).map(|index| Replica::new(&stage.config, log(index)));
        let replicas = replicas.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            replicas,
            environment,
            random,
            stage,
            setup,
            progress,
            receipts,
            plays: Vec::new(),
            recovery: Recovery::new(),
            peaks: Peaks::default(),
            clocks: Clocks::Jump,
            kills: 0,
            ended_by_themselves: 0,
            unreached: Vec::new(),
            begun,
            told_at: begun,
            quiet_secs: 0.0,
        })
    }

    /// Starts every child.
    pub(super) fn start_all(&mut self) -> Result<(), Trouble> {
        (0..self.replicas.len()).try_for_each(|index| self.start(index))
    }

    /// Starts a child; under harsh faults its clock jumps.
    pub(super) fn start(&mut self, index: usize) -> Result<(), Trouble> {
        if self.setup.faults == Faults::Harsh && self.clocks == Clocks::Jump {
            self.environment.clock_jumps = Some(jumps(&mut self.random));
        }
        self.replicas.get_mut(index).map_or(Ok(()), |replica| replica.start(&self.environment))
    }

    /// Sets the clocks right, as somebody does in the end: each child is started again.
    fn set_clocks(&mut self) -> Result<(), Trouble> {
        if self.setup.faults != Faults::Harsh {
            return Ok(());
        }
        self.clocks = Clocks::Right;
        self.environment.clock_jumps = None;
        self.replicas.iter_mut().try_for_each(Replica::kill)?;
        self.start_all()
    }

    /// Kills a child with SIGKILL; it is not started again.
    pub(super) fn kill(&mut self, index: usize) -> Result<(), Trouble> {
        self.kills += 1;
        self.replicas.get_mut(index).map_or(Ok(()), Replica::kill)
    }

    /// How often a child was killed.
    pub(super) fn kills(&self) -> u32 {
        self.kills
    }

    /// Starts a part of the day in one shop; `change` sets what is special about it.
    pub(super) fn play(&mut self, shop: usize, deck: Deck, orders: usize, change: impl FnOnce(&mut PlaySettings)) {
        let (Some(sold), Some(name)) = (self.stage.sandbox.shop(shop), CONNECTIONS.get(shop)) else { return };
        let mut settings = PlaySettings::new("", orders);
        settings.webhook_urls = self.replicas.iter().map(|replica| replica.webhook_url(name)).collect();
        (settings.deck, settings.faults) = (deck, preset(self.setup.faults));
        settings.tries_max = TRIES_MAX;
        settings.receipts = Some(self.receipts.clone());
        change(&mut settings);
        self.plays.push(sold.play(settings));
    }

    /// Whether the shops have told everything.
    pub(super) fn is_told(&self) -> bool {
        self.plays.iter().all(|play| play.progress().finished)
    }

    /// How many orders were placed.
    pub(super) fn placed(&self) -> usize {
        self.plays.iter().map(|play| play.progress().placed).sum()
    }

    /// Notes a failpoint that nothing came by.
    pub(super) fn unreached(&mut self, point: &str) {
        self.unreached.push(point.to_owned());
    }

    /// Ends all faults and waits until nothing is left to do, at most for so long.
    pub(super) async fn heal(&mut self, at_most: Duration) -> Result<(), Trouble> {
        self.stage.sandbox.faults().clear();
        self.stage.sandbox.ifs().release_held();
        self.set_clocks()?;
        let healed = Instant::now();
        if !self.until_rest(at_most).await? {
            tell("gave up waiting for everything to come to rest");
        }
        self.quiet_secs = healed.elapsed().as_secs_f64();
        Ok(())
    }

    /// Waits until the shops have told everything, nothing is left to do and nothing left to find; false when that takes longer.
    pub(super) async fn until_rest(&mut self, at_most: Duration) -> Result<bool, Trouble> {
        let begun = Instant::now();
        while !(self.is_told() && is_quiet(&self.stage.store, &self.stage.sandbox).await?) {
            if begun.elapsed() > at_most {
                return Ok(false);
            }
            self.look().await?;
        }
        Ok(true)
    }

    /// One look at everything that is measured on the way; children that ended by themselves are started again.
    pub(super) async fn look(&mut self) -> Result<(), Trouble> {
        tokio::time::sleep(LOOK_EVERY).await;
        self.recovery.look(&self.stage.store, &self.stage.sandbox).await?;
        for index in 0..self.replicas.len() {
            self.replicas[index].sample(&mut self.peaks);
            if self.replicas[index].has_ended() {
                self.ended_by_themselves += 1;
                tokio::time::sleep(RESTART_AFTER).await;
                self.start(index)?;
            }
        }
        if self.told_at.elapsed() > TOLD_EVERY && self.progress == Progress::Told {
            self.told_at = Instant::now();
            self.tell_progress().await?;
        }
        Ok(())
    }

    async fn tell_progress(&self) -> Result<(), Trouble> {
        let sum = |count: fn(&Play) -> usize| self.plays.iter().map(count).sum::<usize>();
        tell(&format!(
            "{:>4} s  {:>3} kills  {:>5} orders placed  {:>5} told  {:>6} deliveries acknowledged  {:>5} orders in IFS  {:>4} waiting",
            self.begun.elapsed().as_secs(),
            self.kills,
            sum(|play| play.progress().placed),
            sum(|play| play.progress().told),
            sum(|play| play.progress().acknowledged),
            self.stage.sandbox.ifs().order_count(),
            waiting(&self.stage.store, &self.stage.sandbox).await?,
        ));
        Ok(())
    }

    /// Stops the children and reads the three ledgers.
    pub(super) async fn end(mut self) -> Result<Verdict, Trouble> {
        for replica in &mut self.replicas {
            if !replica.stop().await? {
                tell("a child did not end with 0 when it was told to stop");
                self.ended_by_themselves += 1;
            }
        }
        let sandbox = &self.stage.sandbox;
        let account = Account::read(&self.stage.config).await?;
        let receipts = self.receipts.read().map_err(|error| format!("the receipts: {error}"))?;
        let database_bytes = self.stage.store.size_bytes().await.map_err(|error| chain(&error))?;
        let evidence = Evidence { receipts: &receipts, sandbox, account: &account, peaks: self.peaks, database_bytes };
        let broken = check(&evidence);
        let Setup { database, replicas, faults, seed, .. } = &self.setup;
        let verdict = Verdict {
            run: format!("{database:?}, {replicas} replicas, faults {faults:?}").to_lowercase(),
            seed: *seed,
            orders: shops(sandbox).map(|shop| shop.order_ids().len()).sum(),
            acknowledged: receipts.len(),
            kills: self.kills,
            recovery_secs: self.recovery.longest().as_secs_f64(),
            quiet_secs: self.quiet_secs,
            secs: self.begun.elapsed().as_secs_f64(),
            ended_by_themselves: self.ended_by_themselves,
            lost: shops(sandbox).map(|shop| shop.lost_webhooks()).sum(),
            undelivered: self.plays.iter().map(|play| play.progress().undelivered).sum(),
            unreached: std::mem::take(&mut self.unreached),
            creates_per_order: sandbox
                .books(&[])
                .create_requests_per_order()
                .map(|ratio| ratio.to_string())
                .unwrap_or_default(),
            faults: sandbox.faults().injected(),
            peaks: self.peaks,
            database_bytes,
            broken,
        };
        if !verdict.is_clean() && self.progress == Progress::Told {
            tell(&format!("settings, logs and receipts are kept in {}", self.stage.keep_folder().display()));
        }
        Ok(verdict)
    }
}
