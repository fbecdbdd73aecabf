//! The binary: hands over to the command line.

use std::process::ExitCode;

/// A webhook is many small allocations on one thread that another one frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ml_connector::cli::main()
}
