//! The binary. All code is in the library.

fn main() -> std::process::ExitCode {
    balance_exporter::commands::main()
}
