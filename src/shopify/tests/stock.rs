//! Stock and prices against a local server that answers as scripted: pages, long items, numbers that are gone, what is sent, what is refused.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{client_of, ok};
use crate::remote::scripted::{Asked, Reply, Scripted};
use crate::shopify::orders::PageSize;
use crate::shopify::prices::VariantPrice;
use crate::shopify::stock::{ListedLevel, VariantPage};
use crate::shopify::stock_out::Publishing;
use crate::shopify::stock_write::{LevelRefusal, SetLevel, SetOutcome};
use crate::shopify::{ShopifyClient, ShopifyError};

fn level(location: u64, available: i64) -> Value {
    json!({
        "location": { "legacyResourceId": location.to_string() },
        "quantities": [
            { "name": "available", "quantity": available }, { "name": "committed", "quantity": 2 },
            { "name": "reserved", "quantity": 1 },
        ],
    })
}

fn variant(id: u64, levels: &[Value], more: bool) -> Value {
    json!({
        "legacyResourceId": id.to_string(), "sku": "CUP", "barcode": null, "price": "9.50", "inventoryPolicy": "DENY",
        "inventoryQuantity": 4, "requiresComponents": false, "product": { "legacyResourceId": "4", "status": "ACTIVE" },
        "inventoryItem": {
            "legacyResourceId": "6", "tracked": true,
            "inventoryLevels": { "nodes": levels, "pageInfo": { "hasNextPage": more } },
        },
    })
}

fn info(next: Option<&str>) -> Value {
    json!({ "hasNextPage": next.is_some(), "endCursor": next })
}

fn variants(nodes: &[Value], next: Option<&str>) -> Value {
    json!({ "data": { "productVariants": { "nodes": nodes, "pageInfo": info(next) } } })
}

/// What the server was asked, as JSON.
fn told(asked: &[Asked]) -> Vec<Value> {
    asked.iter().map(|asked| serde_json::from_str(&asked.body).expect("JSON")).collect()
}

async fn with<T>(
    script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
    call: impl AsyncFn(ShopifyClient) -> T,
) -> (T, Vec<Value>) {
    let server = Scripted::start(script).await;
    let outcome = call(client_of(&server.url)).await;
    (outcome, told(&server.asked()))
}

async fn page(script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Result<VariantPage, ShopifyError> {
    let mut size = PageSize::of(28);
    let server = Scripted::start(script).await;
    client_of(&server.url).variants_page(Some("c0"), &mut size).await
}

#[tokio::test]
async fn a_page_of_variants_tells_their_levels_and_when_they_were_read() {
    let body = variants(&[variant(5, &[level(9, -1)], false)], Some("c1")).to_string();
    let head = "X-Shopify-API-Version: 2026-10\r\nDate: Fri, 27 Nov 2026 11:00:05 GMT\r\n";
    let ask = async |client: ShopifyClient| {
        let mut size = PageSize::of(28);
        let first = client.variants_page(None, &mut size).await.expect("a page");
        (first, client.variants_page(Some("c1"), &mut size).await.expect("a page"))
    };
    let ((first, second), asked) = with(move |_, _| Reply::with_headers(200, head, &body), ask).await;
    assert_eq!((first.variants[0].variant_id, first.variants[0].item_id, first.next.as_deref()), (5, 6, Some("c1")));
    assert_eq!(first.variants[0].levels, [ListedLevel { location_id: 9, available: -1, committed: 2, reserved: 1 }]);
    assert_eq!(first.read.from, None, "no answer had told the time");
    assert_eq!(first.read.until.expect("told").to_string(), "2026-11-27T11:00:06Z", "its second is over");
    assert_eq!(second.read.from.expect("told").to_string(), "2026-11-27T11:00:05Z");
    assert_eq!((&asked[1]["variables"]["after"], &asked[1]["variables"]["first"]), (&json!("c1"), &json!(28)));
}

#[tokio::test]
async fn an_item_at_more_locations_than_a_list_shows_is_read_to_the_end() {
    let found = page(|asked, _| {
        let body: Value = serde_json::from_str(&asked.body).expect("JSON");
        let levels = |nodes: &[Value], next| {
            json!({ "data": { "inventoryItem": { "inventoryLevels": { "nodes": nodes, "pageInfo": info(next) } } } })
        };
        ok(&match (body["operationName"].as_str().expect("named"), body["variables"]["after"].as_str()) {
            ("StockVariants", _) => variants(&[variant(5, &[level(1, 1)], true)], None),
            ("StockLevels", None) => levels(&[level(1, 1), level(2, 2)], Some("l1")),
            _ => levels(&[level(2, 2), level(3, 3)], None),
        })
    })
    .await
    .expect("a page");
    let mut shown: Vec<_> = found.variants[0].levels.iter().map(|level| (level.location_id, level.available)).collect();
    shown.sort_unstable();
    assert_eq!(shown, [(1, 1), (2, 2), (3, 3)]);
}

#[tokio::test]
async fn a_page_that_is_not_whole_is_no_page() {
    let no_cursor = json!({ "data": { "productVariants": {
        "nodes": [variant(5, &[], false)], "pageInfo": { "hasNextPage": true, "endCursor": null },
    } } });
    let mut half = level(9, 1);
    half["quantities"] = json!([{ "name": "available", "quantity": 1 }, { "name": "committed", "quantity": 0 }]);
    for body in [no_cursor, variants(&[], Some("c")), variants(&[variant(5, &[half], false)], None)] {
        let error = page(move |_, _| ok(&body)).await.expect_err("not whole");
        assert_eq!(error.kind(), "undecodable");
    }
    let error = page(|_, _| ok(&json!({ "data": { "productVariants": null } }))).await.expect_err("null");
    assert_eq!(error.kind(), "undecodable");
}

#[tokio::test]
async fn variants_by_their_numbers_are_asked_for_in_pieces_and_the_gone_ones_are_named() {
    let ids: Vec<u64> = (1..=30).collect();
    let wanted = ids.clone();
    let script = |asked: &Asked, _: usize| {
        let body: Value = serde_json::from_str(&asked.body).expect("JSON");
        let ids = body["variables"]["ids"].as_array().expect("ids");
        let node = |id: &Value| {
            let number: u64 = id.as_str().and_then(|id| id.rsplit('/').next()?.parse().ok()).expect("a number");
            if number == 7 { Value::Null } else { variant(number, &[], false) }
        };
        ok(&json!({ "data": { "nodes": ids.iter().map(node).collect::<Vec<_>>() } }))
    };
    let (found, asked) = with(script, async |client: ShopifyClient| client.variants_by_id(&wanted).await).await;
    let found = found.expect("an answer");
    assert_eq!((found.variants.len(), found.gone.as_slice()), (29, &[7][..]));
    let sizes: Vec<_> = asked.iter().map(|asked| asked["variables"]["ids"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(sizes, [25, 5]);
}

#[tokio::test]
async fn levels_are_set_with_what_they_were_under_a_key_and_refusals_name_theirs() {
    async fn set(client: ShopifyClient) -> Result<SetOutcome, ShopifyError> {
        let levels = [
            SetLevel { item_id: 6, location_id: 9, quantity: 3, from: -1 },
            SetLevel { item_id: 7, location_id: 9, quantity: 0, from: 5 },
        ];
        client.set_available(&levels, "key-1", "gid://ml-connector/Run/1").await
    }
    let payload = |errors: Value| json!({ "data": { "inventorySetQuantities": { "inventoryAdjustmentGroup": null, "userErrors": errors } } });
    let done = payload(json!([]));
    let (outcome, asked) = with(move |_, _| ok(&done), set).await;
    assert_eq!(outcome.expect("an answer"), SetOutcome::Done);
    let variables = &asked[0]["variables"];
    assert!(asked[0]["query"].as_str().expect("text").contains("@idempotent(key: $key)"));
    assert_eq!((&variables["key"], &variables["input"]["name"]), (&json!("key-1"), &json!("available")));
    let first = json!({
        "inventoryItemId": "gid://shopify/InventoryItem/6", "locationId": "gid://shopify/Location/9",
        "quantity": 3, "changeFromQuantity": -1,
    });
    assert_eq!(variables["input"]["quantities"][0], first);

    let stale = payload(json!([{
        "code": "CHANGE_FROM_QUANTITY_STALE", "field": ["input", "quantities", "1", "changeFromQuantity"], "message": "no",
    }]));
    let (outcome, _) = with(move |_, _| ok(&stale), set).await;
    let named = vec![(1, LevelRefusal::Stale)];
    assert_eq!(outcome.expect("an answer"), SetOutcome::Refused { named, whole: Vec::new() });
    // A call goes once: what became of one that broke off is asked for by the same key, later.
    let (outcome, asked) = with(|_, _| Reply::Drop, set).await;
    assert_eq!((outcome.expect_err("lost").kind(), asked.len()), ("lost", 1));
}

#[tokio::test]
async fn a_product_is_read_with_all_variants_and_changed_as_was_asked() {
    let product = |variants: Value, next: Option<&str>| {
        json!({ "data": { "product": {
            "status": "ACTIVE",
            "resourcePublicationsV2": {
                "nodes": [
                    { "isPublished": true, "publication": { "id": "gid://shopify/Publication/1" } },
                    { "isPublished": false, "publication": { "id": "gid://shopify/Publication/2" } },
                ],
                "pageInfo": { "hasNextPage": false },
            },
            "variants": { "nodes": [variants], "pageInfo": info(next) },
        } } })
    };
    let variant = |id: u32| {
        json!({
            "legacyResourceId": id.to_string(), "inventoryPolicy": "CONTINUE", "inventoryQuantity": 0,
            "requiresComponents": false, "inventoryItem": { "legacyResourceId": "6", "tracked": true },
        })
    };
    let script = move |_: &Asked, n: usize| {
        ok(&if n == 0 { product(variant(5), Some("v1")) } else { product(variant(6), None) })
    };
    let (shown, _) = with(script, async |client: ShopifyClient| client.shown_product(4).await).await;
    let shown = shown.expect("an answer").expect("a product");
    assert_eq!((shown.status.as_str(), shown.published.as_slice()), ("ACTIVE", &[1][..]));
    assert_eq!(shown.variants.iter().map(|variant| variant.variant_id).collect::<Vec<_>>(), [5, 6]);

    let answer = json!({ "data": {
        "productUpdate": { "product": null, "userErrors": [{ "field": ["product", "status"], "message": "no" }] },
        "publishableUnpublish": { "userErrors": [] },
        "productVariantsBulkUpdate": { "userErrors": [] },
    } });
    let acts = async |client: ShopifyClient| {
        let refused = client.set_product_status(4, "DRAFT").await.expect("an answer");
        assert_eq!((refused.len(), refused[0].to_string().as_str()), (1, "no"));
        assert!(client.set_published(4, &[1], Publishing::Off).await.expect("an answer").is_empty());
        assert!(client.set_policies(4, &[5], "DENY").await.expect("an answer").is_empty());
        let price = VariantPrice { variant_id: 5, amount: Decimal::new(1_150, 2) };
        assert!(client.set_prices(4, &[price]).await.expect("an answer").is_empty());
        // No such mutation in the answer: nobody knows what became of it.
        assert!(client.fix_prices(8, "SEK", &[price]).await.is_err());
    };
    let ((), asked) = with(move |_, _| ok(&answer), acts).await;
    let variables: Vec<&Value> = asked.iter().map(|asked| &asked["variables"]).collect();
    assert_eq!(variables[0]["product"], json!({ "id": "gid://shopify/Product/4", "status": "DRAFT" }));
    assert_eq!(variables[1]["input"], json!([{ "publicationId": "gid://shopify/Publication/1" }]));
    assert_eq!(
        variables[2]["variants"],
        json!([{ "id": "gid://shopify/ProductVariant/5", "inventoryPolicy": "DENY" }])
    );
    assert_eq!(variables[3]["variants"], json!([{ "id": "gid://shopify/ProductVariant/5", "price": "11.50" }]));
    assert_eq!(variables[4]["prices"][0]["price"], json!({ "amount": "11.50", "currencyCode": "SEK" }));
}

#[tokio::test]
async fn a_shop_tells_its_currency_and_all_of_its_locations() {
    let shop = |id: u32, next: Option<&str>| {
        let location = json!({ "legacyResourceId": id.to_string(), "name": "Lager", "isActive": id == 1 });
        json!({ "data": {
            "shop": { "currencyCode": "EUR", "taxesIncluded": true },
            "productVariantsCount": { "count": 10_000, "precision": "AT_LEAST" },
            "locations": { "nodes": [location], "pageInfo": info(next) },
        } })
    };
    let script = move |_: &Asked, n: usize| ok(&if n == 0 { shop(1, Some("l1")) } else { shop(2, None) });
    let (told, _) = with(script, async |client: ShopifyClient| client.stock_shop().await).await;
    let told = told.expect("an answer");
    assert_eq!((told.currency_code.as_str(), told.taxes_included, told.variants_at_least), ("EUR", true, 10_000));
    let locations: Vec<_> = told.locations.iter().map(|location| (location.id, location.is_active)).collect();
    assert_eq!(locations, [(1, true), (2, false)]);
}
