//! Customer orders read in bulk: the headers of a site that were entered in a span of time, page by page. Reads only.
//!
//! Paged by key (`OrderNo gt 'x'`), since `$skip` repeats and misses rows while data changes (IFS's documentation). Names and
//! filters: `DateEntered` is known as a header field from code; that it can be filtered by is not proven on a tenant
//! (docs/doubts.md).

use jiff::Timestamp;

use super::client::IfsClient;
use super::error::{IfsError, Undecodable};
use super::wire::{PartRequest, Row, key, names};

/// Headers asked for at once. IFS may answer fewer and link to the next ones.
const PAGE_ROWS: usize = 500;

/// Which headers are read.
#[derive(Debug, Clone, Copy)]
pub struct OrdersWindow<'a> {
    /// The site.
    pub contract: &'a str,
    /// The header field that carries our business key.
    pub key_field: &'a str,
    /// Entered at this instant or later, by IFS's clock.
    pub entered_from: Timestamp,
    /// Entered before this instant; open when none.
    pub entered_until: Option<Timestamp>,
}

impl OrdersWindow<'_> {
    /// The request for the page that follows the order `after`.
    pub fn page(&self, after: Option<&str>) -> PartRequest {
        let mut filter = format!(
            "{}%20eq%20{}%20and%20{entered}%20ge%20{}",
            names::CONTRACT,
            key::quoted(self.contract),
            instant(self.entered_from),
            entered = names::DATE_ENTERED,
        );
        if let Some(until) = self.entered_until {
            filter.push_str(&format!("%20and%20{}%20lt%20{}", names::DATE_ENTERED, instant(until)));
        }
        if let Some(after) = after {
            filter.push_str(&format!("%20and%20{}%20gt%20{}", names::ORDER_NO, key::quoted(after)));
        }
        let select = [
            names::ORDER_NO,
            names::OBJSTATE,
            self.key_field,
            names::CUSTOMER_NO,
            names::CONTRACT,
            names::CURRENCY_CODE,
            names::DATE_ENTERED,
        ];
        let (set, select, order_no) = (names::ORDER_SET, select.join(","), names::ORDER_NO);
        PartRequest::get(format!("{set}?$filter={filter}&$select={select}&$orderby={order_no}&$top={PAGE_ROWS}"))
    }
}

/// A timestamp without a fraction, as IFS's filters take it: unquoted.
fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl IfsClient {
    /// The headers of the page that follows the order `after`, in the order of their numbers; none after the last one.
    ///
    /// # Errors
    /// It could not be read, or IFS does not keep to the order of the numbers: then going on could miss some.
    pub async fn orders_page(&self, window: &OrdersWindow<'_>, after: Option<&str>) -> Result<Vec<Row>, IfsError> {
        let first = self.query(&window.page(after).url).await?;
        let rows = self.whole_list(first).await?.rows()?;
        // Whatever IFS's collation is, the last row is where the next page begins; it must not begin there again.
        let number = |row: &Row| row.text(names::ORDER_NO).map(str::to_owned);
        let last = rows.last().and_then(number);
        if !rows.is_empty() && (last.is_none() || last.as_deref() == after) {
            return Err(Undecodable::new("a page of orders does not go on after the one before").into());
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_asks_by_site_time_and_key_and_for_no_more_than_is_needed() {
        let entered_from = "2026-11-01T10:00:00.5Z".parse().expect("an instant");
        let window = OrdersWindow { contract: "S10", key_field: "CustomerPoNo", entered_from, entered_until: None };
        assert_eq!(
            window.page(None).url,
            "CustomerOrderSet?$filter=Contract%20eq%20'S10'%20and%20DateEntered%20ge%202026-11-01T10:00:00Z\
             &$select=OrderNo,Objstate,CustomerPoNo,CustomerNo,Contract,CurrencyCode,DateEntered&$orderby=OrderNo&$top=500"
        );
        let window = OrdersWindow { entered_until: Some(entered_from), ..window };
        let url = window.page(Some("*1'0")).url;
        assert!(url.contains("%20and%20DateEntered%20lt%202026-11-01T10:00:00Z%20and%20OrderNo%20gt%20'%2A1%27%270'&"));
    }
}
