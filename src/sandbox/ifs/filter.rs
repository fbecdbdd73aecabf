//! `$filter`: comparisons joined with `and`, `or` and parentheses. What IFS refuses (`any`, functions,
//! filters on states) is refused here too.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use super::body::{is_date, is_timestamp};
use super::error::OdataError;
use super::path::quoted;
use super::schema::{Cell, Entity, Kind};

/// What becomes of a filter on a state, or on any other enumeration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StateFilters {
    /// It is refused, as seen on a tenant.
    #[default]
    Refused,
    /// It is taken; the member stands in quotes behind the full name of its type.
    Taken,
}

/// A parsed filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Compare { field: &'static str, operator: Operator, literal: Option<Cell> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

impl Filter {
    /// Parses the decoded text of `$filter`.
    pub(super) fn parse(text: &str, entity: &'static Entity) -> Result<Self, OdataError> {
        Self::parse_with(text, entity, StateFilters::Refused)
    }

    /// As `parse`, where states may be filters.
    pub(super) fn parse_with(text: &str, entity: &'static Entity, states: StateFilters) -> Result<Self, OdataError> {
        let mut reader = Reader { rest: text, entity, states, depth: 0 };
        let filter = reader.or()?;
        match reader.rest.trim_start() {
            "" => Ok(filter),
            rest => Err(bad(rest)),
        }
    }

    /// Whether a row fits; `cell` gives a row's field.
    pub(super) fn matches<'a>(&self, cell: &impl Fn(&str) -> Option<&'a Cell>) -> bool {
        match self {
            Self::And(left, right) => left.matches(cell) && right.matches(cell),
            Self::Or(left, right) => left.matches(cell) || right.matches(cell),
            Self::Compare { field, operator, literal } => compare(cell(field), *operator, literal.as_ref()),
        }
    }

    /// The one value that `field` must have for a row to fit, if the filter says so.
    pub(super) fn demanded(&self, field: &str) -> Option<&str> {
        match self {
            Self::And(left, right) => left.demanded(field).or_else(|| right.demanded(field)),
            Self::Compare { field: name, operator: Operator::Eq, literal: Some(Cell::Text(text)) }
                if *name == field =>
            {
                Some(text)
            }
            Self::Or(..) | Self::Compare { .. } => None,
        }
    }

    /// The text that `field` must be or follow for a row to fit, if the filter says so.
    pub(super) fn at_least(&self, field: &str) -> Option<&str> {
        match self {
            Self::And(left, right) => left.at_least(field).max(right.at_least(field)),
            Self::Compare {
                field: name,
                operator: Operator::Eq | Operator::Gt | Operator::Ge,
                literal: Some(Cell::Text(text)),
            } if *name == field => Some(text),
            Self::Or(left, right) => Some(left.at_least(field)?.min(right.at_least(field)?)),
            Self::Compare { .. } => None,
        }
    }

    /// The text that `field` must be or come before for a row to fit, if the filter says so.
    pub(super) fn at_most(&self, field: &str) -> Option<&str> {
        match self {
            Self::And(left, right) => [left.at_most(field), right.at_most(field)].into_iter().flatten().min(),
            Self::Compare {
                field: name,
                operator: Operator::Eq | Operator::Lt | Operator::Le,
                literal: Some(Cell::Text(text)),
            } if *name == field => Some(text),
            Self::Or(left, right) => Some(left.at_most(field)?.max(right.at_most(field)?)),
            Self::Compare { .. } => None,
        }
    }

    /// The values that `field` is compared with by `eq`.
    pub(super) fn wanted(&self, field: &str) -> Vec<String> {
        match self {
            Self::And(left, right) | Self::Or(left, right) => [left.wanted(field), right.wanted(field)].concat(),
            Self::Compare { field: name, operator: Operator::Eq, literal: Some(Cell::Text(text)) }
                if *name == field =>
            {
                vec![text.clone()]
            }
            Self::Compare { .. } => Vec::new(),
        }
    }
}

fn compare(cell: Option<&Cell>, operator: Operator, literal: Option<&Cell>) -> bool {
    let ordering = match (cell, literal) {
        (None, None) => Some(Ordering::Equal),
        (Some(Cell::Text(a)), Some(Cell::Text(b))) => Some(a.cmp(b)),
        (Some(Cell::Decimal(a)), Some(Cell::Decimal(b))) => Some(a.cmp(b)),
        (Some(Cell::Int(a)), Some(Cell::Decimal(b))) => Some(Decimal::from(*a).cmp(b)),
        (Some(Cell::Bool(a)), Some(Cell::Bool(b))) => Some(a.cmp(b)),
        _ => None,
    };
    match operator {
        Operator::Eq => ordering == Some(Ordering::Equal),
        Operator::Ne => ordering != Some(Ordering::Equal),
        Operator::Gt => ordering == Some(Ordering::Greater),
        Operator::Ge => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
        Operator::Lt => ordering == Some(Ordering::Less),
        Operator::Le => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
    }
}

struct Reader<'a> {
    rest: &'a str,
    entity: &'static Entity,
    states: StateFilters,
    depth: u32,
}

impl<'a> Reader<'a> {
    fn or(&mut self) -> Result<Filter, OdataError> {
        let mut left = self.and()?;
        while self.keyword("or") {
            left = Filter::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Filter, OdataError> {
        let mut left = self.atom()?;
        while self.keyword("and") {
            left = Filter::And(Box::new(left), Box::new(self.atom()?));
        }
        Ok(left)
    }

    fn atom(&mut self) -> Result<Filter, OdataError> {
        self.rest = self.rest.trim_start_matches(' ');
        if let Some(inner) = self.rest.strip_prefix('(') {
            self.rest = inner;
            self.depth += 1;
            if self.depth > 20 {
                return Err(OdataError::bad_request("The filter is nested too deeply"));
            }
            let filter = self.or()?;
            self.rest = self.rest.trim_start_matches(' ').strip_prefix(')').ok_or_else(|| bad(self.rest))?;
            return Ok(filter);
        }
        let name = self.word();
        let field = self.entity.field(name).ok_or_else(|| {
            OdataError::bad_request(format!(
                "The property '{name}', used in a query expression, is not defined in type '{}'",
                self.entity.name
            ))
        })?;
        if matches!(field.kind, Kind::Enum(_)) && self.states == StateFilters::Refused {
            return Err(OdataError::bad_request(format!("A filter on '{name}' is not supported")));
        }
        let operator = match self.word() {
            "eq" => Operator::Eq,
            "ne" => Operator::Ne,
            "gt" => Operator::Gt,
            "ge" => Operator::Ge,
            "lt" => Operator::Lt,
            "le" => Operator::Le,
            other => return Err(bad(other)),
        };
        let literal = self.literal(field.kind)?;
        Ok(Filter::Compare { field: field.name, operator, literal })
    }

    fn literal(&mut self, kind: Kind) -> Result<Option<Cell>, OdataError> {
        self.rest = self.rest.trim_start_matches(' ');
        if self.rest.starts_with('\'') {
            let (value, used) = quoted(self.rest).ok_or_else(|| bad(self.rest))?;
            self.rest = &self.rest[used..];
            return match kind {
                Kind::Text(_) => Ok(Some(Cell::Text(value))),
                _ => Err(OdataError::bad_request("The types of a comparison do not fit")),
            };
        }
        let word = self.word();
        let cell = match kind {
            _ if word == "null" => return Ok(None),
            Kind::Enum(members) => {
                member(word).filter(|own| members.contains(own)).map(|own| Cell::Text(own.to_owned()))
            }
            Kind::Bool => word.parse().ok().map(Cell::Bool),
            Kind::Decimal(_) | Kind::Int => Decimal::from_str_exact(word).ok().map(Cell::Decimal),
            Kind::Date if is_date(word) => Some(Cell::Text(word.to_owned())),
            Kind::Timestamp if is_timestamp(word) => Some(Cell::Text(word.to_owned())),
            Kind::Timestamp if is_timestamp(&format!("{word}T00:00:00Z")) => {
                Some(Cell::Text(format!("{word}T00:00:00Z")))
            }
            _ => None,
        };
        cell.map(Some).ok_or_else(|| bad(word))
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let trimmed = self.rest.trim_start_matches(' ');
        let after = trimmed.strip_prefix(keyword).filter(|after| after.starts_with(' ') || after.starts_with('('));
        match after {
            Some(after) if trimmed.len() < self.rest.len() => {
                self.rest = after;
                true
            }
            _ => false,
        }
    }

    fn word(&mut self) -> &'a str {
        let trimmed = self.rest.trim_start_matches(' ');
        let end = trimmed.find([' ', ')', '(']).unwrap_or(trimmed.len());
        self.rest = &trimmed[end..];
        &trimmed[..end]
    }
}

/// The member of an enumeration, as a URL names it: `IfsApp.Projection.Type'Member'`.
fn member(word: &str) -> Option<&str> {
    let (type_name, quoted) = word.split_once('\'')?;
    quoted.strip_suffix('\'').filter(|_| type_name.starts_with("IfsApp."))
}

fn bad(near: &str) -> OdataError {
    let near: String = near.chars().take(20).collect();
    OdataError::bad_request(format!("The filter can not be read near '{near}'"))
}

#[cfg(test)]
mod tests {
    use super::super::schema::HEADER;
    use super::*;

    fn cell(name: &str) -> Option<&'static Cell> {
        static PO: std::sync::OnceLock<Cell> = std::sync::OnceLock::new();
        static SITE: std::sync::OnceLock<Cell> = std::sync::OnceLock::new();
        match name {
            "CustomerPoNo" => Some(PO.get_or_init(|| Cell::Text("O'1 and 2".into()))),
            "Contract" => Some(SITE.get_or_init(|| Cell::Text("S10".into()))),
            _ => None,
        }
    }

    fn fits(text: &str) -> bool {
        Filter::parse(text, &HEADER).expect("parses").matches(&cell)
    }

    #[test]
    fn comparisons_join_with_and_or_and_parentheses() {
        assert!(fits("CustomerPoNo eq 'O''1 and 2' and Contract eq 'S10'"));
        assert!(!fits("CustomerPoNo eq 'O''1 and 2' and Contract eq 'S20'"));
        assert!(fits("(Contract eq 'S20' or Contract eq 'S10') and CustomerPoNo ne 'x'"));
        assert!(fits("InternalRef eq null"));
        assert!(!fits("InternalRef eq 'x'"));
        assert!(fits("Contract gt 'S0'"));
    }

    #[test]
    fn unknown_fields_states_wrong_types_and_rubbish_are_refused() {
        for text in [
            "PoNo eq '1'",
            "Objstate eq 'Planned'",
            "CustomerPoNo eq 1",
            "CustomerPoNo+eq+'1'",
            "CustomerPoNo eq '1",
            "CustomerPoNo eq '1' Contract eq 'S10'",
            "contains(CustomerPoNo,'1')",
            "",
        ] {
            assert!(Filter::parse(text, &HEADER).is_err(), "'{text}' must be refused");
        }
    }

    #[test]
    fn a_state_is_a_filter_where_it_is_taken() {
        let text = "Objstate ne IfsApp.CustomerOrderHandling.CustomerOrderState'Planned'";
        assert!(Filter::parse(text, &HEADER).is_err());
        assert!(Filter::parse_with(text, &HEADER, StateFilters::Taken).is_ok());
        for wrong in ["Objstate eq 'Planned'", "Objstate eq IfsApp.X.Y'Dreamt'", "Objstate eq Planned"] {
            assert!(Filter::parse_with(wrong, &HEADER, StateFilters::Taken).is_err(), "{wrong}");
        }
    }

    #[test]
    fn wanted_values_of_a_field_are_listed() {
        let filter = Filter::parse("CustomerPoNo eq '7' and Contract eq 'S10'", &HEADER).expect("parses");
        assert_eq!((filter.wanted("CustomerPoNo"), filter.demanded("CustomerPoNo")), (vec!["7".to_owned()], Some("7")));
        let behind = Filter::parse("Contract eq 'S10' and CustomerPoNo gt '7'", &HEADER).expect("parses");
        assert_eq!((behind.at_least("CustomerPoNo"), behind.at_least("OrderNo")), (Some("7"), None));
        let two = Filter::parse("(OrderNo eq '7' or OrderNo eq '5') and Contract eq 'S10'", &HEADER).expect("parses");
        assert_eq!((two.at_least("OrderNo"), two.at_most("OrderNo")), (Some("5"), Some("7")));
        assert_eq!((behind.at_most("CustomerPoNo"), behind.at_most("Contract")), (None, Some("S10")));
        let either = Filter::parse("CustomerPoNo eq '7' or Contract eq 'S10'", &HEADER).expect("parses");
        assert_eq!(either.demanded("CustomerPoNo"), None);
    }
}
