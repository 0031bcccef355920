//! The floor table: a crate imports only from floors below it, and rooms on one floor do not know each other.

use crate::tree::{Finding, TextFile};

/// One room of the house: the folder under `crates/`, its package and its floor.
struct Room {
    folder: &'static str,
    package: &'static str,
    floor: u8,
}

/// From `docs` of the architecture: what stands on which floor.
const ROOMS: [Room; 9] = [
    Room { folder: "core", package: "portcullis-core", floor: 0 },
    Room { folder: "wire", package: "portcullis-wire", floor: 0 },
    Room { folder: "sample", package: "portcullis-sample", floor: 0 },
    Room { folder: "accounts", package: "portcullis-accounts", floor: 1 },
    Room { folder: "outbound", package: "portcullis-outbound", floor: 1 },
    Room { folder: "store", package: "portcullis-store", floor: 1 },
    Room { folder: "gate", package: "portcullis-gate", floor: 2 },
    Room { folder: "proxy", package: "portcullis-proxy", floor: 3 },
    Room { folder: "server", package: "portcullis", floor: 4 },
];

/// The sample application stands for somebody else's program: only the binary, which starts it in `demo`,
/// may know it.
const SAMPLE: &str = "portcullis-sample";

/// What drives the product from outside and is imported by nobody.
const OUTSIDE: [&str; 4] = ["portcullis-tests", "portcullis-bench", "portcullis-fuzz", "xtask"];

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in
        files.iter().filter(|file| file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml"))
    {
        let folder = file.path.trim_start_matches("crates/").trim_end_matches("/Cargo.toml");
        let Some(room) = ROOMS.iter().find(|room| room.folder == folder) else {
            findings.push(Finding::at(
                file,
                0,
                format!("`crates/{folder}` stands on no floor: add it to the floor table"),
            ));
            continue;
        };
        findings.extend(check_room(file, room));
    }
    findings
}

fn check_room(file: &TextFile, room: &Room) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, dependency) in own_dependencies(&file.text) {
        if dependency == room.package {
            continue;
        }
        if OUTSIDE.contains(&dependency.as_str()) {
            findings.push(Finding::at(
                file,
                line,
                format!("`{dependency}` drives the product from outside; nobody imports it"),
            ));
            continue;
        }
        let Some(below) = ROOMS.iter().find(|room| room.package == dependency) else {
            findings.push(Finding::at(
                file,
                line,
                format!("`{dependency}` stands on no floor: add it to the floor table"),
            ));
            continue;
        };
        if below.floor >= room.floor {
            findings.push(Finding::at(
                file,
                line,
                format!(
                    "`{}` (floor {}) must not import `{dependency}` (floor {}): only floors below",
                    room.package, room.floor, below.floor
                ),
            ));
        } else if dependency == SAMPLE && room.package != "portcullis" {
            findings.push(Finding::at(
                file,
                line,
                format!("`{SAMPLE}` is an application: only the binary may know it"),
            ));
        }
    }
    findings
}

/// The dependencies of a manifest that are crates of this workspace, with their lines, whatever section
/// (normal, build, dev, per target) they stand in and whatever form they are written in.
fn own_dependencies(manifest: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside = section.ends_with("dependencies");
            if let Some((_, name)) = section.split_once("dependencies.") {
                found.extend(own(name).map(|name| (index + 1, name)));
            }
        } else if inside && let Some((key, value)) = line.split_once('=') {
            // `name.workspace = true`, `name = { … }` and `alias = { package = "name", … }`.
            let renamed = value.split_once("package").and_then(|(_, rest)| rest.split('"').nth(1));
            let name = renamed.or_else(|| key.trim().split('.').next());
            found.extend(name.and_then(own).map(|name| (index + 1, name)));
        }
    }
    found
}

fn own(name: &str) -> Option<String> {
    let name = name.trim().trim_matches('"');
    (name == "xtask" || name == "portcullis" || name.starts_with("portcullis-")).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(folder: &str, text: &str) -> Vec<String> {
        let file = TextFile { path: format!("crates/{folder}/Cargo.toml"), text: text.to_owned() };
        check(&[file]).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn downward_is_allowed() {
        assert!(
            manifest(
                "proxy",
                "[dependencies]\nportcullis-gate.workspace = true\nportcullis-wire = { path = \"../wire\" }\n"
            )
            .is_empty()
        );
        assert!(manifest("server", "[dependencies]\nportcullis-sample.workspace = true\n").is_empty());
    }

    #[test]
    fn upward_and_sideways_are_not() {
        for (folder, dependency) in
            [("core", "portcullis-wire"), ("gate", "portcullis-proxy"), ("store", "portcullis-accounts")]
        {
            let found = manifest(folder, &format!("[dependencies]\n{dependency}.workspace = true\n"));
            assert_eq!(found.len(), 1, "{folder} -> {dependency}: {found:?}");
        }
    }

    #[test]
    fn every_section_and_every_form_is_seen() {
        for text in [
            "[dev-dependencies]\nportcullis-proxy.workspace = true\n",
            "[target.'cfg(unix)'.build-dependencies]\nportcullis-proxy = \"1\"\n",
            "[dependencies.portcullis-proxy]\npath = \"../proxy\"\n",
            "[dependencies]\nother = { package = \"portcullis-proxy\", path = \"../proxy\" }\n",
        ] {
            assert_eq!(manifest("gate", text).len(), 1, "{text}");
        }
    }

    #[test]
    fn the_application_and_the_outside_are_not_imported() {
        assert_eq!(manifest("gate", "[dependencies]\nportcullis-sample.workspace = true\n").len(), 1);
        assert_eq!(manifest("server", "[dependencies]\nportcullis-tests.workspace = true\n").len(), 1);
    }

    #[test]
    fn an_unknown_crate_is_named() {
        assert_eq!(manifest("cellar", "[dependencies]\n").len(), 1);
        assert_eq!(manifest("gate", "[dependencies]\nportcullis-cellar.workspace = true\n").len(), 1);
    }
}
