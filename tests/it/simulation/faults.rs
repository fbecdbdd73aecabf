//! Faults of the remotes that runs of the laws of stock and prices draw from.

use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// A call that sets something in the shop: answers that are lost, work that is done late.
pub fn of_set(random: &mut StdRng) -> (Class, Fault) {
    let fault = any(
        random,
        &[
            Fault::DropAnswer,
            Fault::DropAnswer,
            Fault::Shelved,
            Fault::Shelved,
            Fault::CutBody,
            Fault::GatewayTimeoutDone,
            Fault::Reset,
            Fault::Throttled,
            Fault::TooMany(soon()),
            Fault::BusyHtml,
        ],
    );
    (Class::ShopStock, fault)
}

/// A query of the shop.
pub fn of_query(random: &mut StdRng) -> (Class, Fault) {
    (Class::GraphQl, any(random, &[Fault::Reset, Fault::Throttled, Fault::CutBody, Fault::BusyHtml]))
}

/// A reading of IFS's stock, parts or prices.
pub fn of_reading(random: &mut StdRng) -> (Class, Fault) {
    let faults = [Fault::Reset, Fault::TooMany(soon()), Fault::CutBody, Fault::BusyHtml, Fault::Unauthorized];
    (Class::Stock, any(random, &faults))
}

fn soon() -> String {
    "1".to_owned()
}

fn any(random: &mut StdRng, some: &[Fault]) -> Fault {
    some.choose(random).expect("there are some").clone()
}
