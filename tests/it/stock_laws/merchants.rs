//! What merchants do with products that run out: they hide some, and bring back what we have hidden. The law is theirs: what they hid
//! stays hidden, and what they brought back stays until it was there again.

use std::collections::{BTreeMap, BTreeSet};

use ml_connector::sandbox::ProductDifference;
use ml_connector::sandbox::shopify::{ProductView, Shop, Standing};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use crate::support::world::World;

/// The merchants' products.
pub struct Merchants {
    /// With the SKUs of each.
    products: BTreeMap<u64, Vec<String>>,
    /// Whether what has run out becomes a draft: then merchants meddle with it.
    drafts: bool,
    hidden: BTreeSet<u64>,
    brought_back: BTreeSet<u64>,
    /// How often they brought one back.
    pub times: u32,
}

impl Merchants {
    pub fn new(shop: &Shop, skus: &[String], drafts: bool) -> Self {
        let played: BTreeSet<u64> = skus.iter().filter_map(|sku| shop.product_of(sku)).collect();
        let products = shop.products().into_iter().filter(|product| played.contains(&product.id));
        let skus_of = |product: ProductView| product.variants.into_iter().filter_map(|(_, sku, ..)| sku).collect();
        let products: BTreeMap<u64, Vec<String>> = products.map(|product| (product.id, skus_of(product))).collect();
        Self { products, drafts, hidden: BTreeSet::new(), brought_back: BTreeSet::new(), times: 0 }
    }

    /// A product that is in the store, and its SKUs, all of which are among these; none where a product that has run out does not become a draft.
    pub fn one_of(&self, world: &World, skus: &[String]) -> Option<(u64, Vec<String>)> {
        let is_free = |product: u64| !self.hidden.contains(&product) && !self.brought_back.contains(&product);
        let mut free = self.products.iter().filter(|(product, _)| self.drafts && is_free(**product));
        let (product, skus) = free.find(|(product, own)| {
            own.iter().all(|sku| skus.contains(sku)) && standing(world, **product) == Some(Standing::Active)
        })?;
        Some((*product, skus.clone()))
    }

    /// A merchant brings back a product that has run out.
    pub fn bring_back(&mut self, world: &World, product: u64) {
        self.brought_back.insert(product);
        self.times += 1;
        world.shop().staff_set_standing(product, Standing::Active);
    }

    /// A merchant decides about a product, where nobody can mistake whose decision it is: none of ours is under way.
    pub fn decide(&mut self, world: &World, random: &mut StdRng) -> Option<String> {
        if !self.drafts {
            return None;
        }
        let rows = |product: u64, and: &str| {
            let sql = "SELECT COUNT(*) FROM stock_outs WHERE ended_at IS NULL AND product_id =";
            world.database.number(&format!("{sql} {product} {and}"))
        };
        let may_come_back = |product: &u64| {
            let is_ours = !self.hidden.contains(product) && rows(*product, "AND state = 'disabled'") == 1;
            is_ours && standing(world, *product) == Some(Standing::Draft) && !self.is_wanted(world, *product)
        };
        // What they may bring back goes first: that moment is rare.
        let out: Vec<u64> = self.products.keys().copied().filter(may_come_back).collect();
        if let Some(product) = out.choose(random) {
            self.bring_back(world, *product);
            return Some(format!("a merchant brings product {product} back"));
        }
        let products: Vec<u64> = self.products.keys().copied().collect();
        let product = *products.choose(random)?;
        let standing = match standing(world, product)? {
            Standing::Active if rows(product, "") == 0 => {
                self.hidden.insert(product);
                Standing::Draft
            }
            Standing::Draft if self.hidden.remove(&product) => Standing::Active,
            _ => return None,
        };
        world.shop().staff_set_standing(product, standing);
        Some(format!("a merchant makes product {product} {standing:?}"))
    }

    /// Whether a plan has units for a product.
    fn is_wanted(&self, world: &World, product: u64) -> bool {
        let of_product = |sku: &Option<String>| sku.as_ref().is_some_and(|sku| self.products[&product].contains(sku));
        let levels = world.shop().levels().into_iter().filter(|level| of_product(&level.sku));
        let items: Vec<String> = levels.map(|level| level.item.to_string()).collect();
        let sql = "SELECT COUNT(*) FROM stock_levels WHERE wanted > 0 AND item_id IN";
        world.database.number(&format!("{sql} ({})", items.join(", "))) > 0
    }

    /// So many units of each SKU that moves can be sold at a moment: what is there again is ours again.
    ///
    /// # Panics
    /// Where a product that a merchant brought back was taken away while nothing was there.
    pub fn sees(&mut self, world: &World, units: &BTreeMap<&str, i64>) {
        for product in &self.brought_back {
            let stands = standing(world, *product);
            assert_eq!(stands, Some(Standing::Active), "product {product}, which a merchant brought back");
        }
        let products = &self.products;
        let is_there = |sku: &String| units.get(sku.as_str()).is_none_or(|units| *units > 0);
        self.brought_back.retain(|product| !products[product].iter().any(is_there));
    }

    /// Judges the products at the end; `differences` is the books' word on those that are nobody's but ours.
    ///
    /// # Panics
    /// Where a product stands otherwise than it should.
    pub fn judge(&self, world: &World, differences: &[ProductDifference]) {
        for (what, products, wanted) in
            [("hid", &self.hidden, Standing::Draft), ("brought back", &self.brought_back, Standing::Active)]
        {
            for product in products {
                assert_eq!(standing(world, *product), Some(wanted), "product {product}, which a merchant {what}");
            }
        }
        let ours: Vec<&ProductDifference> =
            differences.iter().filter(|difference| !self.hidden.contains(&difference.product)).collect();
        assert!(ours.is_empty(), "products stand otherwise than they should: {ours:?}");
    }
}

fn standing(world: &World, product: u64) -> Option<Standing> {
    world.shop().products().into_iter().find(|one| one.id == product).map(|one| one.standing)
}
