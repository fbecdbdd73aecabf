//! The service from outside: real HTTP, real databases, simulated remotes. One binary, linked once.

mod support;

mod clock;
mod concurrency;
mod kill;
mod recovery;
mod schema;
