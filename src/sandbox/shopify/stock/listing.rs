//! The queries of the simulated Admin API about what the shop sells: one thing by its id, several by theirs, or all of them a page at a
//! time. Lists go by id alone; a cursor stands for the id that it comes behind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::super::listing::Refused;
use super::super::{Shop, State};
use super::show::{PRICE_LISTS, PUBLICATIONS, show_publication};
use super::{ITEMS_FROM, Stock, Variant};

type Arguments = Map<String, Value>;

/// Shopify does not page beyond so many objects.
const PAGED_MAX: usize = 25_000;

/// What a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Listed {
    Products,
    Variants,
    Items,
}

impl Listed {
    /// The list of a field of the root.
    pub(in super::super) fn of(field: &str) -> Option<Self> {
        match field {
            "products" => Some(Self::Products),
            "productVariants" => Some(Self::Variants),
            "inventoryItems" => Some(Self::Items),
            _ => None,
        }
    }

    fn show(self, stock: &Stock, id: u64) -> Value {
        match self {
            Self::Products => stock.show_product(id),
            Self::Variants => stock.show_variant(id),
            Self::Items => stock.show_item(id - ITEMS_FROM),
        }
    }

    /// The ids of all that there are, from this one on.
    fn ids(self, stock: &Stock, from: u64) -> Box<dyn Iterator<Item = u64> + '_> {
        match self {
            Self::Products => Box::new(stock.products.range(from..).map(|(id, _)| *id)),
            Self::Variants => Box::new(stock.variants.range(from..).map(|(id, _)| *id)),
            Self::Items => {
                let from = from.saturating_sub(ITEMS_FROM);
                Box::new(stock.variants.range(from..).map(|(id, _)| *id + ITEMS_FROM))
            }
        }
    }
}

impl Shop {
    /// A field of the root that is about what the shop sells; null for any other.
    pub(in super::super) fn read_stock(&self, field: &str, arguments: &Arguments) -> Result<Value, Refused> {
        let state = self.lock();
        let stock = &state.stock;
        let id = |kind: &str| arguments.get("id").and_then(Value::as_str).and_then(|id| number(kind, id));
        Ok(match field {
            "product" => id("Product").map_or(Value::Null, |id| stock.show_product(id)),
            "productVariant" => id("ProductVariant").map_or(Value::Null, |id| stock.show_variant(id)),
            "inventoryItem" => {
                let item = id("InventoryItem").and_then(|item| stock.variant_of_item(item));
                item.map_or(Value::Null, |(variant, _)| stock.show_item(variant))
            }
            "inventoryLevel" => node(&state, arguments.get("id").and_then(Value::as_str).unwrap_or("")),
            // Without an id: the shop's first.
            "location" if !arguments.contains_key("id") => {
                stock.locations.keys().next().map_or(Value::Null, |first| stock.show_place(*first))
            }
            "location" => id("Location").map_or(Value::Null, |id| stock.show_place(id)),
            "locations" => {
                let with_inactive = arguments.get("includeInactive") == Some(&Value::Bool(true));
                let shown = stock.locations.iter().filter(|(_, location)| with_inactive || location.is_active);
                shown.map(|(id, _)| stock.show_place(*id)).collect()
            }
            "publications" => {
                let there = PUBLICATIONS.iter().filter(|(id, _)| !stock.bent.gone_publications.contains(id));
                there.map(|(id, title)| show_publication(*id, title)).collect()
            }
            "priceList" => id("PriceList").map_or(Value::Null, |id| stock.show_price_list(id)),
            "priceLists" => {
                let lists = PRICE_LISTS.iter().map(|id| stock.show_price_list(*id));
                lists.filter(|list| !list.is_null()).collect()
            }
            "node" => node(&state, arguments.get("id").and_then(Value::as_str).unwrap_or("")),
            "nodes" => {
                let ids = arguments.get("ids").and_then(Value::as_array).into_iter().flatten();
                ids.map(|id| node(&state, id.as_str().unwrap_or(""))).collect()
            }
            "productVariantsCount" | "productsCount" => {
                let listed = if field == "productsCount" { Listed::Products } else { Listed::Variants };
                let wanted = Wanted::read(arguments)?;
                let count = listed.ids(stock, 0).filter(|id| wanted.finds(stock, listed, *id)).count() as u64;
                let limit = arguments.get("limit").map_or(10_000, |limit| limit.as_u64().unwrap_or(u64::MAX));
                let precision = if count > limit { "AT_LEAST" } else { "EXACT" };
                json!({"count": count.min(limit), "precision": precision})
            }
            _ => match Listed::of(field) {
                Some(listed) => page(stock, listed, arguments)?,
                None => Value::Null,
            },
        })
    }

    /// The ids that a query of a bulk operation finds, in its order.
    pub(in super::super) fn stock_in_bulk(&self, listed: Listed, arguments: &Arguments) -> Result<Vec<u64>, Refused> {
        let wanted = Wanted::read(arguments)?;
        let state = self.lock();
        let found = listed.ids(&state.stock, 0).filter(|id| wanted.finds(&state.stock, listed, *id));
        Ok(found.collect())
    }

    /// These as one page.
    pub(in super::super) fn page_of_stock(&self, listed: Listed, ids: &[u64]) -> Value {
        let state = self.lock();
        paged(ids.iter().map(|id| (*id, listed.show(&state.stock, *id))).collect(), false, false)
    }
}

/// One page of a list.
fn page(stock: &Stock, listed: Listed, arguments: &Arguments) -> Result<Value, Refused> {
    let first = arguments.get("first").and_then(Value::as_u64).and_then(|first| usize::try_from(first).ok());
    let Some(first) = first else { return Err(Refused::BadRequest("only `first` is answered here".to_owned())) };
    if arguments.get("reverse") == Some(&Value::Bool(true)) {
        return Err(Refused::BadRequest("only the order of ids is answered here".to_owned()));
    }
    let wanted = Wanted::read(arguments)?;
    let after = arguments.get("after").and_then(Value::as_str).map(read_cursor).transpose()?;
    let is_found = |id: &u64| wanted.finds(stock, listed, *id);
    if let Some(after) = after {
        let before = listed.ids(stock, 0).take_while(|id| *id <= after).filter(is_found).count();
        if before >= PAGED_MAX {
            return Err(Refused::BadRequest(format!("paging ends at {PAGED_MAX} objects")));
        }
    }
    let mut ids = listed.ids(stock, after.map_or(0, |after| after + 1)).filter(is_found);
    let shown: Vec<(u64, Value)> = ids.by_ref().take(first).map(|id| (id, listed.show(stock, id))).collect();
    Ok(paged(shown, ids.next().is_some(), after.is_some()))
}

fn paged(shown: Vec<(u64, Value)>, has_next: bool, has_previous: bool) -> Value {
    let nodes: Vec<&Value> = shown.iter().map(|(_, node)| node).collect();
    let edges: Vec<Value> = shown.iter().map(|(id, node)| json!({"cursor": cursor(*id), "node": node})).collect();
    json!({
        "nodes": nodes, "edges": edges,
        "pageInfo": {
            "hasNextPage": has_next, "hasPreviousPage": has_previous,
            "startCursor": shown.first().map(|(id, _)| cursor(*id)), "endCursor": shown.last().map(|(id, _)| cursor(*id)),
        },
    })
}

fn cursor(id: u64) -> String {
    STANDARD.encode(json!({"last_id": id}).to_string())
}

fn read_cursor(text: &str) -> Result<u64, Refused> {
    let bad = || Refused::BadRequest("the cursor is not one of this list".to_owned());
    let bytes = STANDARD.decode(text).map_err(|_| bad())?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|_| bad())?;
    value["last_id"].as_u64().ok_or_else(bad)
}

/// The object with this id, whatever it is.
fn node(state: &State, id: &str) -> Value {
    let stock = &state.stock;
    let of = |kind: &str| number(kind, id);
    if let Some(id) = of("ProductVariant") {
        return stock.show_variant(id);
    }
    if let Some(id) = of("Product") {
        return stock.show_product(id);
    }
    if let Some(id) = of("InventoryItem") {
        return stock.variant_of_item(id).map_or(Value::Null, |(variant, _)| stock.show_item(variant));
    }
    if let Some(id) = of("Location") {
        return stock.show_place(id);
    }
    let level = id.strip_prefix("gid://shopify/InventoryLevel/").and_then(|id| id.split_once("?inventory_item_id="));
    let level = level.and_then(|(location, item)| Some((location.parse().ok()?, item.parse::<u64>().ok()?)));
    level.map_or(Value::Null, |(location, item)| stock.show_level(item.saturating_sub(ITEMS_FROM), location))
}

/// The number in an id of this kind.
pub(super) fn number(kind: &str, id: &str) -> Option<u64> {
    id.strip_prefix("gid://shopify/")?.strip_prefix(kind)?.strip_prefix('/')?.parse().ok()
}

/// What a search wants: one of its terms, where there are any.
struct Wanted {
    terms: Vec<Term>,
}

enum Term {
    Sku(String),
    Product(u64),
    Id(u64),
    Behind(u64),
}

impl Wanted {
    /// Reads `query` and refuses an order of the list that is not the ids'.
    fn read(arguments: &Arguments) -> Result<Self, Refused> {
        match arguments.get("sortKey").and_then(Value::as_str) {
            None | Some("ID" | "POSITION") => {}
            Some(other) => return Err(Refused::BadRequest(format!("sort key {other} is not answered here"))),
        }
        let query = arguments.get("query").and_then(Value::as_str).unwrap_or("").trim();
        let terms = query.split(" OR ").filter(|term| !term.trim().is_empty()).map(Term::read);
        Ok(Self { terms: terms.collect::<Result<_, _>>()? })
    }

    fn finds(&self, stock: &Stock, listed: Listed, id: u64) -> bool {
        self.terms.is_empty() || self.terms.iter().any(|term| term.finds(stock, listed, id))
    }
}

impl Term {
    fn read(text: &str) -> Result<Self, Refused> {
        let bad = || Refused::BadRequest(format!("the search {text:?} is not answered here"));
        let (field, value) = text.trim().split_once(':').ok_or_else(bad)?;
        let bare = value.trim().trim_matches(['\'', '"']);
        match (field.trim(), bare.strip_prefix('>')) {
            ("sku", None) => Ok(Self::Sku(bare.to_owned())),
            ("product_id", None) => bare.parse().map(Self::Product).map_err(|_| bad()),
            ("id", None) => bare.parse().map(Self::Id).map_err(|_| bad()),
            ("id", Some(behind)) => behind.parse().map(Self::Behind).map_err(|_| bad()),
            _ => Err(bad()),
        }
    }

    fn finds(&self, stock: &Stock, listed: Listed, id: u64) -> bool {
        let variants = || -> Vec<&Variant> {
            match listed {
                Listed::Variants => stock.variants.get(&id).into_iter().collect(),
                Listed::Items => stock.variant_of_item(id).map(|(_, variant)| variant).into_iter().collect(),
                Listed::Products => {
                    let ids = stock.products.get(&id).into_iter().flat_map(|product| &product.variants);
                    ids.filter_map(|id| stock.variants.get(id)).collect()
                }
            }
        };
        match self {
            Self::Sku(sku) => variants().iter().any(|variant| variant.sku.as_ref() == Some(sku)),
            Self::Product(product) => variants().iter().any(|variant| variant.product == *product),
            Self::Id(wanted) => id == *wanted,
            Self::Behind(bound) => id > *bound,
        }
    }
}
