//! `serve`: the service until SIGTERM or SIGINT.

use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use crate::app::{Service, StartError};
use crate::clock::Clock;
use crate::config::Settings;
use crate::telemetry::{init_logs, install_metrics, install_panic_hook};

/// Starts the service and stops it at the first signal.
pub(super) async fn serve(settings: Settings) -> Result<(), Failure> {
    init_logs(settings.telemetry.format, &settings.telemetry.level)
        .map_err(|error| Failure::Usage(format!("telemetry.level: {error}")))?;
    install_panic_hook();
    let metrics = install_metrics().map_err(|error| Failure::Usage(format!("the metrics recorder: {error}")))?;
    let mut term = signal(SignalKind::terminate()).map_err(|error| Failure::Usage(format!("signals: {error}")))?;
    let mut int = signal(SignalKind::interrupt()).map_err(|error| Failure::Usage(format!("signals: {error}")))?;
    let stop = async move {
        tokio::select! {
            _ = term.recv() => "SIGTERM",
            _ = int.recv() => "SIGINT",
        }
    };
    let stop = std::pin::pin!(stop);
    let mut stop = stop;
    let service = tokio::select! {
        service = Service::start(settings, Clock::system(), metrics) => service?,
        name = &mut stop => {
            tracing::info!(signal = name, "told to stop before the start was over");
            return Ok(());
        }
    };
    service.run(async move { stop.await.to_owned() }).await.map_err(Failure::from)
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let text = crate::app::chain(&error);
        match error {
            StartError::Store(error) => Self::from(error),
            // The database is there, but not free for us, or the service lost its hold of it.
            StartError::AlreadyServed(_) | StartError::Ended => Self::Database(text),
            _ => Self::Usage(text),
        }
    }
}
