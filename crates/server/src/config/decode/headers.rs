//! Headers of every answer, and what refusals say.

use std::collections::BTreeMap;

use portcullis_core::Denial;
use portcullis_gate::headers::{REMOVED, SECURE};

use super::super::model::{ACCOUNT, HeaderAction, HeaderRule, PLACEHOLDERS, Parting, Reply, UPSTREAM_ERROR};
use super::super::problem::Problem;
use super::super::tree::{Node, Value};
use super::super::value::{self, Complaint};
use super::Reader;

/// Headers that belong to the framing of the answer or to another section.
const RESERVED: [&str; 10] = [
    "Content-Length",
    "Content-Type",
    "Content-Encoding",
    "Transfer-Encoding",
    "Connection",
    "Date",
    "Upgrade",
    "Trailer",
    "Set-Cookie",
    "X-Request-Id",
];

pub(super) fn headers(root: &Reader<'_>) -> Vec<HeaderRule> {
    let section = root.section("headers");
    let mut rules: Vec<HeaderRule> = Vec::new();
    if section.boolean("secure") {
        for (name, value, keep) in SECURE {
            let tls_only = is_hsts(name);
            let action = HeaderAction::Set { value: value.into(), keep, tls_only };
            rules.push(HeaderRule { name: name.into(), action });
        }
    }
    rules.extend(REMOVED.map(|name| HeaderRule { name: name.into(), action: HeaderAction::Remove }));
    let Some(table) = root.node("headers").and_then(Node::as_table) else { return rules };
    let mut seen: Vec<(&str, &Node)> = Vec::new();
    for (name, node) in table.iter().filter(|(name, _)| *name != "secure") {
        match rule(name, node) {
            Ok(action) => {
                if let Some((other, first)) = seen.iter().find(|(other, _)| other.eq_ignore_ascii_case(name))
                {
                    section.problem(
                        Problem::new(
                            &node.key,
                            format!("`{name}` and `{other}` are two names for one header"),
                        )
                        .also(&first.key, "here is the other")
                        .mend("keep one of the two"),
                    );
                }
                seen.push((name, node));
                rules.retain(|rule| !rule.name.eq_ignore_ascii_case(name));
                rules.push(HeaderRule { name: name.clone(), action });
            }
            Err(complaint) => section.complain(name, node, complaint),
        }
    }
    rules
}

pub(super) fn replies(root: &Reader<'_>) -> BTreeMap<&'static str, Reply> {
    let section = root.section("replies");
    let mut replies = BTreeMap::new();
    for (name, reader) in section.sections() {
        let codes = Denial::CODES.into_iter().chain([UPSTREAM_ERROR, ACCOUNT]);
        let Some(code) = codes.clone().find(|code| *code == name) else {
            section.problem(
                Problem::new(&reader.origin, format!("`{name}` is not the code of a refusal"))
                    .nearest(name, codes),
            );
            continue;
        };
        let content_type = reader.leaf("content_type", |node| {
            let text = value::text(node)?;
            if value::is_field_value(text) && text.contains('/') {
                Ok(text.to_owned())
            } else {
                Err(Complaint::new(
                    format!("`{text}` is not a content type"),
                    "\"application/json\" or \"text/plain; charset=utf-8\"",
                ))
            }
        });
        let content_type = content_type.unwrap_or_default();
        let body = reader.leaf("body", |node| {
            let text = value::text(node)?;
            template(text)?;
            Ok(text.to_owned())
        });
        if let Some(body) = &body
            && content_type.contains("json")
            && !is_json(body)
        {
            reader.problem(
                Problem::new(
                    &reader.origin_of("body"),
                    format!("`replies.{name}.body` is not JSON, and its content type says it is"),
                )
                .mend("mend the JSON, or set content_type = \"text/plain; charset=utf-8\""),
            );
        }
        let headers = fields(&reader, "headers", true);
        let log = reader.leaf("log", |node| {
            let text = value::text(node)?;
            if value::is_field_value(text) && !text.is_empty() {
                Ok(text.to_owned())
            } else {
                Err(Complaint::new("this is not one line of text", "\"API request rejected\""))
            }
        });
        let websocket = parting(&reader.section("websocket"));
        let status = reader.integer("status").and_then(|status| u16::try_from(status).ok());
        if status.is_some() && [UPSTREAM_ERROR, ACCOUNT].contains(&code) {
            reader.problem(
                Problem::new(
                    &reader.origin_of("status"),
                    format!("`replies.{name}` stands for many refusals, each with its own status"),
                )
                .mend("take `status` away"),
            );
        }
        replies.insert(
            code,
            Reply { content_type, body, headers, log, status, websocket, origin: reader.origin },
        );
    }
    replies
}

fn parting(reader: &Reader<'_>) -> Parting {
    Parting {
        message: reader.leaf("message", |node| {
            let text = value::text(node)?;
            template(text)?;
            Ok(text.to_owned())
        }),
        close: reader.leaf("close", |node| {
            let code = value::integer(node, 1000, 4999)?;
            // RFC 6455 section 7.4: what no endpoint may send, and what nobody has defined.
            match u16::try_from(code) {
                Ok(code @ (1000..=1003 | 1007..=1014 | 3000..=4999)) => Ok(code),
                _ => Err(Complaint::new(
                    format!("{code} may not stand in a close frame"),
                    "1008, or one of 4000 to 4999 for your own meaning",
                )),
            }
        }),
        reason: reader.leaf("reason", |node| {
            let text = value::text(node)?;
            match text.len() {
                ..=123 => Ok(text.to_owned()),
                long => Err(Complaint::new(
                    format!("a close frame has room for 123 bytes, and this is {long}"),
                    "a few words",
                )),
            }
        }),
    }
}

/// Names and values of headers, in the order of their names.
pub(super) fn fields(reader: &Reader<'_>, name: &str, of_answer: bool) -> Vec<(String, String)> {
    let Some(node) = reader.node(name) else { return Vec::new() };
    let Some(table) = node.as_table() else {
        let complaint = Complaint::new(
            format!("{} stands where names and values are expected", node.kind()),
            "{ X-Name = \"value\" }",
        );
        reader.complain(name, node, complaint);
        return Vec::new();
    };
    let mut fields = Vec::new();
    for (field, node) in table {
        let checked = field_name(field, of_answer).and_then(|()| field_value(node));
        match checked {
            Ok(value) => fields.push((field.clone(), value)),
            Err(complaint) => reader.complain(&format!("{name}.{field}"), node, complaint),
        }
    }
    fields
}

fn rule(name: &str, node: &Node) -> Result<HeaderAction, Complaint> {
    field_name(name, true)?;
    if name.to_ascii_lowercase().starts_with("access-control-") {
        return Err(Complaint::new(
            "CORS headers follow from [cors]",
            "set cors.origins, cors.methods, cors.headers",
        ));
    }
    let set = |value: String, keep: bool| HeaderAction::Set { value, keep, tls_only: is_hsts(name) };
    match &node.value {
        Value::Bool(false) => Ok(HeaderAction::Remove),
        Value::Bool(true) => {
            Err(Complaint::new("`true` is no value", "write the value of the header, or false to remove it"))
        }
        Value::Table(table) => {
            for (key, inner) in table {
                if !["value", "keep"].contains(&key.as_str()) {
                    let complaint =
                        Complaint::new(format!("`{key}` is not a key of a header"), "`value` and `keep`");
                    return Err(complaint.at(&inner.key));
                }
            }
            let value = table.get("value").ok_or_else(|| {
                Complaint::new("a header without `value`", "{ value = \"…\", keep = true }")
            })?;
            let keep = table.get("keep").map(value::boolean).transpose()?.unwrap_or(false);
            Ok(set(field_value(value)?, keep))
        }
        _ => Ok(set(field_value(node)?, false)),
    }
}

fn field_name(name: &str, of_answer: bool) -> Result<(), Complaint> {
    if !value::is_token(name) {
        return Err(Complaint::new(
            format!("`{name}` is not the name of a header"),
            "letters, digits and dashes",
        ));
    }
    if of_answer && RESERVED.iter().any(|it| it.eq_ignore_ascii_case(name)) {
        return Err(Complaint::new(format!("`{name}` belongs to the answer itself"), "take it away"));
    }
    Ok(())
}

fn field_value(node: &Node) -> Result<String, Complaint> {
    let text = value::text(node)?;
    if value::is_field_value(text) {
        Ok(text.to_owned())
    } else {
        Err(Complaint::new(
            "not the value of a header: it has a line end, a control character, or a blank at an end",
            "one line of ASCII",
        ))
    }
}

/// Every `{word}` of small letters is a placeholder; other braces are text, so that JSON stays JSON.
fn template(body: &str) -> Result<(), Complaint> {
    let mut rest = body;
    while let Some(open) = rest.find('{') {
        rest = &rest[open + 1..];
        let length = rest.bytes().take_while(|b| b.is_ascii_lowercase() || *b == b'_').count();
        let word = &rest[..length];
        if length > 0 && rest[length..].starts_with('}') && !PLACEHOLDERS.contains(&word) {
            let braced = PLACEHOLDERS.map(|name| format!("{{{name}}}"));
            let mend = match super::super::problem::nearest(word, PLACEHOLDERS) {
                Some(near) => format!("did you mean `{{{near}}}`?"),
                None => format!("one of {}", braced.join(" ")),
            };
            return Err(Complaint::new(format!("there is no placeholder `{{{word}}}`"), mend));
        }
    }
    Ok(())
}

/// Whether the body is JSON once its placeholders are filled, all of which are numbers or plain words.
fn is_json(body: &str) -> bool {
    let mut filled = body.to_owned();
    for name in PLACEHOLDERS {
        filled = filled.replace(&format!("{{{name}}}"), "1");
    }
    serde_json::from_str::<serde::de::IgnoredAny>(&filled).is_ok()
}

fn is_hsts(name: &str) -> bool {
    name.eq_ignore_ascii_case("Strict-Transport-Security")
}
