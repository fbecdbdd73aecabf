//! The names of IFS Cloud's `CustomerHandling` projection, and the URLs of its records. Case-sensitive.
//! Sources are marked in the project's fact sheet: C = seen in code that ran against tenants, ? = not known.

use super::key::quoted;

/// The customer's entity set (C).
pub const CUSTOMER_SET: &str = "CustomerInfoSet";
/// Navigation from the customer to its addresses (C).
pub const ADDRESSES: &str = "CustomerInfoAddresses";
/// Navigation from an address to its types (C).
pub const ADDRESS_TYPES: &str = "AddressTypes";
/// Navigation from the customer to its means of communication (C).
pub const METHODS: &str = "CommunicationMethods";
/// Navigation from the customer to its order data (C; POST ?).
pub const ORDER_DATA: &str = "CustOrdCustomers";
/// The order data's own entity set, by which one record is read and changed (C).
pub const ORDER_DATA_SET: &str = "CustOrdCustomerSet";
/// Navigation from the customer to its company data (C; POST ?).
pub const COMPANY_DATA: &str = "CustomerInvoiceCompanies";

/// Customer, address: the key.
pub const CUSTOMER_ID: &str = "CustomerId";
/// Customer: carries our business key.
pub const ASSOCIATION_NO: &str = "AssociationNo";
/// Customer: the day it was made; required on POST.
pub const CREATION_DATE: &str = "CreationDate";
/// Customer, address: ISO 3166, two letters; required on POST.
pub const COUNTRY_CODE: &str = "CountryCode";
/// Customer: required on POST.
pub const DEFAULT_LANGUAGE: &str = "DefaultLanguage";
/// Customer, address, company data: `Customer`.
pub const PARTY_TYPE: &str = "PartyType";
/// Customer, address: true.
pub const DEFAULT_DOMAIN: &str = "DefaultDomain";
/// Customer: `Customer`, `Prospect`, ….
pub const CUSTOMER_CATEGORY: &str = "CustomerCategory";
/// Customer: whether it is a B2B customer.
pub const B2B_CUSTOMER: &str = "B2bCustomer";
/// Address, address type: the key within the customer.
pub const ADDRESS_ID: &str = "AddressId";
/// Address type: its code.
pub const ADDRESS_TYPE_CODE: &str = "AddressTypeCode";
/// Address type: whether it is the customer's default of that type.
pub const DEF_ADDRESS: &str = "DefAddress";
/// Means of communication: which.
pub const METHOD_ID: &str = "MethodId";
/// Means of communication: the address or number.
pub const VALUE: &str = "Value";
/// Means of communication: whether it is the default of its kind.
pub const METHOD_DEFAULT: &str = "MethodDefault";
/// Company data: the customer.
pub const IDENTITY: &str = "Identity";
/// Order data: the customer group.
pub const CUST_GRP: &str = "CustGrp";
/// Order data: the price group.
pub const CUST_PRICE_GROUP_ID: &str = "CustPriceGroupId";
/// Order data: the market.
pub const MARKET_CODE: &str = "MarketCode";
/// Company data: the currency of its invoices.
pub const DEF_CURRENCY: &str = "DefCurrency";
/// Company data: whether tax is owed.
pub const TAX_LIABILITY: &str = "TaxLiability";

/// Action parameter: the number of the copy; left out, IFS numbers it.
pub const NEW_ID: &str = "NewId";
/// Action parameter: the name of the copy.
pub const NEW_NAME: &str = "NewName";
/// Action parameter: the category of the copy.
pub const NEW_CATEGORY: &str = "NewCategory";

/// The value of `PartyType`.
pub const PARTY_CUSTOMER: &str = "Customer";
/// `AddressTypeCode` of an address for deliveries (C).
pub const DELIVERY: &str = "Delivery";
/// `AddressTypeCode` of an address for invoices (C).
pub const DOCUMENT: &str = "Document";
/// `AddressTypeCode` of an address for payments (C).
pub const PAY: &str = "Pay";

/// `CustomerInfoSet(CustomerId='W1')`.
pub fn customer(customer_id: &str) -> String {
    format!("{CUSTOMER_SET}({CUSTOMER_ID}={})", quoted(customer_id))
}

/// A list under a customer.
pub fn under(customer_id: &str, navigation: &str) -> String {
    format!("{}/{navigation}", customer(customer_id))
}

/// One address of a customer.
pub fn address(customer_id: &str, address_id: &str) -> String {
    format!(
        "{}/{ADDRESSES}({CUSTOMER_ID}={},{ADDRESS_ID}={})",
        customer(customer_id),
        quoted(customer_id),
        quoted(address_id)
    )
}

/// The types of one address.
pub fn address_types(customer_id: &str, address_id: &str) -> String {
    format!("{}/{ADDRESS_TYPES}", address(customer_id, address_id))
}

/// The order data of a customer.
pub fn order_data(customer_id: &str) -> String {
    format!("{ORDER_DATA_SET}({}={})", super::names::CUSTOMER_NO, quoted(customer_id))
}

/// The data of a customer in one company.
pub fn company_data(customer_id: &str, company: &str) -> String {
    format!(
        "{}/{COMPANY_DATA}({}={},{IDENTITY}={},{PARTY_TYPE}={})",
        customer(customer_id),
        super::names::COMPANY,
        quoted(company),
        quoted(customer_id),
        quoted(PARTY_CUSTOMER)
    )
}

/// The customers that carry a business key: at most three, so that a double shows.
pub fn by_association(key: &str) -> String {
    format!(
        "{CUSTOMER_SET}?$filter={ASSOCIATION_NO}%20eq%20{}&$select={CUSTOMER_ID},{ASSOCIATION_NO}&$orderby={CUSTOMER_ID}&$top=3",
        quoted(key)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_named_by_their_keys() {
        assert_eq!(
            address("W1", "1"),
            "CustomerInfoSet(CustomerId='W1')/CustomerInfoAddresses(CustomerId='W1',AddressId='1')"
        );
        assert_eq!(order_data("W1"), "CustOrdCustomerSet(CustomerNo='W1')");
        assert_eq!(
            by_association("email:a@b.se"),
            "CustomerInfoSet?$filter=AssociationNo%20eq%20'email%3Aa%40b.se'&$select=CustomerId,AssociationNo&$orderby=CustomerId&$top=3"
        );
    }
}
