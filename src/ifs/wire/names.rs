//! The names of IFS Cloud's `CustomerOrderHandling` projection: entity sets, fields, keys. Case-sensitive.
//! Sources are marked in the project's fact sheet: C = seen in code that ran against tenants.

/// The order header's entity set (C).
pub const ORDER_SET: &str = "CustomerOrderSet";
/// Navigation from the header to its lines (C).
pub const LINES: &str = "OrderLinesArray";
/// Navigation from the header to its charges (C).
pub const CHARGES: &str = "CustomerOrderChargeArray";
/// Navigation from the header to its single-occurrence address (C).
pub const ADDRESSES: &str = "CustomerOrderAddresses";

/// Header: the order's number, chosen by IFS from the coordinator's series.
pub const ORDER_NO: &str = "OrderNo";
/// Header: when it was entered, by IFS's clock (C as a field; that a filter takes it is not proven).
pub const DATE_ENTERED: &str = "DateEntered";
/// Header: the state, see [`super::Objstate`].
pub const OBJSTATE: &str = "Objstate";
/// Header: who buys.
pub const CUSTOMER_NO: &str = "CustomerNo";
/// Header: the customer's own order number; our business key by default.
pub const CUSTOMER_PO_NO: &str = "CustomerPoNo";
/// Header, 30 characters: a reference of the seller's.
pub const INTERNAL_REF: &str = "InternalRef";
/// Header, 100 characters: a reference of somebody else's.
pub const EXTERNAL_REF: &str = "ExternalRef";
/// Header: the customer's address for invoices.
pub const BILL_ADDR_NO: &str = "BillAddrNo";
/// Header: the customer's address for deliveries.
pub const SHIP_ADDR_NO: &str = "ShipAddrNo";
/// Header, line, charge: the site.
pub const CONTRACT: &str = "Contract";
/// Header, charge: the company of the site.
pub const COMPANY: &str = "Company";
/// Header: ISO 4217.
pub const CURRENCY_CODE: &str = "CurrencyCode";
/// Header: the coordinator.
pub const AUTHORIZE_CODE: &str = "AuthorizeCode";
/// Header: the order type.
pub const ORDER_ID: &str = "OrderId";
/// Header: `false`, or IFS opens its new-customer assistant.
pub const IS_NEW_CUSTOMER: &str = "IsNewCustomer";
/// Header, line: timestamp without fraction.
pub const WANTED_DELIVERY_DATE: &str = "WantedDeliveryDate";
/// Header: whether prices are given with tax; decides which price field of a row counts.
pub const USE_PRICE_INCL_TAX: &str = "UsePriceInclTax";
/// Header: the term of payment.
pub const PAY_TERM_ID: &str = "PayTermId";
/// Header: how it is shipped.
pub const SHIP_VIA_CODE: &str = "ShipViaCode";
/// Header: Incoterm-like.
pub const DELIVERY_TERMS: &str = "DeliveryTerms";
/// Header: a percent on the whole order; sent as 0 against the customer's default.
pub const ADDITIONAL_DISCOUNT: &str = "AdditionalDiscount";
/// Header, line, 2,000 characters.
pub const NOTE_TEXT: &str = "NoteText";
/// Header: `Y` when the order has an address of its own.
pub const ADDR_FLAG_DB: &str = "AddrFlagDb";
/// Action parameter: the reason code that IFS demands.
pub const CANCEL_REASON: &str = "CancelReason";

/// Address: addressee, up to 100 characters.
pub const NAME: &str = "Name";
/// Address: first line, up to 35 characters.
pub const ADDRESS1: &str = "Address1";
/// Address: second line, up to 35 characters.
pub const ADDRESS2: &str = "Address2";
/// The third line of an address.
pub const ADDRESS3: &str = "Address3";
/// The fourth line of an address.
pub const ADDRESS4: &str = "Address4";
/// The fifth line of an address.
pub const ADDRESS5: &str = "Address5";
/// The sixth line of an address.
pub const ADDRESS6: &str = "Address6";
/// Address: post code, up to 35 characters.
pub const ZIP_CODE: &str = "ZipCode";
/// Address: up to 35 characters.
pub const CITY: &str = "City";
/// Address: up to 35 characters.
pub const STATE: &str = "State";
/// Address: ISO 3166, two letters; required.
pub const COUNTRY: &str = "Country";

/// Line key, text.
pub const LINE_NO: &str = "LineNo";
/// Line key, text.
pub const REL_NO: &str = "RelNo";
/// Line key, number.
pub const LINE_ITEM_NO: &str = "LineItemNo";
/// Line: the sales part.
pub const CATALOG_NO: &str = "CatalogNo";
/// Line: the sales part's description, written where the part stands for many things.
pub const CATALOG_DESC: &str = "CatalogDesc";
/// Line: ordered quantity.
pub const BUY_QTY_DUE: &str = "BuyQtyDue";
/// Line: price without tax; only where the header's flag is false.
pub const SALE_UNIT_PRICE: &str = "SaleUnitPrice";
/// Line: price with tax; only where the header's flag is true.
pub const UNIT_PRICE_INCL_TAX: &str = "UnitPriceInclTax";
/// Line: whether IFS may recalculate the price.
pub const PRICE_FREEZE: &str = "PriceFreeze";
/// Line: percent; sent as 0 against the customer's default.
pub const DISCOUNT: &str = "Discount";
/// Line: percent; sent as 0 against the customer's default.
pub const ORDER_DISCOUNT: &str = "OrderDiscount";
/// Line, charge: the tax code.
pub const TAX_CODE: &str = "TaxCode";
/// Line, charge: a structure of several tax codes, in the place of one code.
pub const TAX_CALC_STRUCTURE_ID: &str = "TaxCalcStructureId";
/// Line: whether IFS overrides the tax code by its defaults.
pub const FETCH_TAX_FROM_DEFAULTS: &str = "FetchTaxFromDefaults";
/// Line, 50 characters: the customer's line number; carries Shopify's line id by default.
pub const CUSTOMER_PO_LINE_NO: &str = "CustomerPoLineNo";
/// Line: amount without tax in the order's currency, computed by IFS.
pub const NET_AMOUNT_CURR: &str = "NetAmountCurr";
/// Line: tax in the order's currency, computed by IFS.
pub const TAX_AMOUNT_CURR: &str = "TaxAmountCurr";
/// Line: amount with tax in the order's currency, computed by IFS.
pub const GROSS_AMOUNT_CURR: &str = "GrossAmountCurr";
/// Line: its own state; `Cancelled` rows count for nothing.
pub const ORDER_STATE: &str = "OrderState";

/// Line: reserved and not delivered yet.
pub const QTY_ASSIGNED: &str = "QtyAssigned";
/// Line: on a pick list.
pub const QTY_PICKED: &str = "QtyPicked";
/// Line: delivered.
pub const QTY_SHIPPED: &str = "QtyShipped";
/// Line: invoiced.
pub const QTY_INVOICED: &str = "QtyInvoiced";

/// Charge key, number.
pub const SEQUENCE_NO: &str = "SequenceNo";
/// Charge: its type.
pub const CHARGE_TYPE: &str = "ChargeType";
/// Charge: quantity.
pub const CHARGED_QTY: &str = "ChargedQty";
/// Charge: amount without tax; only where the header's flag is false.
pub const CHARGE_AMOUNT: &str = "ChargeAmount";
/// Charge: amount with tax; only where the header's flag is true.
pub const CHARGE_AMOUNT_INCL_TAX: &str = "ChargeAmountInclTax";
/// Charge: amount without tax, computed by IFS.
pub const NET_AMT_CURR: &str = "NetAmtCurr";
/// Charge: tax, computed by IFS (named unlike the line's).
pub const TAX_AMOUNT_CURRENCY: &str = "TaxAmountCurrency";
/// Charge: amount with tax, computed by IFS.
pub const GROSS_AMT_CURR: &str = "GrossAmtCurr";
/// Charge: invoiced quantity (named unlike the line's).
pub const INVOICED_QTY: &str = "InvoicedQty";
/// Header: why an order is blocked.
pub const BLOCKED_REASON: &str = "BlockedReason";
/// Header: the market (C as a name; whether a POST takes it is not known).
pub const MARKET_CODE: &str = "MarketCode";
/// Header: who sold it (C as a name; whether a POST takes it is not known).
pub const SALESMAN_CODE: &str = "SalesmanCode";

/// The lines of an address, in their order.
pub const ADDRESS_LINES: [&str; 6] = [ADDRESS1, ADDRESS2, ADDRESS3, ADDRESS4, ADDRESS5, ADDRESS6];
