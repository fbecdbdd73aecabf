//! The log subscriber: JSON lines on stderr for machines, plain text for a terminal.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text when stderr is a terminal, else JSON.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// Text for people.
    Text,
}

/// Sends the log to stderr. `filter` is in `tracing`'s directive syntax (`info`, `info,ml_connector::ifs=debug`). Does nothing when the
/// process logs already, as in a test that starts the service twice.
///
/// # Errors
/// The filter cannot be read.
pub fn init_logs(format: LogFormat, filter: &str) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::try_new(filter)?;
    let json = match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = if json {
        // JSON escapes control characters, so that no text of a shop can forge a line.
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).finish().try_init()
    } else {
        lines.finish().try_init()
    };
    installed.or(Ok(()))
}
