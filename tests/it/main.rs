//! The service from outside: real HTTP, real databases, simulated remotes. One binary, linked once.

mod support;

mod any_way;
mod bad_input;
mod bundles;
mod changes;
mod clock;
mod commands;
mod concurrency;
mod conflicts;
mod customer_changes;
mod customer_companies;
mod customer_locks;
mod customer_shops;
mod customer_tills;
mod customers;
mod events;
mod holds;
mod kill;
mod kill_changes;
mod lost_changes;
mod old_orders;
mod probes;
mod recovery;
mod releases;
mod remap;
mod replicas;
mod replicas_paused;
mod schema;
mod second_orders;
mod standing;
mod stopping;
mod sweep;
mod write_back;
