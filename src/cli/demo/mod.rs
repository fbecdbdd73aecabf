//! `demo`: a day of orders through the real service against simulated remotes, then three books side by side: what
//! Shopify sold, what the service says, what IFS holds. The first and the last are the sandbox's own. In the afternoon
//! parts run out, and what the shops show is compared with what IFS can sell.

mod account;
mod afternoon;
mod cost;
mod found;
pub(crate) mod planned;
mod result;
mod stage;
mod stock_rest;

use std::time::Instant;

use clap::{Args, ValueEnum};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::Failure;
use super::output::{Format, say_json, say_json_line, tell};
use crate::telemetry::{LogFormat, init_logs, install_panic_hook};

pub use stage::secrets_of;
pub(crate) use stage::{preset, write_settings};
// Of use to the proof only.
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub(crate) use found::{sweep_every, untold};
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub(crate) use stage::{CONNECTIONS, shops};
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub(crate) use stock_rest::StockRest;

use account::Account;
use result::DayResult;
use stage::Stage;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Faults {
    /// Nothing goes wrong.
    None,
    /// Webhooks lost, twice and out of order, dropped answers, late commits, 429, 503, 401, slow answers.
    Usual,
    /// The same, and connections that break at any byte, answers cut or without an end, pages instead of tokens, storms of 412.
    Harsh,
}

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Orders of the day.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    orders: u32,
    /// Decides every order and every fault.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What goes wrong on the way.
    #[arg(long, value_enum, default_value_t = Faults::None)]
    faults: Faults,
    /// An empty database to use, as `sqlite:FILE` or `postgres://…`; else a new SQLite file.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Leaves service and sandbox running afterwards, until Ctrl-C.
    #[arg(long)]
    serve: bool,
    /// Prints one JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// What the service logs meanwhile, e.g. `info`.
    #[arg(long, default_value = "error", value_name = "LEVEL")]
    log: String,
}

/// Runs the demo; [`Failure::Found`] when the books differ.
pub(super) async fn demo(args: DemoArgs) -> Result<(), Failure> {
    let format = if args.json { Format::Json } else { Format::Text };
    init_logs(LogFormat::Text, &args.log).map_err(|error| Failure::Usage(format!("--log: {error}")))?;
    install_panic_hook();
    let begun = Instant::now();
    let stage = Stage::set(&args).await?;
    let service = stage.start_service().await?;
    let scenes = stage.scenes(&args, &service.webhooks().to_string())?;
    let webhook_url = scenes.first().map(|scene| scene.webhook_url.clone()).unwrap_or_default();
    let operations_url = format!("http://{}", service.operations());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = actix_rt::spawn(service.run(async move {
        stopped.await.unwrap_or_default();
        "the end of the demo".to_owned()
    }));
    // 1. The day.
    tell(
        &format!("a day of {} orders begins; faults: {:?}; webhooks go to {webhook_url}", args.orders, args.faults)
            .to_lowercase(),
    );
    stage.play_day(&args, &scenes).await?;
    // 2. The afternoon: parts run out while orders come.
    tell("the day is over; in the afternoon parts run out and come in again");
    let afternoon = afternoon::play(&stage, &args, &scenes).await?;
    // 3. What one order costs, apart from the day.
    let costs = cost::measure(&stage, &args, &scenes).await?;
    // 4. The books.
    let account = Account::read(&stage.store).await?;
    let books = stage.sandbox.books(&account.parked);
    let result = DayResult { books, account, afternoon, costs, secs: begun.elapsed().as_secs_f64() };
    let mut told = result.to_json(&stage.sandbox);
    if args.serve {
        told["webhook_url"] = json!(webhook_url);
        told["operations_url"] = json!(operations_url);
    }
    match (format, args.serve) {
        (Format::Json, true) => say_json_line(&told),
        (Format::Json, false) => say_json(&told),
        (Format::Text, _) => result.tell_people(&stage, args.serve.then_some((&webhook_url, &operations_url))),
    }
    // 5. The end, now or when told to.
    if args.serve {
        wait_for_signal().await?;
    }
    stop.send(()).unwrap_or_default();
    running.await.map_err(|error| Failure::Usage(format!("the service broke off: {error}")))??;
    if !args.serve && format == Format::Json && args.database_url.is_none() {
        std::fs::remove_dir_all(&stage.folder)
            .map_err(|error| Failure::Usage(format!("{} could not be removed: {error}", stage.folder.display())))?;
    }
    if result.is_clean(&stage.sandbox) { Ok(()) } else { Err(Failure::Found) }
}

async fn wait_for_signal() -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::Usage(format!("signals: {error}")));
    let (mut term, mut int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}
