//! What the service says about itself: logs, metric names, the trace id, redaction. No module's own numbers or texts live here.

mod logs;
pub mod metric;
mod panic_hook;
mod redacted;
mod trace_id;

pub use logs::{LogFormat, init_logs};
pub use metric::{Metrics, install_metrics};
pub use panic_hook::install_panic_hook;
pub use redacted::Redacted;
pub use trace_id::TraceId;
