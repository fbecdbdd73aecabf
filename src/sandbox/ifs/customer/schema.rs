//! The declarations of `CustomerHandling`.

use super::super::schema::{Entity, Kind, edit_only, may, may_then_edit, must, must_then_edit, read};

const PARTY: Kind = Kind::Enum(&["Customer"]);
/// What a customer is to IFS.
const CATEGORY: Kind = Kind::Enum(&["Customer", "Prospect", "EndCustomer", "Template"]);

/// `CustomerInfoSet`.
pub(in super::super) static CUSTOMER: Entity = Entity {
    name: "CustomerInfo",
    set: "CustomerInfoSet",
    key: &["CustomerId"],
    fields: &[
        may("CustomerId", Kind::Text(20)),
        must_then_edit("Name", Kind::Text(100)),
        must("CreationDate", Kind::Date),
        must_then_edit("Country", Kind::Text(2)),
        must_then_edit("CountryCode", Kind::Text(2)),
        must_then_edit("DefaultLanguage", Kind::Text(2)),
        must("PartyType", PARTY),
        must("DefaultDomain", Kind::Bool),
        may("CustomerCategory", CATEGORY),
        may_then_edit("OneTime", Kind::Bool),
        may_then_edit("B2bCustomer", Kind::Bool),
        may_then_edit("AssociationNo", Kind::Text(50)),
        may_then_edit("CorporateForm", Kind::Text(8)),
    ],
};

/// `CustomerInfoAddresses`.
pub(in super::super) static ADDRESS: Entity = Entity {
    name: "CustomerInfoAddress",
    set: "CustomerInfoAddresses",
    key: &["CustomerId", "AddressId"],
    fields: &[
        must("CustomerId", Kind::Text(20)),
        must("AddressId", Kind::Text(50)),
        must("PartyType", PARTY),
        must("DefaultDomain", Kind::Bool),
        must_then_edit("Country", Kind::Text(2)),
        may_then_edit("CountryCode", Kind::Text(2)),
        may_then_edit("Name", Kind::Text(100)),
        may_then_edit("Address1", Kind::Text(35)),
        may_then_edit("Address2", Kind::Text(35)),
        may_then_edit("Address3", Kind::Text(100)),
        may_then_edit("Address4", Kind::Text(100)),
        may_then_edit("Address5", Kind::Text(100)),
        may_then_edit("Address6", Kind::Text(100)),
        may_then_edit("ZipCode", Kind::Text(35)),
        may_then_edit("City", Kind::Text(35)),
        may_then_edit("State", Kind::Text(35)),
        may_then_edit("County", Kind::Text(35)),
        may_then_edit("ValidFrom", Kind::Date),
        may_then_edit("ValidTo", Kind::Date),
    ],
};

/// `AddressTypes` of an address.
pub(in super::super) static ADDRESS_TYPE: Entity = Entity {
    name: "CustomerInfoAddressType",
    set: "AddressTypes",
    key: &["CustomerId", "AddressId", "AddressTypeCode"],
    fields: &[
        may("CustomerId", Kind::Text(20)),
        may("AddressId", Kind::Text(50)),
        must("AddressTypeCode", Kind::Enum(&["Delivery", "Document", "Pay", "PrimaryContact", "Visit"])),
        may_then_edit("DefAddress", Kind::Bool),
        may("PartyType", PARTY),
        may("DefaultDomain", Kind::Bool),
    ],
};

/// `CommunicationMethods` of a customer, `AddressCommunicationMethods` of an address.
pub(in super::super) static METHOD: Entity = Entity {
    name: "CommMethod",
    set: "CommunicationMethods",
    key: &["CustomerId", "CommId"],
    fields: &[
        read("CustomerId", Kind::Text(20)),
        read("CommId", Kind::Int),
        must("MethodId", Kind::Enum(&["Phone", "Mobile", "EMail", "Fax", "Www", "Intercom", "Pager"])),
        must_then_edit("Value", Kind::Text(200)),
        may_then_edit("MethodDefault", Kind::Bool),
        may_then_edit("Description", Kind::Text(200)),
        may("AddressId", Kind::Text(50)),
    ],
};

/// `CustOrdCustomers`, `CustOrdCustomerSet`: order data.
pub(in super::super) static ORDER_DATA: Entity = Entity {
    name: "CustOrdCustomer",
    set: "CustOrdCustomerSet",
    key: &["CustomerNo"],
    fields: &[
        must("CustomerNo", Kind::Text(20)),
        must_then_edit("CurrencyCode", Kind::Text(3)),
        may_then_edit("CustGrp", Kind::Text(10)),
        may_then_edit("CustPriceGroupId", Kind::Text(10)),
        may_then_edit("MarketCode", Kind::Text(10)),
        may_then_edit("OrderId", Kind::Text(10)),
        may_then_edit("SalesmanCode", Kind::Text(20)),
        may_then_edit("BackorderOption", Kind::Text(50)),
        may_then_edit("CrStop", Kind::Bool),
        may_then_edit("PrintAmountsInclTax", Kind::Bool),
        edit_only("TemplateId", Kind::Text(20)),
    ],
};

/// `CustomerInvoiceCompanies`: data in one company.
pub(in super::super) static COMPANY: Entity = Entity {
    name: "CustomerInvoiceCompany",
    set: "CustomerInvoiceCompanies",
    key: &["Company", "Identity", "PartyType"],
    fields: &[
        must("Company", Kind::Text(20)),
        must("Identity", Kind::Text(20)),
        must("PartyType", PARTY),
        must_then_edit("DefCurrency", Kind::Text(3)),
        may_then_edit("PayTermId", Kind::Text(20)),
        may_then_edit("TaxLiability", Kind::Text(20)),
        may_then_edit("DefVatCode", Kind::Text(20)),
        may_then_edit("NumerationGroup", Kind::Text(20)),
    ],
};

/// `CustomerCreditInfoArray`: credit data in one company.
pub(in super::super) static CREDIT: Entity = Entity {
    name: "CustomerCreditInfo",
    set: "CustomerCreditInfoArray",
    key: &["Company", "Identity", "PartyType"],
    fields: &[
        must("Company", Kind::Text(20)),
        must("Identity", Kind::Text(20)),
        must("PartyType", PARTY),
        may_then_edit("CreditLimit", Kind::Decimal(8)),
        may_then_edit("CreditBlock", Kind::Bool),
        may_then_edit("AllowedDueDays", Kind::Int),
        may_then_edit("AllowedDueAmount", Kind::Decimal(8)),
    ],
};
