//! The program: everything is in the library.

fn main() -> std::process::ExitCode {
    balance_exporter::commands::main()
}
