//! The declarations of the projections that tell of stock, parts and prices.

use super::super::schema::{Entity, Kind, may, must, read};

/// `InventoryPartInStockSet`.
pub(in super::super) static IN_STOCK: Entity = Entity {
    name: "InventoryPartInStock",
    set: "InventoryPartInStockSet",
    key: &[
        "Contract",
        "PartNo",
        "ConfigurationId",
        "LocationNo",
        "LotBatchNo",
        "SerialNo",
        "EngChgLevel",
        "WaivDevRejNo",
        "ActivitySeq",
        "HandlingUnitId",
    ],
    fields: &[
        read("Contract", Kind::Text(5)),
        read("PartNo", Kind::Text(25)),
        read("ConfigurationId", Kind::Text(50)),
        read("LocationNo", Kind::Text(35)),
        read("LotBatchNo", Kind::Text(20)),
        read("SerialNo", Kind::Text(50)),
        read("EngChgLevel", Kind::Text(6)),
        read("WaivDevRejNo", Kind::Text(15)),
        read("ActivitySeq", Kind::Int),
        read("HandlingUnitId", Kind::Int),
        read("QtyOnhand", Kind::Decimal(8)),
        read("QtyReserved", Kind::Decimal(8)),
        read("QtyInTransit", Kind::Decimal(8)),
        read("AvailableQty", Kind::Decimal(8)),
        read("AvailabilityControlId", Kind::Text(25)),
        read("FreezeFlagDb", Kind::Bool),
        read("LocationTypeDb", Kind::Text(20)),
        read("PartOwnershipDb", Kind::Text(20)),
        read("ConditionCode", Kind::Text(10)),
        read("ProjectId", Kind::Text(10)),
        read("ExpirationDate", Kind::Date),
        read("Warehouse", Kind::Text(15)),
        read("LastActivityDate", Kind::Timestamp),
        read("UoM", Kind::Text(10)),
    ],
};

/// `InventoryPartSet`.
pub(in super::super) static PART: Entity = Entity {
    name: "InventoryPart",
    set: "InventoryPartSet",
    key: &["Contract", "PartNo"],
    fields: &[
        read("Contract", Kind::Text(5)),
        read("PartNo", Kind::Text(25)),
        read("Description", Kind::Text(200)),
        read("UnitMeas", Kind::Text(10)),
        read("PartStatus", Kind::Text(1)),
        read("PrimeCommodity", Kind::Text(5)),
        read("PartProductCode", Kind::Text(5)),
    ],
};

/// `SalesPartSet`.
pub(in super::super) static SALES_PART: Entity = Entity {
    name: "SalesPart",
    set: "SalesPartSet",
    key: &["Contract", "CatalogNo"],
    fields: &[
        read("Contract", Kind::Text(5)),
        read("CatalogNo", Kind::Text(25)),
        read("CatalogDesc", Kind::Text(200)),
        read("CatalogGroup", Kind::Text(10)),
        read("PartNo", Kind::Text(25)),
        read("SalesUnitMeas", Kind::Text(10)),
        read("ConvFactor", Kind::Decimal(8)),
        read("InvertedConvFactor", Kind::Decimal(8)),
        read("PriceConvFactor", Kind::Decimal(8)),
        read("ListPrice", Kind::Decimal(8)),
        read("ListPriceInclTax", Kind::Decimal(8)),
        read("CurrencyCode", Kind::Text(3)),
        read("UsePriceInclTax", Kind::Bool),
        read("TaxCode", Kind::Text(20)),
        read("SalesPriceGroupId", Kind::Text(10)),
        read("Activeind", Kind::Bool),
        read("Gtin", Kind::Text(14)),
    ],
};

/// `CustomerOrderLineSet` and `CustomerOrderJoinSet`: the lines of all orders.
pub(in super::super) static ORDER_LINE: Entity = Entity {
    name: "CustomerOrderLine",
    set: "CustomerOrderLineSet",
    key: &["OrderNo", "LineNo", "RelNo", "LineItemNo"],
    fields: &[
        read("OrderNo", Kind::Text(12)),
        read("LineNo", Kind::Text(4)),
        read("RelNo", Kind::Text(4)),
        read("LineItemNo", Kind::Int),
        read("Contract", Kind::Text(5)),
        read("Company", Kind::Text(20)),
        read("CustomerNo", Kind::Text(20)),
        read("CustomerPoNo", Kind::Text(50)),
        read("CatalogNo", Kind::Text(25)),
        read("CatalogType", Kind::Text(20)),
        read("PartNo", Kind::Text(25)),
        read("BuyQtyDue", Kind::Decimal(8)),
        read("RevisedQtyDue", Kind::Decimal(8)),
        read("ConvFactor", Kind::Decimal(8)),
        read("InvertedConvFactor", Kind::Decimal(8)),
        read("QtyAssigned", Kind::Decimal(8)),
        read("QtyPicked", Kind::Decimal(8)),
        read("QtyShipped", Kind::Decimal(8)),
        read("QtyInvoiced", Kind::Decimal(8)),
        read("QtyReturned", Kind::Decimal(8)),
        read("SupplyCode", Kind::Text(3)),
        read("WantedDeliveryDate", Kind::Timestamp),
        read("PlannedDeliveryDate", Kind::Timestamp),
        read("DateEntered", Kind::Timestamp),
        read("OrderState", LINE_STATES),
        read("Objstate", LINE_STATES),
    ],
};

const LINE_STATES: Kind =
    Kind::Enum(&["Released", "Reserved", "Picked", "PartiallyDelivered", "Delivered", "Invoiced", "Cancelled"]);

/// `PriceQuerySet`.
pub(in super::super) static PRICE_QUERY: Entity = Entity {
    name: "PriceQuery",
    set: "PriceQuerySet",
    key: &["PriceQueryId"],
    fields: &[
        read("PriceQueryId", Kind::Int),
        must("CatalogNo", Kind::Text(25)),
        must("CustomerNo", Kind::Text(20)),
        must("Contract", Kind::Text(5)),
        must("CurrencyCode", Kind::Text(3)),
        must("SalesQty", Kind::Decimal(8)),
        may("PriceQty", Kind::Decimal(8)),
        may("UsePriceInclTax", Kind::Bool),
        read("BaseSaleUnitPrice", Kind::Decimal(8)),
        read("BaseUnitPriceInclTax", Kind::Decimal(8)),
        read("SaleUnitPrice", Kind::Decimal(8)),
        read("UnitPriceInclTax", Kind::Decimal(8)),
        read("Discount", Kind::Decimal(8)),
        read("PriceSource", Kind::Text(20)),
        read("TaxCode", Kind::Text(20)),
    ],
};
