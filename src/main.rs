//! The `wavetank` binary.

use std::process::ExitCode;

/// A quarter to a third less CPU than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    wavetank::cli::main()
}
