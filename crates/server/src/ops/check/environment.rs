//! The environment the gateway runs in, and the file it may come from.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Item, Subject};

/// K-CK-01: production is said where it is production.
pub(super) fn mode(subject: &Subject<'_>) -> Item {
    const ID: &str = "environment";
    const TITLE: &str = "environment configured";
    if subject.production {
        return Item::pass(ID, TITLE, format!("production ({})", subject.loaded.origin("environment")));
    }
    Item::warn(
        ID,
        TITLE,
        "development: what is unsafe only warns",
        "environment = \"production\", or PORTCULLIS_ENVIRONMENT=production, before others use it",
    )
}

/// K-ENV-07: neither debug mode nor reloading.
pub(super) fn debug(subject: &Subject<'_>) -> Item {
    const ID: &str = "debug";
    const TITLE: &str = "debug mode";
    let facts = &subject.loaded.facts;
    if let Some(origin) = &facts.debug {
        return Item::warn(ID, TITLE, format!("on ({origin})"), "DEBUG=false").unsafe_in_production(subject);
    }
    if let Some(origin) = &facts.debug_by_default {
        return Item::warn(ID, TITLE, format!("on ({origin})"), "DEBUG=false");
    }
    if let Some(origin) = &facts.reload {
        return Item::warn(ID, TITLE, format!("off, but code is reloaded ({origin})"), "RELOAD=false");
    }
    Item::pass(ID, TITLE, "off")
}

/// T-ENV-15, T-ENV-16: the `.env` is private, not in version control, and not what production runs on.
pub(super) fn file(subject: &Subject<'_>) -> Item {
    const ID: &str = "env-file";
    const TITLE: &str = "environment file";
    let read = subject.loaded.env_file.as_ref();
    let path = read.map_or_else(|| subject.directory.join(".env"), |(path, _)| path.clone());
    if !path.is_file() {
        return Item::pass(ID, TITLE, "there is none");
    }
    let shown = crate::config::shown(&path, subject.directory);
    if tracked(&path) {
        return Item::fail(
            ID,
            TITLE,
            format!("{shown} is in version control: everybody with the repository has its secrets"),
            format!("git rm --cached {shown}, name it in .gitignore, and replace every secret in it"),
        );
    }
    match read {
        Some((_, false)) if subject.production => Item::fail(
            ID,
            TITLE,
            format!("{shown} says production, and is not picked up there by itself"),
            format!("the process environment; or --env-file {shown}"),
        ),
        Some((_, true)) if subject.production => Item::warn(
            ID,
            TITLE,
            format!("production runs on {shown}"),
            "the process environment, or NAME_FILE",
        ),
        _ if super::authentication::readable_by_others(&path) => {
            let finding = format!("{shown} can be read by every user of this machine");
            Item::warn(ID, TITLE, finding, format!("chmod 600 {shown}"))
        }
        _ => Item::pass(ID, TITLE, format!("{shown} is private and not in version control")),
    }
}

/// Whether git has the file; without git, or outside a repository, it has not.
fn tracked(path: &Path) -> bool {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return false };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["ls-files", "--error-unmatch", "--"])
        .arg(name)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
