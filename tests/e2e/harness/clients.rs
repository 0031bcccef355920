//! Other people's clients of the gateway's own endpoints, from the package index.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The Python that has them (`tests/apps/clients/requirements.txt`); installed where that has not been done yet. Their
/// programs lie beside it.
pub fn clients() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/prepare");
    let output = Command::new(&script).arg("clients").stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{} clients: {}", script.display(), output.status);
    let printed = String::from_utf8(output.stdout).unwrap();
    let python = printed.split_whitespace().nth(2).unwrap_or_else(|| panic!("prepare said: {printed}"));
    PathBuf::from(python)
}
