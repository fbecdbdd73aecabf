//! The command line: what each command is called, what it takes, with which code it ends. The work is done elsewhere.

mod acts;
mod census;
mod connection;
mod credentials;
mod customer_story;
mod deliveries;
pub mod demo;
pub mod demo_settings;
mod documents;
mod explain;
mod output;
mod page;
mod plan;
mod prices;
mod reconcile;
mod remap;
mod sandbox;
mod serve;
mod settings;
mod steps;
mod stock;
mod stock_explain;
mod stock_outs;
mod strays;
mod sync;
mod webhooks;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::app::chain;
use crate::config::{Settings, Sources};
use crate::store::{Store, StoreError};
use output::{Format, tell};

/// Links Shopify shops to IFS Cloud companies: exactly one IFS customer order for each Shopify order.
#[derive(Debug, Parser)]
#[command(name = "ml-connector", version, about, propagate_version = true)]
#[command(
    after_help = "Exit codes: 0 fine, 1 differences or failures found, 2 usage or configuration, 3 a remote, 4 the database."
)]
pub struct Cli {
    /// File of settings; else $ML_CONNECTOR_CONFIG, else ./ml-connector.toml.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the service until SIGTERM.
    #[command(after_help = "Example: ml-connector --config ml-connector.toml serve")]
    Serve,
    /// Plays a day of orders against simulated remotes and compares the books.
    #[command(after_help = "Example: ml-connector demo --orders 500 --faults usual")]
    Demo(demo::DemoArgs),
    /// Runs the simulated Shopify and IFS Cloud alone.
    #[command(after_help = "Example: ml-connector sandbox --faults usual")]
    Sandbox(sandbox::SandboxArgs),
    /// Checks the settings, or prints every setting that there is.
    Config {
        #[command(subcommand)]
        command: settings::ConfigCommand,
    },
    /// Shows the connections.
    Connection {
        #[command(subcommand)]
        command: connection::ConnectionCommand,
    },
    /// Stores secrets, encrypted, and lists their kinds.
    Credentials {
        #[command(subcommand)]
        command: credentials::CredentialsCommand,
    },
    /// Brings the tables up to date, or marks a restored database.
    #[command(after_help = "Examples:\n  ml-connector migrate\n  ml-connector migrate mark-restored")]
    Migrate(settings::MigrateArgs),
    /// Tells one order's story, reads orders of a shop on demand, or shows what the census counted.
    Orders {
        #[command(subcommand)]
        command: documents::OrdersCommand,
    },
    /// What Shopify delivered, and what became of it.
    Deliveries {
        #[command(subcommand)]
        command: deliveries::DeliveriesCommand,
    },
    /// What is written, what waits, what needs a person.
    Documents {
        #[command(subcommand)]
        command: documents::DocumentsCommand,
    },
    /// Compares Shopify's orders of some days with our documents and with IFS, component by component; reads only.
    Reconcile(reconcile::ReconcileArgs),
    /// Which of the shop's prices differ from IFS's, and what a person lets through.
    Prices {
        #[command(subcommand)]
        command: prices::PricesCommand,
    },
    /// What the shop shows of IFS's stock, how that came about, and what does not fit.
    Stock {
        #[command(subcommand)]
        command: stock::StockCommand,
    },
    /// Records in IFS with our key that no link explains.
    Strays {
        #[command(subcommand)]
        command: strays::StraysCommand,
    },
    /// Shows, makes and repairs a shop's webhook subscriptions.
    Webhooks {
        #[command(subcommand)]
        command: webhooks::WebhooksCommand,
    },
}

/// `--json`, for every command that shows something.
#[derive(Debug, Clone, Copy, Args)]
struct Shown {
    /// Prints one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

impl Shown {
    fn format(self) -> Format {
        if self.json { Format::Json } else { Format::Text }
    }
}

/// Why a command failed, by its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Differences or failures were found; they are printed already.
    Found,
    /// The usage or the settings are wrong.
    Usage(String),
    /// A remote failed.
    Remote(String),
    /// The database failed.
    Database(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let text = chain(&error);
        match error {
            StoreError::Refused(_) | StoreError::BadUrl => Self::Usage(text),
            _ => Self::Database(text),
        }
    }
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    main_of(std::env::args_os())
}

/// Runs the command that these arguments name, the first being the program's name.
pub fn main_of(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = Cli::parse_from(arguments);
    let system = actix_rt::System::new();
    let result = system.block_on(run(cli));
    let code = match result {
        Ok(()) => 0,
        Err(Failure::Found) => 1,
        Err(Failure::Usage(text)) => said(&text, 2),
        Err(Failure::Remote(text)) => said(&text, 3),
        Err(Failure::Database(text)) => said(&text, 4),
    };
    ExitCode::from(code)
}

fn said(text: &str, code: u8) -> u8 {
    tell(&format!("ml-connector: {text}"));
    code
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let config = cli.config;
    match cli.command {
        Command::Serve => serve::serve(load(config)?).await,
        Command::Demo(args) => demo::demo(args).await,
        Command::Sandbox(args) => sandbox::sandbox(args).await,
        Command::Config { command } => settings::config(&command, config),
        Command::Migrate(args) => settings::migrate(load(config)?, args).await,
        Command::Connection { command } => connection::connection(load(config)?, command).await,
        Command::Credentials { command } => credentials::credentials(load(config)?, command).await,
        Command::Orders { command } => documents::orders(load(config)?, command).await,
        Command::Deliveries { command } => deliveries::deliveries(load(config)?, command).await,
        Command::Documents { command } => documents::documents(load(config)?, command).await,
        Command::Reconcile(args) => reconcile::reconcile(load(config)?, args).await,
        Command::Prices { command } => prices::prices(load(config)?, command).await,
        Command::Stock { command } => stock::stock(load(config)?, command).await,
        Command::Strays { command } => strays::strays(load(config)?, command).await,
        Command::Webhooks { command } => webhooks::webhooks(load(config)?, command).await,
    }
}

fn load(config: Option<PathBuf>) -> Result<Settings, Failure> {
    Settings::load(&Sources::of_process(config.as_deref())).map_err(|errors| Failure::Usage(errors.to_string()))
}

/// The store of the settings, its tables up to date.
async fn open_store(settings: &Settings) -> Result<Store, Failure> {
    let store = crate::app::open_store(settings)?;
    store.require_migrated().await?;
    Ok(store)
}

/// Who runs this command, for the audit.
fn who() -> String {
    let user = std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
    format!("cli:{}", user.chars().filter(|c| !c.is_control()).take(60).collect::<String>())
}
