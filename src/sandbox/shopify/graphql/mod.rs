//! A small GraphQL engine for the simulated Admin API: a document is checked against the declared schema,
//! costed, and answered with exactly the fields that it selects. Knows nothing of orders.

mod chosen;
mod execute;
mod schema;
mod validate;

use graphql_parser::query::{
    Definition, Document, FragmentDefinition, OperationDefinition, SelectionSet, VariableDefinition,
};
use serde_json::{Map, Value, json};

use schema::{MUTATION, ROOT, Schema};

/// Under this name the key of a mutation's `@idempotent` stands among its arguments.
pub(super) const IDEMPOTENCY_KEY: &str = "@idempotent";

/// The largest requested cost of one query.
pub(super) const COST_MAX: u64 = 1000;

/// A document that passed all checks.
#[derive(Debug)]
pub(super) struct Prepared {
    document: Document<'static, String>,
    operation: usize,
    variables: Map<String, Value>,
    /// What the query may cost at most, in points.
    pub(super) requested_cost: u64,
    /// What it costs whatever it is answered, in points.
    pub(super) base_cost: u64,
}

/// Parses and checks a document; the error is the list for `errors`.
pub(super) fn prepare(
    query: &str,
    variables: Map<String, Value>,
    operation_name: Option<&str>,
) -> Result<Prepared, Vec<Value>> {
    let document = graphql_parser::parse_query::<String>(query)
        .map_err(|error| vec![problem(&format!("syntax error: {error}"), "parseError")])?
        .into_static();
    let operation = choose(&document, operation_name).map_err(|text| vec![problem(text, "operationNotFound")])?;
    let mut prepared = Prepared { document, operation, variables, requested_cost: 0, base_cost: 0 };
    let errors = validate::check(&mut prepared, Schema::official());
    if errors.is_empty() { Ok(prepared) } else { Err(errors) }
}

/// Answers `data` from the root's fields; `resolve` gives a root field's value for its arguments.
pub(super) fn answer(
    prepared: &Prepared,
    resolve: &dyn Fn(&str, &Map<String, Value>) -> Value,
) -> Result<Value, String> {
    execute::run(prepared, Schema::official(), resolve)
}

/// What an answer did cost, in points: an object with an id 1, a connection 2 and for each row that it has at least 1. Shopify
/// takes what a query may cost before it runs, and gives back what it did not.
pub(super) fn actual_cost(answered: &Value) -> u64 {
    match answered {
        Value::Object(fields) => match fields.get("nodes").or_else(|| fields.get("edges")).and_then(Value::as_array) {
            Some(rows) => 2 + rows.iter().map(|row| actual_cost(row).max(1)).sum::<u64>(),
            None => u64::from(fields.contains_key("id")) + fields.values().map(actual_cost).sum::<u64>(),
        },
        Value::Array(rows) => rows.iter().map(actual_cost).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// One entry of `errors`.
pub(super) fn problem(message: &str, code: &str) -> Value {
    json!({"message": message, "locations": [{"line": 1, "column": 1}], "extensions": {"code": code}})
}

fn choose(document: &Document<'static, String>, name: Option<&str>) -> Result<usize, &'static str> {
    let mut found = None;
    for (index, definition) in document.definitions.iter().enumerate() {
        let Definition::Operation(operation) = definition else { continue };
        let own = match operation {
            OperationDefinition::Query(query) => query.name.as_deref(),
            OperationDefinition::SelectionSet(_) => None,
            OperationDefinition::Mutation(mutation) => mutation.name.as_deref(),
            OperationDefinition::Subscription(_) => return Err("no subscriptions are answered by the sandbox"),
        };
        if name.is_none() && found.is_some() {
            return Err("an operation name is required");
        }
        if name.is_none() || name == own {
            found = Some(index);
        }
    }
    found.ok_or("no operation of that name")
}

impl Prepared {
    fn selection(&self) -> Option<&SelectionSet<'static, String>> {
        match &self.document.definitions[self.operation] {
            Definition::Operation(OperationDefinition::Query(query)) => Some(&query.selection_set),
            Definition::Operation(OperationDefinition::Mutation(mutation)) => Some(&mutation.selection_set),
            Definition::Operation(OperationDefinition::SelectionSet(set)) => Some(set),
            _ => None,
        }
    }

    /// The root type that the operation starts from.
    fn root(&self) -> &'static str {
        if self.is_mutation() { MUTATION } else { ROOT }
    }

    /// Whether the operation changes something.
    pub(super) fn is_mutation(&self) -> bool {
        matches!(self.document.definitions[self.operation], Definition::Operation(OperationDefinition::Mutation(_)))
    }

    fn declared(&self) -> &[VariableDefinition<'static, String>] {
        match &self.document.definitions[self.operation] {
            Definition::Operation(OperationDefinition::Query(query)) => &query.variable_definitions,
            Definition::Operation(OperationDefinition::Mutation(mutation)) => &mutation.variable_definitions,
            _ => &[],
        }
    }

    fn fragment(&self, name: &str) -> Option<&FragmentDefinition<'static, String>> {
        self.document.definitions.iter().find_map(|definition| match definition {
            Definition::Fragment(fragment) if fragment.name == name => Some(fragment),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(query: &str, variables: Value) -> Vec<String> {
        let Value::Object(variables) = variables else { panic!("an object is needed") };
        match prepare(query, variables, None) {
            Ok(_) => Vec::new(),
            Err(errors) => {
                errors.iter().map(|error| error["extensions"]["code"].as_str().unwrap_or("").to_owned()).collect()
            }
        }
    }

    #[test]
    fn unknown_fields_arguments_and_variables_are_refused_by_their_code() {
        let one = json!({"id": "gid://shopify/Order/1"});
        for (query, code) in [
            ("query($id: ID!) { order(id: $id) { id totalPriceWrong } }", "undefinedField"),
            ("query($id: ID!) { order(id: $id) { totalPriceSet } }", "selectionMismatch"),
            ("query($id: ID!) { order(id: $id) { id { x } } }", "selectionMismatch"),
            ("query($id: ID!) { order(id: $id, x: 1) { id } }", "argumentNotAccepted"),
            (
                "query($id: ID!) { order { id } shop { name } order2: order(id: $id) { id } }",
                "missingRequiredArguments",
            ),
            ("{ order(id: $id) { id } }", "variableNotDefined"),
            ("query($id: ID!, $x: Int) { order(id: $id) { id } }", "variableNotUsed"),
            ("query($id: ID!) { order(id: $id) { ... on Shop { id } } }", "cannotSpreadFragment"),
            ("query($id: ID!) { order(id: $id) { ...Gone } }", "useAndDefineFragment"),
            ("query($id: ID!) { order(id: $id) { lineItems { nodes { id } } } }", "BAD_REQUEST"),
            ("query($id: ID!) { order(id: $id) { id }", "parseError"),
        ] {
            assert_eq!(codes(query, one.clone()).first().map(String::as_str), Some(code), "{query}");
        }
        assert_eq!(codes("query($id: ID!) { order(id: $id) { id } }", json!({})), ["INVALID_VARIABLE"]);
        let tags = "mutation($id: ID!, $tags: [String!]!) { tagsAdd(id: $id, tags: $tags) { userErrors { message } } }";
        assert_eq!(codes(tags, json!({"id": "x", "tags": ["a"]})), [""; 0]);
        assert_eq!(codes(tags, json!({"id": "x", "tags": [null]})), ["INVALID_VARIABLE"]);
        let set = "mutation($m: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $m) { userErrors { code } } }";
        assert_eq!(codes(set, json!({"m": [{"ownerId": "x", "key": "k", "value": "v"}]})), [""; 0]);
        for wrong in
            [json!([{"ownerId": "x", "key": "k"}]), json!([{"ownerId": "x", "key": "k", "value": "v", "x": 1}])]
        {
            assert_eq!(codes(set, json!({"m": wrong})), ["INVALID_VARIABLE"]);
        }
        let literal =
            "mutation { metafieldsSet(metafields: [{ownerId: \"x\", key: 1, value: \"v\"}]) { userErrors { code } } }";
        assert_eq!(codes(literal, json!({})), ["argumentLiteralsIncompatible"]);
        let subscribe = "mutation($t: WebhookSubscriptionTopic!, $s: WebhookSubscriptionInput!) { \
                         webhookSubscriptionCreate(topic: $t, webhookSubscription: $s) { userErrors { message } } }";
        for (topic, expected) in [("ORDERS_CREATE", &[][..]), ("ORDERS_CREATED", &["INVALID_VARIABLE"][..])] {
            assert_eq!(codes(subscribe, json!({"t": topic, "s": {"uri": "https://x"}})), expected, "{topic}");
        }
        let once = |directive: &str| {
            let call = "tagsAdd(id: $id, tags: [\"a\"])";
            codes(&format!("mutation($id: ID!) {{ {call} {directive} {{ node {{ id }} }} }}"), json!({"id": "x"}))
        };
        assert_eq!(once("@idempotent(key: \"k\")"), [""; 0]);
        assert_eq!(once("@idempotent"), ["missingRequiredArguments"]);
        assert_eq!(once("@skip(if: true)"), ["undefinedDirective"], "it is not answered here");
        let many: Vec<String> = (0..251).map(|tag| tag.to_string()).collect();
        assert_eq!(codes(tags, json!({"id": "x", "tags": many})), ["MAX_INPUT_SIZE_EXCEEDED"]);
        let mismatch = "mutation($id: ID!, $tags: String!) { tagsAdd(id: $id, tags: $tags) { node { id } } }";
        assert_eq!(codes(mismatch, json!({"id": "x", "tags": "a"})), [""; 0], "one value stands for a list of one");
    }

    #[test]
    fn an_answer_costs_what_it_holds() {
        let row = |id: u64| json!({"id": id, "taxLines": [{"rate": 0.2}]});
        let order = json!({"order": {"id": 1, "lineItems": {"nodes": [row(2), row(3)]}, "tags": ["a"]}});
        assert_eq!(actual_cost(&order), 1 + 2 + 2);
        assert_eq!(actual_cost(&json!({"order": null})), 0);
    }

    #[test]
    fn cost_counts_pages_of_connections_and_no_money() {
        let query = "query($id: ID!, $n: Int!) { order(id: $id) { id totalPriceSet { shopMoney { amount } } \
                     lineItems(first: $n) { nodes { id taxLines { rate } } } } }";
        let prepared =
            prepare(query, [("id".to_owned(), json!("x")), ("n".to_owned(), json!(50))].into_iter().collect(), None)
                .expect("good");
        assert_eq!(prepared.requested_cost, 53);
    }

    #[test]
    fn an_answer_holds_exactly_the_selected_fields() {
        let query = "query($id: ID!) { o: order(id: $id) { ...F discountApplications(first: 1) { edges { node { __typename index \
                     ... on DiscountCodeApplication { code } } } pageInfo { hasNextPage } } } } fragment F on Order { name }";
        let prepared = prepare(query, [("id".to_owned(), json!("x"))].into_iter().collect(), None).expect("good");
        let order = json!({"name": "#1", "note": "hidden", "discountApplications": [
            {"__typename": "DiscountCodeApplication", "index": 0, "code": "A"}, {"__typename": "ManualDiscountApplication", "index": 1},
        ]});
        let data = answer(&prepared, &|_, _| order.clone()).expect("answers");
        let node = json!({"__typename": "DiscountCodeApplication", "index": 0, "code": "A"});
        let page = json!({"edges": [{"node": node}], "pageInfo": {"hasNextPage": true}});
        assert_eq!(data, json!({"o": {"name": "#1", "discountApplications": page}}));
    }
}
