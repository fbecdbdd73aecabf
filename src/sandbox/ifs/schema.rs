//! The declarations of the simulated projection: fields, types, lengths, who may set them. What is not
//! declared here is refused in a body.

use rust_decimal::Decimal;

/// A field's type.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// `Edm.String` of at most so many characters.
    Text(usize),
    /// `Edm.Decimal` of at most so many decimals.
    Decimal(u32),
    Bool,
    /// `Edm.Date`.
    Date,
    /// `Edm.DateTimeOffset` without a fraction.
    Timestamp,
    /// An enumeration; bodies carry the plain member.
    Enum(&'static [&'static str]),
    Int,
}

/// Whether a POST may or must carry a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Insert {
    Required,
    Optional,
    Refused,
}

/// One declared field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) insert: Insert,
    pub(super) update: bool,
}

impl Field {
    pub(super) fn is_insertable(&self) -> bool {
        self.insert != Insert::Refused
    }
}

/// One declared entity.
#[derive(Debug)]
pub(super) struct Entity {
    /// The entity's name, as errors show it.
    pub(super) name: &'static str,
    /// The name of its set or navigation.
    pub(super) set: &'static str,
    /// Names of the fields that make the key, in their order.
    pub(super) key: &'static [&'static str],
    pub(super) fields: &'static [Field],
}

impl Entity {
    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A stored value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Text(String),
    Decimal(Decimal),
    Bool(bool),
    Int(i64),
}

/// States of a header.
pub(super) const OBJSTATES: &[&str] = &[
    "Planned",
    "Released",
    "Reserved",
    "Picked",
    "PartiallyDelivered",
    "Delivered",
    "Invoiced",
    "Closed",
    "Cancelled",
    "Blocked",
];

const TRUE_FALSE: &[&str] = &["TRUE", "FALSE"];

pub(super) const fn must(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, insert: Insert::Required, update: false }
}

pub(super) const fn must_then_edit(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, insert: Insert::Required, update: true }
}

pub(super) const fn may(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, insert: Insert::Optional, update: false }
}

pub(super) const fn may_then_edit(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, insert: Insert::Optional, update: true }
}

pub(super) const fn edit_only(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, insert: Insert::Refused, update: true }
}

pub(super) const fn read(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, insert: Insert::Refused, update: false }
}

/// `CustomerOrderSet`.
pub(super) static HEADER: Entity = Entity {
    name: "CustomerOrder",
    set: "CustomerOrderSet",
    key: &["OrderNo"],
    fields: &[
        read("OrderNo", Kind::Text(12)),
        must("CustomerNo", Kind::Text(20)),
        must("Contract", Kind::Text(5)),
        must("Company", Kind::Text(20)),
        must("CurrencyCode", Kind::Text(3)),
        must("AuthorizeCode", Kind::Text(20)),
        must("OrderId", Kind::Text(10)),
        must_then_edit("BillAddrNo", Kind::Text(50)),
        must_then_edit("ShipAddrNo", Kind::Text(50)),
        must_then_edit("WantedDeliveryDate", Kind::Timestamp),
        must("IsNewCustomer", Kind::Bool),
        may_then_edit("CustomerPoNo", Kind::Text(50)),
        may_then_edit("InternalRef", Kind::Text(30)),
        may_then_edit("ExternalRef", Kind::Text(100)),
        may_then_edit("NoteText", Kind::Text(2000)),
        may("UsePriceInclTax", Kind::Bool),
        may_then_edit("PayTermId", Kind::Text(20)),
        may_then_edit("ShipViaCode", Kind::Text(3)),
        may_then_edit("DeliveryTerms", Kind::Text(5)),
        may_then_edit("AdditionalDiscount", Kind::Decimal(8)),
        may_then_edit("CustRef", Kind::Text(30)),
        may_then_edit("InternalPoNo", Kind::Text(50)),
        may_then_edit("MarketCode", Kind::Text(10)),
        may_then_edit("SalesmanCode", Kind::Text(20)),
        may_then_edit("CodeB", Kind::Text(20)),
        may_then_edit("CodeC", Kind::Text(20)),
        may_then_edit("TaxIdNo", Kind::Text(50)),
        may_then_edit("LabelNote", Kind::Text(50)),
        edit_only("AddrFlagDb", Kind::Enum(&["N", "Y"])),
        read("Objstate", Kind::Enum(OBJSTATES)),
        read("DateEntered", Kind::Timestamp),
        read("CancelReason", Kind::Text(20)),
        read("BlockedReason", Kind::Text(20)),
        read("TotalAmount", Kind::Decimal(8)),
    ],
};

/// `CustomerOrderAddresses`.
pub(super) static ADDRESS: Entity = Entity {
    name: "CustomerOrderAddress",
    set: "CustomerOrderAddresses",
    key: &["OrderNo"],
    fields: &[
        read("OrderNo", Kind::Text(12)),
        may("AddrFlag", Kind::Enum(&["N", "Y"])),
        may_then_edit("Name", Kind::Text(100)),
        may_then_edit("Address1", Kind::Text(35)),
        may_then_edit("Address2", Kind::Text(35)),
        may_then_edit("Address3", Kind::Text(35)),
        may_then_edit("Address4", Kind::Text(35)),
        may_then_edit("Address5", Kind::Text(35)),
        may_then_edit("Address6", Kind::Text(35)),
        may_then_edit("ZipCode", Kind::Text(35)),
        may_then_edit("City", Kind::Text(35)),
        may_then_edit("State", Kind::Text(35)),
        must_then_edit("Country", Kind::Text(2)),
    ],
};

/// `OrderLinesArray`.
pub(super) static LINE: Entity = Entity {
    name: "CustomerOrderLine",
    set: "OrderLinesArray",
    key: &["OrderNo", "LineNo", "RelNo", "LineItemNo"],
    fields: &[
        read("OrderNo", Kind::Text(12)),
        read("LineNo", Kind::Text(4)),
        read("RelNo", Kind::Text(4)),
        read("LineItemNo", Kind::Int),
        must("Contract", Kind::Text(5)),
        must("CatalogNo", Kind::Text(25)),
        must_then_edit("BuyQtyDue", Kind::Decimal(8)),
        must_then_edit("WantedDeliveryDate", Kind::Timestamp),
        must_then_edit("PriceFreeze", Kind::Enum(&["Free", "Frozen"])),
        may_then_edit("SaleUnitPrice", Kind::Decimal(8)),
        may_then_edit("UnitPriceInclTax", Kind::Decimal(8)),
        may_then_edit("Discount", Kind::Decimal(8)),
        may_then_edit("OrderDiscount", Kind::Decimal(8)),
        may_then_edit("TaxCode", Kind::Text(20)),
        may_then_edit("TaxCalcStructureId", Kind::Text(20)),
        may("CatalogType", Kind::Enum(&["InventoryPart", "NonInventoryPart", "PackagePart", "ComponentPart"])),
        read("QtyPerAssembly", Kind::Decimal(8)),
        may("FetchTaxFromDefaults", Kind::Enum(TRUE_FALSE)),
        may_then_edit("NoteText", Kind::Text(2000)),
        may_then_edit("CustomerPoLineNo", Kind::Text(50)),
        may_then_edit("CatalogDesc", Kind::Text(200)),
        may("SupplyCode", Kind::Text(3)),
        may_then_edit("PlannedDeliveryDate", Kind::Timestamp),
        may_then_edit("TargetDate", Kind::Timestamp),
        may("ConfigurationId", Kind::Text(50)),
        may("ChargedItem", Kind::Enum(&["ChargedItem", "ItemNotCharged"])),
        may("TaxLiability", Kind::Enum(&["TAX", "EXEMPT"])),
        read(
            "OrderState",
            Kind::Enum(&["Released", "Reserved", "Picked", "PartiallyDelivered", "Delivered", "Invoiced", "Cancelled"]),
        ),
        read("CancelReason", Kind::Text(20)),
        read("NetAmountCurr", Kind::Decimal(8)),
        read("TaxAmountCurr", Kind::Decimal(8)),
        read("GrossAmountCurr", Kind::Decimal(8)),
        read("QtyAssigned", Kind::Decimal(8)),
        read("QtyPicked", Kind::Decimal(8)),
        read("QtyShipped", Kind::Decimal(8)),
        read("QtyInvoiced", Kind::Decimal(8)),
    ],
};

/// `CustomerOrderChargeArray`.
pub(super) static CHARGE: Entity = Entity {
    name: "CustomerOrderCharge",
    set: "CustomerOrderChargeArray",
    key: &["OrderNo", "SequenceNo"],
    fields: &[
        read("OrderNo", Kind::Text(12)),
        read("SequenceNo", Kind::Int),
        must("Contract", Kind::Text(5)),
        must("Company", Kind::Text(20)),
        must("ChargeType", Kind::Text(25)),
        must_then_edit("ChargedQty", Kind::Decimal(8)),
        may_then_edit("ChargeAmount", Kind::Decimal(8)),
        may_then_edit("ChargeAmountInclTax", Kind::Decimal(8)),
        may_then_edit("TaxCode", Kind::Text(20)),
        may_then_edit("TaxCalcStructureId", Kind::Text(20)),
        may("LineNo", Kind::Text(4)),
        may("RelNo", Kind::Text(4)),
        may("LineItemNo", Kind::Int),
        may("DeliveryAddress", Kind::Text(50)),
        may_then_edit("CollectDb", Kind::Enum(&["COLLECT", "INVOICE"])),
        may("SalesUnitMeas", Kind::Text(10)),
        may("IntrastatExempt", Kind::Enum(&["INCLUDE", "EXEMPT"])),
        may("UnitCharge", Kind::Enum(TRUE_FALSE)),
        read("NetAmtCurr", Kind::Decimal(8)),
        read("TaxAmountCurrency", Kind::Decimal(8)),
        read("GrossAmtCurr", Kind::Decimal(8)),
        read("InvoicedQty", Kind::Decimal(8)),
    ],
};
