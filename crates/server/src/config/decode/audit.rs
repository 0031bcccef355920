//! The audit log: whether it is written, where, and for how long it is kept.

use super::super::model::Audit;
use super::super::problem::Problem;
use super::{Reader, store};

/// `accounts`: whether accounts are kept, whose store takes it where it has none of its own.
pub(super) fn audit(root: &Reader<'_>, accounts: bool) -> Audit {
    let section = root.section("audit");
    let own = section.node("url").and_then(|_| store::of_section(&section, "audit"));
    let placed = accounts || section.node("url").is_some();
    let enabled = section.node("enabled").map_or(placed, |_| section.boolean("enabled"));
    if let (None, Some(node)) = (section.node("url"), section.node("encryption_key")) {
        section.problem(
            Problem::new(&node.key, "`audit.encryption_key` encrypts a store that is not named")
                .mend("[audit] with url = \"sqlite:audit.db\""),
        );
    }
    if enabled && !placed {
        section.problem(
            Problem::new(
                &section.origin_of("enabled"),
                "there is no place for the audit log: no accounts are kept",
            )
            .mend("[audit] with url = \"sqlite:audit.db\""),
        );
    }
    if !enabled && placed {
        let name = section.context.name_for("audit.enabled").unwrap_or("audit.enabled");
        section.warn(
            Problem::new(
                &section.origin_of("enabled"),
                format!("{name} is false: nobody can say afterwards who did what"),
            )
            .mend(format!("set {name} to true")),
        );
    }
    Audit {
        enabled,
        retention: section.duration("retention"),
        waits: section.choice("on_full", &["drop", "wait"]) == Some("wait"),
        buffer: section.size("buffer"),
        store: own,
    }
}
