//! The stock of the simulated shop as an app sees it, over HTTP, and what buyers and staff do to it.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::{Change, Shop, Standing, WhenOut};
use super::{ITEMS_FROM, ONLINE_STORE, POINT_OF_SALE, SWEDISH_PRICES, TILL, WAREHOUSE};
use crate::sandbox::{Sandbox, SandboxSettings, StockUp};

/// `MUG-001`, the first of the catalogue.
const MUG: u64 = 44_990_000_000;

const SET: &str = "mutation($input: InventorySetQuantitiesInput!, $key: String!) { inventorySetQuantities(input: $input) @idempotent(key: $key) { \
                   inventoryAdjustmentGroup { id changes { name delta quantityAfterChange item { id } location { id } } } \
                   userErrors { code field message } } }";

/// An app with the shop's token.
struct App {
    sandbox: Sandbox,
    http: reqwest::Client,
}

impl App {
    fn new(bulk: usize, available: i64) -> Self {
        let sandbox = Sandbox::start(SandboxSettings::default()).expect("the sandbox starts");
        sandbox.stock_up(StockUp { bulk, units: 20, available });
        Self { sandbox, http: reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client") }
    }

    fn shop(&self) -> Shop {
        self.sandbox.shop(0).expect("a shop")
    }

    async fn ask(&self, query: &str, variables: Value) -> Value {
        let url = format!("{}/admin/api/2026-10/graphql.json", self.sandbox.shop_base_url(0).expect("a shop"));
        let body = json!({"query": query, "variables": variables}).to_string();
        let request = self.http.post(url).header("content-type", "application/json");
        let request = request.header("x-shopify-access-token", self.shop().access_token()).body(body);
        let mut answer = request.send().await.expect("an answer");
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.expect("a chunk") {
            bytes.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&bytes).expect("JSON")
    }

    /// Sets levels at the warehouse: variant, quantity, what it was.
    async fn set(&self, key: &str, entries: &[(u64, i64, Value)]) -> Value {
        let quantities: Vec<Value> =
            entries.iter().map(|(variant, quantity, from)| entry(*variant, *quantity, from)).collect();
        let input = json!({"name": "available", "reason": "correction", "quantities": quantities});
        self.ask(SET, json!({"input": input, "key": key})).await["data"]["inventorySetQuantities"].clone()
    }
}

fn entry(variant: u64, quantity: i64, from: &Value) -> Value {
    json!({
        "inventoryItemId": format!("gid://shopify/InventoryItem/{}", variant + ITEMS_FROM),
        "locationId": format!("gid://shopify/Location/{WAREHOUSE}"), "quantity": quantity, "changeFromQuantity": from,
    })
}

fn errors(answer: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let errors = answer["userErrors"].as_array().expect("a list");
    errors.iter().map(|error| (text(&error["code"]), text(&error["field"][2]))).collect()
}

/// What is available of the first mug at the warehouse, and what is committed.
fn mug(shop: &Shop) -> (i64, i64) {
    let levels = shop.levels();
    let level = levels.iter().find(|level| level.variant == MUG && level.location == WAREHOUSE).expect("it is there");
    (level.available, level.committed)
}

#[tokio::test]
async fn levels_are_set_under_a_key_and_the_same_call_is_carried_out_once() {
    let app = App::new(0, 0);
    let first = app.set("k1", &[(MUG, 9, json!(0)), (MUG + 1, 3, Value::Null)]).await;
    assert!(errors(&first).is_empty(), "{first}");
    let changes = first["inventoryAdjustmentGroup"]["changes"].as_array().expect("a list").len();
    assert_eq!((changes, mug(&app.shop())), (2, (9, 0)));
    app.shop().staff_count("MUG-001", WAREHOUSE, 5);
    let again = app.set("k1", &[(MUG, 9, json!(0)), (MUG + 1, 3, Value::Null)]).await;
    assert_eq!(again, first, "the first answer");
    assert_eq!(mug(&app.shop()), (5, 0), "nothing was set again");
    let other = app.set("k1", &[(MUG, 8, json!(5))]).await;
    assert_eq!(other["userErrors"][0]["code"], "IDEMPOTENCY_KEY_PARAMETER_MISMATCH");
    let counts = app.shop().stock_counts();
    assert_eq!((counts.set_calls, counts.repeated, counts.mismatched, counts.levels_set), (1, 1, 1, 2));
    assert_eq!((app.shop().level_writes()[0].from, app.shop().level_writes()[0].to), (0, 9));
}

#[tokio::test]
async fn a_call_without_a_key_without_a_comparison_or_with_too_many_entries_is_refused_whole() {
    let app = App::new(0, 0);
    let input = |quantities: Value| json!({"name": "available", "reason": "correction", "quantities": quantities});
    let one = json!([entry(MUG, 1, &Value::Null)]);
    let without = SET.replace(" @idempotent(key: $key)", "").replace(", $key: String!", "");
    let answer = app.ask(&without, json!({"input": input(one)})).await;
    assert_eq!((&answer["errors"][0]["extensions"]["code"], &answer["data"]), (&json!("BAD_REQUEST"), &Value::Null));
    let mut blind = entry(MUG, 1, &Value::Null);
    blind.as_object_mut().expect("an object").remove("changeFromQuantity");
    let answer = app.ask(SET, json!({"input": input(json!([blind])), "key": "k"})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST");
    let many = vec![entry(MUG, 1, &Value::Null); 251];
    let answer = app.ask(SET, json!({"input": input(json!(many)), "key": "k"})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "MAX_INPUT_SIZE_EXCEEDED");
    let counts = app.shop().stock_counts();
    assert_eq!((counts.without_key, counts.set_calls, mug(&app.shop())), (1, 0, (0, 0)));
}

#[tokio::test]
async fn a_wrong_entry_is_named_and_keeps_the_others_from_being_set() {
    let app = App::new(0, 4);
    let shop = app.shop();
    shop.staff_unstock("CHAIR-003", WAREHOUSE);
    shop.staff_bundle("TABLE-004");
    let good = (MUG, 7, json!(4));
    let wrong = [
        (MUG + 1, 7, json!(3)),
        (MUG + 2, 7, json!(4)),
        (MUG + 3, 7, json!(4)),
        (MUG + 4, -1, json!(4)),
        (999, 7, json!(4)),
        (MUG, 8, json!(4)),
    ];
    let entries: Vec<_> = std::iter::once(good.clone()).chain(wrong).collect();
    let named = |code: &str, index: usize| (code.to_owned(), index.to_string());
    let expected = [
        named("CHANGE_FROM_QUANTITY_STALE", 1),
        named("none", 2),
        named("NON_MUTABLE_INVENTORY_ITEM", 3),
        named("INVALID_QUANTITY_NEGATIVE", 4),
        named("INVALID_INVENTORY_ITEM", 5),
        named("NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR", 6),
    ];
    let answer = app.set("k1", &entries).await;
    assert_eq!(errors(&answer), expected);
    assert_eq!((&answer["inventoryAdjustmentGroup"], mug(&shop)), (&Value::Null, (4, 0)));
    shop.hide_culprits(true);
    assert_eq!(
        errors(&app.set("k2", &entries[..2]).await),
        [named("CHANGE_FROM_QUANTITY_STALE", 0).0].map(|code| (code, "none".to_owned()))
    );
    shop.hide_culprits(false);
    shop.set_levels_in_part(true);
    app.set("k3", &entries).await;
    assert_eq!(mug(&shop), (7, 0), "some shops would do that");
    shop.staff_set_location(WAREHOUSE, false);
    assert_eq!(errors(&app.set("k4", &[(MUG, 1, json!(7))]).await), [named("INVALID_LOCATION", 0)]);
}

#[tokio::test]
async fn an_order_that_comes_between_makes_the_call_stale() {
    let app = App::new(0, 4);
    app.shop().buy_before_next_set("MUG-001", 1);
    let answer = app.set("k1", &[(MUG, 9, json!(4))]).await;
    assert_eq!(errors(&answer)[0].0, "CHANGE_FROM_QUANTITY_STALE");
    assert_eq!((mug(&app.shop()), app.shop().order_ids().len()), ((3, 1), 1));
}

#[test]
fn orders_commit_give_back_and_send_what_they_hold() {
    let app = App::new(0, 4);
    let shop = app.shop();
    let first = shop.buy("MUG-001", 3).expect("there are four");
    assert_eq!(mug(&shop), (1, 3));
    assert_eq!(shop.buy("MUG-001", 2), None, "there is one");
    let second = shop.buy("MUG-001", 1).expect("there is one");
    assert_eq!(mug(&shop), (0, 4));
    shop.change(first, Change::Cancelled);
    assert_eq!(mug(&shop), (3, 1), "what was cancelled is there again");
    shop.fulfil(second);
    assert_eq!(mug(&shop), (3, 0), "what was sent is gone");
    shop.delete(second);
    assert_eq!(mug(&shop), (3, 0), "it does not come back");
    shop.lose_returns();
    let third = shop.buy("MUG-001", 1).expect("there are three");
    shop.change(third, Change::Cancelled);
    assert_eq!((mug(&shop), shop.stock_counts().units_denied), ((2, 0), 2));
}

#[tokio::test]
async fn what_is_reserved_for_a_draft_is_not_for_sale_until_it_is_given_up() {
    let app = App::new(0, 4);
    let shop = app.shop();
    let reserved = || {
        let levels = shop.levels();
        levels.iter().filter(|level| level.variant == MUG).map(|level| level.reserved).sum::<i64>()
    };
    let first = shop.reserve_for_draft("MUG-001", 3).expect("there are four");
    assert_eq!((mug(&shop), reserved()), ((1, 0), 3));
    assert_eq!((shop.reserve_for_draft("MUG-001", 2), shop.buy("MUG-001", 2)), (None, None), "there is one");
    let query = "query($id: ID!) { inventoryItem(id: $id) { inventoryLevels(first: 1) { nodes { \
                 quantities(names: [\"on_hand\", \"reserved\"]) { name quantity } } } } }";
    let item = format!("gid://shopify/InventoryItem/{}", MUG + ITEMS_FROM);
    let shown = app.ask(query, json!({"id": item})).await;
    let quantities = &shown["data"]["inventoryItem"]["inventoryLevels"]["nodes"][0]["quantities"];
    assert_eq!(*quantities, json!([{"name": "on_hand", "quantity": 4}, {"name": "reserved", "quantity": 3}]));
    let order = shop.complete_draft(first).expect("it is there");
    assert_eq!((mug(&shop), reserved(), shop.order_ids()), ((1, 3), 0, vec![order]));
    assert_eq!(shop.complete_draft(first), None, "it is an order");
    let second = shop.reserve_for_draft("MUG-001", 1).expect("there is one");
    shop.staff_count("MUG-001", WAREHOUSE, -1);
    shop.give_up_draft(second);
    shop.give_up_draft(second);
    assert_eq!((mug(&shop), reserved()), ((0, 3), 0));
}

#[test]
fn the_shop_sells_what_it_shows_and_sells_on_where_staff_say_so() {
    let app = App::new(0, 1);
    let shop = app.shop();
    let product = shop.product_of("MUG-001").expect("it is there");
    shop.staff_set_when_out("MUG-001", WhenOut::Continue);
    assert!(shop.buy("MUG-001", 5).is_some());
    assert_eq!(mug(&shop), (-4, 5));
    shop.staff_set_standing(product, Standing::Draft);
    assert_eq!(shop.buy("MUG-001", 1), None);
    shop.staff_set_standing(product, Standing::Active);
    shop.staff_unpublish(product, ONLINE_STORE);
    assert_eq!(shop.buy("MUG-001", 1), None);
    shop.staff_publish(product, ONLINE_STORE);
    assert!(shop.buy("MUG-001", 1).is_some());
    assert_eq!(shop.buy("NO-SUCH", 1), None);
}

#[tokio::test]
async fn variants_are_listed_with_their_levels_a_page_at_a_time() {
    let app = App::new(3, 2);
    let query = "query($after: String, $at: ID!) { productVariants(first: 40, after: $after, sortKey: ID) { nodes { id sku inventoryPolicy \
                 product { id status } inventoryItem { id tracked inventoryLevel(locationId: $at) { isActive \
                 quantities(names: [\"committed\", \"available\"]) { name quantity } } } } pageInfo { hasNextPage endCursor } } }";
    let (mut after, mut skus) = (Value::Null, Vec::new());
    loop {
        let at = format!("gid://shopify/Location/{TILL}");
        let page = app.ask(query, json!({"after": after, "at": at})).await["data"]["productVariants"].clone();
        let nodes = page["nodes"].as_array().expect("a list").clone();
        skus.extend(nodes.iter().map(|node| node["sku"].as_str().expect("a SKU").to_owned()));
        let level = &nodes[0]["inventoryItem"]["inventoryLevel"];
        if after.is_null() {
            let quantities = json!([{"name": "committed", "quantity": 0}, {"name": "available", "quantity": 2}]);
            assert_eq!((&level["quantities"], &nodes[0]["product"]["status"]), (&quantities, &json!("ACTIVE")));
        }
        let last = nodes.last().expect("a row");
        let bulk_has_none = last["sku"].as_str().is_some_and(|sku| sku.starts_with("BULK-"));
        assert_eq!(last["inventoryItem"]["inventoryLevel"].is_null(), bulk_has_none, "{last}");
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!((skus.len(), skus[0].as_str(), skus[63].as_str()), (64, "MUG-001", "BULK-000003"));
    let item = format!("gid://shopify/InventoryItem/{}", MUG + ITEMS_FROM);
    let gone = "gid://shopify/ProductVariant/7";
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on InventoryItem { sku variants(first: 1) { nodes { id price } } } } }";
    let found = app.ask(query, json!({"ids": [item, gone]})).await;
    let nodes = &found["data"]["nodes"];
    assert_eq!((&nodes[0]["sku"], &nodes[1]), (&json!("MUG-001"), &Value::Null), "{found}");
    assert_eq!(nodes[0]["variants"]["nodes"][0]["price"], "1.05");
    let search = "{ inventoryItems(first: 5, query: \"sku:MUG-001 OR sku:'LAMP-002'\") { nodes { sku } } }";
    let found = app.ask(search, json!({})).await;
    assert_eq!(found["data"]["inventoryItems"]["nodes"], json!([{"sku": "MUG-001"}, {"sku": "LAMP-002"}]));
}

#[tokio::test]
async fn variants_are_read_in_bulk() {
    let app = App::new(300, 2);
    let run =
        "mutation($q: String!) { bulkOperationRunQuery(query: $q) { bulkOperation { id } userErrors { message } } }";
    let level = format!("inventoryLevel(locationId: \"gid://shopify/Location/{WAREHOUSE}\")");
    let rows = format!(
        "{{ productVariants {{ edges {{ node {{ sku inventoryItem {{ id {level} {{ quantities(names: [\"available\"]) {{ quantity }} }} }} }} }} }} }}"
    );
    let begun = app.ask(run, json!({"q": rows})).await;
    let id = begun["data"]["bulkOperationRunQuery"]["bulkOperation"]["id"].clone();
    assert!(id.is_string(), "{begun}");
    let look = "query($id: ID!) { bulkOperation(id: $id) { status objectCount url } }";
    app.ask(look, json!({"id": id})).await;
    let ended = app.ask(look, json!({"id": id})).await["data"]["bulkOperation"].clone();
    assert_eq!((&ended["status"], &ended["objectCount"]), (&json!("COMPLETED"), &json!("361")));
    let mut answer = app.http.get(ended["url"].as_str().expect("a file")).send().await.expect("an answer");
    let first = answer.chunk().await.expect("a chunk").expect("bytes");
    let line = first.split(|byte| *byte == b'\n').next().expect("a line");
    let row: Value = serde_json::from_slice(line).expect("JSON");
    assert_eq!(row["inventoryItem"]["inventoryLevel"]["quantities"], json!([{"quantity": 2}]), "{row}");
}

#[tokio::test]
async fn products_are_hidden_and_shown_and_every_act_is_noted() {
    let app = App::new(0, 1);
    let shop = app.shop();
    let product = shop.product_of("MUG-001").expect("it is there");
    let id = format!("gid://shopify/Product/{product}");
    let update = "mutation($p: ProductUpdateInput!) { productUpdate(product: $p) { product { id status } userErrors { field message } } }";
    for status in ["DRAFT", "DRAFT"] {
        let answer = app.ask(update, json!({"p": {"id": id, "status": status}})).await;
        assert_eq!(answer["data"]["productUpdate"]["product"]["status"], status, "{answer}");
    }
    let gone = app.ask(update, json!({"p": {"id": "gid://shopify/Product/1", "status": "DRAFT"}})).await;
    assert_eq!(gone["data"]["productUpdate"]["userErrors"][0]["field"], json!(["id"]));
    let unpublish = "mutation($id: ID!, $in: [PublicationInput!]!) { publishableUnpublish(id: $id, input: $in) { publishable { \
                     publishedOnPublication(publicationId: \"gid://shopify/Publication/90000002\") ... on Product { id } } \
                     userErrors { field message } } }";
    let inputs = json!([{"publicationId": format!("gid://shopify/Publication/{POINT_OF_SALE}")}]);
    let answer = app.ask(unpublish, json!({"id": id, "in": inputs})).await;
    assert_eq!(answer["data"]["publishableUnpublish"]["publishable"]["publishedOnPublication"], false, "{answer}");
    let wrong = json!([{"publicationId": "gid://shopify/Publication/1"}]);
    let answer = app.ask(unpublish, json!({"id": id, "in": wrong})).await;
    let field = &answer["data"]["publishableUnpublish"]["userErrors"][0]["field"];
    assert_eq!(*field, json!(["input", "0", "publicationId"]));
    let view = shop.products().into_iter().find(|view| view.id == product).expect("it is there");
    assert_eq!((view.standing, view.published), (Standing::Draft, vec![ONLINE_STORE]));
    let acts: Vec<String> = shop.standing_writes().into_iter().map(|write| write.what).collect();
    assert_eq!(acts, ["DRAFT", "unpublish 90000002"]);
}

#[tokio::test]
async fn variants_are_priced_one_by_one_or_not_at_all() {
    let app = App::new(0, 1);
    let shop = app.shop();
    let product = format!("gid://shopify/Product/{}", shop.product_of("MUG-001").expect("it is there"));
    let update = "mutation($p: ID!, $v: [ProductVariantsBulkInput!]!, $part: Boolean) { productVariantsBulkUpdate(productId: $p, variants: $v, \
                  allowPartialUpdates: $part) { productVariants { id price inventoryPolicy } userErrors { code field message } } }";
    let variant = |id: u64| format!("gid://shopify/ProductVariant/{id}");
    let entries = json!([
        {"id": variant(MUG), "price": "12.00", "inventoryPolicy": "CONTINUE"}, {"id": variant(MUG + 1), "price": "3.00"},
        {"id": variant(MUG + 12), "price": "-1"},
    ]);
    let answer = app.ask(update, json!({"p": product, "v": entries, "part": false})).await;
    let answer = &answer["data"]["productVariantsBulkUpdate"];
    let codes: Vec<&Value> =
        answer["userErrors"].as_array().expect("a list").iter().map(|error| &error["code"]).collect();
    assert_eq!(codes, ["MUST_BE_FOR_THIS_PRODUCT", "NEGATIVE_PRICE_VALUE"]);
    assert!(shop.standing_writes().is_empty());
    let answer = app.ask(update, json!({"p": product, "v": entries, "part": true})).await;
    let priced = json!([{"id": variant(MUG), "price": "12.00", "inventoryPolicy": "CONTINUE"}]);
    assert_eq!(answer["data"]["productVariantsBulkUpdate"]["productVariants"], priced);
    let add = "mutation($l: ID!, $p: [PriceListPriceInput!]!) { priceListFixedPricesAdd(priceListId: $l, prices: $p) { \
               prices { price { amount currencyCode } } userErrors { code field message } } }";
    let list = format!("gid://shopify/PriceList/{SWEDISH_PRICES}");
    let price =
        |currency: &str| json!([{"variantId": variant(MUG), "price": {"amount": "120.00", "currencyCode": currency}}]);
    let answer = app.ask(add, json!({"l": list, "p": price("EUR")})).await;
    assert_eq!(answer["data"]["priceListFixedPricesAdd"]["userErrors"][0]["code"], "PRICE_LIST_CURRENCY_MISMATCH");
    let answer = app.ask(add, json!({"l": list, "p": price("SEK")})).await;
    let money = json!([{"price": {"amount": "120.00", "currencyCode": "SEK"}}]);
    assert_eq!(answer["data"]["priceListFixedPricesAdd"]["prices"], money);
    assert_eq!(shop.fixed_price(SWEDISH_PRICES, MUG), Some(Decimal::from(120)));
    assert!(answer["extensions"]["cost"]["actualQueryCost"].as_u64().is_some_and(|cost| cost >= 10));
}

#[test]
fn a_sku_can_be_moved_doubled_and_deleted() {
    let app = App::new(0, 2);
    let shop = app.shop();
    let lamps = shop.product_of("LAMP-002").expect("it is there");
    let moved = shop.staff_move("MUG-001", lamps).expect("both are there");
    assert_eq!((shop.product_of("MUG-001"), moved == MUG), (Some(lamps), false));
    let second = shop.staff_double("CHAIR-003").expect("it is there");
    let chairs = shop.levels().into_iter().filter(|level| level.sku.as_deref() == Some("CHAIR-003"));
    assert!(chairs.map(|level| level.variant).any(|variant| variant == second));
    shop.staff_delete("RUG-005");
    assert_eq!((shop.product_of("RUG-005"), shop.buy("RUG-005", 1)), (None, None));
}

#[test]
fn both_sides_are_compared_in_units_that_are_sold() {
    let app = App::new(1, 20);
    let line = |sku: &str| app.sandbox.stock_lines(0).into_iter().find(|line| line.sku == sku).expect("it is there");
    let boxed = line("CANDLE-BOX");
    assert_eq!((boxed.part_no.as_deref(), boxed.available, boxed.sellable), (Some("CANDLE-001"), Some(20), Some(20)));
    app.sandbox.ifs().add_foreign_order("1", "S10", Some(("CANDLE-BOX", 3.into(), 5.into()))).expect("an order");
    assert_eq!((line("CANDLE-BOX").sellable, line("BULK-000001").sellable), (Some(17), Some(20)));
    // A shop that was not stocked up has nothing of all this.
    let empty = Sandbox::start(SandboxSettings::default()).expect("the sandbox starts");
    assert!(empty.stock_lines(0).is_empty() && empty.shop(0).expect("a shop").levels().is_empty());
}
