//! The store of stock on both databases: parts with what is sold of them, what open orders take, products that ran out, prices.

use std::collections::BTreeMap;

use ml_connector::store::{
    KnownPrice, PartFigures, PartReading, PriceFilter, PriceOutcome, PricePlan, RefusedPrice, SalesPart, SettledPrices,
    StockOutFilter, StockPart, StoreError, WeighedOrder, WrittenUnits,
};
use rust_decimal::Decimal;

use crate::stock_store::{Stage, at, on_each};

const SITE: &str = "S10";

fn sold(catalog_no: &str, part_no: Option<&str>) -> SalesPart {
    SalesPart {
        catalog_no: catalog_no.to_owned(),
        part_no: part_no.map(str::to_owned),
        conversion: Some("12".to_owned()),
        price_conversion: None,
        is_active: true,
        list_price: Some("1.50".to_owned()),
        list_price_incl_tax: None,
        currency: Some("EUR".to_owned()),
    }
}

impl Stage {
    async fn sell(&self, run: i64, parts: Vec<SalesPart>) {
        let site = (SITE.to_owned(), run);
        self.store.put_sales_parts(&self.lease, &self.name, site, parts, None, at(1)).await.expect("keeps");
    }

    async fn tell(&self, run: i64, reading: PartReading, part_no: &str, figures: &str) {
        let parts = vec![PartFigures { part_no: part_no.to_owned(), figures: figures.to_owned() }];
        let site = (SITE.to_owned(), run, reading);
        self.store.put_part_figures(&self.lease, &self.name, site, parts, None, at(1)).await.expect("keeps");
    }

    /// An order in our books, in its first version.
    pub fn book(&self, order: u64) {
        self.database.execute(&format!(
            "INSERT INTO orders (connection, order_id, name, revision, created_at, updated_at, digest, road, payload, \
             born_here, reread_digests, first_received_at) \
             VALUES ('acme', {order}, '#{order}', 1, 0, 0, 'd', 'rest', '', 1, '', 0)"
        ));
    }

    /// Orders that wait to be weighed, each with its version.
    pub async fn unweighed(&self) -> Vec<(u64, i64)> {
        let found = self.store.unweighed_orders(&self.name, 0, 10).await.expect("reads");
        found.iter().map(|order| (order.order_id, order.snapshot.revision)).collect()
    }
}

#[actix_rt::test]
async fn a_pool_has_a_part_with_everything_that_is_sold_of_it() {
    on_each(async |stage| {
        stage.read_now(1, &[(1, 4), (2, 5), (3, 6)]).await;
        let parts =
            vec![sold("P1", Some("CUP")), sold("P2", Some("CUP")), sold("P3", Some("MUG")), sold("P9", Some("TEA"))];
        stage.sell(1, parts).await;
        stage.tell(1, PartReading::DemandBefore, "CUP", "before").await;
        stage.tell(1, PartReading::Stock, "CUP", "stock").await;
        stage.tell(1, PartReading::Stock, "TEA", "nobody sells it").await;
        let pools = |run, after: Option<&str>, limit| {
            stage.store.stock_pools(&stage.name, (SITE.to_owned(), run), after.map(str::to_owned), limit)
        };
        let first = pools(1, None, 1).await.expect("reads");
        assert_eq!((first.len(), first[0].part_no.as_str()), (1, "CUP"));
        let told = StockPart { demand_before: Some("before".into()), stock: Some("stock".into()), demand_after: None };
        assert_eq!(first[0].part, told);
        let goods: Vec<_> = first[0]
            .goods
            .iter()
            .map(|(part, variants)| (part.catalog_no.as_str(), variants[0].item_id, variants[0].levels[0].available))
            .collect();
        assert_eq!(goods, [("P1", 1, 4), ("P2", 2, 5)]);
        assert_eq!(first[0].goods[0].0, sold("P1", Some("CUP")));
        let second = pools(1, Some("CUP"), 10).await.expect("reads");
        assert_eq!((second.len(), second[0].part_no.as_str(), &second[0].part), (1, "MUG", &StockPart::default()));
        assert_eq!(stage.database.number("SELECT COUNT(*) FROM stock_parts"), 1, "TEA is not sold");
        // What an earlier run told is no figure of this one.
        assert_eq!(pools(2, None, 1).await.expect("reads")[0].part, StockPart::default());
        let named =
            stage.store.stock_pools_of(&stage.name, (SITE.to_owned(), 1), vec!["MUG".into(), "TEA".into()]).await;
        let named = named.expect("reads");
        assert_eq!((named[0].goods.len(), named[1].goods.len()), (1, 0));
        assert_eq!(stage.store.forget_stock_parts(&stage.lease, &stage.name, 2).await.expect("forgets"), 1);
    })
    .await;
}

#[actix_rt::test]
async fn coverage_shows_both_halves_of_a_number_and_each_without_the_other() {
    on_each(async |stage| {
        stage.read_now(1, &[(1, 4), (2, 4)]).await;
        stage.sell(1, vec![sold("P2", Some("CUP")), sold("P3", None)]).await;
        let page = |after: Option<&str>, limit| {
            stage.store.stock_coverage(&stage.name, SITE.to_owned(), after.map(str::to_owned), limit)
        };
        let halves = page(None, 10).await.expect("reads");
        let shown: Vec<_> =
            halves.iter().map(|half| (half.catalog_no.as_str(), half.part.is_some(), half.variants.len())).collect();
        assert_eq!(shown, [("P1", false, 1), ("P2", true, 1), ("P3", true, 0)]);
        let behind = page(Some("P1"), 1).await.expect("reads");
        assert_eq!(behind.iter().map(|half| half.catalog_no.as_str()).collect::<Vec<_>>(), ["P2"]);
        for text in ["sku '1\"", "P1", "1001", "1"] {
            let named = stage.store.variants_named(&stage.name, text.to_owned()).await.expect("reads");
            assert_eq!(named.iter().map(|variant| variant.item_id).collect::<Vec<_>>(), [1], "{text}");
        }
        stage.sell(2, vec![sold("P3", None)]).await;
        assert_eq!(stage.store.end_sales_parts(&stage.lease, &stage.name, SITE.to_owned(), 2).await.expect("ends"), 1);
    })
    .await;
}

#[actix_rt::test]
async fn an_order_is_weighed_once_a_version_and_looked_at_until_ifs_holds_all_of_it() {
    on_each(async |stage| {
        stage.book(7);
        stage.book(8);
        assert_eq!(stage.unweighed().await, [(7, 1), (8, 1)]);
        let weighed = |order_id, revision, units: &[(&str, i64, i64)]| {
            let unit =
                |(part, units, open): &(&str, i64, i64)| (((*part).to_owned(), SITE.to_owned()), (*units, *open));
            let units: BTreeMap<_, _> = units.iter().map(unit).collect();
            WeighedOrder { order_id, revision, changed_at: at(5), units }
        };
        let orders = vec![weighed(7, 1, &[("P1", 3, 3), ("P2", 1, 0)]), weighed(8, 9, &[("P1", 1, 1)])];
        assert_eq!(stage.store.put_weighed(&stage.lease, &stage.name, orders).await.expect("keeps"), 1);
        assert_eq!(stage.unweighed().await, [(8, 1)], "another version was weighed");
        let open = stage.store.open_stock_orders(&stage.name, 0, 10).await.expect("reads");
        assert_eq!((open.len(), open[0].order_id, open[0].documents.len(), open[0].units.len()), (1, 7, 0, 2));
        let units = stage.store.order_units(&stage.name, vec!["P1".into()]).await.expect("reads");
        assert_eq!((units.len(), units[0].units, units[0].open, units[0].written), (1, 3, 3, None));
        assert_eq!(units[0].changed_at, at(5));

        let written = |part: &str, written| WrittenUnits {
            order_id: 7,
            catalog_no: part.to_owned(),
            site: SITE.to_owned(),
            written: Some(written),
        };
        let both = vec![written("P1", 3), written("P2", 1)];
        stage.store.put_written_units(&stage.lease, &stage.name, both).await.expect("keeps");
        let units = stage.store.order_units(&stage.name, vec!["P1".into()]).await.expect("reads");
        assert_eq!(units[0].written, Some(3), "not fulfilled yet");
        // A newer version comes, in which all is fulfilled.
        stage.database.execute("UPDATE orders SET revision = 2 WHERE order_id = 7");
        assert_eq!(stage.unweighed().await, [(7, 2), (8, 1)]);
        let orders = vec![weighed(7, 2, &[("P1", 3, 0), ("P2", 1, 0)])];
        stage.store.put_weighed(&stage.lease, &stage.name, orders).await.expect("keeps");
        let both = vec![written("P1", 3), written("P2", 1)];
        stage.store.put_written_units(&stage.lease, &stage.name, both).await.expect("keeps");
        assert_eq!(stage.database.number("SELECT COUNT(*) FROM stock_order_units"), 0);
        assert!(stage.store.open_stock_orders(&stage.name, 0, 10).await.expect("reads").is_empty());
        assert_eq!(stage.unweighed().await, [(8, 1)]);
    })
    .await;
}

#[actix_rt::test]
async fn a_product_has_one_open_row_that_moves_only_from_where_it_was_read() {
    on_each(async |stage| {
        let acts = ["draft".to_owned(), "deny:7".to_owned()];
        let open = || stage.store.open_stock_out(&stage.lease, &stage.name, (5, "disabling", 3), &acts, at(1));
        let out = open().await.expect("opens");
        assert_eq!((out.product_id, out.acts.as_slice(), out.opened_at), (5, &acts[..], at(1)));
        assert!(matches!(open().await, Err(StoreError::Stale)), "it has one");
        let moved = stage.store.move_stock_out(&stage.lease, &out, "disabled", &acts[..1], at(2)).await.expect("moves");
        assert_eq!((moved.state.as_str(), moved.acts.len(), moved.changed_at), ("disabled", 1, at(2)));
        assert_eq!((moved.called_in, moved.called_at), (3, at(1)), "no call went");
        let stale = stage.store.move_stock_out(&stage.lease, &out, "enabling", &acts, at(3)).await;
        assert!(matches!(stale, Err(StoreError::Stale)), "it moved since");
        let called = stage.store.call_stock_out(&stage.lease, &moved, ("enabling", 4), &acts[..1], at(3));
        let called = called.await.expect("moves");
        assert_eq!((called.state.as_str(), called.called_in, called.called_at), ("enabling", 4, at(3)));
        let said = (Some("no".to_owned()), true);
        let told = stage.store.tell_stock_out(&stage.lease, &called, &acts[..1], said, at(3)).await.expect("tells");
        assert_eq!((told.state.as_str(), told.reason.as_deref(), told.called_in), ("enabling", Some("no"), 4));
        assert_eq!((out.unanswered, moved.unanswered, called.unanswered, told.unanswered), (1, 1, 1, 0));
        stage.store.end_stock_out(&stage.lease, &told, "enabled", at(4)).await.expect("ends");
        let stale = stage.store.end_stock_out(&stage.lease, &told, "enabled", at(4)).await;
        assert!(matches!(stale, Err(StoreError::Stale)));
        let latest = stage.store.stock_outs_of(&stage.name, vec![5, 6]).await.expect("reads");
        assert_eq!((latest.len(), latest[0].ended.as_ref()), (1, Some(&(at(4), "enabled".to_owned()))));
        let again = open().await.expect("opens anew");
        let latest = stage.store.stock_outs_of(&stage.name, vec![5]).await.expect("reads");
        assert_eq!(latest, [again]);
        for (filter, count) in [(StockOutFilter::Open, 1), (StockOutFilter::All, 2)] {
            let listed = stage.store.list_stock_outs(&stage.name, filter, 0, 10).await.expect("lists");
            assert_eq!(listed.len(), count, "{filter:?}");
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_price_waits_for_a_person_and_what_was_accepted_stays_until_it_is_set() {
    on_each(async |stage| {
        let change = PriceOutcome::Change("11.00".to_owned());
        stage.put_prices(1, vec![price(1, change), price(2, far("20.00")), price(3, far("30.00"))], 1).await;
        assert_eq!(stage.prices(PriceFilter::Planned).await, [row(1, "planned", Some("11.00"))]);
        let parked = [row(2, "parked", Some("20.00")), row(3, "parked", Some("30.00"))];
        assert_eq!(stage.prices(PriceFilter::Parked).await, parked);

        // That amount, and no other one.
        for (variant, amount) in [(1, 1_100), (2, 2_100), (2, -2_000), (9, 100)] {
            let refused = stage.accept(variant, amount).await;
            assert!(matches!(refused, Err(StoreError::Refused(_))), "{variant}: {refused:?}");
        }
        let accepted = stage.accept(2, 2_000).await.expect("accepts");
        assert_eq!(accepted, ("20.00".to_owned(), "EUR".to_owned()));
        let again = stage.accept(2, 2_000).await;
        assert!(matches!(again, Err(StoreError::Refused(_))), "it waits for nobody");

        // Compared just before it was accepted: it stays planned. Another amount parks, and nothing of the accepted one stays.
        stage.put_prices(2, vec![price(2, far("20.00"))], 2).await;
        assert_eq!(stage.prices(PriceFilter::Planned).await[1..], [row(2, "planned", Some("20.00"))]);
        assert_eq!(stage.known(2).await.accepted.as_deref(), Some("20.00"));
        assert_eq!(stage.store.end_price_plans(&stage.lease, &stage.name, (0, 2)).await.expect("ends"), 2);
        stage.put_prices(3, vec![price(2, far("21.00"))], 2).await;
        assert_eq!(stage.prices(PriceFilter::All).await, [row(2, "parked", Some("21.00"))]);
        assert_eq!(stage.known(2).await.accepted, None);
        stage.put_prices(4, vec![price(2, far("20.00"))], 2).await;
        assert_eq!(stage.prices(PriceFilter::All).await, [row(2, "parked", Some("20.00"))], "accepted once, not twice");

        // What Shopify refuses parks, but for what was planned anew meanwhile.
        stage.accept(2, 2_000).await.expect("accepts");
        stage.settle(vec![], vec![(2, "19.00")]).await;
        assert_eq!(stage.prices(PriceFilter::Planned).await.len(), 1, "another amount was sent than is wanted by now");
        stage.settle(vec![], vec![(2, "20.00")]).await;
        assert_eq!(stage.prices(PriceFilter::All).await, [row(2, "parked", Some("20.00"))]);
        stage.accept(2, 2_000).await.expect("accepts");
        stage.settle(vec![(2, "19.00")], vec![]).await;
        assert_eq!(stage.prices(PriceFilter::Planned).await.len(), 1, "another amount was sent than is wanted by now");
        stage.settle(vec![(2, "20.00")], vec![]).await;
        assert_eq!(stage.prices(PriceFilter::All).await, [row(2, "written", Some("20.00"))]);
        assert_eq!(stage.known(2).await.written, Some(("20.00".to_owned(), at(3))));
        stage.put_prices(5, vec![price(2, PriceOutcome::Keep)], 4).await;
        assert!(stage.prices(PriceFilter::All).await.is_empty());
    })
    .await;
}

#[actix_rt::test]
async fn a_price_without_an_amount_cannot_be_accepted() {
    on_each(async |stage| {
        let (code, text) = ("price_missing".to_owned(), "none".to_owned());
        stage.put_prices(1, vec![price(1, PriceOutcome::Park { wanted: None, code, text })], 1).await;
        assert!(matches!(stage.accept(1, 0).await, Err(StoreError::Refused(text)) if text.contains("no amount")));
    })
    .await;
}

#[actix_rt::test]
async fn prices_that_are_given_up_say_since_when_and_are_planned_anew() {
    on_each(async |stage| {
        let change = || PriceOutcome::Change("11.00".to_owned());
        stage.put_prices(1, vec![price(1, change()), price(2, change()), price(3, far("20.00"))], 1).await;
        assert_eq!(stage.store.aged_prices_at(&stage.name).await.expect("reads"), None);
        stage.accept(3, 2_000).await.expect("accepts");
        let which = (0, vec![1, 3, 9]);
        assert_eq!(stage.store.age_prices(&stage.lease, &stage.name, which, at(5)).await.expect("ages"), 2);
        assert_eq!(stage.prices(PriceFilter::Planned).await, [row(2, "planned", Some("11.00"))]);
        assert_eq!(stage.store.aged_prices_at(&stage.name).await.expect("reads"), Some(at(5)));
        // What a person accepted is not lost with its plan.
        stage.put_prices(2, vec![price(1, change()), price(3, far("20.00"))], 6).await;
        assert_eq!(stage.prices(PriceFilter::Planned).await.len(), 3);
        assert_eq!(stage.store.aged_prices_at(&stage.name).await.expect("reads"), None);
        // Prices of a call that Shopify refused without a name go apart, until they are planned anew.
        let together = async || {
            let rows = stage.store.prices(&stage.name, 0, PriceFilter::Planned, (0, 0), 10).await.expect("lists");
            rows.into_iter().map(|row| row.together).collect::<Vec<_>>()
        };
        let parted = stage.store.part_prices(&stage.lease, &stage.name, (0, vec![1, 2]), 1);
        parted.await.expect("keeps");
        assert_eq!(together().await, [Some(1), Some(1), None]);
        stage.put_prices(3, vec![price(1, change())], 7).await;
        assert_eq!(together().await, [None, Some(1), None]);
    })
    .await;
}

fn price(variant_id: u64, outcome: PriceOutcome) -> PricePlan {
    PricePlan {
        variant_id,
        product_id: 5,
        catalog_no: format!("P{variant_id}"),
        shown: Some("10.00".to_owned()),
        currency: "EUR".to_owned(),
        outcome,
    }
}

fn far(wanted: &str) -> PriceOutcome {
    let wanted = Some(wanted.to_owned());
    PriceOutcome::Park { wanted, code: "price_change".to_owned(), text: "far".to_owned() }
}

fn row(variant: u64, state: &str, wanted: Option<&str>) -> (u64, String, Option<String>) {
    (variant, state.to_owned(), wanted.map(str::to_owned))
}

impl Stage {
    async fn put_prices(&self, run: i64, plans: Vec<PricePlan>, secs: i64) {
        let which = (0, run, "r1".to_owned());
        self.store.put_price_plans(&self.lease, &self.name, which, plans, at(secs)).await.expect("keeps");
    }

    async fn prices(&self, filter: PriceFilter) -> Vec<(u64, String, Option<String>)> {
        let rows = self.store.prices(&self.name, 0, filter, (0, 0), 10).await.expect("lists");
        assert!(rows.iter().all(|row| row.rules == "r1"), "{rows:?}");
        rows.into_iter().map(|row| (row.variant_id, row.state, row.wanted)).collect()
    }

    async fn known(&self, variant: u64) -> KnownPrice {
        let mut known = self.store.known_prices(&self.name, 0, vec![variant]).await.expect("reads");
        known.remove(&variant).expect("it is there")
    }

    async fn accept(&self, variant: u64, cents: i64) -> Result<(String, String), StoreError> {
        let who = ("eva".to_owned(), "a new season".to_owned());
        self.store.accept_price(&self.name, (0, variant), Decimal::new(cents, 2), who, at(2)).await
    }

    async fn settle(&self, written: Vec<(u64, &str)>, refused: Vec<(u64, &str)>) {
        let written = written.into_iter().map(|(id, amount)| (id, amount.to_owned())).collect();
        let refused = refused.into_iter().map(|(variant_id, amount)| RefusedPrice {
            variant_id,
            amount: amount.to_owned(),
            code: "PRODUCT_SUSPENDED".to_owned(),
            text: "no".to_owned(),
        });
        let settled = SettledPrices { written, refused: refused.collect() };
        self.store.settle_prices(&self.lease, &self.name, 0, settled, at(3)).await.expect("settles");
    }
}

/// More than SQLite takes values in one statement.
const MANY: i64 = 33_000;

#[actix_rt::test]
async fn more_open_orders_of_a_part_are_read_than_one_statement_takes_values() {
    on_each(async |stage| {
        let many = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY})");
        stage.database.execute(&format!(
            "{many} INSERT INTO stock_orders (connection, order_id, changed_at) SELECT 'acme', i, i FROM n"
        ));
        stage.database.execute(&format!(
            "{many} INSERT INTO stock_order_units (connection, order_id, catalog_no, site, units, open) \
             SELECT 'acme', i, 'P1', '{SITE}', 1, 1 FROM n"
        ));
        let units = stage.store.order_units(&stage.name, vec!["P1".to_owned()]).await.expect("reads");
        assert_eq!(units.len(), usize::try_from(MANY).expect("a count"));
        for one in [&units[0], &units[units.len() - 1]] {
            assert_eq!(one.changed_at.as_microsecond(), i64::try_from(one.order_id).expect("a number"));
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_piece_of_products_is_small_by_its_variants_too() {
    on_each(async |stage| {
        // Variants 1 to `MANY` are product 1, the next 1,000 are 2, and so on.
        stage.database.execute(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY} + 3000) \
             INSERT INTO stock_variants (connection, variant_id, run, product_id, item_id, price, policy, status, \
             is_tracked, is_bundle) SELECT 'acme', i, 1, CASE WHEN i <= {MANY} THEN 1 \
             ELSE 2 + (i - {MANY} - 1) / 1000 END, i, '1', 'DENY', 'ACTIVE', 1, 0 FROM n"
        ));
        let products = async |after| stage.store.stock_products(&stage.name, after, 10).await.expect("reads");
        assert_eq!(products(0).await, [1], "more than a piece, and all of it");
        assert_eq!((products(1).await, products(3).await, products(4).await), (vec![2, 3], vec![4], vec![]));
        let variants = stage.store.variants_of_products(&stage.name, vec![1]).await.expect("reads");
        assert_eq!(variants.len(), usize::try_from(MANY).expect("a count"));
    })
    .await;
}
