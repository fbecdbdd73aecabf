//! The two sides without the connector: a shop with one product at two locations, and a site with a warehouse for each. It knows what
//! can be sold really, since it sees both.

use rand::Rng as _;
use rand::rngs::StdRng;

/// An order of the shop's, or a line of another channel in IFS.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// Which location Shopify takes it from; none for another channel.
    pub(super) place: Option<usize>,
    /// Units in Shopify.
    pub(super) current: i64,
    /// Of those, fulfilled.
    pub(super) fulfilled: i64,
    /// When Shopify changed it last.
    pub(super) changed_at: u64,
    /// What the connector knows: units, fulfilled, and when Shopify changed it.
    pub(super) known: Option<(i64, i64, u64)>,
    /// Units of its line in IFS.
    pub(super) written: Option<i64>,
    /// When that was written.
    pub(super) written_at: u64,
    /// Reserved in each warehouse.
    pub(super) reserved: [i64; 2],
    /// Shipped.
    pub(super) shipped: i64,
}

impl Order {
    fn taken(&self) -> i64 {
        self.reserved.iter().sum::<i64>() + self.shipped
    }

    /// What its line in IFS still takes.
    pub(super) fn open_in_ifs(&self) -> i64 {
        self.written.map_or(0, |written| (written - self.shipped).max(0))
    }

    /// Of that, what is not reserved.
    pub(super) fn unreserved(&self) -> i64 {
        self.written.map_or(0, |written| (written - self.taken()).max(0))
    }
}

/// Both sides.
#[derive(Debug)]
pub(super) struct World {
    /// Grows by one with each act.
    pub(super) now: u64,
    /// On hand in each warehouse.
    pub(super) on_hand: [i64; 2],
    /// What customers may buy at each location.
    pub(super) available: [i64; 2],
    /// Orders of the shop and of other channels.
    pub(super) orders: Vec<Order>,
    /// What is reserved for drafts: where, and how many units.
    drafts: Vec<(usize, i64)>,
    /// Units that were taken away behind the shop's back.
    pub(super) taken_away: i64,
}

impl World {
    pub(super) fn new(random: &mut StdRng) -> Self {
        let on_hand = [random.random_range(0..=12), random.random_range(0..=12)];
        Self { now: 0, on_hand, available: [0, 0], orders: Vec::new(), drafts: Vec::new(), taken_away: 0 }
    }

    /// What can be sold: what is there, less everything that was promised to anybody.
    pub(super) fn sellable(&self) -> i64 {
        let promised = self.orders.iter().map(|order| match order.place {
            Some(_) => (order.current - order.shipped).max(0),
            None => order.open_in_ifs(),
        });
        let drafts: i64 = self.drafts.iter().map(|(_, units)| units).sum();
        self.on_hand.iter().sum::<i64>() - promised.sum::<i64>() - drafts
    }

    /// What the shop shows.
    pub(super) fn shown(&self) -> i64 {
        self.available.iter().map(|units| (*units).max(0)).sum()
    }

    /// How many units more could be shown; below nothing the law is broken.
    pub(super) fn slack(&self) -> i64 {
        self.sellable() - self.shown()
    }

    /// What Shopify has committed at a location.
    pub(super) fn committed(&self, place: usize) -> i64 {
        let here = self.orders.iter().filter(|order| order.place == Some(place));
        here.map(|order| order.current - order.fulfilled).sum()
    }

    /// What Shopify has reserved for drafts at a location.
    pub(super) fn drafted(&self, place: usize) -> i64 {
        self.drafts.iter().filter(|(own, _)| *own == place).map(|(_, units)| units).sum()
    }

    /// Reserved in a warehouse.
    pub(super) fn reserved(&self, place: usize) -> i64 {
        self.orders.iter().map(|order| order.reserved[place]).sum()
    }

    /// One line of everything.
    pub(super) fn told(&self) -> String {
        let Self { now, on_hand, available, orders, drafts, taken_away } = self;
        let slack = self.slack();
        let shown = format!("on hand {on_hand:?}, available {available:?}, drafts {drafts:?}, slack {slack}");
        format!("at {now}: {shown}, away {taken_away}, {orders:?}")
    }

    fn pick(&self, random: &mut StdRng, fits: impl Fn(&Order) -> bool) -> Option<usize> {
        let fitting: Vec<usize> = (0..self.orders.len()).filter(|index| fits(&self.orders[*index])).collect();
        if fitting.is_empty() { None } else { Some(fitting[random.random_range(0..fitting.len())]) }
    }

    /// A customer buys; every fifth takes it along at once.
    pub(super) fn order(&mut self, random: &mut StdRng) {
        let place = random.random_range(0..2);
        if self.available[place] <= 0 {
            return;
        }
        let current = random.random_range(1..=self.available[place]);
        let fulfilled = if random.random_bool(0.2) { current } else { 0 };
        self.available[place] -= current;
        self.place_order(place, current, fulfilled);
    }

    fn place_order(&mut self, place: usize, current: i64, fulfilled: i64) {
        self.orders.push(Order {
            place: Some(place),
            current,
            fulfilled,
            changed_at: self.now,
            known: None,
            written: None,
            written_at: 0,
            reserved: [0, 0],
            shipped: 0,
        });
    }

    /// Staff reserve units for a draft.
    pub(super) fn draft(&mut self, random: &mut StdRng) {
        let place = random.random_range(0..2);
        if self.available[place] > 0 {
            let units = random.random_range(1..=self.available[place]);
            self.available[place] -= units;
            self.drafts.push((place, units));
        }
    }

    /// A draft becomes an order, wherever that takes its units from.
    pub(super) fn complete_draft(&mut self, random: &mut StdRng) {
        if !self.drafts.is_empty() {
            let (_, units) = self.drafts.swap_remove(random.random_range(0..self.drafts.len()));
            let place = random.random_range(0..2);
            self.place_order(place, units, 0);
        }
    }

    /// A draft comes to nothing: its units may be bought again.
    pub(super) fn give_up_draft(&mut self, random: &mut StdRng) {
        if !self.drafts.is_empty() {
            let (place, units) = self.drafts.swap_remove(random.random_range(0..self.drafts.len()));
            self.available[place] += units;
        }
    }

    /// A unit is added to an order.
    pub(super) fn add(&mut self, random: &mut StdRng) {
        let Some(index) = self.pick(random, |order| order.place.is_some_and(|place| self.available[place] > 0)) else {
            return;
        };
        let order = &mut self.orders[index];
        if let Some(place) = order.place {
            self.available[place] -= 1;
            order.current += 1;
            order.changed_at = self.now;
        }
    }

    /// Units of an order are cancelled and may be bought again. What is on its way already is not.
    pub(super) fn cancel(&mut self, random: &mut StdRng) {
        let spare = |order: &Order| order.current - order.fulfilled.max(order.taken());
        let Some(index) = self.pick(random, |order| order.place.is_some() && spare(order) > 0) else { return };
        let units = random.random_range(1..=spare(&self.orders[index]));
        let order = &mut self.orders[index];
        if let Some(place) = order.place {
            self.available[place] += units;
            order.current -= units;
            order.changed_at = self.now;
        }
    }

    /// Units of an order are fulfilled in Shopify.
    pub(super) fn fulfil(&mut self, random: &mut StdRng) {
        let open = |order: &Order| order.current - order.fulfilled;
        let Some(index) = self.pick(random, |order| order.place.is_some() && open(order) > 0) else { return };
        let units = random.random_range(1..=open(&self.orders[index]));
        self.orders[index].fulfilled += units;
        self.orders[index].changed_at = self.now;
    }

    /// The warehouse reserves for a line.
    pub(super) fn reserve(&mut self, random: &mut StdRng) {
        let place = random.random_range(0..2);
        let free = self.on_hand[place] - self.reserved(place);
        let Some(index) = self.pick(random, |order| order.unreserved() > 0) else { return };
        let most = self.orders[index].unreserved().min(free);
        if most > 0 {
            self.orders[index].reserved[place] += random.random_range(1..=most);
        }
    }

    /// Somebody releases what is reserved for a line.
    pub(super) fn release(&mut self, random: &mut StdRng) {
        if let Some(index) = self.pick(random, |order| order.reserved != [0, 0]) {
            self.orders[index].reserved = [0, 0];
        }
    }

    /// Reserved goods leave the house. Nobody ships what Shopify has cancelled.
    pub(super) fn ship(&mut self, random: &mut StdRng) {
        let place = random.random_range(0..2);
        let Some(index) = self.pick(random, |order| order.reserved[place] > 0) else { return };
        let units = random.random_range(1..=self.orders[index].reserved[place]);
        let order = &mut self.orders[index];
        if order.place.is_some() && order.shipped + units > order.current {
            return;
        }
        order.reserved[place] -= units;
        order.shipped += units;
        self.on_hand[place] -= units;
    }

    /// Goods come in.
    pub(super) fn receive(&mut self, random: &mut StdRng) {
        self.on_hand[random.random_range(0..2)] += random.random_range(1..=5);
    }

    /// Free goods are moved to the other warehouse.
    pub(super) fn transfer(&mut self, random: &mut StdRng) {
        let from = random.random_range(0..2);
        let free = self.on_hand[from] - self.reserved(from);
        if free > 0 {
            let units = random.random_range(1..=free);
            self.on_hand[from] -= units;
            self.on_hand[1 - from] += units;
        }
    }

    /// Another channel sells.
    pub(super) fn sell_elsewhere(&mut self, random: &mut StdRng) {
        let units = random.random_range(1..=2);
        self.taken_away += units;
        self.orders.push(Order {
            place: None,
            current: 0,
            fulfilled: 0,
            changed_at: self.now,
            known: None,
            written: Some(units),
            written_at: self.now,
            reserved: [0, 0],
            shipped: 0,
        });
    }

    /// A unit breaks.
    pub(super) fn scrap(&mut self, random: &mut StdRng) {
        let place = random.random_range(0..2);
        if self.on_hand[place] > self.reserved(place) {
            self.on_hand[place] -= 1;
            self.taken_away += 1;
        }
    }

    /// A webhook arrives.
    pub(super) fn hear(&mut self, random: &mut StdRng) {
        if let Some(index) = self.pick(random, |order| order.place.is_some()) {
            self.hear_of(index);
        }
    }

    /// The connector learns how an order stands.
    pub(super) fn hear_of(&mut self, index: usize) {
        let order = &mut self.orders[index];
        order.known = Some((order.current, order.fulfilled, order.changed_at));
    }

    /// An order is written to IFS as far as it is known; never below what is on its way.
    pub(super) fn write(&mut self, random: &mut StdRng) {
        let due = |order: &Order| {
            let units = order.known.map(|(units, ..)| units);
            units.filter(|units| order.written != Some(*units) && *units >= order.taken())
        };
        let Some(index) = self.pick(random, |order| order.place.is_some() && due(order).is_some()) else { return };
        let order = &mut self.orders[index];
        order.written = order.known.map(|(units, ..)| units);
        order.written_at = self.now;
    }

    /// Every order is known and stands in IFS as it stands in Shopify.
    pub(super) fn settle(&mut self) {
        for index in 0..self.orders.len() {
            if self.orders[index].place.is_some() {
                self.hear_of(index);
                let order = &mut self.orders[index];
                (order.reserved, order.written, order.written_at) = ([0, 0], Some(order.current), self.now);
            }
        }
        self.now += 1;
    }
}
