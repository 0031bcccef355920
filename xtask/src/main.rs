//! Housekeeping of the workspace: `cargo xtask tidy`, `cargo xtask conformance`, `cargo xtask bench`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

mod conformance;
mod tidy;
mod tree;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy                    floors, stages, heads, lengths and leftovers of every file
  conformance [--write]   every claim of docs/contract.md has its test or its one line;
                          --write renders docs/conformance.md
  bench [OPTION…]         nginx, HAProxy and Portcullis on the same work; `bench --help` lists the options
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["tidy"] => tidy::run(&root()),
        ["conformance"] => conformance::run(&root(), conformance::Mode::Check),
        ["conformance", "--write"] => conformance::run(&root(), conformance::Mode::Write),
        ["bench", rest @ ..] => bench(&root(), rest),
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

/// Builds what is measured and what measures, then measures.
fn bench(root: &Path, options: &[&str]) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let run = |arguments: &[&str]| {
        let status = Command::new(&cargo).args(arguments).current_dir(root).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("cargo {}: {status}\n", arguments.join(" "))),
            Err(error) => Err(format!("cargo cannot be started: {error}\n")),
        }
    };
    run(&["build", "--release", "-p", "portcullis", "-p", "portcullis-bench"])?;
    run(&[&["run", "--release", "-p", "portcullis-bench", "--"], options].concat())
}

/// The top of the workspace: one above this crate, as cargo tells us when it runs us.
fn root() -> PathBuf {
    match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(here) => PathBuf::from(here).join(".."),
        None => PathBuf::from("."),
    }
}
