//! The mutations that show a product or hide it: `productUpdate`, `publishablePublish`, `publishableUnpublish`.

use serde_json::{Map, Value, json};

use super::super::Shop;
use super::super::listing::Refused;
use super::Standing;
use super::listing::number;
use super::show::PUBLICATIONS;

type Arguments = Map<String, Value>;

/// Which way a publication goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Publishing {
    /// The product is shown there.
    On,
    /// It is not.
    Off,
}

impl Shop {
    /// `productUpdate`: standing and title; other fields are not answered here.
    pub(in super::super) fn update_product(&self, arguments: &Arguments) -> Result<Value, Refused> {
        let input = arguments.get("product").unwrap_or(&Value::Null);
        let mut given = input.as_object().into_iter().flat_map(Map::keys);
        if let Some(other) = given.find(|name| !matches!(name.as_str(), "id" | "status" | "title")) {
            return Err(Refused::BadRequest(format!("productUpdate of {other} is not answered here")));
        }
        let now = self.core.clock.now();
        let mut state = self.lock();
        let stock = &mut state.stock;
        let id = input["id"].as_str().and_then(|id| number("Product", id));
        let Some((id, product)) = id.and_then(|id| Some((id, stock.products.get_mut(&id)?))) else {
            let error = json!({"field": ["id"], "message": "Product does not exist"});
            return Ok(json!({"product": null, "userErrors": [error]}));
        };
        if let Some(title) = input["title"].as_str() {
            title.clone_into(&mut product.title);
        }
        let wanted = input["status"].as_str().and_then(Standing::of);
        if let Some(wanted) = wanted.filter(|wanted| *wanted != product.standing) {
            (product.standing, product.at) = (wanted, now);
            stock.note(now, id, wanted.word().to_owned());
        }
        Ok(json!({"product": stock.show_product(id), "userErrors": []}))
    }

    /// `publishablePublish` and `publishableUnpublish` of a product: all publications that are named, or none.
    pub(in super::super) fn publish(&self, arguments: &Arguments, publishing: Publishing) -> Value {
        let now = self.core.clock.now();
        let shop = self.show_shop();
        let mut state = self.lock();
        let stock = &mut state.stock;
        let refused = |field: Value, message: &str| {
            let error = json!({"field": field, "message": message});
            json!({"publishable": null, "shop": shop, "userErrors": [error]})
        };
        let id = arguments.get("id").and_then(Value::as_str).and_then(|id| number("Product", id));
        let Some((id, product)) = id.and_then(|id| Some((id, stock.products.get_mut(&id)?))) else {
            return refused(json!(["id"]), "Resource does not exist");
        };
        let mut named = Vec::new();
        let inputs = arguments.get("input").and_then(Value::as_array).into_iter().flatten();
        for (index, input) in inputs.enumerate() {
            let publication = input["publicationId"].as_str().and_then(|id| number("Publication", id));
            let is_there =
                |id: &u64| PUBLICATIONS.iter().any(|(own, _)| own == id) && !stock.bent.gone_publications.contains(id);
            match publication.filter(is_there) {
                Some(publication) => named.push(publication),
                None => {
                    let field = json!(["input", index.to_string(), "publicationId"]);
                    return refused(field, "Publication does not exist or is not publishable");
                }
            }
        }
        let mut done = Vec::new();
        for publication in named {
            let (is_new, verb) = match publishing {
                Publishing::On => (product.published.insert(publication), "publish"),
                Publishing::Off => (product.published.remove(&publication), "unpublish"),
            };
            if is_new {
                product.at = now;
                done.push(format!("{verb} {publication}"));
            }
        }
        done.into_iter().for_each(|what| stock.note(now, id, what));
        json!({"publishable": stock.show_product(id), "shop": shop, "userErrors": []})
    }
}
