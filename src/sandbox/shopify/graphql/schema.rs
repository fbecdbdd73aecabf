//! The declared schema, read once from `schema.graphql`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use graphql_parser::schema::{Definition, Document, Field, InputValue, Type, TypeDefinition};

/// The root type of queries.
pub(super) const ROOT: &str = "QueryRoot";
/// The root type of mutations.
pub(super) const MUTATION: &str = "Mutation";

/// A type of the schema.
#[derive(Debug)]
pub(super) enum TypeDef {
    /// Fields, and the interfaces implemented.
    Object(Vec<Field<'static, String>>, Vec<String>),
    Interface(Vec<Field<'static, String>>),
    Union(Vec<String>),
    Input(Vec<InputValue<'static, String>>),
    /// Its values.
    Enum(Vec<String>),
    Leaf,
}

/// All declared types.
#[derive(Debug)]
pub(super) struct Schema {
    types: BTreeMap<String, TypeDef>,
}

impl Schema {
    /// The part of the official 2026-10 schema that the sandbox answers.
    pub(super) fn official() -> &'static Self {
        static SCHEMA: OnceLock<Schema> = OnceLock::new();
        SCHEMA.get_or_init(|| {
            let parsed = graphql_parser::parse_schema::<String>(include_str!("schema.graphql"));
            Self::read(parsed.expect("the compiled-in schema parses").into_static())
        })
    }

    fn read(document: Document<'static, String>) -> Self {
        let mut types: BTreeMap<String, TypeDef> = ["Boolean", "Int", "Float", "String", "ID"]
            .map(|name| (name.to_owned(), TypeDef::Leaf))
            .into_iter()
            .collect();
        for definition in document.definitions {
            let Definition::TypeDefinition(definition) = definition else { continue };
            let (name, kind) = match definition {
                TypeDefinition::Object(object) => {
                    (object.name, TypeDef::Object(object.fields, object.implements_interfaces))
                }
                TypeDefinition::Interface(interface) => (interface.name, TypeDef::Interface(interface.fields)),
                TypeDefinition::Union(union) => (union.name, TypeDef::Union(union.types)),
                TypeDefinition::Scalar(scalar) => (scalar.name, TypeDef::Leaf),
                TypeDefinition::Enum(members) => {
                    (members.name, TypeDef::Enum(members.values.into_iter().map(|value| value.name).collect()))
                }
                TypeDefinition::InputObject(input) => (input.name, TypeDef::Input(input.fields)),
            };
            types.insert(name, kind);
        }
        Self { types }
    }

    pub(super) fn kind(&self, name: &str) -> Option<&TypeDef> {
        self.types.get(name)
    }

    pub(super) fn field(&self, type_name: &str, field: &str) -> Option<&Field<'static, String>> {
        match self.types.get(type_name)? {
            TypeDef::Object(fields, _) | TypeDef::Interface(fields) => fields.iter().find(|own| own.name == field),
            TypeDef::Union(_) | TypeDef::Input(_) | TypeDef::Enum(_) | TypeDef::Leaf => None,
        }
    }

    pub(super) fn is_leaf(&self, name: &str) -> bool {
        matches!(self.types.get(name), Some(TypeDef::Leaf | TypeDef::Enum(_)))
    }

    /// Whether a value of the concrete type `concrete` is a `wanted`.
    pub(super) fn is_a(&self, concrete: &str, wanted: &str) -> bool {
        concrete == wanted
            || match self.types.get(concrete) {
                Some(TypeDef::Object(_, interfaces)) if interfaces.iter().any(|name| name == wanted) => true,
                _ => {
                    matches!(self.types.get(wanted), Some(TypeDef::Union(members)) if members.iter().any(|name| name == concrete))
                }
            }
    }

    /// Whether some concrete type is both.
    pub(super) fn overlap(&self, one: &str, other: &str) -> bool {
        self.types
            .iter()
            .any(|(name, kind)| matches!(kind, TypeDef::Object(..)) && self.is_a(name, one) && self.is_a(name, other))
    }

    /// Whether objects of this type cost a point: those with an id of their own.
    pub(super) fn costs(&self, name: &str) -> bool {
        self.field(name, "id").is_some()
    }
}

/// The name at the core of a type.
pub(super) fn core<'a>(ty: &'a Type<'static, String>) -> &'a str {
    match ty {
        Type::NamedType(name) => name,
        Type::ListType(inner) | Type::NonNullType(inner) => core(inner),
    }
}
