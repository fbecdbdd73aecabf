//! The control surface of a sandbox that runs alone: status, books, ledger, and a day to be played. Plain
//! JSON under `/_sandbox/`; loopback only, no authentication.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::ShopSettings;
use super::books;
use super::faults::{FaultPlan, FaultPreset};
use super::ifs::Ifs;
use super::ledger::{Ledger, Remote};
use super::listen::{Reply, json as json_answer, read_body};
use super::shopify::{Play, PlaySettings, Shop};
use super::stock::{self, StockUp};

const BODY_BYTES_MAX: usize = 64 * 1024;

/// What the surface can reach.
#[derive(Clone, Debug)]
pub(super) struct Control {
    ifs: Ifs,
    shops: Vec<(ShopSettings, Shop)>,
    ledger: Ledger,
    faults: FaultPlan,
    plays: Arc<Mutex<Vec<Play>>>,
}

impl Control {
    pub(super) fn new(ifs: Ifs, shops: Vec<(ShopSettings, Shop)>, ledger: Ledger, faults: FaultPlan) -> Self {
        Self { ifs, shops, ledger, faults, plays: Arc::default() }
    }

    /// Answers one HTTP request.
    pub(super) async fn handle(self, request: Request<Incoming>) -> Reply {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let body = match read_body(request, BODY_BYTES_MAX).await {
            Ok((_, body)) => body,
            Err(why) => return why.into(),
        };
        let (status, answer) = match (method, path.as_str()) {
            (Method::GET, "/_sandbox/status") => (StatusCode::OK, self.status()),
            (Method::GET, "/_sandbox/books") => {
                (StatusCode::OK, books::compare(&self.ifs, &self.shops, &self.ledger, &[]).to_json())
            }
            (Method::GET, "/_sandbox/ledger") => (StatusCode::OK, self.requests()),
            (Method::POST, "/_sandbox/play") => self.play(&body),
            (Method::POST, "/_sandbox/ifs") => self.bid(&body),
            (Method::POST, "/_sandbox/stock") => self.stock_up(&body),
            (Method::GET, "/_sandbox/stock") => (StatusCode::OK, self.stock()),
            (Method::POST, "/_sandbox/release-held") => (StatusCode::OK, json!({"released": self.ifs.release_held()})),
            (Method::POST, "/_sandbox/revoke-tokens") => {
                self.ifs.revoke_tokens();
                (StatusCode::OK, json!({}))
            }
            (Method::POST, "/_sandbox/clear-faults") => {
                self.faults.clear();
                (StatusCode::OK, json!({}))
            }
            _ => (
                StatusCode::NOT_FOUND,
                json!({"error": "GET status, books, ledger, stock; POST play, ifs, stock, release-held, revoke-tokens, clear-faults"}),
            ),
        };
        json_answer(status, &answer).into()
    }

    fn status(&self) -> Value {
        let counters = self.ledger.counters();
        let peak = |remote| counters.concurrency_max.get(&remote).copied().unwrap_or(0);
        let lost: usize = self.shops.iter().map(|(_, shop)| shop.lost_webhooks()).sum();
        let plays = self.plays.lock().unwrap_or_else(PoisonError::into_inner);
        let plays: Vec<Value> = plays
            .iter()
            .map(Play::progress)
            .map(|p| json!({"orders": p.orders, "placed": p.placed, "told": p.told, "acknowledged": p.acknowledged, "undelivered": p.undelivered, "finished": p.finished}))
            .collect();
        json!({
            "ifs_requests": counters.ifs_requests, "shopify_requests": counters.shopify_requests, "webhook_tries": counters.webhook_tries,
            "creates": counters.creates, "writes": counters.writes, "over_rate": counters.over_rate,
            "if_match_any": counters.if_match_any, "upserts": counters.upserts, "ifs_concurrency_max": peak(Remote::Ifs),
            "held": self.ifs.held(), "faults_injected": self.faults.injected(), "webhooks_lost": lost, "plays": plays,
        })
    }

    fn requests(&self) -> Value {
        let entries = self.ledger.entries();
        let rows = entries.iter().map(|entry| {
            json!({
                "seq": entry.seq, "at": entry.at.to_string(), "remote": format!("{:?}", entry.remote), "method": entry.method,
                "path": entry.path, "class": format!("{:?}", entry.class), "keys": entry.keys, "if_match": entry.if_match,
                "parts": entry.parts, "outcome": format!("{:?}", entry.outcome), "committed": entry.committed, "fault": entry.fault,
                "remark": entry.remark,
            })
        });
        json!({"items": rows.collect::<Vec<_>>()})
    }

    /// A person's act in IFS: `{"act", "order_no", …}`.
    fn bid(&self, body: &[u8]) -> (StatusCode, Value) {
        let Ok(wanted) = serde_json::from_slice::<Value>(body) else {
            return (StatusCode::BAD_REQUEST, json!({"error": "the body is not JSON"}));
        };
        match self.ifs.person_is_bidden(&wanted) {
            Ok(()) => (StatusCode::OK, json!({})),
            Err(refused) => (StatusCode::CONFLICT, json!({"error": refused.to_string()})),
        }
    }

    /// `{"bulk", "units", "available"}`, whole numbers, 0 where they are not given.
    fn stock_up(&self, body: &[u8]) -> (StatusCode, Value) {
        let Ok(wanted) = serde_json::from_slice::<Value>(body) else {
            return (StatusCode::BAD_REQUEST, json!({"error": "the body is not JSON"}));
        };
        let number = |name: &str| wanted[name].as_u64().unwrap_or(0);
        let numbers =
            (usize::try_from(number("bulk")), u32::try_from(number("units")), i64::try_from(number("available")));
        let (Ok(bulk @ 0..=100_000), Ok(units), Ok(available)) = numbers else {
            return (
                StatusCode::BAD_REQUEST,
                json!({"error": "more than 100000 parts, or more units than there can be"}),
            );
        };
        stock::stock_up(&self.ifs, &self.shops, StockUp { bulk, units, available });
        (StatusCode::OK, json!({}))
    }

    /// Each SKU of each shop, and what IFS can sell of it.
    fn stock(&self) -> Value {
        let of_shop = |(settings, shop): &(ShopSettings, Shop)| {
            let lines = stock::lines(&self.ifs, settings, shop).into_iter().map(|line| {
                json!({"sku": line.sku, "part_no": line.part_no, "available": line.available, "sellable": line.sellable})
            });
            json!({"shop": settings.domain, "lines": lines.collect::<Vec<_>>()})
        };
        json!({"items": self.shops.iter().map(of_shop).collect::<Vec<_>>()})
    }

    /// `{"webhook_url", "orders", "faults": "none"|"usual"|"harsh", "shop": 0}`.
    fn play(&self, body: &[u8]) -> (StatusCode, Value) {
        let bad = |text: &str| (StatusCode::BAD_REQUEST, json!({"error": text}));
        let Ok(wanted) = serde_json::from_slice::<Value>(body) else { return bad("the body is not JSON") };
        let Some(url) = wanted["webhook_url"].as_str() else { return bad("webhook_url is missing") };
        let orders = wanted["orders"].as_u64().unwrap_or(200);
        let index = wanted["shop"].as_u64().unwrap_or(0);
        let shop = usize::try_from(index).ok().and_then(|index| self.shops.get(index));
        let (Some((_, shop)), Ok(orders @ 1..=100_000)) = (shop, usize::try_from(orders)) else {
            return bad("no such shop, or not 1 to 100000 orders");
        };
        let mut settings = PlaySettings::new(url, orders);
        settings.faults = match wanted["faults"].as_str() {
            None | Some("none") => FaultPreset::None,
            Some("usual") => FaultPreset::Usual,
            Some("harsh") => FaultPreset::Harsh,
            Some(_) => return bad("faults must be none, usual or harsh"),
        };
        self.plays.lock().unwrap_or_else(PoisonError::into_inner).push(shop.play(settings));
        (StatusCode::ACCEPTED, json!({"orders": orders}))
    }
}
