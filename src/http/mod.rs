//! Every route on one screen. Two listeners: one for webhooks alone, one for operations.
//!
//! | listener | route | who may |
//! |---|---|---|
//! | webhook | `POST /webhooks/{connection}` | whoever signs with the connection's secret |
//! | operations | `GET /livez` `/readyz` `/startupz` `/metrics` | anybody who reaches it: no persons, no secrets |
//! | operations | `GET /status` | the operator's bearer token |

pub mod operations;
pub mod webhooks;

use actix_web::web;

/// The webhook listener's only route.
pub fn webhook_routes(config: &mut web::ServiceConfig) {
    config.route("/webhooks/{connection}", web::post().to(webhooks::receive));
}

/// The operations listener's routes.
pub fn operations_routes(config: &mut web::ServiceConfig) {
    config
        .route("/livez", web::get().to(operations::livez))
        .route("/readyz", web::get().to(operations::readyz))
        .route("/startupz", web::get().to(operations::startupz))
        .route("/metrics", web::get().to(operations::metrics))
        .route("/status", web::get().to(operations::status));
}
