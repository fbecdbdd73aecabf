//! The real binary, killed with SIGKILL between every two effects of stock and started again: no wrong level, no product that is disabled
//! for good, and none enabled that a merchant had disabled, in each way of disabling one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ml_connector::domain::ids::ConnectionName;
use ml_connector::failpoint;
use ml_connector::flow::stock::{ASKED, Asked};
use ml_connector::sandbox::StockUp;
use ml_connector::sandbox::shopify::{ONLINE_STORE, ProductView, Standing, WhenOut};
use ml_connector::sandbox::world::bulk_sku;
use ml_connector::store::Cursor;

use crate::on_both;
use crate::stock::counts;
use crate::support::served::Served;
use crate::support::stocked::{DENIED, DRAFTS, UNPUBLISHED, each_minute};
use crate::support::world::{Setup, World};

/// How a product shows in the shop.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    standing: Standing,
    published: Vec<u64>,
    when_out: Vec<WhenOut>,
}

impl Shown {
    fn of(product: ProductView) -> Self {
        let when_out = product.variants.into_iter().map(|(_, _, when_out, _)| when_out).collect();
        Self { standing: product.standing, published: product.published, when_out }
    }
}

/// A way of disabling products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Draft,
    Unpublish,
    Deny,
}

impl Way {
    fn setup(self) -> Setup {
        each_minute(&[match self {
            Self::Draft => DRAFTS,
            Self::Unpublish => UNPUBLISHED,
            Self::Deny => DENIED,
        }])
    }

    /// What a merchant decides before anything runs out: the second product is not shown, not sold in one channel, or hardly sold on.
    fn decide(self, world: &World, [first, second]: [u64; 2]) {
        let shop = world.shop();
        match self {
            Self::Draft => shop.staff_set_standing(second, Standing::Draft),
            Self::Unpublish => shop.staff_unpublish(second, ONLINE_STORE),
            Self::Deny => {
                let sold_on = skus_of(world, first).into_iter().chain(skus_of(world, second).into_iter().take(1));
                sold_on.for_each(|sku| shop.staff_set_when_out(&sku, WhenOut::Continue));
            }
        }
    }

    /// How a product shows once it is disabled.
    fn disabled(self, shown: &Shown) -> Shown {
        let mut shown = shown.clone();
        match self {
            Self::Draft => shown.standing = Standing::Draft,
            Self::Unpublish => shown.published.clear(),
            Self::Deny => shown.when_out.fill(WhenOut::Deny),
        }
        shown
    }
}

/// Two products that run out, and how all of the shop's show.
struct Products {
    skus: Vec<String>,
    /// Before, and when they are there again.
    on: BTreeMap<u64, Shown>,
    /// While nothing is left of them.
    off: BTreeMap<u64, Shown>,
}

impl Products {
    /// They have run out in IFS, and the shop does not know it yet.
    fn run_out(world: &World, way: Way) -> Self {
        world.sandbox.stock_up(StockUp { bulk: 40, units: 10, available: 3 });
        let ids = [0, 1].map(|nth| world.shop().product_of(&bulk_sku(nth * 5)).expect("it is sold"));
        way.decide(world, ids);
        let skus = ids.into_iter().flat_map(|id| skus_of(world, id)).collect();
        let (on, mut off) = (shown(world), shown(world));
        ids.iter().for_each(|id| drop(off.insert(*id, way.disabled(&on[id]))));
        let products = Self { skus, on, off };
        products.all_are(world, 0);
        products
    }

    /// Nothing, or so many, of each SKU is there.
    fn all_are(&self, world: &World, units: i64) {
        self.skus.iter().for_each(|sku| counts(world, sku, units));
    }

    /// How many are disabled here, rather than by the merchant.
    fn disabled(&self) -> i64 {
        self.on.iter().filter(|(id, shown)| self.off[*id] != **shown).count() as i64
    }
}

/// Kills the service at a point, and lets another one go on.
async fn killed_at(world: &World, way: Way, point: &str) {
    let products = Products::run_out(world, way);
    world.serve(Some(point)).reached(point).await.kill();
    let served = world.serve(None);
    eventually(&served, "both sides are equal, and what has run out is disabled", || {
        is_equal(world) && shown(world) == products.off
    })
    .await;
    // It is there again, and comes back.
    products.all_are(world, 7);
    let (code, _, told) = world.command(&["stock", "sync", "acme"], "");
    assert_eq!(code, 0, "{told}");
    eventually(&served, "what is there again is enabled, and no more", || {
        is_equal(world) && shown(world) == products.on
    })
    .await;
    assert_eq!(served.terminate(), 0);
}

/// Kills the service at a point while it brings products back, and lets another one go on: none stays disabled.
async fn killed_at_the_restock(world: &World, way: Way, point: &str) {
    let products = Products::run_out(world, way);
    let rows = |which: &str| world.database.number(&format!("SELECT COUNT(*) FROM stock_outs WHERE {which}"));
    let served = world.serve(None);
    eventually(&served, "what has run out is disabled", || {
        is_equal(world) && shown(world) == products.off && rows("state = 'disabled'") == products.disabled()
    })
    .await;
    assert_eq!(served.terminate(), 0);
    products.all_are(world, 7);
    let served = world.serve(Some(point));
    ask(world).await;
    served.reached(point).await.kill();
    let served = world.serve(None);
    ask(world).await;
    eventually(&served, "what is there again is enabled, and no more", || {
        is_equal(world) && shown(world) == products.on && rows("ended IS NULL") == 0
    })
    .await;
    assert_eq!(rows("ended = 'enabled'"), products.disabled());
    assert_eq!(served.terminate(), 0);
}

/// Asks for a reading, as `stock sync` does, and does not wait for it.
async fn ask(world: &World) {
    let (name, now) = (ConnectionName::parse("acme").expect("a name"), Timestamp::now());
    let asked = Asked { at: now.as_microsecond(), accepts_fewer: false };
    let cursor = Cursor { name: ASKED.to_owned(), value: serde_json::to_string(&asked).expect("JSON") };
    world.store.keep_cursor(&name, cursor, now).await.expect("keeps");
}

fn skus_of(world: &World, product: u64) -> Vec<String> {
    let products = world.shop().products().into_iter().filter(|one| one.id == product);
    products.flat_map(|one| one.variants.into_iter().filter_map(|(_, sku, ..)| sku)).collect()
}

fn shown(world: &World) -> BTreeMap<u64, Shown> {
    world.shop().products().into_iter().map(|product| (product.id, Shown::of(product))).collect()
}

fn is_equal(world: &World) -> bool {
    let shared = ["CANDLE-001", "CANDLE-BOX"];
    world
        .sandbox
        .stock_lines(0)
        .into_iter()
        .filter(|line| !shared.contains(&line.sku.as_str()))
        .all(|line| line.available.is_none() || line.sellable.is_none() || line.available == line.sellable)
}

async fn eventually(served: &Served, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while !holds() {
        assert!(Instant::now() < deadline, "not {what}: {}", served.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

macro_rules! killed {
    ($killed:ident, $way:expr; $($name:ident: $point:expr;)+) => {
        $(on_both!($name, $way.setup(), async |world: &World| $killed(world, $way, $point).await);)+
    };
}

macro_rules! killed_at_every_point {
    ($($name:ident: $point:expr;)+) => {
        killed! { killed_at, Way::Draft; $($name: $point;)+ }

        #[test]
        fn every_point_of_stock_is_here() {
            assert_eq!(failpoint::STOCK, [$($point),+]);
        }
    };
}

killed_at_every_point! {
    a_kill_with_a_page_read: failpoint::STOCK_PAGE_READ;
    a_kill_with_a_page_stored: failpoint::STOCK_PAGE_STORED;
    a_kill_with_a_piece_planned: failpoint::STOCK_PLANNED;
    a_kill_between_the_call_and_its_bytes: failpoint::STOCK_CALL_COMMITTED;
    a_kill_with_the_call_answered: failpoint::STOCK_CALL_ANSWERED;
    a_kill_with_the_call_settled: failpoint::STOCK_CALL_SETTLED;
    a_kill_before_a_product_is_disabled: failpoint::STOCK_OUT_COMMITTED;
    a_kill_with_a_product_disabled: failpoint::STOCK_OUT_ANSWERED;
    a_kill_with_a_product_shown_disabled: failpoint::STOCK_OUT_SHOWN;
}

killed! {
    killed_at_the_restock, Way::Draft;
    a_kill_before_a_product_is_enabled: failpoint::STOCK_OUT_COMMITTED;
    a_kill_with_a_product_enabled: failpoint::STOCK_OUT_ANSWERED;
    a_kill_with_a_product_shown_enabled: failpoint::STOCK_OUT_SHOWN;
}

// Each channel is a call of its own: of the first product's two the second one is answered last.
killed! {
    killed_at, Way::Unpublish;
    a_kill_before_a_product_leaves_its_channels: failpoint::STOCK_OUT_COMMITTED;
    a_kill_between_the_channels_that_a_product_leaves: failpoint::STOCK_OUT_ANSWERED;
    a_kill_with_a_product_in_no_channel: "stock_out_answered:2";
    a_kill_with_a_product_shown_in_no_channel: failpoint::STOCK_OUT_SHOWN;
}

killed! {
    killed_at_the_restock, Way::Unpublish;
    a_kill_before_a_product_is_back_in_its_channels: failpoint::STOCK_OUT_COMMITTED;
    a_kill_between_the_channels_that_a_product_comes_back_to: failpoint::STOCK_OUT_ANSWERED;
    a_kill_with_a_product_back_in_its_channels: "stock_out_answered:2";
    a_kill_with_a_product_shown_back_in_its_channels: failpoint::STOCK_OUT_SHOWN;
}

killed! {
    killed_at, Way::Deny;
    a_kill_before_a_product_is_not_sold_on: failpoint::STOCK_OUT_COMMITTED;
    a_kill_with_a_product_not_sold_on: failpoint::STOCK_OUT_ANSWERED;
    a_kill_with_a_product_shown_not_sold_on: failpoint::STOCK_OUT_SHOWN;
}

killed! {
    killed_at_the_restock, Way::Deny;
    a_kill_before_a_product_is_sold_on_again: failpoint::STOCK_OUT_COMMITTED;
    a_kill_with_a_product_sold_on_again: failpoint::STOCK_OUT_ANSWERED;
    a_kill_with_a_product_shown_sold_on_again: failpoint::STOCK_OUT_SHOWN;
}
