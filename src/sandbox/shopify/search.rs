//! Shopify's search syntax, as far as `orders(query:)` is asked for it here: terms, AND, OR, brackets, comparators. Fields that
//! are not known are told and passed over, as Shopify does: a filter with a slip in it finds more, not less.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::model::OrderVersion;

/// What a search finds.
#[derive(Debug)]
pub(super) struct Search {
    root: Term,
    /// What Shopify would say in `extensions.search`.
    pub(super) warnings: Vec<Value>,
}

#[derive(Debug)]
enum Term {
    All(Vec<Term>),
    Any(Vec<Term>),
    Updated(Comparator, Timestamp),
    Created(Comparator, Timestamp),
    Id(Comparator, u64),
    Name(String),
    Status(Status),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparator {
    Same,
    Over,
    Under,
    OverOrSame,
    UnderOrSame,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Any,
    Open,
    Closed,
    Cancelled,
    NotClosed,
}

impl Search {
    /// Reads a query; nothing and an empty one find everything.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(query)?, at: 0, warnings: Vec::new() };
        let root = parser.any()?;
        match parser.tokens.get(parser.at) {
            None => Ok(Self { root, warnings: parser.warnings }),
            Some(token) => Err(format!("the search does not read at {token:?}")),
        }
    }

    /// Whether an order is found.
    pub(super) fn finds(&self, order: &OrderVersion) -> bool {
        finds(&self.root, order)
    }

    /// Whether the search asks for a time of change.
    pub(super) fn asks_for_updates(&self) -> bool {
        fn asks(term: &Term) -> bool {
            match term {
                Term::All(terms) | Term::Any(terms) => terms.iter().any(asks),
                Term::Updated(..) => true,
                Term::Created(..) | Term::Id(..) | Term::Name(_) | Term::Status(_) => false,
            }
        }
        asks(&self.root)
    }

    /// Whether the search says which statuses it wants.
    pub(super) fn asks_for_status(&self) -> bool {
        fn asks(term: &Term) -> bool {
            match term {
                Term::All(terms) | Term::Any(terms) => terms.iter().any(asks),
                Term::Status(_) => true,
                Term::Updated(..) | Term::Created(..) | Term::Id(..) | Term::Name(_) => false,
            }
        }
        asks(&self.root)
    }
}

fn finds(term: &Term, order: &OrderVersion) -> bool {
    match term {
        Term::All(terms) => terms.iter().all(|term| finds(term, order)),
        Term::Any(terms) => terms.is_empty() || terms.iter().any(|term| finds(term, order)),
        Term::Updated(comparator, at) => comparator.holds(order.updated_at.as_second(), at.as_second()),
        Term::Created(comparator, at) => comparator.holds(order.created_at.as_second(), at.as_second()),
        Term::Id(comparator, id) => comparator.holds(order.id, *id),
        Term::Name(name) => bare(&order.name()) == *name,
        Term::Status(status) => match status {
            Status::Any => true,
            Status::Open => order.closed_at.is_none() && order.cancelled.is_none(),
            Status::Closed => order.closed_at.is_some(),
            Status::Cancelled => order.cancelled.is_some(),
            Status::NotClosed => order.closed_at.is_none(),
        },
    }
}

impl Comparator {
    fn holds<T: Ord>(self, value: T, bound: T) -> bool {
        match self {
            Self::Same => value == bound,
            Self::Over => value > bound,
            Self::Under => value < bound,
            Self::OverOrSame => value >= bound,
            Self::UnderOrSame => value <= bound,
        }
    }
}

fn bare(name: &str) -> String {
    name.trim_start_matches('#').to_lowercase()
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    /// Field, comparator, value, and whether the value was quoted.
    Term(String, Comparator, String, Quoted),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quoted {
    Yes,
    No,
}

fn tokens(query: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        rest = match first {
            '(' => push(&mut found, Token::Open, &rest[1..]),
            ')' => push(&mut found, Token::Close, &rest[1..]),
            _ => match word(rest, "AND").or_else(|| word(rest, "OR")) {
                Some(after) if rest.starts_with("AND") => push(&mut found, Token::And, after),
                Some(after) => push(&mut found, Token::Or, after),
                None => term(rest, &mut found)?,
            },
        }
        .trim_start();
    }
    Ok(found)
}

fn push<'a>(found: &mut Vec<Token>, token: Token, rest: &'a str) -> &'a str {
    found.push(token);
    rest
}

fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.strip_prefix(word).filter(|rest| rest.is_empty() || rest.starts_with([' ', '(']))
}

fn term<'a>(text: &'a str, found: &mut Vec<Token>) -> Result<&'a str, String> {
    let Some((field, rest)) = text.split_once(':') else { return Err(format!("{text:?} names no field")) };
    let comparators = [
        (">=", Comparator::OverOrSame),
        ("<=", Comparator::UnderOrSame),
        (">", Comparator::Over),
        ("<", Comparator::Under),
    ];
    let (rest, comparator) = comparators
        .iter()
        .find_map(|(sign, comparator)| Some((rest.strip_prefix(sign)?, *comparator)))
        .unwrap_or((rest, Comparator::Same));
    let (value, quoted, rest) = match rest.chars().next() {
        Some(quote @ ('\'' | '"')) => {
            let (value, rest) = rest[1..].split_once(quote).ok_or("a quote that does not end")?;
            (value, Quoted::Yes, rest)
        }
        _ => {
            let end = rest.find([' ', ')']).unwrap_or(rest.len());
            (&rest[..end], Quoted::No, &rest[end..])
        }
    };
    found.push(Token::Term(field.to_owned(), comparator, value.to_owned(), quoted));
    Ok(rest)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    warnings: Vec<Value>,
}

impl Parser {
    fn any(&mut self) -> Result<Term, String> {
        let mut terms = vec![self.all()?];
        while self.tokens.get(self.at) == Some(&Token::Or) {
            self.at += 1;
            terms.push(self.all()?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Term::Any(terms) })
    }

    fn all(&mut self) -> Result<Term, String> {
        let mut terms = Vec::new();
        loop {
            match self.tokens.get(self.at).cloned() {
                Some(Token::And) => self.at += 1,
                Some(Token::Open) => {
                    self.at += 1;
                    terms.push(self.any()?);
                    if self.tokens.get(self.at) != Some(&Token::Close) {
                        return Err("a bracket that does not end".to_owned());
                    }
                    self.at += 1;
                }
                Some(Token::Term(field, comparator, value, quoted)) => {
                    self.at += 1;
                    terms.extend(self.compare(&field, comparator, &value, quoted)?);
                }
                Some(Token::Or | Token::Close) | None => return Ok(Term::All(terms)),
            }
        }
    }

    fn compare(
        &mut self,
        field: &str,
        comparator: Comparator,
        value: &str,
        quoted: Quoted,
    ) -> Result<Option<Term>, String> {
        let time = || instant(value, quoted).ok_or_else(|| format!("{field} wants a time, not {value:?}"));
        Ok(Some(match field {
            "updated_at" => Term::Updated(comparator, time()?),
            "created_at" => Term::Created(comparator, time()?),
            "id" => Term::Id(comparator, value.parse().map_err(|_| format!("id wants a number, not {value:?}"))?),
            "name" => Term::Name(bare(value)),
            "status" => match value {
                "any" => Term::Status(Status::Any),
                "open" => Term::Status(Status::Open),
                "closed" => Term::Status(Status::Closed),
                "cancelled" => Term::Status(Status::Cancelled),
                "not_closed" => Term::Status(Status::NotClosed),
                _ => return Ok(self.warn(field, "Input `status` contains an invalid value.", "invalid_value")),
            },
            _ => return Ok(self.warn(field, "Invalid search field for this query.", "invalid_field")),
        }))
    }

    fn warn(&mut self, field: &str, message: &str, code: &str) -> Option<Term> {
        self.warnings.push(json!({"field": field, "message": message, "code": code}));
        None
    }
}

/// A time without quotes counts by its day alone: what stands behind it is lost, as users of the real search found out.
fn instant(value: &str, quoted: Quoted) -> Option<Timestamp> {
    let day = |text: &str| format!("{}T00:00:00Z", text.get(..10)?).parse().ok();
    match quoted {
        Quoted::Yes => value.parse().ok().or_else(|| day(value)),
        Quoted::No => day(value),
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::super::generate::{self, Ids};
    use super::*;

    fn order() -> OrderVersion {
        let at: Timestamp = "2026-11-27T10:00:00Z".parse().expect("a literal timestamp");
        generate::order(&mut StdRng::seed_from_u64(1), &mut Ids::of_shop(0), 1001, at)
    }

    #[test]
    fn terms_connectives_and_brackets_are_read_as_shopify_writes_them() {
        let order = order();
        for (query, found) in [
            ("", true),
            ("updated_at:>='2026-11-27T10:00:00Z'", true),
            ("updated_at:>'2026-11-27T10:00:00Z'", false),
            ("created_at:<\"2026-11-27T10:00:01Z\" AND status:open", true),
            ("status:closed OR status:not_closed", true),
            ("name:#1001", true),
            ("name:'1002'", false),
            ("status:open (status:closed OR status:cancelled)", false),
            ("(status:open OR status:closed) name:1001", true),
            ("id:1", false),
        ] {
            let search = Search::parse(query).expect(query);
            assert_eq!(search.finds(&order), found, "{query}");
            assert!(search.warnings.is_empty(), "{query}");
        }
    }

    #[test]
    fn a_time_without_quotes_loses_its_hours() {
        // Asked for what came after noon, Shopify gives the whole day.
        assert!(Search::parse("updated_at:>=2026-11-27T12:00:00Z").expect("reads").finds(&order()));
        assert!(!Search::parse("updated_at:>='2026-11-27T12:00:00Z'").expect("reads").finds(&order()));
    }

    #[test]
    fn what_is_not_known_is_warned_of_and_finds_more() {
        for query in ["updated:>='2026-11-27T12:00:00Z'", "status:archived"] {
            let search = Search::parse(query).expect(query);
            assert!(search.finds(&order()) && search.warnings.len() == 1, "{query}");
        }
        for query in ["(status:open", "status:open)", "name:'x", "loose", "updated_at:>='soon'"] {
            assert!(Search::parse(query).is_err(), "{query}");
        }
    }
}
