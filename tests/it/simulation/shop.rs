//! The shop's side of a run: orders that are placed and changed, the webhooks that tell of it and that come late, twice, in any order
//! or never, and persons who work on the orders in IFS.

use bytes::Bytes;
use ml_connector::cli::demo_settings::Manner;
use ml_connector::sandbox::ifs::{OrderView, RowOf};
use ml_connector::sandbox::shopify::{Change, Moved, Planted, Ruled, Shop, Story};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::support::world::World;

/// One webhook on its way.
#[derive(Clone)]
pub struct Webhook {
    pub order: usize,
    pub topic: &'static str,
    pub body: Bytes,
    pub id: String,
}

/// One order.
pub struct Sold {
    pub id: u64,
    pub story: Story,
    pub paid: bool,
    /// Once units went, none are added any more: the simulated shop's shares stay exact.
    shrunk: bool,
    pub cancelled: bool,
    /// Header fields as persons left them.
    pub desk: Vec<(&'static str, String)>,
    /// A person wrote where Shopify writes too: whoever comes second, both are shown.
    pub contested: bool,
    tellings: usize,
}

impl Sold {
    /// Whether the shop goes on changing it.
    pub fn moves(&self) -> bool {
        !self.cancelled && !matches!(self.story, Story::Test | Story::Parked(_) | Story::Ruled(Ruled::TagOut))
    }

    /// The change that must still come for the order to end as its story says.
    pub fn owes(&mut self) -> Option<Change> {
        match self.story {
            Story::CancelledAtOnce if !self.cancelled => {
                self.cancelled = true;
                Some(Change::Cancelled)
            }
            Story::Ruled(Ruled::HeldUntilPaid) if !self.paid => {
                self.paid = true;
                Some(Change::Paid)
            }
            _ => None,
        }
    }
}

/// All orders, and the webhooks on their way.
pub struct Sales {
    manner: Manner,
    pub orders: Vec<Sold>,
    pub pool: Vec<Webhook>,
}

/// A story for a new order: mostly one whose units can be moved to the cent and that takes any change.
fn story(manner: Manner, random: &mut StdRng) -> Story {
    if manner == Manner::Ruled {
        let any = [
            Ruled::CustomerCreated,
            Ruled::CustomerCreated,
            Ruled::CustomerKnown,
            Ruled::CustomerKnown,
            Ruled::CustomerOfTwo,
            Ruled::CustomerOfTwo,
            Ruled::CustomerByEmail,
            Ruled::CustomerByNumber,
            Ruled::CustomerByAssociation,
            Ruled::CompanyCreated,
            Ruled::HeldUntilPaid,
            Ruled::ChangedInLag,
            Ruled::TagOut,
        ];
        return Story::Ruled(*any.choose(random).expect("some"));
    }
    match random.random_range(0..100) {
        0..60 => Story::Moved(Moved::ReservedUp),
        60..78 => Story::Plain,
        78..92 => Story::CancelledAtOnce,
        92..95 => Story::Test,
        _ => Story::Parked(*Planted::ALL.choose(random).expect("some")),
    }
}

fn topics_of(change: Change) -> &'static [&'static str] {
    match change {
        Change::Paid => &["orders/paid", "orders/updated"],
        Change::Cancelled => &["orders/cancelled", "orders/updated"],
        Change::QuantityDown | Change::QuantityUp | Change::LineDiscount | Change::LineAdded | Change::LineRemoved => {
            &["orders/edited", "orders/updated"]
        }
        _ => &["orders/updated"],
    }
}

impl Sales {
    pub fn of(manner: Manner) -> Self {
        Self { manner, orders: Vec::new(), pool: Vec::new() }
    }

    /// Whether the rules hold orders back.
    pub fn holds(&self) -> bool {
        self.manner == Manner::Ruled
    }

    pub fn place(&mut self, shop: &Shop, random: &mut StdRng) -> String {
        let story = story(self.manner, random);
        let id = shop.place(story);
        let index = self.orders.len();
        self.orders.push(Sold {
            id,
            story,
            // A placed order of the usual kind may be paid already; then the money does not come again.
            paid: !matches!(story, Story::Moved(_) | Story::Ruled(Ruled::HeldUntilPaid)),
            shrunk: false,
            cancelled: false,
            desk: Vec::new(),
            contested: false,
            tellings: 0,
        });
        self.tell(shop, index, &["orders/create"]);
        format!("place {index} {}", story.name())
    }

    /// The shop changes one order, if one can be changed.
    pub fn change(&mut self, shop: &Shop, random: &mut StdRng) -> Option<String> {
        let movable: Vec<usize> = (0..self.orders.len()).filter(|index| self.orders[*index].moves()).collect();
        let index = *movable.choose(random)?;
        let order = &mut self.orders[index];
        let grows = [Change::QuantityUp, Change::QuantityUp, Change::LineDiscount, Change::LineAdded];
        let shrinks = [Change::QuantityDown, Change::QuantityDown, Change::LineRemoved];
        let rest = [Change::Note, Change::Address, Change::PurchaseOrder];
        let change = match order.story {
            Story::CancelledAtOnce if random.random_bool(0.5) => Change::Cancelled,
            Story::Moved(_) if !order.shrunk && random.random_bool(0.5) => *grows.choose(random).expect("some"),
            Story::Moved(_) if random.random_bool(0.3) => *shrinks.choose(random).expect("some"),
            Story::Moved(_) | Story::Ruled(Ruled::HeldUntilPaid) if random.random_bool(0.2) => Change::Paid,
            _ => *rest.choose(random).expect("some"),
        };
        order.shrunk |= shrinks.contains(&change);
        if change == Change::Paid && std::mem::replace(&mut order.paid, true) {
            return None;
        }
        order.cancelled |= change == Change::Cancelled;
        // A second version of one second is told by its webhook alone, so it is never an order's last one.
        let same_second = change != Change::Cancelled && random.random_bool(0.1);
        if same_second {
            shop.change_in_the_same_second(order.id, change);
        } else {
            shop.change(order.id, change);
        }
        self.tell(shop, index, topics_of(change));
        Some(format!("change {index} {change:?}{}", if same_second { " in the same second" } else { "" }))
    }

    /// Puts the webhooks of an order's last version on their way.
    pub fn tell(&mut self, shop: &Shop, index: usize, topics: &[&'static str]) {
        let order = &mut self.orders[index];
        for topic in topics {
            let body = match *topic {
                "orders/edited" => shop.edit_body(order.id),
                _ => shop.webhook_body(order.id),
            };
            let Some(body) = body else { continue };
            order.tellings += 1;
            let id = format!("webhook-{index}-{}", order.tellings);
            self.pool.push(Webhook { order: index, topic, body, id });
        }
    }

    /// Takes a webhook off its way: one that comes late comes after younger ones, one that comes twice stays.
    pub fn next_webhook(&mut self, random: &mut StdRng) -> Option<Webhook> {
        if self.pool.is_empty() {
            return None;
        }
        let index = if random.random_bool(0.6) { 0 } else { random.random_range(0..self.pool.len()) };
        let webhook = self.pool[index].clone();
        match random.random_range(0..100) {
            // It comes again, as it is or under another id.
            0..12 => {}
            12..18 => self.pool[index].id.push_str("-again"),
            _ => drop(self.pool.remove(index)),
        }
        Some(webhook)
    }

    /// A webhook never comes.
    pub fn lose_webhook(&mut self, random: &mut StdRng) -> Option<String> {
        if self.pool.is_empty() {
            return None;
        }
        let lost = self.pool.remove(random.random_range(0..self.pool.len()));
        Some(format!("lose {} of {}", lost.topic, lost.order))
    }

    /// A person does something to one order in IFS, if there is one to be done something to.
    pub fn person(&mut self, world: &World, random: &mut StdRng) -> Option<String> {
        let movable: Vec<usize> = (0..self.orders.len()).filter(|index| self.orders[*index].moves()).collect();
        let index = *movable.choose(random)?;
        let order = &mut self.orders[index];
        let ifs = world.sandbox.ifs();
        let view = live(world, order.id)?;
        let number = random.random_range(1..1_000_u32);
        let (what, done) = match random.random_range(0..10) {
            // Not `LabelNote`: the persons of a 412 storm write there.
            0..6 => ("CustRef", None),
            6..9 if view.field("Objstate") == "Planned" => {
                ("Released", Some(ifs.set_state(&view.order_no, "Released")))
            }
            9 => ("NoteText", None),
            _ => return None,
        };
        let refused = match done {
            Some(done) => done.err(),
            None => {
                let text = format!("a person's {number}");
                let refused = ifs.person_edits(&view.order_no, RowOf::Header, what, &text).err();
                if refused.is_none() {
                    order.desk.retain(|(field, _)| *field != what);
                    order.desk.push((what, text));
                    order.contested |= what == "NoteText";
                }
                refused
            }
        };
        Some(format!("person {index} {what}{}", refused.map_or_else(String::new, |refused| format!(": {refused}"))))
    }
}

/// The live order in IFS of this key.
pub fn live(world: &World, order_id: u64) -> Option<OrderView> {
    world.sandbox.ifs().orders_by_po(&order_id.to_string()).into_iter().find(OrderView::is_live)
}
