//! Checks a document against the schema and counts what it may cost. Codes after Shopify's own errors.

use std::collections::BTreeSet;

use graphql_parser::query::{Field, Selection, SelectionSet, Type, TypeCondition, Value as Literal};
use serde_json::{Value, json};

use super::schema::{Schema, TypeDef, core};
use super::{MUTATION, Prepared, ROOT, problem};

/// The directive by which a mutation is told from its own repetition.
const IDEMPOTENT: &str = "idempotent";
/// The most entries of a list that is given as an argument.
const INPUT_ITEMS_MAX: usize = 250;
/// What a mutation costs by itself.
const MUTATION_COST: u64 = 10;
/// Mutations that are charged so. Those that the sandbox knew before count their answers alone: days that are played with small
/// buckets stay what they were.
const CHARGED_MUTATIONS: [&str; 6] = [
    "inventorySetQuantities",
    "priceListFixedPricesAdd",
    "productUpdate",
    "productVariantsBulkUpdate",
    "publishablePublish",
    "publishableUnpublish",
];

/// All problems of a prepared document; sets its requested cost.
pub(super) fn check(prepared: &mut Prepared, schema: &'static Schema) -> Vec<Value> {
    let mut checker = Checker { prepared, schema, errors: Vec::new(), used: BTreeSet::new(), depth: 0, base_cost: 0 };
    let cost = match prepared.selection() {
        Some(selection) => checker.selection(selection, prepared.root()),
        None => 0,
    };
    checker.variables();
    let (errors, base_cost) = (checker.errors, checker.base_cost);
    prepared.base_cost = base_cost;
    prepared.requested_cost = (cost + base_cost).max(1);
    errors
}

struct Checker<'a> {
    prepared: &'a Prepared,
    schema: &'static Schema,
    errors: Vec<Value>,
    used: BTreeSet<String>,
    depth: u32,
    /// What the mutations cost before anything of their answer is counted.
    base_cost: u64,
}

impl Checker<'_> {
    fn selection(&mut self, set: &SelectionSet<'static, String>, type_name: &str) -> u64 {
        self.depth += 1;
        if self.depth > 40 {
            self.report("the query is nested too deeply", "MAX_DEPTH_EXCEEDED");
            return 0;
        }
        let mut cost = 0;
        for item in &set.items {
            cost += match item {
                Selection::Field(field) => self.field(field, type_name),
                Selection::InlineFragment(fragment) => match &fragment.type_condition {
                    Some(TypeCondition::On(wanted)) => self.spread(&fragment.selection_set, type_name, wanted),
                    None => self.selection(&fragment.selection_set, type_name),
                },
                Selection::FragmentSpread(spread) => match self.prepared.fragment(&spread.fragment_name) {
                    Some(fragment) => {
                        let TypeCondition::On(wanted) = &fragment.type_condition;
                        self.spread(&fragment.selection_set, type_name, wanted)
                    }
                    None => self.report(
                        &format!("Fragment {} was used, but not defined", spread.fragment_name),
                        "useAndDefineFragment",
                    ),
                },
            };
        }
        self.depth -= 1;
        cost
    }

    fn spread(&mut self, set: &SelectionSet<'static, String>, type_name: &str, wanted: &str) -> u64 {
        if !self.schema.overlap(type_name, wanted) {
            return self
                .report(&format!("Fragment on {wanted} can't be spread inside {type_name}"), "cannotSpreadFragment");
        }
        self.selection(set, wanted)
    }

    fn field(&mut self, field: &Field<'static, String>, type_name: &str) -> u64 {
        if field.name == "__typename" {
            return 0;
        }
        let Some(declared) = self.schema.field(type_name, &field.name) else {
            return self
                .report(&format!("Field '{}' doesn't exist on type '{type_name}'", field.name), "undefinedField");
        };
        for (name, literal) in &field.arguments {
            if !declared.arguments.iter().any(|argument| argument.name == *name) {
                self.report(&format!("Field '{}' doesn't accept argument '{name}'", field.name), "argumentNotAccepted");
            }
            self.literal(literal);
            let declared = declared.arguments.iter().find(|argument| argument.name == *name);
            let given = (!holds_variables(literal)).then(|| argument(self.prepared, field, name)).flatten();
            if let (Some(declared), Some(given)) = (declared, given)
                && !fits(&given, &declared.value_type, self.schema)
            {
                let text = format!("Argument '{name}' on Field '{}' has an invalid value", field.name);
                self.report(&text, "argumentLiteralsIncompatible");
            }
        }
        for argument in &declared.arguments {
            let given = field.arguments.iter().any(|(name, _)| *name == argument.name);
            if matches!(argument.value_type, Type::NonNullType(_)) && argument.default_value.is_none() && !given {
                let text = format!("Field '{}' is missing required arguments: {}", field.name, argument.name);
                self.report(&text, "missingRequiredArguments");
            }
        }
        self.directives(field, type_name);
        self.sizes(field, type_name);
        let inner = core(&declared.field_type);
        if self.schema.is_leaf(inner) {
            if !field.selection_set.items.is_empty() {
                self.report(
                    &format!("Selections can't be made on scalars (field '{}' returns {inner})", field.name),
                    "selectionMismatch",
                );
            }
            return 0;
        }
        if field.selection_set.items.is_empty() {
            return self.report(
                &format!("Field must have selections (field '{}' returns {inner})", field.name),
                "selectionMismatch",
            );
        }
        let below = self.selection(&field.selection_set, inner);
        if inner.ends_with("Connection") {
            return self.page_cost(field, below);
        }
        if type_name == ROOT && field.name == "nodes" {
            let asked = argument(self.prepared, field, "ids").and_then(|ids| ids.as_array().map(Vec::len));
            return asked.unwrap_or(1) as u64 * (below + 1);
        }
        below
            + u64::from(self.schema.costs(inner) && !type_name.ends_with("Connection") && !type_name.ends_with("Edge"))
    }

    /// `@idempotent` with its key, on a mutation, is the one directive that is answered here.
    fn directives(&mut self, field: &Field<'static, String>, type_name: &str) {
        for directive in &field.directives {
            directive.arguments.iter().for_each(|(_, literal)| self.literal(literal));
            let with_key = matches!(directive.arguments.as_slice(), [(name, _)] if name == "key");
            match directive.name.as_str() {
                IDEMPOTENT if type_name != MUTATION => {
                    self.report(&format!("Field '{}' takes no @idempotent", field.name), "BAD_REQUEST")
                }
                IDEMPOTENT if with_key => 0,
                IDEMPOTENT => {
                    self.report("Directive 'idempotent' is missing required arguments: key", "missingRequiredArguments")
                }
                other => self.report(&format!("Directive @{other} is not defined"), "undefinedDirective"),
            };
        }
    }

    /// Lists that are too long, and what a mutation costs by itself.
    fn sizes(&mut self, field: &Field<'static, String>, type_name: &str) {
        for (name, _) in &field.arguments {
            let longest = argument(self.prepared, field, name).map_or(0, |value| longest_list(&value));
            if longest > INPUT_ITEMS_MAX {
                let text = format!(
                    "The input array size of {longest} is greater than the maximum allowed of {INPUT_ITEMS_MAX}."
                );
                self.report(&text, "MAX_INPUT_SIZE_EXCEEDED");
            }
        }
        if type_name == MUTATION && CHARGED_MUTATIONS.contains(&field.name.as_str()) {
            self.base_cost += MUTATION_COST;
        }
    }

    /// A connection costs 2, and for each row of the page at least 1.
    fn page_cost(&mut self, field: &Field<'static, String>, below: u64) -> u64 {
        let rows = ["first", "last"]
            .iter()
            .find_map(|name| argument(self.prepared, field, name))
            .and_then(|value| value.as_u64());
        match rows {
            Some(rows @ 0..=250) => 2 + rows * below.max(1),
            Some(_) => self.report(&format!("{} cannot exceed 250 rows", field.name), "BAD_REQUEST"),
            None => self.report(&format!("you must provide one of first or last for {}", field.name), "BAD_REQUEST"),
        }
    }

    fn literal(&mut self, literal: &Literal<'static, String>) {
        if let Literal::Variable(name) = literal {
            self.used.insert(name.clone());
            if !self.prepared.declared().iter().any(|variable| variable.name == *name) {
                self.report(&format!("Variable ${name} is used but not declared"), "variableNotDefined");
            }
        }
        match literal {
            Literal::List(items) => items.iter().for_each(|item| self.literal(item)),
            Literal::Object(fields) => fields.values().for_each(|item| self.literal(item)),
            _ => {}
        }
    }

    fn variables(&mut self) {
        for variable in self.prepared.declared() {
            if !self.used.contains(&variable.name) {
                self.report(&format!("Variable ${} is declared but not used", variable.name), "variableNotUsed");
            }
            let given = self.prepared.variables.get(&variable.name).filter(|value| !value.is_null());
            let demanded = matches!(variable.var_type, Type::NonNullType(_)) && variable.default_value.is_none();
            let fits = match given {
                Some(value) => fits(value, &variable.var_type, self.schema),
                None => !demanded,
            };
            if !fits {
                let text =
                    format!("Variable ${} of type {} was provided invalid value", variable.name, variable.var_type);
                self.report(&text, "INVALID_VARIABLE");
            }
            if !matches!(
                self.schema.kind(core(&variable.var_type)),
                Some(TypeDef::Leaf | TypeDef::Enum(_) | TypeDef::Input(_))
            ) {
                self.report(
                    &format!("{} isn't a defined input type", core(&variable.var_type)),
                    "variableRequiresValidType",
                );
            }
        }
    }

    fn report(&mut self, message: &str, code: &str) -> u64 {
        self.errors.push(problem(message, code));
        0
    }
}

fn holds_variables(literal: &Literal<'static, String>) -> bool {
    match literal {
        Literal::Variable(_) => true,
        Literal::List(items) => items.iter().any(holds_variables),
        Literal::Object(fields) => fields.values().any(holds_variables),
        _ => false,
    }
}

/// Whether a value is one of the type; a single value stands for a list of one.
fn fits(value: &Value, wanted: &Type<'static, String>, schema: &Schema) -> bool {
    match (wanted, value) {
        (Type::NonNullType(_), Value::Null) => false,
        (Type::NonNullType(inner), value) => fits(value, inner, schema),
        (_, Value::Null) => true,
        (Type::ListType(inner), Value::Array(items)) => items.iter().all(|item| fits(item, inner, schema)),
        (Type::ListType(inner), value) => fits(value, inner, schema),
        (Type::NamedType(name), value) => match (schema.kind(name), value) {
            (Some(TypeDef::Input(fields)), Value::Object(given)) => {
                given.keys().all(|name| fields.iter().any(|field| field.name == *name))
                    && fields.iter().all(|field| {
                        let given = given.get(&field.name).unwrap_or(&Value::Null);
                        (given.is_null() && field.default_value.is_some()) || fits(given, &field.value_type, schema)
                    })
            }
            (Some(TypeDef::Input(_)), _) => false,
            (Some(TypeDef::Enum(members)), value) => {
                value.as_str().is_some_and(|value| members.iter().any(|member| member == value))
            }
            (_, value) => leaf_fits(value, name),
        },
    }
}

fn leaf_fits(value: &Value, type_name: &str) -> bool {
    match type_name {
        "Int" => value.is_i64() || value.is_u64(),
        "Boolean" => value.is_boolean(),
        "ID" => value.is_string() || value.is_u64(),
        "Float" => value.is_number(),
        _ => value.is_string(),
    }
}

/// How many entries the longest list in a value has.
fn longest_list(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(longest_list).max().unwrap_or(0).max(items.len()),
        Value::Object(fields) => fields.values().map(longest_list).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// The key of a field's `@idempotent`, variables put in.
pub(super) fn idempotency_key(prepared: &Prepared, field: &Field<'static, String>) -> Option<Value> {
    let directive = field.directives.iter().find(|directive| directive.name == IDEMPOTENT)?;
    let (_, literal) = directive.arguments.iter().find(|(name, _)| name == "key")?;
    valued(prepared, literal).filter(|value| !value.is_null())
}

/// An argument's value, variables put in; `None` when it is not given or null.
pub(super) fn argument(prepared: &Prepared, field: &Field<'static, String>, name: &str) -> Option<Value> {
    let (_, literal) = field.arguments.iter().find(|(own, _)| own == name)?;
    valued(prepared, literal).filter(|value| !value.is_null())
}

fn valued(prepared: &Prepared, literal: &Literal<'static, String>) -> Option<Value> {
    match literal {
        Literal::Variable(variable) => match prepared.variables.get(variable) {
            Some(value) => Some(value.clone()),
            None => {
                let declared = prepared.declared().iter().find(|declared| declared.name == *variable)?;
                declared.default_value.as_ref().and_then(|default| valued(prepared, default))
            }
        },
        Literal::Int(number) => number.as_i64().map(|number| json!(number)),
        Literal::String(text) | Literal::Enum(text) => Some(json!(text)),
        Literal::Boolean(flag) => Some(json!(flag)),
        Literal::Float(number) => Some(json!(number)),
        Literal::Null => Some(Value::Null),
        Literal::List(items) => items.iter().map(|item| valued(prepared, item)).collect(),
        Literal::Object(fields) => {
            let field = |(name, item): (&String, _)| Some((name.clone(), valued(prepared, item)?));
            fields.iter().map(field).collect::<Option<_>>().map(Value::Object)
        }
    }
}
