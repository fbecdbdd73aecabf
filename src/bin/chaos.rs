//! The binary of the proof: hands over to `chaos`, which a build without failpoints does not hold.

use std::process::ExitCode;

#[cfg(any(debug_assertions, feature = "failpoints"))]
fn main() -> ExitCode {
    ml_connector::chaos::main()
}

#[cfg(not(any(debug_assertions, feature = "failpoints")))]
#[expect(clippy::print_stderr, reason = "whoever started it must see why it does nothing")]
fn main() -> ExitCode {
    eprintln!("chaos: built without failpoints; run it with `cargo run --features failpoints --bin chaos`");
    ExitCode::from(2)
}
