//! The program: see `ringdesk --help`.

fn main() -> std::process::ExitCode {
    ringdesk::cli::run()
}
