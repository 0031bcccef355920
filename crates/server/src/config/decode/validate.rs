//! What queries and bodies may be.

use portcullis_gate::validate::{Body, Config, Held, NotAPointer, Object, Query, UrlPointer};

use super::super::tree::Node;
use super::super::value::{self, Complaint};
use super::routes::Defaults;
use super::{Reader, fields};

/// The keys that make a body one that is judged as JSON.
const JUDGED: [&str; 6] = ["fields", "unknown_fields", "max_depth", "max_fields", "hold", "public_urls"];

/// What a page sends.
const FORM: &str = "application/x-www-form-urlencoded";

/// `[query]`: what every query may be; nothing where none is checked.
pub(super) fn general(root: &Reader<'_>) -> Option<Query> {
    let section = root.section("query");
    let query = query(&section, &Query::default());
    section.boolean("check").then_some(query)
}

/// What the query and the body of a route may be, and the largest body in bytes.
pub(super) fn of_route(route: &Reader<'_>, defaults: &Defaults<'_>) -> (Config, u64) {
    let query = if route.node("query").is_some() {
        let general = defaults.query.cloned().unwrap_or_default();
        Some(query(&route.section("query"), &general))
    } else {
        defaults.query.cloned()
    };
    let section = route.section("body");
    let max = if section.node("max").is_some() { section.size("max") } else { defaults.body_max };
    let (body, max) = body(&section, max);
    let patterns = defaults.patterns.of_route(route);
    (Config { query, body, patterns }, max)
}

fn query(section: &Reader<'_>, general: &Query) -> Query {
    let names = section.node("names").is_some().then(|| section.list("names", word));
    let length = section.leaf("max_length", value::size).and_then(|bytes| usize::try_from(bytes).ok());
    Query {
        names: names.or_else(|| general.names.clone()),
        max_count: section.integer("max_count").unwrap_or(general.max_count),
        max_length: length.unwrap_or(general.max_length),
    }
}

fn body(section: &Reader<'_>, max: u64) -> (Option<Body>, u64) {
    let types = section.list("content_types", media_type);
    let judged = JUDGED.iter().any(|name| section.node(name).is_some());
    if !judged {
        let body = (!types.is_empty()).then(|| Body { types, ..Body::default() });
        return (body, max);
    }
    let hold = section.leaf("hold", held).unwrap_or_default();
    if let Some(node) = section.node("max")
        && max > hold.bytes() as u64
    {
        let complaint = Complaint::new(
            format!("what is judged is held, and {} bytes are at most", hold.bytes()),
            "a smaller `max`; `hold` can be 64 KiB",
        );
        section.complain("max", node, complaint);
    }
    let held = Held::new(max).map_or(hold, |max| max.min(hold));
    let form = !types.is_empty()
        && types.iter().all(|it| **it == *FORM)
        && JUDGED.iter().all(|name| *name == "hold" || section.node(name).is_none());
    if form {
        return (Some(Body { held, types, json: None, form, ..Body::default() }), held.bytes() as u64);
    }
    let defaults = Object::default();
    let json = Object {
        fields: fields::fields(section),
        max_depth: section.integer("max_depth").unwrap_or(defaults.max_depth),
        max_fields: section.integer("max_fields").unwrap_or(defaults.max_fields),
    };
    let public_urls = section.list("public_urls", pointer);
    (Some(Body { held, types, json: Some(json), form, public_urls }), held.bytes() as u64)
}

fn pointer(node: &Node) -> Result<UrlPointer, Complaint> {
    let text = value::text(node)?;
    text.parse().map_err(|error: NotAPointer| {
        Complaint::new(format!("`{text}` is no pointer: {error}"), "\"/url\", or \"/hooks/*/url\"")
    })
}

fn held(node: &Node) -> Result<Held, Complaint> {
    Held::new(value::size(node)?).ok_or_else(|| {
        Complaint::new("more than one request may make the gateway hold", "\"64 KiB\" or less")
    })
}

fn word(node: &Node) -> Result<Box<str>, Complaint> {
    match value::text(node)? {
        "" => Err(Complaint::new("an empty name", "name a parameter, or take it away")),
        text => Ok(text.into()),
    }
}

/// `type/subtype`, without parameters.
fn media_type(node: &Node) -> Result<Box<str>, Complaint> {
    let text = value::text(node)?;
    match text.split_once('/') {
        Some((one, two)) if value::is_token(one) && value::is_token(two) => {
            Ok(text.to_ascii_lowercase().into())
        }
        _ => Err(Complaint::new(
            format!("`{text}` is not a media type"),
            "\"application/json\", without parameters",
        )),
    }
}
