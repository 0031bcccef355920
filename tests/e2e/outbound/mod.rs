//! Where URLs lead: in the bodies of requests, and in the calls of an application.

use std::collections::HashMap;

use portcullis_tests::{Gateway, NameServer, Request, Response, Told};

mod bodies;
mod egress;
mod forms;

/// The URLs of a table of forms, and what the name server says of the name in each.
fn table(name: &str) -> Vec<(String, Option<String>)> {
    let path = format!("{}/../crates/outbound/forms/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| line.starts_with('"'));
    lines
        .map(|line| {
            let (url, said) =
                line.rsplit_once(" => ").map_or((line, None), |(url, said)| (url, Some(said.to_owned())));
            (serde_json::from_str(url).unwrap(), said)
        })
        .collect()
}

/// What a table says of names.
struct Known(HashMap<String, String>);

impl Known {
    fn of(table: &[(String, Option<String>)]) -> Self {
        let host = |url: &str| Some(url.split('/').nth(2)?.split(':').next()?.to_lowercase());
        Self(table.iter().filter_map(|(url, said)| Some((host(url)?, said.clone()?))).collect())
    }

    fn said(&self, name: &str) -> Option<Told> {
        Some(match self.0.get(name)?.as_str() {
            "-" => Told::Nothing,
            addresses => Told::addresses(&addresses.split(',').collect::<Vec<_>>()),
        })
    }
}

/// A name server that says what the table says, and of every other name a public address of each family. Nobody
/// calls these: the gateway only judges them.
fn names(table: &[(String, Option<String>)]) -> NameServer {
    let known = Known::of(table);
    let public = || Told::addresses(&["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"]);
    NameServer::start(move |name, _| known.said(name).unwrap_or_else(public))
}

fn hook(gateway: &Gateway, body: &serde_json::Value) -> Response {
    Request::post("/hook", &body.to_string()).send_to(gateway.address())
}

/// A gateway before an application, with one open route for a URL.
const HOOK: &str = r#"
[[routes]]
match = "POST /hook"
auth  = "none"
body  = { public_urls = ["/url"] }
"#;
