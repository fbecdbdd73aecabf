//! The names of all metrics, their descriptions, and the recorder that renders them for Prometheus. What is counted is each module's.

use std::sync::{Mutex, PoisonError};

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Deliveries answered. Labels: `connection`, `status`.
pub const WEBHOOK_DELIVERIES_TOTAL: &str = "ml_connector_webhook_deliveries_total";
/// Time from the request's head to its answer.
pub const WEBHOOK_DURATION_SECONDS: &str = "ml_connector_webhook_duration_seconds";
/// Rows of the inbox that wait or are quarantined. Label: `state`.
pub const INBOX_ROWS: &str = "ml_connector_inbox_rows";
/// Age of the oldest delivery that is not mapped.
pub const INBOX_OLDEST_SECONDS: &str = "ml_connector_inbox_oldest_seconds";
/// Sweeps and other runs on a schedule. Labels: `connection`, `what`, `outcome`.
pub const SCHEDULE_RUNS_TOTAL: &str = "ml_connector_schedule_runs_total";
/// Orders that were taken over because they were found, not told. Labels: `connection`, `origin`.
pub const ORDERS_FOUND_TOTAL: &str = "ml_connector_orders_found_total";
/// Of these, the ones that no webhook told within its grace. Labels: `connection`, `origin`.
pub const ORDERS_UNTOLD_TOTAL: &str = "ml_connector_orders_untold_total";
/// Age of the newest delivery. Labels: `connection`, `topic`.
pub const WEBHOOK_LAST_SECONDS: &str = "ml_connector_webhook_last_seconds";
/// How long a shop that sells has sent no webhook, 0 while all is well. Label: `connection`.
pub const WEBHOOK_SILENCE_SECONDS: &str = "ml_connector_webhook_silence_seconds";
/// Age of the latest run that did what it is for. Labels: `connection`, `what`.
pub const SCHEDULE_DONE_SECONDS: &str = "ml_connector_schedule_done_seconds";
/// Documents that are not at rest. Labels: `connection`, `state`.
pub const DOCUMENTS: &str = "ml_connector_documents";
/// Records in IFS with our key that no link explains, and that nobody has dealt with. Labels: `connection`, `code`.
pub const STRAYS: &str = "ml_connector_strays";
/// Levels that are to be set, to be read again, or parked; products that we disabled; prices that are parked. Labels: `connection`,
/// `what`, `state`.
pub const STOCK_WAITING: &str = "ml_connector_stock_waiting";
/// Steps settled. Labels: `connection`, `outcome`.
pub const SETTLES_TOTAL: &str = "ml_connector_settles_total";
/// Intents that became unknown, and how that was resolved. Labels: `remote`, `outcome`.
pub const UNKNOWN_INTENTS_TOTAL: &str = "ml_connector_unknown_intents_total";
/// Calls to a remote. Labels: `remote`, `operation`, `outcome`.
pub const REMOTE_CALLS_TOTAL: &str = "ml_connector_remote_calls_total";
/// Duration of a call to a remote, without waiting for its limits. Labels: `remote`, `operation`.
pub const REMOTE_CALL_DURATION_SECONDS: &str = "ml_connector_remote_call_duration_seconds";
/// Time spent waiting for a remote's limits. Label: `remote`.
pub const REMOTE_WAIT_SECONDS: &str = "ml_connector_remote_wait_seconds";
/// Time spent waiting for points of a shop's cost bucket. Labels: `remote`, `lane` (`orders`, `rest`).
pub const SHOPIFY_POINTS_WAIT_SECONDS: &str = "ml_connector_shopify_points_wait_seconds";
/// Whether the circuit breaker of a remote lets calls through: 0 closed, 1 open. Label: `remote`.
pub const REMOTE_BREAKER_OPEN: &str = "ml_connector_remote_breaker_open";
/// Whether this replica owns a tenant: 1 owner, 0 standing by. Label: `tenant`.
pub const TENANT_OWNED: &str = "ml_connector_tenant_owned";
/// Leases that this replica lost, or gave up since it could not renew them. Label: `tenant`.
pub const LEASES_LOST_TOTAL: &str = "ml_connector_leases_lost_total";
/// Access tokens asked for. Labels: `remote`, `outcome`.
pub const TOKEN_REFRESHES_TOTAL: &str = "ml_connector_token_refreshes_total";
/// Webhook topics whose subscription is missing or wrong. Label: `connection`.
pub const SUBSCRIPTIONS_MISSING: &str = "ml_connector_webhook_subscriptions_missing";
/// Webhook subscriptions that the watcher created, put right or took away. Label: `connection`.
pub const SUBSCRIPTIONS_RESTORED_TOTAL: &str = "ml_connector_webhook_subscriptions_restored_total";
/// Levels that a call has set. Label: `connection`.
pub const STOCK_LEVELS_SET_TOTAL: &str = "ml_connector_stock_levels_set_total";
/// Calls that set levels, by how they ended. Labels: `connection`, `outcome`.
pub const STOCK_CALLS_TOTAL: &str = "ml_connector_stock_calls_total";
/// Readings of stock that were not used, since far fewer rows were told than before: somebody has to look. Label: `connection`.
pub const STOCK_GUARDED_TOTAL: &str = "ml_connector_stock_guarded_total";
/// What was done to products that have run out, or are there again. Labels: `connection`, `act` (`disable`, `enable`), `outcome`.
pub const STOCK_OUTS_TOTAL: &str = "ml_connector_stock_outs_total";
/// Prices that a call has set, in shops and their price lists. Label: `connection`.
pub const PRICES_SET_TOTAL: &str = "ml_connector_prices_set_total";
/// Actors that ended when they should not. Label: `how`.
pub const ACTOR_ENDS_TOTAL: &str = "ml_connector_actor_ends_total";
/// Panics anywhere in the process.
pub const PANICS_TOTAL: &str = "ml_connector_panics_total";

/// Upper bounds of the duration buckets, in seconds: from a cached answer to IFS's longest statement.
const DURATION_BUCKETS: [f64; 14] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0];

/// Renders what was measured so far.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// All metrics in Prometheus's text format.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }

    /// Folds raw measurements into their buckets, so that an endpoint that nobody reads does not grow; call it every few seconds.
    pub fn run_upkeep(&self) {
        self.0.run_upkeep();
    }
}

/// Makes the recorder of the process, once; later calls give the same one.
///
/// # Errors
/// Another recorder is installed already, or the buckets are refused.
pub fn install_metrics() -> Result<Metrics, BuildError> {
    static INSTALLED: Mutex<Option<Metrics>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(metrics) = &*installed {
        return Ok(metrics.clone());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &DURATION_BUCKETS)?
        .build_recorder();
    let metrics = Metrics(recorder.handle());
    metrics::set_global_recorder(recorder)?;
    describe();
    Ok(installed.insert(metrics).clone())
}

fn describe() {
    describe_counter!(WEBHOOK_DELIVERIES_TOTAL, "deliveries answered");
    describe_histogram!(WEBHOOK_DURATION_SECONDS, Unit::Seconds, "time from a delivery's head to its answer");
    describe_gauge!(INBOX_ROWS, "rows of the inbox by state");
    describe_gauge!(INBOX_OLDEST_SECONDS, Unit::Seconds, "age of the oldest delivery that is not mapped");
    describe_counter!(SCHEDULE_RUNS_TOTAL, "runs on a schedule by outcome");
    describe_counter!(ORDERS_FOUND_TOTAL, "orders that were found in Shopify's list before a webhook told them");
    describe_counter!(ORDERS_UNTOLD_TOTAL, "orders that no webhook told within its grace");
    describe_gauge!(WEBHOOK_LAST_SECONDS, Unit::Seconds, "age of the newest delivery by topic");
    describe_gauge!(WEBHOOK_SILENCE_SECONDS, Unit::Seconds, "how long a shop that sells has sent no webhook");
    describe_gauge!(SCHEDULE_DONE_SECONDS, Unit::Seconds, "age of the latest run that did what it is for");
    describe_gauge!(DOCUMENTS, "documents by connection and state");
    describe_gauge!(STRAYS, "records in IFS with our key that no link explains");
    describe_counter!(SETTLES_TOTAL, "documents settled by outcome");
    describe_counter!(UNKNOWN_INTENTS_TOTAL, "creates whose answer never came, by how that was resolved");
    describe_counter!(REMOTE_CALLS_TOTAL, "calls to a remote by outcome");
    describe_histogram!(REMOTE_CALL_DURATION_SECONDS, Unit::Seconds, "duration of a call to a remote");
    describe_histogram!(REMOTE_WAIT_SECONDS, Unit::Seconds, "time spent waiting for a remote's limits");
    describe_histogram!(SHOPIFY_POINTS_WAIT_SECONDS, Unit::Seconds, "time spent waiting for points of a shop");
    describe_gauge!(REMOTE_BREAKER_OPEN, "1 while the circuit breaker of a remote is open");
    describe_gauge!(TENANT_OWNED, "1 where this replica owns the tenant");
    describe_counter!(LEASES_LOST_TOTAL, "leases lost, or given up since they could not be renewed");
    describe_counter!(TOKEN_REFRESHES_TOTAL, "access tokens asked for by outcome");
    describe_gauge!(SUBSCRIPTIONS_MISSING, "webhook topics whose subscription is missing or wrong");
    describe_counter!(SUBSCRIPTIONS_RESTORED_TOTAL, "webhook subscriptions that the watcher restored");
    describe_gauge!(STOCK_WAITING, "levels, products and prices that wait, by what they are and state");
    describe_counter!(STOCK_LEVELS_SET_TOTAL, "levels of shops that were set");
    describe_counter!(STOCK_CALLS_TOTAL, "calls that set levels by outcome");
    describe_counter!(STOCK_GUARDED_TOTAL, "readings of stock that were not used since far fewer rows were told");
    describe_counter!(STOCK_OUTS_TOTAL, "products disabled since they ran out, or enabled again");
    describe_counter!(PRICES_SET_TOTAL, "prices of shops that were set");
    describe_counter!(ACTOR_ENDS_TOTAL, "actors that ended when they should not");
    describe_counter!(PANICS_TOTAL, "panics anywhere in the process");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_rendered_with_its_description() {
        let rendered = install_metrics().expect("the only recorder of this test binary");
        metrics::counter!(PANICS_TOTAL).increment(0);
        metrics::histogram!(REMOTE_WAIT_SECONDS, "remote" => "ifs.test").record(0.02);
        let text = rendered.render();
        assert!(text.contains("# HELP ml_connector_panics_total panics"), "{text}");
        assert!(text.contains("ml_connector_remote_wait_seconds_bucket{remote=\"ifs.test\",le=\"0.05\"} 1"), "{text}");
        let again = install_metrics().expect("the same one").render();
        assert!(again.contains("ml_connector_remote_wait_seconds_bucket{remote=\"ifs.test\""), "{again}");
    }
}
