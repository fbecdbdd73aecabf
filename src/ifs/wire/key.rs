//! URLs of single records: keys quoted and percent-encoded as OData 4 and IFS want them.

use super::names;

/// The key of an order line within its order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct LineKey {
    /// `"1"`, `"2"`, ….
    pub line_no: String,
    /// `"1"` unless a person split the line.
    pub rel_no: String,
    /// 0 unless the line is a component of a package part.
    pub line_item_no: i64,
}

/// A text as an OData key value: quoted, quotes doubled, everything but unreserved characters percent-encoded.
///
/// `*` becomes `%2A` and a space `%20`, never `+` (seen against live tenants).
pub fn quoted(text: &str) -> String {
    let mut url = String::with_capacity(text.len() + 2);
    url.push('\'');
    for byte in text.bytes() {
        match byte {
            b'\'' => url.push_str("%27%27"),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(byte)),
            other => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                url.push('%');
                url.push(char::from(HEX[usize::from(other >> 4)]));
                url.push(char::from(HEX[usize::from(other & 15)]));
            }
        }
    }
    url.push('\'');
    url
}

/// `CustomerOrderSet(OrderNo='1001')`.
pub fn order(order_no: &str) -> String {
    format!("{}({}={})", names::ORDER_SET, names::ORDER_NO, quoted(order_no))
}

/// The URL of all lines of an order.
pub fn lines(order_no: &str) -> String {
    format!("{}/{}", order(order_no), names::LINES)
}

/// The URL of all charges of an order.
pub fn charges(order_no: &str) -> String {
    format!("{}/{}", order(order_no), names::CHARGES)
}

/// The URL of one line of an order.
pub fn line(order_no: &str, key: &LineKey) -> String {
    format!(
        "{}({}={},{}={},{}={},{}={})",
        lines(order_no),
        names::ORDER_NO,
        quoted(order_no),
        names::LINE_NO,
        quoted(&key.line_no),
        names::REL_NO,
        quoted(&key.rel_no),
        names::LINE_ITEM_NO,
        key.line_item_no
    )
}

/// The URL of one charge of an order.
pub fn charge(order_no: &str, sequence_no: i64) -> String {
    format!("{}({}={},{}={sequence_no})", charges(order_no), names::ORDER_NO, quoted(order_no), names::SEQUENCE_NO)
}

/// The URL of the order's own address: there is one at most.
pub fn address(order_no: &str) -> String {
    format!("{}/{}({}={})", order(order_no), names::ADDRESSES, names::ORDER_NO, quoted(order_no))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_quoted_as_odata_wants_them() {
        assert_eq!(order("1001"), "CustomerOrderSet(OrderNo='1001')");
        assert_eq!(order("O'B *"), "CustomerOrderSet(OrderNo='O%27%27B%20%2A')");
        let key = LineKey { line_no: "2".into(), rel_no: "1".into(), line_item_no: 0 };
        assert_eq!(
            line("7", &key),
            "CustomerOrderSet(OrderNo='7')/OrderLinesArray(OrderNo='7',LineNo='2',RelNo='1',LineItemNo=0)"
        );
        assert_eq!(charge("7", 3), "CustomerOrderSet(OrderNo='7')/CustomerOrderChargeArray(OrderNo='7',SequenceNo=3)");
    }
}
