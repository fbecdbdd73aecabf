//! Long lists of a site's rows that belong to parts, read page by page in the order of the parts' numbers.
//!
//! A part's rows are taken from one page, so that they are of one moment: where a page is full, its last part may be cut, and the
//! next page begins with it again. So a page that changes while it is read loses no part, and no row is counted twice. A part that fills a
//! page by itself is read by the keys of its rows, and read again, until two readings agree.
//!
//! Invariant: IFS sorts and compares the numbers byte by byte, as its database does unless it is told otherwise. A page in another order
//! is refused, since going on behind it could miss parts.

use super::client::IfsClient;
use super::error::{IfsError, Undecodable};
use super::wire::{PartRequest, Row, key, names};

/// Rows that are asked for at once: IFS wants less than 5,000.
pub(super) const PAGE_ROWS: usize = 4_000;
/// How often a part that fills pages is read until two readings agree.
const READINGS_MAX: usize = 4;
/// Pages of one part: 400,000 lots.
const PART_PAGES_MAX: usize = 100;

/// A field of a row's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyField {
    /// A text.
    Text(&'static str),
    /// A number.
    Number(&'static str),
}

impl KeyField {
    const fn name(self) -> &'static str {
        match self {
            Self::Text(name) | Self::Number(name) => name,
        }
    }

    /// Its value as a filter writes it.
    fn literal(self, row: &Row) -> Result<String, IfsError> {
        let literal = match self {
            Self::Text(name) => row.text(name).map(key::quoted),
            Self::Number(name) => row.int(name).map(|number| number.to_string()),
        };
        literal.ok_or_else(|| Undecodable::new("a row lacks a part of its key").into())
    }
}

/// Which rows are read.
#[derive(Debug, Clone)]
pub(super) struct Listing<'a> {
    /// The entity set.
    pub(super) set: &'static str,
    /// The site.
    pub(super) contract: &'a str,
    /// The field that names the part.
    pub(super) part: &'static str,
    /// What tells rows of one part from each other.
    pub(super) key: &'static [KeyField],
    /// The other fields that are wanted.
    pub(super) fields: &'static [&'static str],
    /// A further condition, as a filter writes it.
    pub(super) narrowed: Option<String>,
}

/// One page: parts with all of their rows, by their numbers.
#[derive(Debug)]
pub(super) struct ListingPage {
    /// The parts. Without rows one that changed each time it was read.
    pub(super) parts: Vec<(String, Option<Vec<Row>>)>,
    /// Behind which part the next page begins; none after the last one.
    pub(super) next: Option<String>,
}

impl Listing<'_> {
    /// The request for the rows of parts that fit a condition, in the order of their keys.
    fn request(&self, condition: &str) -> PartRequest {
        let keys = || self.key.iter().map(|field| field.name());
        let select: Vec<_> = std::iter::once(self.part).chain(keys()).chain(self.fields.iter().copied()).collect();
        let order: Vec<_> = std::iter::once(self.part).chain(keys()).collect();
        let (set, select, order) = (self.set, select.join(","), order.join(","));
        let mut filter = format!("{}%20eq%20{}%20and%20{condition}", names::CONTRACT, key::quoted(self.contract));
        if let Some(narrowed) = &self.narrowed {
            filter.push_str(&format!("%20and%20{narrowed}"));
        }
        PartRequest::get(format!("{set}?$filter={filter}&$select={select}&$orderby={order}&$top={PAGE_ROWS}"))
    }

    /// The parts behind this one; all of them where there is none.
    fn behind(&self, after: Option<&str>) -> String {
        match after {
            Some(after) => format!("{}%20gt%20{}", self.part, key::quoted(after)),
            None => format!("{}%20ne%20null", self.part),
        }
    }

    /// The rows of one part that come behind this one of it.
    fn within(&self, part: &str, last: Option<&Row>) -> Result<String, IfsError> {
        let mut condition = format!("{}%20eq%20{}", self.part, key::quoted(part));
        if let Some(last) = last {
            // A pair is behind another where its first half is, or where that is the same and its second half is behind.
            let mut behind = String::new();
            for field in self.key.iter().rev() {
                let (name, literal) = (field.name(), field.literal(last)?);
                behind = match behind.as_str() {
                    "" => format!("{name}%20gt%20{literal}"),
                    rest => format!("({name}%20gt%20{literal}%20or%20({name}%20eq%20{literal}%20and%20{rest}))"),
                };
            }
            condition.push_str(&format!("%20and%20{behind}"));
        }
        Ok(condition)
    }
}

impl IfsClient {
    /// The page of a listing behind a part.
    pub(super) async fn listing_page(
        &self,
        listing: &Listing<'_>,
        after: Option<&str>,
    ) -> Result<ListingPage, IfsError> {
        let (rows, full) = self.listed(&listing.request(&listing.behind(after))).await?;
        let mut parts = by_part(rows, listing.part, after)?;
        if !full {
            let parts = parts.into_iter().map(|(part, rows)| (part, Some(rows))).collect();
            return Ok(ListingPage { parts, next: None });
        }
        let cut = parts.pop();
        let last = parts.last().map(|(last, _)| last.clone());
        match (last, cut) {
            // The last part may be cut: the next page has it whole.
            (Some(last), _) => {
                let parts = parts.into_iter().map(|(part, rows)| (part, Some(rows))).collect();
                Ok(ListingPage { parts, next: Some(last) })
            }
            (None, Some((part, _))) => {
                let rows = self.long_part(listing, &part).await?;
                Ok(ListingPage { next: Some(part.clone()), parts: vec![(part, rows)] })
            }
            (None, None) => Err(Undecodable::new("an empty page goes on").into()),
        }
    }

    /// The rows of some parts; a part without any is in the answer too.
    pub(super) async fn listing_of(
        &self,
        listing: &Listing<'_>,
        parts: &[&str],
    ) -> Result<Vec<(String, Option<Vec<Row>>)>, IfsError> {
        /// Parts that one filter names.
        const NAMED_MAX: usize = 40;
        let mut found = Vec::with_capacity(parts.len());
        let mut open: Vec<&[&str]> = parts.chunks(NAMED_MAX).collect();
        while let Some(some) = open.pop() {
            let named: Vec<String> =
                some.iter().map(|part| format!("{}%20eq%20{}", listing.part, key::quoted(part))).collect();
            let (rows, full) = self.listed(&listing.request(&format!("({})", named.join("%20or%20")))).await?;
            if !full {
                let mut grouped = by_part(rows, listing.part, None)?;
                for part in some {
                    let at = grouped.iter().position(|(other, _)| other == part);
                    let rows = at.map(|at| grouped.swap_remove(at).1).unwrap_or_default();
                    found.push(((*part).to_owned(), Some(rows)));
                }
                if !grouped.is_empty() {
                    return Err(Undecodable::new("other parts than were asked for").into());
                }
                continue;
            }
            match some {
                [part] => found.push(((*part).to_owned(), self.long_part(listing, part).await?)),
                more => {
                    let (one, other) = more.split_at(more.len() / 2);
                    open.extend([one, other]);
                }
            }
        }
        Ok(found)
    }

    /// All rows of a part that fills pages; none where it changed each time.
    async fn long_part(&self, listing: &Listing<'_>, part: &str) -> Result<Option<Vec<Row>>, IfsError> {
        let mut before = None;
        for _ in 0..READINGS_MAX {
            let rows = self.rows_of(listing, part).await?;
            if before.as_ref() == Some(&rows) {
                return Ok(Some(rows));
            }
            before = Some(rows);
        }
        Ok(None)
    }

    async fn rows_of(&self, listing: &Listing<'_>, part: &str) -> Result<Vec<Row>, IfsError> {
        let mut all: Vec<Row> = Vec::new();
        for _ in 0..PART_PAGES_MAX {
            let request = listing.request(&listing.within(part, all.last())?);
            let (rows, full) = self.listed(&request).await?;
            if full && rows.last() == all.last() {
                return Err(Undecodable::new("the rows of a part do not go on").into());
            }
            all.extend(rows);
            if !full {
                return Ok(all);
            }
        }
        Err(Undecodable::new("a part has more rows than are read").into())
    }

    /// The rows of one answer, and whether there may be more. What IFS itself links to is asked for anew by its key.
    async fn listed(&self, request: &PartRequest) -> Result<(Vec<Row>, bool), IfsError> {
        let mut answer = self.query(&request.url).await?;
        let goes_on = answer.body.as_object_mut().and_then(|body| body.remove(super::answer::NEXT_LINK)).is_some();
        let rows = answer.rows()?;
        if goes_on && rows.is_empty() {
            return Err(Undecodable::new("an empty page goes on").into());
        }
        let full = goes_on || rows.len() >= PAGE_ROWS;
        Ok((rows, full))
    }
}

/// Rows by their parts, which come one after the other, each behind `after`.
fn by_part(rows: Vec<Row>, field: &str, after: Option<&str>) -> Result<Vec<(String, Vec<Row>)>, IfsError> {
    let mut parts: Vec<(String, Vec<Row>)> = Vec::new();
    for row in rows {
        let part = row.text(field).ok_or_else(|| Undecodable::new("a row names no part"))?.to_owned();
        match parts.last_mut() {
            Some((last, rows)) if *last == part => rows.push(row),
            last => {
                let before = last.map(|(last, _)| last.as_str()).or(after);
                if before.is_some_and(|before| part.as_str() <= before) {
                    return Err(Undecodable::new("a page is not in the order of the parts' numbers").into());
                }
                parts.push((part, vec![row]));
            }
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LISTING: Listing<'static> = Listing {
        set: "Set",
        contract: "S10",
        part: "PartNo",
        key: &[KeyField::Text("LocationNo"), KeyField::Text("LotBatchNo"), KeyField::Number("HandlingUnitId")],
        fields: &["QtyOnhand"],
        narrowed: None,
    };

    fn row(part: &str) -> Row {
        let row = json!({"PartNo": part, "LocationNo": "A", "LotBatchNo": "*", "HandlingUnitId": 7});
        Row::from_json(&row).expect("an object")
    }

    #[test]
    fn a_page_asks_behind_a_part_in_the_order_of_the_whole_key() {
        assert_eq!(
            LISTING.request(&LISTING.behind(Some("CUP"))).url,
            "Set?$filter=Contract%20eq%20'S10'%20and%20PartNo%20gt%20'CUP'&$select=PartNo,LocationNo,LotBatchNo,HandlingUnitId,QtyOnhand\
             &$orderby=PartNo,LocationNo,LotBatchNo,HandlingUnitId&$top=4000"
        );
        assert_eq!(LISTING.behind(None), "PartNo%20ne%20null");
    }

    #[test]
    fn within_a_part_a_page_goes_on_behind_a_whole_key() {
        let condition = LISTING.within("CUP", Some(&row("CUP"))).expect("a key");
        assert_eq!(
            condition.replace("%20", " "),
            "PartNo eq 'CUP' and (LocationNo gt 'A' or (LocationNo eq 'A' and (LotBatchNo gt '%2A' or \
             (LotBatchNo eq '%2A' and HandlingUnitId gt 7))))"
        );
        assert!(LISTING.within("CUP", Some(&Row::default())).is_err());
    }

    #[test]
    fn rows_are_put_to_their_parts_and_another_order_is_refused() {
        let parts = |named: &[&str], after| by_part(named.iter().map(|part| row(part)).collect(), "PartNo", after);
        let grouped = parts(&["A", "A", "B"], None).expect("in order");
        assert_eq!(
            grouped.iter().map(|(part, rows)| (part.as_str(), rows.len())).collect::<Vec<_>>(),
            [("A", 2), ("B", 1)]
        );
        for (named, after) in
            [(&["B", "A"][..], None), (&["A", "B", "A"][..], None), (&["A"][..], Some("A")), (&["A"][..], Some("B"))]
        {
            assert!(parts(named, after).is_err(), "{named:?} behind {after:?}");
        }
    }
}
