//! Housekeeping of the workspace: `cargo xtask tidy` and `cargo xtask conformance`.

use std::path::PathBuf;
use std::process::ExitCode;

mod conformance;
mod tidy;
mod tree;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy                    floors, stages, heads, lengths and leftovers of every file
  conformance [--write]   every claim of docs/contract.md has its test or its one line;
                          --write renders docs/conformance.md
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["tidy"] => tidy::run(&root()),
        ["conformance"] => conformance::run(&root(), conformance::Mode::Check),
        ["conformance", "--write"] => conformance::run(&root(), conformance::Mode::Write),
        ["--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprint!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The top of the workspace: one above this crate, as cargo tells us when it runs us.
fn root() -> PathBuf {
    match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(here) => PathBuf::from(here).join(".."),
        None => PathBuf::from("."),
    }
}
