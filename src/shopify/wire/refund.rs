//! The refunds of a webhook's order, in REST's names.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Value;

use super::rest::MoneySet;
use super::scalar::{Amount, Id, Quantity, Text};

/// Money given back.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Refund {
    pub id: Id,
    pub refund_line_items: Option<Vec<RefundLineItem>>,
    pub refund_shipping_lines: Option<Vec<RefundShippingLine>>,
    pub duties: Option<RefundDuties>,
    pub order_adjustments: Option<Vec<OrderAdjustment>>,
    pub transactions: Option<Vec<Transaction>>,
}

/// Units of a line given back. Its plain amounts are JSON numbers where all others are texts.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct RefundLineItem {
    pub line_item_id: Id,
    pub quantity: Quantity,
    pub subtotal: Option<Amount>,
    pub subtotal_set: Option<MoneySet>,
    pub total_tax: Option<Amount>,
    pub total_tax_set: Option<MoneySet>,
}

/// Shipping given back; older payloads have none and tell it as an order adjustment.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct RefundShippingLine {
    pub shipping_line_id: Option<Id>,
    pub subtotal_amount_set: Option<MoneySet>,
    pub tax_amount_set: Option<MoneySet>,
}

/// A difference between what the rows are worth and what was given back; in older payloads also shipping given back.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct OrderAdjustment {
    pub id: Id,
    pub kind: Option<Text>,
    pub reason: Option<Text>,
    pub amount: Option<Amount>,
    pub amount_set: Option<MoneySet>,
    pub tax_amount: Option<Amount>,
    pub tax_amount_set: Option<MoneySet>,
}

/// A movement of money.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Transaction {
    pub kind: Option<Text>,
    pub status: Option<Text>,
    pub amount: Option<Amount>,
    pub currency: Option<Text>,
}

/// A duty given back.
#[derive(Deserialize)]
pub struct RefundDuty {
    /// The duty.
    pub duty_id: Option<Id>,
    /// In both currencies.
    pub amount_set: Option<MoneySet>,
}

/// A list of duties; Shopify's reference also shows it as an object with one list in it.
pub struct RefundDuties(pub Vec<RefundDuty>);

impl<'de> Deserialize<'de> for RefundDuties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = || D::Error::custom("expected a list of duties");
        let list = match Value::deserialize(deserializer)? {
            Value::Object(mut object) => object.remove("duties").ok_or_else(expected)?,
            list => list,
        };
        serde_json::from_value(list).map(Self).map_err(|_| expected())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Refund {
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
    }

    #[test]
    fn numbers_keep_every_digit_and_big_ids_are_no_floats() {
        let json = r#"{"id": 929361464000000001, "refund_line_items": [
            {"line_item_id": 487817672276298555, "quantity": 1, "subtotal": 195.67, "total_tax": 3.98}
        ]}"#;
        let refund = read(json);
        let line = &refund.refund_line_items.expect("rows")[0];
        assert_eq!((refund.id, line.line_item_id), (Id(929_361_464_000_000_001), Id(487_817_672_276_298_555)));
        assert_eq!(line.subtotal.expect("a figure").0.to_string(), "195.67");
        assert_eq!(line.total_tax.expect("a figure").0.to_string(), "3.98");
    }

    #[test]
    fn duties_are_read_in_each_shape_that_shopify_shows() {
        let duty = r#"[{"duty_id": 1, "amount_set": {"shop_money": {"amount": "9.83", "currency_code": "CAD"},
            "presentment_money": {"amount": "9.83", "currency_code": "CAD"}}}]"#;
        for (duties, count) in [("[]", 0), (duty, 1), (format!(r#"{{"duties": {duty}}}"#).as_str(), 1)] {
            let refund = read(&format!(r#"{{"id": 1, "duties": {duties}}}"#));
            assert_eq!(refund.duties.expect("a list").0.len(), count, "{duties}");
        }
        assert!(read(r#"{"id": 1, "duties": null}"#).duties.is_none());
        for duties in ["7", r#"{"others": []}"#, r#"[{"duty_id": "x"}]"#] {
            let refused = serde_json::from_str::<Refund>(&format!(r#"{{"id": 1, "duties": {duties}}}"#));
            assert!(refused.is_err_and(|error| error.to_string().contains("expected a list of duties")), "{duties}");
        }
    }
}
