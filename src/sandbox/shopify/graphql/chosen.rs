//! Fields whose value depends on what they are asked with: one of several that their owner holds.

use serde_json::{Value, json};

/// The value of such a field of `owner`; `None` for any other field. `given` gives the arguments.
pub(super) fn chosen(owner: &Value, field: &str, given: &dyn Fn(&str) -> Option<Value>) -> Option<Value> {
    let is_given = |name: &str| given(name) == Some(Value::Bool(true));
    let rows = |name: &str| owner.get(name).and_then(Value::as_array).into_iter().flatten();
    match field {
        "inventoryLevel" => {
            let location = given("locationId")?;
            let with_inactive = is_given("includeInactive");
            let fits =
                |level: &&Value| level["location"]["id"] == location && (with_inactive || level["isActive"] == true);
            Some(rows("inventoryLevels").find(fits).cloned().unwrap_or_default())
        }
        "inventoryLevels" => {
            let with_inactive = is_given("includeInactive");
            Some(rows(field).filter(|level| with_inactive || level["isActive"] == true).cloned().collect())
        }
        // Each name that is asked for has a quantity, in the order of the question.
        "quantities" => {
            let names = given("names")?;
            let named = |name: &Value| rows(field).find(|quantity| quantity["name"] == *name).cloned();
            Some(names.as_array().into_iter().flatten().filter_map(named).collect())
        }
        "publishedOnPublication" => {
            let id = given("publicationId")?;
            Some(json!(rows("resourcePublicationsV2").any(|row| row["publication"]["id"] == id)))
        }
        "prices" => {
            let origin = given("originType");
            let fits = |price: &&Value| origin.as_ref().is_none_or(|origin| price["originType"] == *origin);
            Some(rows(field).filter(fits).cloned().collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_is_chosen_by_what_is_asked() {
        let level = |location: &str, active: bool| {
            let quantities = [("available", 3), ("committed", 1)].map(|(name, n)| json!({"name": name, "quantity": n}));
            json!({"location": {"id": location}, "isActive": active, "quantities": quantities})
        };
        let item = json!({"inventoryLevels": [level("a", true), level("b", false)]});
        let asked = |field: &str, given: Value| chosen(&item, field, &|name| given.get(name).cloned());
        assert_eq!(asked("inventoryLevel", json!({"locationId": "a"})), Some(level("a", true)));
        assert_eq!(asked("inventoryLevel", json!({"locationId": "b"})), Some(Value::Null), "it is not active");
        assert_eq!(
            asked("inventoryLevel", json!({"locationId": "b", "includeInactive": true})),
            Some(level("b", false))
        );
        assert_eq!(asked("sku", json!({})), None);
        let of_level =
            |names: Value| chosen(&level("a", true), "quantities", &|_| Some(names.clone())).expect("a list");
        assert_eq!(of_level(json!(["committed"])), json!([{"name": "committed", "quantity": 1}]));
    }
}
