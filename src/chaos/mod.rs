//! The proof that nothing is missed and nothing doubled: the real service in child processes, killed at random or at every
//! failpoint while a simulated shop sells, then one checker over three ledgers. Never in a shipped build.

mod account;
mod checker;
mod children;
mod evidence;
mod matrix;
mod plants;
pub mod postgres;
mod quiet;
mod run;
mod scene;
mod soak;
mod stage;
mod stock;
mod verdict;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::cli;
use crate::cli::demo::Faults;

/// The first argument that makes this binary the service itself, so that driver and service are always of one build.
const SERVICE: &str = "service";

/// Plays a shop's day against the real service, kills it on the way, and compares three ledgers.
#[derive(Debug, Parser)]
#[command(
    name = "chaos",
    version,
    after_help = "Exit codes: 0 nothing found, 1 an invariant is broken, 2 it could not run."
)]
struct ChaosArgs {
    /// Orders of the day.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    orders: u32,
    /// How often a child is killed.
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// On which database.
    #[arg(long, value_enum, default_value_t = Database::Sqlite)]
    database: Database,
    /// An empty PostgreSQL database to use instead of a server of its own.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Processes of the service on one database. More than one wants PostgreSQL.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=8))]
    replicas: u32,
    /// What goes wrong beside the kills.
    #[arg(long, value_enum, default_value_t = Faults::Usual)]
    faults: Faults,
    /// Decides orders, faults and kills. Threads still race, so a run is not repeated exactly.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long a lease lasts without being renewed, seconds: as short against the time between two kills as in life.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(2..=60))]
    lease_secs: u64,
    /// Plants a bug in the service, to see whether it is caught.
    #[arg(long, value_name = "NAME", value_parser = planted)]
    plant: Option<&'static str>,
    /// Instead of a day: kills a child at every failpoint in turn.
    #[arg(long, conflicts_with_all = ["orders", "kills", "replicas", "faults", "plant"])]
    matrix: bool,
    /// Instead of a day: plants every bug in turn and sees whether it is caught, on SQLite; with --replicas 2 also the one that needs two.
    #[arg(long, conflicts_with_all = ["orders", "kills", "database", "database_url", "faults", "plant", "matrix"])]
    plants: bool,
    /// Prints one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// The databases of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Database {
    /// A new file.
    Sqlite,
    /// A server of its own, unless a URL is given.
    Postgres,
}

/// Why a run could not be made; nothing is proved.
type Trouble = String;

fn planted(name: &str) -> Result<&'static str, String> {
    let known = crate::planted::ALL;
    known.into_iter().find(|known| *known == name).ok_or_else(|| format!("expected one of {}", known.join(", ")))
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == SERVICE) {
        arguments.remove(1);
        return cli::main_of(arguments);
    }
    let args = ChaosArgs::parse_from(arguments);
    match actix_rt::System::new().block_on(run(&args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(trouble) => {
            tell(&format!("chaos: {trouble}"));
            ExitCode::from(2)
        }
    }
}

/// Whether nothing is broken.
async fn run(args: &ChaosArgs) -> Result<bool, Trouble> {
    if args.plants {
        return plants::plants(args.seed, args.replicas, args.json).await;
    }
    let verdict = if args.matrix { matrix::matrix(args).await? } else { soak::soak(args).await? };
    verdict.print(args.json);
    Ok(verdict.is_clean())
}

/// A line about what goes on, on standard error. When it is gone, nobody is left to tell.
fn tell(line: &str) {
    use std::io::Write as _;
    writeln!(std::io::stderr().lock(), "{line}").unwrap_or_default();
}
