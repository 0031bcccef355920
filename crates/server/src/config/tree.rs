//! The layers of a configuration as one tree of leaves, each with its origin, and how a later layer wins.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::origin::{Origin, Text};
use super::problem::{Problem, Problems};

pub type Table = BTreeMap<String, Node>;

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub value: Value,
    /// Where the value stands.
    pub origin: Origin,
    /// Where its name stands; the same as `origin` in a list.
    pub key: Origin,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Integer(i64),
    Bool(bool),
    /// What no key of ours takes (a float, a date): its text and the name of its type.
    Other(String, &'static str),
    List(Vec<Node>),
    Table(Table),
}

impl Node {
    pub fn new(value: Value, origin: Origin) -> Self {
        Self { value, key: origin.clone(), origin }
    }

    pub fn text(text: impl Into<String>, origin: Origin) -> Self {
        Self::new(Value::Text(text.into()), origin)
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub fn as_table_mut(&mut self) -> Option<&mut Table> {
        match &mut self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// What it is, for a message that says what was found.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Text(_) => "text",
            Value::Integer(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::Other(_, kind) => kind,
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// Parses a TOML document; reports every syntax error in it.
pub fn parse(text: &Arc<Text>) -> Result<Table, Problems> {
    let (table, errors) = DeTable::parse_recoverable(&text.body);
    if errors.is_empty() {
        return Ok(table_of(table.into_inner(), text));
    }
    let mut problems: Vec<Problem> = errors
        .iter()
        .map(|error| {
            let span = error.span().unwrap_or(0..0);
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            Problem::new(&Origin::text(text, span), format!("not TOML: {message}")).mend(syntax_mend(
                &message,
                text,
                error.span().map_or(0, |s| s.start),
            ))
        })
        .collect();
    problems.dedup_by_key(|problem| problem.origin.place().map(|(_, at)| at.line));
    Err(Problems(problems))
}

/// A value in TOML (or JSON, for lists and texts) out of one environment variable.
pub fn parse_value(text: &str, origin: &Origin) -> Option<Node> {
    let owned = DeValue::parse(text).ok()?;
    let body = Arc::new(Text {
        name: String::new(),
        path: None,
        kind: super::origin::TextKind::EnvFile,
        body: String::new(),
    });
    let mut node = node_of(owned, &body);
    rewrite(&mut node, origin);
    Some(node)
}

/// Lays `over` on `base`: tables merge, `routes` with the same `match` and `limits` with the same `name`
/// replace each other and others are added, everything else is replaced.
pub fn overlay(base: &mut Table, over: Table) {
    // `upstream` and `upstreams` are two ways to say where the application is: the later layer's way wins.
    if over.contains_key("upstreams") && !over.contains_key("upstream") {
        base.remove("upstream");
    }
    merge(base, over, true);
}

fn merge(base: &mut Table, over: Table, root: bool) {
    for (name, node) in over {
        let identity = match name.as_str() {
            "routes" if root => Some("match"),
            "limits" if root => Some("name"),
            _ => None,
        };
        let Some(below) = base.get_mut(&name) else {
            base.insert(name, node);
            continue;
        };
        match (&mut below.value, node.value, identity) {
            (Value::Table(lower), Value::Table(upper), _) => {
                below.origin = node.origin;
                below.key = node.key;
                merge(lower, upper, false);
            }
            (Value::List(lower), Value::List(upper), Some(identity)) => lay_list(lower, upper, identity),
            (_, value, _) => *below = Node { value, origin: node.origin, key: node.key },
        }
    }
}

fn lay_list(base: &mut Vec<Node>, over: Vec<Node>, identity: &str) {
    let name = |node: &Node| node.as_table()?.get(identity)?.as_text().map(str::to_owned);
    let below = base.len();
    for node in over {
        let known = name(&node).and_then(|it| base[..below].iter().position(|b| name(b) == Some(it.clone())));
        match known {
            Some(at) => base[at] = node,
            None => base.push(node),
        }
    }
}

fn table_of(table: DeTable<'_>, text: &Arc<Text>) -> Table {
    table
        .into_iter()
        .map(|(key, value)| {
            let at = key.span();
            let mut node = node_of(value, text);
            node.key = Origin::text(text, at);
            (key.into_inner().into_owned(), node)
        })
        .collect()
}

fn node_of(value: Spanned<DeValue<'_>>, text: &Arc<Text>) -> Node {
    let origin = Origin::text(text, value.span());
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(&number.as_str().replace('_', ""), number.radix())
            .map_or_else(
                |_| Value::Other(number.as_str().to_owned(), "a number that is too large"),
                Value::Integer,
            ),
        DeValue::Float(number) => Value::Other(number.as_str().to_owned(), "a fraction"),
        DeValue::Boolean(value) => Value::Bool(value),
        DeValue::Datetime(date) => Value::Other(date.to_string(), "a date"),
        DeValue::Array(items) => Value::List(items.into_iter().map(|item| node_of(item, text)).collect()),
        DeValue::Table(table) => Value::Table(table_of(table, text)),
    };
    Node::new(value, origin)
}

fn rewrite(node: &mut Node, origin: &Origin) {
    node.origin = origin.clone();
    node.key = origin.clone();
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| rewrite(item, origin)),
        Value::Table(table) => table.values_mut().for_each(|item| rewrite(item, origin)),
        _ => {}
    }
}

fn syntax_mend(message: &str, text: &Text, offset: usize) -> String {
    let line = text.line(text.position(offset).line);
    if message.contains("duplicate key") {
        return "keep one of the two".into();
    }
    if line.matches('"').count() % 2 == 1 {
        return "close the quote on this line".into();
    }
    if line.matches('[').count() != line.matches(']').count() {
        return "close the bracket".into();
    }
    if line.split_once('=').is_some_and(|(_, value)| {
        value.trim().starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/') && !value.contains('"')
    }) {
        return "put text between quotes: key = \"value\"".into();
    }
    if !line.contains('=') && !line.trim_start().starts_with('[') {
        return "a line is `key = value`, `[section]` or a comment after `#`".into();
    }
    "see https://toml.io; text stands between quotes".into()
}

#[cfg(test)]
mod tests {
    use super::super::origin::TextKind;
    use super::*;

    fn tree(body: &str) -> Table {
        parse(&Arc::new(Text { name: "t".into(), path: None, kind: TextKind::File, body: body.into() }))
            .unwrap()
    }

    fn at<'a>(table: &'a Table, path: &str) -> &'a Node {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        let node = &table[first];
        if rest.is_empty() { node } else { at(node.as_table().unwrap(), rest) }
    }

    #[test]
    fn a_later_layer_wins_leaf_by_leaf() {
        let mut base = tree("[server]\nlisten='a'\n[server.caps]\nbody=1\nheaders=2");
        overlay(&mut base, tree("[server.caps]\nbody=3"));
        assert_eq!(at(&base, "server.caps.body").value, Value::Integer(3));
        assert_eq!(at(&base, "server.caps.headers").value, Value::Integer(2));
        assert_eq!(at(&base, "server.listen").as_text(), Some("a"));
    }

    #[test]
    fn rules_with_one_name_replace_and_others_add() {
        let mut base = tree("[[routes]]\nmatch='/a'\nauth='none'\n[[limits]]\nname='x'\nrate='1/minute'");
        overlay(
            &mut base,
            tree(
                "[[routes]]\nmatch='/b'\n[[routes]]\nmatch='/a'\n[[limits]]\nname='x'\nrate='2/minute'\n[[limits]]\nrate='3/minute'",
            ),
        );
        let Value::List(routes) = &base["routes"].value else { panic!("no list") };
        assert_eq!(routes.len(), 2);
        assert!(!routes[0].as_table().unwrap().contains_key("auth"));
        let Value::List(limits) = &base["limits"].value else { panic!("no list") };
        assert_eq!(limits.len(), 2);
    }

    #[test]
    fn the_long_form_of_the_upstream_replaces_the_short_one_below() {
        let mut base = tree("upstream='http://a'");
        overlay(&mut base, tree("[upstreams.app]\nurl='http://b'"));
        assert!(!base.contains_key("upstream"));
    }

    #[test]
    fn every_syntax_error_is_reported() {
        let text = Arc::new(Text {
            name: "t".into(),
            path: None,
            kind: TextKind::File,
            body: "a = \nb = 1\nc = x y\n".into(),
        });
        let lines: Vec<usize> = parse(&text)
            .unwrap_err()
            .0
            .iter()
            .filter_map(|p| p.origin.place())
            .map(|(_, at)| at.line)
            .collect();
        assert_eq!(lines, [1, 3]);
    }
}
