//! Which pages may call.

use super::{Item, Subject};
use crate::config::model::Origins;

/// K-CK-01: CORS names the origins that are meant.
pub(super) fn cors(subject: &Subject<'_>) -> Item {
    const ID: &str = "cors";
    const TITLE: &str = "CORS";
    let cors = &subject.config.cors;
    if !cors.enabled {
        return Item::warn(
            ID,
            TITLE,
            "left to the application, which may allow every origin",
            "[cors] origins = [\"https://app.example.com\"], or [] for none",
        );
    }
    let origins = match &cors.origins {
        Origins::Any => {
            return Item::fail(ID, TITLE, "every page on the web may call", "list the origins of your pages");
        }
        Origins::Exact(origins) => origins,
    };
    let local = |origin: &&String| {
        let host = origin.split("://").nth(1).unwrap_or_default();
        ["localhost", "127.0.0.1", "[::1]"]
            .iter()
            .any(|it| host == *it || host.starts_with(&format!("{it}:")))
    };
    if subject.production {
        if let Some(origin) = origins.iter().find(local) {
            let finding = format!("{origin} is a page on the visitor's own machine");
            return Item::warn(ID, TITLE, finding, "list the origins of production only");
        }
        if let Some(origin) = origins.iter().find(|it| it.starts_with("http://")) {
            let finding = format!("{origin} is served in clear: everybody on the way can act as that page");
            return Item::warn(ID, TITLE, finding, format!("https{}", origin.trim_start_matches("http")));
        }
    }
    let rest = if cors.reject { "others are refused" } else { "others get no answer that they can read" };
    match origins.as_slice() {
        [] => Item::pass(ID, TITLE, format!("no origin is allowed; {rest}")),
        some => Item::pass(ID, TITLE, format!("{}; {rest}", some.join(", "))),
    }
}
