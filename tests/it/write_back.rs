//! What the shop is told about its orders in IFS: once, in batches, again where the answer was lost, and never so that we
//! wake ourselves. The shop's side of the mutations is a server of the test's own, which refuses and loses what it is told to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use jiff::Timestamp;
use ml_connector::clock::Clock;
use ml_connector::domain::document::{DocumentKind, State};
use ml_connector::failpoint;
use ml_connector::flow::write_back;
use ml_connector::sandbox::shopify::Story;
use ml_connector::store::DocumentRow;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::webhook::Webhook;
use crate::support::world::{Setup, Steps, World, assert_state};

fn told() -> Setup {
    let told = (
        "order_type = \"NO\"",
        "order_type = \"NO\"\nwrite_back = { order_no = \"metafield\", state = \"metafield\", tags = [\"ifs-{order_no}\"] }",
    );
    Setup { edits: vec![told], ..Setup::default() }
}

/// The mutations of a shop, and what it holds by them.
#[derive(Default)]
struct Held {
    asked: Vec<Value>,
    /// `owner key=value`.
    metafields: Vec<String>,
    /// `owner tag`.
    tags: Vec<String>,
    /// An owner that the shop does not know any more.
    gone: Option<String>,
    /// Calls to answer THROTTLED.
    throttled: usize,
    /// Calls that are carried out and answered with half a body.
    lost: usize,
}

#[derive(Clone, Default)]
struct Counter(Arc<Mutex<Held>>);

impl Counter {
    fn held<T>(&self, look: impl FnOnce(&mut Held) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn calls(&self, operation: &str) -> Vec<Value> {
        self.held(|held| held.asked.iter().filter(|asked| asked["operationName"] == operation).cloned().collect())
    }

    fn answer(&self, asked: &Value) -> Option<Value> {
        self.held(|held| {
            held.asked.push(asked.clone());
            if held.throttled > 0 {
                held.throttled -= 1;
                return Some(json!({
                    "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }],
                    "extensions": { "cost": { "requestedQueryCost": 10, "actualQueryCost": null, "throttleStatus": {
                        "maximumAvailable": 2000.0, "currentlyAvailable": 9, "restoreRate": 100.0 } } }
                }));
            }
            let variables = &asked["variables"];
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            let answer = match asked["operationName"].as_str() {
                Some("MetafieldsSet") => {
                    let fields = variables["metafields"].as_array().expect("a list");
                    assert!(fields.len() <= 25, "{} metafields in one call", fields.len());
                    let errors: Vec<Value> = (0..)
                        .zip(fields)
                        .filter(|(_, field)| Some(text(&field["ownerId"])) == held.gone)
                        .map(|(index, _): (usize, _)| {
                            json!({ "code": "INVALID", "elementIndex": index, "field": ["metafields"], "message": "Owner does not exist." })
                        })
                        .collect();
                    if errors.is_empty() {
                        held.metafields.extend(fields.iter().map(|field| {
                            format!("{} {}.{}={}", text(&field["ownerId"]), text(&field["namespace"]), text(&field["key"]), text(&field["value"]))
                        }));
                    }
                    json!({ "data": { "metafieldsSet": { "userErrors": errors } } })
                }
                Some("TagsAdd") => {
                    let owner = text(&variables["id"]);
                    let tags = variables["tags"].as_array().expect("a list");
                    held.tags.extend(tags.iter().map(|tag| format!("{owner} {}", text(tag))));
                    json!({ "data": { "tagsAdd": { "userErrors": [] } } })
                }
                other => panic!("only what write-back says is asked here: {other:?}"),
            };
            if held.lost > 0 {
                held.lost -= 1;
                return None;
            }
            Some(answer)
        })
    }
}

/// Starts the server on a free port, and lets the settings name it as the shop.
fn shop_of_its_own(world: &World) -> Counter {
    let counter = Counter::default();
    let shared = counter.clone();
    let server = HttpServer::new(move || {
        App::new().app_data(web::Data::new(shared.clone())).default_service(web::to(
            |counter: web::Data<Counter>, body: web::Bytes| async move {
                let asked: Value = serde_json::from_slice(&body).expect("JSON");
                let answer = counter.answer(&asked).map_or("{\"data\":".to_owned(), |answer| answer.to_string());
                HttpResponse::Ok()
                    .insert_header(("X-Shopify-API-Version", "2026-10"))
                    .content_type("application/json")
                    .body(answer)
            },
        ))
    });
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", server.addrs()[0]);
    actix_rt::spawn(server.run());
    let settings = std::fs::read_to_string(&world.config).expect("reads");
    let line =
        settings.lines().find(|line| line.starts_with("shopify_base_url")).expect("the shop's address").to_owned();
    std::fs::write(&world.config, settings.replace(&line, &format!("shopify_base_url = {url:?}"))).expect("writes");
    counter
}

async fn begin(world: &World) -> Steps {
    world.steps(&Clock::manual(Timestamp::now())).await
}

async fn tell(steps: &Steps) {
    write_back::drain(steps.link()).await.expect("drains");
}

async fn of_kind(world: &World, kind: DocumentKind) -> Vec<DocumentRow> {
    world.documents().await.into_iter().filter(|document| document.kind == kind.as_str()).collect()
}

/// Orders that stand in IFS and of which the shop knows nothing yet.
async fn written(world: &World, steps: &Steps, count: usize) -> Vec<Webhook> {
    let webhooks: Vec<Webhook> = (0..count).map(|_| Webhook::of_new_order(world, Story::Plain)).collect();
    for webhook in &webhooks {
        steps.deliver(steps.link(), "orders/create", &webhook.body).await;
    }
    steps.run(steps.link()).await;
    for document in of_kind(world, DocumentKind::CustomerOrder).await {
        assert_state(&document, State::Written);
    }
    webhooks
}

async fn assert_all_told(world: &World, counter: &Counter, orders: usize) {
    let documents = of_kind(world, DocumentKind::WriteBack).await;
    assert_eq!(documents.len(), orders);
    for document in documents {
        assert_state(&document, State::Written);
    }
    for order in of_kind(world, DocumentKind::CustomerOrder).await {
        let (gid, number) = (format!("gid://shopify/Order/{}", order.order_id), order.order_no.expect("a number"));
        counter.held(|held| {
            for wanted in [format!("{gid} ifs.order_no={number}"), format!("{gid} ifs.state=Planned")] {
                assert!(held.metafields.contains(&wanted), "{wanted} is not among {:?}", held.metafields);
            }
            assert!(held.tags.contains(&format!("{gid} ifs-{number}")), "{:?}", held.tags);
        });
    }
    assert_eq!(world.database.number("SELECT COUNT(*) FROM intents WHERE closed_at IS NULL"), 0);
}

on_both!(thirty_orders_are_told_in_three_calls_of_metafields_and_once, told(), async |world: &World| {
    let counter = shop_of_its_own(world);
    let steps = begin(world).await;
    written(world, &steps, 30).await;
    tell(&steps).await;
    assert_all_told(world, &counter, 30).await;
    assert_eq!(counter.calls("MetafieldsSet").len(), 3);
    assert_eq!(counter.calls("TagsAdd").len(), 30);
    tell(&steps).await;
    steps.run(steps.link()).await;
    tell(&steps).await;
    assert_eq!(counter.held(|held| held.asked.len()), 33, "the same is told once");
});

on_both!(our_own_tag_wakes_nobody, told(), async |world: &World| {
    let counter = shop_of_its_own(world);
    let steps = begin(world).await;
    let webhooks = written(world, &steps, 2).await;
    tell(&steps).await;
    let asked = |world: &World| world.sandbox.ledger().counters().ifs_requests;
    let (before, told) = (asked(world), counter.held(|held| held.asked.len()));
    // As Shopify does after tagsAdd: the order comes again, later, with the tag in it.
    for (webhook, order) in webhooks.iter().zip(of_kind(world, DocumentKind::CustomerOrder).await) {
        let number = order.order_no.expect("a number");
        for later in ["2031-01-01T00:00:00Z", "2031-01-01T00:00:05Z"] {
            let again = webhook.clone().edited(|order| {
                order["tags"] = json!(format!("ifs-{number}"));
                order["updated_at"] = json!(later);
            });
            steps.deliver(steps.link(), "orders/updated", &again.body).await;
            steps.run(steps.link()).await;
            tell(&steps).await;
        }
    }
    assert_eq!(asked(world), before, "IFS is asked nothing");
    assert_eq!(counter.held(|held| held.asked.len()), told, "the shop is told nothing");
    assert_all_told(world, &counter, 2).await;
});

on_both!(an_order_that_the_shop_does_not_take_parks_alone, told(), async |world: &World| {
    let counter = shop_of_its_own(world);
    let steps = begin(world).await;
    let webhooks = written(world, &steps, 5).await;
    counter.held(|held| held.gone = Some(format!("gid://shopify/Order/{}", webhooks[2].order_id)));
    tell(&steps).await;
    for document in of_kind(world, DocumentKind::WriteBack).await {
        if document.order_id == webhooks[2].order_id {
            assert_state(&document, State::Parked);
            assert_eq!(document.reason.expect("a reason").code, "refused_by_shopify");
        } else {
            assert_state(&document, State::Written);
        }
    }
    assert_eq!(counter.held(|held| held.metafields.len()), 8);
});

on_both!(an_empty_bucket_waits_and_a_lost_answer_is_told_again, told(), async |world: &World| {
    let counter = shop_of_its_own(world);
    let steps = begin(world).await;
    written(world, &steps, 3).await;
    counter.held(|held| held.throttled = 1);
    tell(&steps).await;
    assert_eq!(counter.held(|held| held.metafields.len()), 0);
    counter.held(|held| held.lost = 1);
    for _ in 0..8 {
        steps.advance(world, 30);
        tell(&steps).await;
    }
    assert_all_told(world, &counter, 3).await;
    assert_eq!(counter.calls("MetafieldsSet").len(), 3, "refused, lost, told");
});

on_both!(where_nothing_is_to_be_told_no_document_is_opened, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    written(world, &steps, 2).await;
    assert_eq!(of_kind(world, DocumentKind::WriteBack).await.len(), 0);
});

fn observed() -> Setup {
    let mut setup = told();
    setup.edits.push(("mode = \"live\"", "mode = \"observe\""));
    setup
}

on_both!(an_observing_connection_writes_to_neither_side_and_keeps_its_plans, observed(), async |world: &World| {
    let counter = shop_of_its_own(world);
    let served = world.serve(None);
    let webhook = Webhook::of_new_order(world, Story::Plain);
    webhook.is_taken(&served).await;
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while world.documents().await.is_empty() {
        assert!(std::time::Instant::now() < deadline, "nothing was mapped");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Two polls of every actor that there is.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let document = world.document().await;
    assert_state(&document, State::Planned);
    assert!(document.desired.contains("\"wanted\":\"write\""), "what it would write can be read");
    assert_eq!(world.sandbox.ledger().counters().writes, 0);
    assert_eq!(counter.held(|held| held.asked.len()), 0);
    assert_eq!(served.terminate(), 0);
});

on_both!(a_kill_with_a_write_back_committed_tells_it_after_the_restart, told(), async |world: &World| {
    killed_and_restarted(world, failpoint::WRITE_BACK_COMMITTED).await;
});
on_both!(a_kill_with_the_metafields_taken_tells_the_tags_after_the_restart, told(), async |world: &World| {
    killed_and_restarted(world, failpoint::WRITE_BACK_ANSWERED).await;
});

async fn killed_and_restarted(world: &World, point: &'static str) {
    let counter = shop_of_its_own(world);
    let webhook = Webhook::of_new_order(world, Story::Plain);
    let served = world.serve(Some(point));
    webhook.is_taken(&served).await;
    let served = served.reached(point).await;
    assert_eq!(counter.held(|held| held.tags.len()), 0);
    served.kill();
    let served = world.serve(None);
    world.quiet().await;
    assert_eq!(served.terminate(), 0);
    assert_all_told(world, &counter, 1).await;
}
