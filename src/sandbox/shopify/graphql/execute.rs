//! Picks what a checked document selects from the values behind the schema, and pages connections.

use graphql_parser::query::{Field, Selection, SelectionSet, Type, TypeCondition, Value as Literal};
use serde_json::{Map, Value, json};

use super::chosen::chosen;
use super::schema::{Schema, core};
use super::validate::{argument, idempotency_key};
use super::{IDEMPOTENCY_KEY, Prepared};

/// Runs the chosen operation.
pub(super) fn run(
    prepared: &Prepared,
    schema: &'static Schema,
    resolve: &dyn Fn(&str, &Map<String, Value>) -> Value,
) -> Result<Value, String> {
    let executor = Executor { prepared, schema };
    let mut data = Map::new();
    for field in executor.fields(prepared.selection(), prepared.root()) {
        let declared = schema.field(prepared.root(), &field.name).ok_or("an unknown root field")?;
        let names = declared.arguments.iter().map(|argument| argument.name.as_str());
        let mut arguments: Map<String, Value> =
            names.filter_map(|name| Some((name.to_owned(), argument(prepared, field, name)?))).collect();
        // A null that is written says something: no limit, where leaving it out means the default.
        let nulls = field.arguments.iter().filter(|(_, literal)| matches!(literal, Literal::Null));
        arguments.extend(nulls.map(|(name, _)| (name.clone(), Value::Null)));
        if let Some(key) = idempotency_key(prepared, field) {
            arguments.insert(IDEMPOTENCY_KEY.to_owned(), key);
        }
        let value = resolve(&field.name, &arguments);
        data.insert(answer_name(field), executor.complete(&declared.field_type, &value, field)?);
    }
    Ok(Value::Object(data))
}

struct Executor<'a> {
    prepared: &'a Prepared,
    schema: &'static Schema,
}

impl<'a> Executor<'a> {
    /// The fields selected for a concrete type, fragments resolved.
    fn fields(
        &self,
        set: Option<&'a SelectionSet<'static, String>>,
        concrete: &str,
    ) -> Vec<&'a Field<'static, String>> {
        let mut fields = Vec::new();
        for item in set.map_or(&[][..], |set| &set.items) {
            let (inner, wanted) = match item {
                Selection::Field(field) => {
                    fields.push(field);
                    continue;
                }
                Selection::InlineFragment(fragment) => (&fragment.selection_set, fragment.type_condition.as_ref()),
                Selection::FragmentSpread(spread) => match self.prepared.fragment(&spread.fragment_name) {
                    Some(fragment) => (&fragment.selection_set, Some(&fragment.type_condition)),
                    None => continue,
                },
            };
            let applies = wanted.is_none_or(|TypeCondition::On(wanted)| self.schema.is_a(concrete, wanted));
            if applies {
                fields.extend(self.fields(Some(inner), concrete));
            }
        }
        fields
    }

    fn complete(
        &self,
        ty: &Type<'static, String>,
        value: &Value,
        field: &'a Field<'static, String>,
    ) -> Result<Value, String> {
        match ty {
            Type::NonNullType(_) if value.is_null() => {
                Err(format!("Cannot return null for non-nullable field {}", field.name))
            }
            Type::NonNullType(inner) => self.complete(inner, value, field),
            _ if value.is_null() => Ok(Value::Null),
            Type::ListType(inner) => {
                let rows = value.as_array().ok_or_else(|| format!("{} is no list", field.name))?;
                rows.iter().map(|row| self.complete(inner, row, field)).collect()
            }
            Type::NamedType(name) if self.schema.is_leaf(name) => Ok(value.clone()),
            Type::NamedType(name) if name.ends_with("Connection") => {
                // A root connection comes as a page already: its cursors stand for values, not for places in a list.
                let is_page = value.get("pageInfo").is_some();
                let page = if is_page { value.clone() } else { self.page(value, field) };
                self.object(name, &page, field)
            }
            Type::NamedType(name) => self.object(name, value, field),
        }
    }

    fn object(&self, type_name: &str, value: &Value, field: &'a Field<'static, String>) -> Result<Value, String> {
        let concrete = value.get("__typename").and_then(Value::as_str).unwrap_or(type_name);
        let mut object = Map::new();
        for inner in self.fields(Some(&field.selection_set), concrete) {
            if inner.name == "__typename" {
                object.insert(answer_name(inner), json!(concrete));
                continue;
            }
            let declared =
                self.schema.field(concrete, &inner.name).ok_or_else(|| format!("{concrete} has no {}", inner.name))?;
            let by_arguments;
            let mut own = value.get(&inner.name).unwrap_or(&Value::Null);
            if core(&declared.field_type) == "Metafield" {
                by_arguments = self.metafield(value, inner);
                own = &by_arguments;
            } else if let Some(found) = chosen(value, &inner.name, &|name| argument(self.prepared, inner, name)) {
                by_arguments = found;
                own = &by_arguments;
            }
            let completed = self
                .complete(&declared.field_type, own, inner)
                .map_err(|error| format!("{}: {error}", core(&declared.field_type)))?;
            merge(&mut object, answer_name(inner), completed);
        }
        Ok(Value::Object(object))
    }

    /// The one of an owner's metafields that the arguments name.
    fn metafield(&self, owner: &Value, field: &Field<'static, String>) -> Value {
        if field.name != "metafield" {
            return owner.get(&field.name).cloned().unwrap_or_default();
        }
        let given = |name: &str| argument(self.prepared, field, name);
        let rows = owner.get("metafields").and_then(Value::as_array);
        let wanted = |row: &&Value| {
            ["namespace", "key"].iter().all(|name| given(name).is_none_or(|wanted| row.get(*name) == Some(&wanted)))
        };
        rows.into_iter().flatten().find(wanted).cloned().unwrap_or_default()
    }

    /// `nodes`, `edges` and `pageInfo` of one page.
    fn page(&self, value: &Value, field: &Field<'static, String>) -> Value {
        let given = |name: &str| argument(self.prepared, field, name);
        let hide_removed = given("includeRemovals") != Some(Value::Bool(true));
        let rows: Vec<&Value> = value
            .as_array()
            .into_iter()
            .flatten()
            .filter(|row| !(hide_removed && row.get("isRemoved") == Some(&Value::Bool(true))))
            .collect();
        let number =
            |name: &str| given(name).and_then(|value| value.as_u64()).and_then(|number| usize::try_from(number).ok());
        let cursor =
            |name: &str| given(name).and_then(|value| value.as_str().and_then(|text| text.parse::<usize>().ok()));
        let from = cursor("after").map_or(0, |at| at + 1).min(rows.len());
        let until = cursor("before").unwrap_or(rows.len()).clamp(from, rows.len());
        let (start, end) = match (number("first"), number("last")) {
            (Some(first), _) => (from, until.min(from + first)),
            (None, Some(last)) => (from.max(until.saturating_sub(last)), until),
            (None, None) => (from, until),
        };
        let edges: Vec<Value> = (start..end).map(|at| json!({"cursor": at.to_string(), "node": rows[at]})).collect();
        let nodes: Vec<&&Value> = rows[start..end].iter().collect();
        json!({
            "nodes": nodes, "edges": edges,
            "pageInfo": {
                "hasNextPage": end < rows.len(), "hasPreviousPage": start > 0,
                "startCursor": (start < end).then(|| start.to_string()), "endCursor": (start < end).then(|| (end - 1).to_string()),
            },
        })
    }
}

/// The same field selected twice gives one field with both selections.
fn merge(object: &mut Map<String, Value>, name: String, value: Value) {
    match (object.get_mut(&name), value) {
        (Some(Value::Object(have)), Value::Object(more)) => {
            more.into_iter().for_each(|(name, value)| merge(have, name, value))
        }
        (_, value) => {
            object.insert(name, value);
        }
    }
}

fn answer_name(field: &Field<'static, String>) -> String {
    field.alias.clone().unwrap_or_else(|| field.name.clone())
}
