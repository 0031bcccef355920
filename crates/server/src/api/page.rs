//! The same document for people: one page without scripts, made from the table.

use std::fmt::Write as _;

use bytes::Bytes;

use super::answer::Answer;
use super::call::Call;
use super::endpoints::{self, Access, Endpoint, Gives, Group, Places};
use super::openapi;
use super::refusal::Refusal;
use super::service::State;
use super::shape::{Field, Kind};

const STYLE: &str = include_str!("page.css");
/// Nothing of elsewhere, nothing inline, in no frame.
const POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// How long the page may be kept, in seconds.
const KEPT_S: u32 = 300;

/// `GET /docs`
#[expect(clippy::unnecessary_wraps, reason = "every endpoint has this form")]
pub fn show(_: &State, call: &Call) -> Result<Answer, Refusal> {
    Ok(Answer::document("text/html; charset=utf-8", call.live.page.clone(), KEPT_S).under(POLICY))
}

/// `GET /docs/style.css`
#[expect(clippy::unnecessary_wraps, reason = "every endpoint has this form")]
pub fn style(_: &State, _: &Call) -> Result<Answer, Refusal> {
    Ok(Answer::document("text/css; charset=utf-8", Bytes::from_static(STYLE.as_bytes()), KEPT_S))
}

/// The page for endpoints at these places.
pub fn page(places: &Places) -> String {
    let mut out = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>Portcullis: the API</title>\n",
    );
    if let Some(docs) = places.of(Group::Docs) {
        let _ = writeln!(out, "<link rel=\"stylesheet\" href=\"{}/style.css\">", escaped(docs));
    }
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(out, "</head>\n<body>\n<h1>Portcullis {version}: the API</h1>");
    if let Some(document) = places.of(Group::OpenApi) {
        let href = escaped(document);
        let _ = writeln!(out, "<p>For programs: <a href=\"{href}\">{href}</a> (OpenAPI 3.1)</p>");
    }
    out.push_str(
        "<p>A refusal is a problem document (RFC 9457), or what the configuration says instead.</p>\n",
    );
    let mut section = "";
    for (_, endpoint) in endpoints::placed(places) {
        let of = openapi::tag(endpoint.group);
        if section != of {
            section = of;
            let _ = writeln!(out, "<h2>{of}</h2>");
        }
        write(endpoint, places, &mut out);
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn write(endpoint: &Endpoint, places: &Places, out: &mut String) {
    let path = endpoint.whole_path(places).unwrap_or_default();
    let (id, method) = (endpoint.id, endpoint.method);
    let _ = writeln!(out, "<section id=\"{id}\">\n<h3><b>{method}</b> {}</h3>", escaped(&path));
    let _ = writeln!(out, "<p>{}.</p>", escaped(endpoint.summary));
    let _ = write!(out, "<p class=\"who\">{}", who(endpoint));
    if let Some(limit) = endpoint.limit {
        let _ = write!(out, " At most {limit}.");
    }
    out.push_str("</p>\n");
    if endpoint.pages.is_some() {
        out.push_str("<p>Query: <code>limit</code> (1 to 1000), <code>after</code> (<code>next</code> of the page before).</p>\n");
    }
    if !endpoint.query.is_empty() {
        table("Query", endpoint.query, out);
    }
    for shape in endpoint.takes.shapes() {
        table("Takes", shape.fields, out);
    }
    match endpoint.gives {
        Gives::Json(shape) => table(&format!("Gives {}", endpoint.status), shape.fields, out),
        Gives::Nothing => {
            let _ = writeln!(out, "<p>Gives {}, without a body.</p>", endpoint.status);
        }
        Gives::Document(_) => {}
    }
    out.push_str("</section>\n");
}

fn who(endpoint: &Endpoint) -> String {
    let schemes = endpoint.schemes().iter().map(|scheme| scheme.name()).collect::<Vec<_>>().join(", ");
    match endpoint.access {
        Access::Open => "For everybody.".to_owned(),
        Access::Optional(_) => format!("For everybody; known by: {schemes}."),
        Access::Authenticated(_) => format!("Needs one of: {schemes}."),
        Access::Admin(_) => format!("For the role admin, by one of: {schemes}."),
    }
}

fn table(caption: &str, fields: &[Field], out: &mut String) {
    let _ = writeln!(out, "<table>\n<caption>{caption}</caption>");
    for field in fields {
        let optional = if field.required { "" } else { ", may be left out" };
        let _ = writeln!(
            out,
            "<tr><th><code>{}</code></th><td>{}<br><span class=\"who\">{}{optional}</span></td></tr>",
            field.name,
            escaped(field.about),
            escaped(&kind(field)),
        );
    }
    out.push_str("</table>\n");
}

fn kind(field: &Field) -> String {
    let text = match field.kind {
        Kind::Text(form) => format!("text: {}, {} to {} characters", form.is, form.length.0, form.length.1),
        Kind::Integer(least, i64::MAX) => format!("a whole number from {least}"),
        Kind::Integer(least, most) => format!("a whole number from {least} to {most}"),
        Kind::Number => "a number".to_owned(),
        Kind::Boolean => "true or false".to_owned(),
        Kind::Yes => "true".to_owned(),
        Kind::Texts(_, most) => format!("a list of at most {most} texts"),
        Kind::Lists(_, most) => format!("an object of at most {most} lists of texts"),
        Kind::Moment => "a moment (RFC 3339, UTC)".to_owned(),
        Kind::Thing(shape) => shape.name.to_owned(),
        Kind::Things(shape) => {
            let members: Vec<_> = shape.fields.iter().map(|field| field.name).collect();
            format!("a list of objects: {}", members.join(", "))
        }
        Kind::Any => "any value".to_owned(),
    };
    if field.null { format!("{text}; or null") } else { text }
}

/// Text as HTML shows it, in elements and in attributes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_endpoint_and_runs_nothing() {
        let page = page(&Places::below("/portcullis"));
        for endpoint in endpoints::all() {
            assert!(page.contains(&format!("id=\"{}\"", endpoint.id)), "{}", endpoint.id);
        }
        // What the policy of the page forbids is not on it.
        for inline in ["<script", "<style", "style=", " on", "javascript:", "http://", "https://"] {
            let inside: Vec<_> = page
                .split('<')
                .filter(|tag| tag.split('>').next().is_some_and(|tag| format!("<{tag}").contains(inline)))
                .collect();
            assert!(inside.is_empty(), "{inline}: {inside:?}");
        }
        assert!(page.contains("href=\"/portcullis/docs/style.css\""));
        assert!(page.contains("href=\"/portcullis/openapi.json\""));
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }

    #[test]
    fn a_place_cannot_break_out_of_its_attribute() {
        let places = Places { docs: Some("/\"><script>".to_owned()), ..Places::default() };
        assert!(!page(&places).contains("<script>"));
    }
}
