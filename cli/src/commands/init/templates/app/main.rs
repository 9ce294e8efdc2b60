//! The command `lamp` for this app.

fn main() -> std::process::ExitCode {
    lamplighter_cli::run({{name_crate}}::app())
}
