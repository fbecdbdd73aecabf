//! `sandbox`: the simulated remotes alone, with a file of settings for a service of one's own.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::demo_settings::{DemoSettings, Manner, ShopEndpoint};
use super::output::{Format, say, say_json_line};
use super::{Failure, demo};
use crate::sandbox::{Sandbox, SandboxSettings};
use secrecy::ExposeSecret as _;

#[derive(Debug, Args)]
pub(super) struct SandboxArgs {
    /// Decides every order and every fault.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What goes wrong.
    #[arg(long, value_enum, default_value_t = demo::Faults::None)]
    faults: demo::Faults,
    /// Port of the simulated IFS; 0 lets the system choose.
    #[arg(long, default_value_t = 0)]
    ifs_port: u16,
    /// Port of the control surface (status, books, a day to play).
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    /// Writes ml-connector.toml, a master key and an operator's token into this folder.
    #[arg(long, value_name = "FOLDER")]
    write_settings: Option<PathBuf>,
    /// Prints one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Runs the sandbox until a signal.
pub(super) async fn sandbox(args: SandboxArgs) -> Result<(), Failure> {
    let sandbox = Sandbox::start(SandboxSettings {
        seed: args.seed,
        ifs_port: args.ifs_port,
        control_port: Some(args.control_port),
        faults: demo::preset(args.faults),
        ..SandboxSettings::default()
    })
    .map_err(|error| Failure::Usage(format!("the sandbox cannot start: {error}")))?;
    let shop_url = sandbox.shop_base_url(0).unwrap_or_default().to_owned();
    if let Some(folder) = &args.write_settings {
        let shop = ShopEndpoint {
            connection: "demo".to_owned(),
            domain: crate::sandbox::world::SHOP_DOMAIN.to_owned(),
            base_url: shop_url.clone(),
            company: "10".to_owned(),
            site: "S10".to_owned(),
            manner: Manner::Telling,
        };
        let database = format!("sqlite:{}", folder.join("ml-connector.db").display());
        demo::write_settings(&DemoSettings::new(database, sandbox.ifs_base_url(), vec![shop]), folder)?;
    }
    tell_access(&sandbox, &shop_url, if args.json { Format::Json } else { Format::Text });
    let listen = |kind| signal(kind).map_err(|error| Failure::Usage(format!("signals: {error}")));
    let (mut term, mut int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    sandbox.stop();
    Ok(())
}

/// The secrets are the sandbox's own, made for this run: whoever runs it needs them.
fn tell_access(sandbox: &Sandbox, shop_url: &str, format: Format) {
    let secrets = demo::secrets_of(sandbox, &["demo"]);
    match format {
        Format::Json => {
            let secrets: serde_json::Map<String, serde_json::Value> = secrets
                .iter()
                .map(|(owner, kind, secret)| (format!("{owner} {kind}"), json!(secret.expose_secret())))
                .collect();
            say_json_line(&json!({"ifs_base_url": sandbox.ifs_base_url(), "shopify_base_url": shop_url,
                "control_url": sandbox.control_url(), "secrets": secrets}));
        }
        Format::Text => {
            say(&format!("IFS Cloud   {}", sandbox.ifs_base_url()));
            say(&format!("Shopify     {shop_url}"));
            say(&format!("control     {}/_sandbox/status", sandbox.control_url().unwrap_or_default()));
            for (owner, kind, secret) in &secrets {
                say(&format!("secret      {owner} {kind} = {}", secret.expose_secret()));
            }
            say("running until Ctrl-C");
        }
    }
}
