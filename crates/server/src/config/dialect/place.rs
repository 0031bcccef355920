//! Where a name goes in the tree: a key by its path, a limit by its name, a route by its match.

use portcullis_core::quota::LimitSpec;

use super::super::tree::{Node, Table, Value};

/// Sets the leaf at a dotted path; what stands on its way and is no table is left to decoding to report.
pub(in super::super) fn set(tree: &mut Table, path: &str, node: Node) {
    match path.split_once('.') {
        None => {
            tree.insert(path.to_owned(), node);
        }
        Some((section, rest)) => {
            let origin = node.origin.clone();
            let entry = tree
                .entry(section.to_owned())
                .or_insert_with(|| Node::new(Value::Table(Table::new()), origin));
            if let Value::Table(inner) = &mut entry.value {
                set(inner, rest, node);
            }
        }
    }
}

pub(in super::super) fn find<'t>(tree: &'t Table, path: &str) -> Option<&'t Node> {
    match path.split_once('.') {
        None => tree.get(path),
        Some((section, rest)) => find(tree.get(section)?.as_table()?, rest),
    }
}

/// Whether a secret or one of a list is that reference.
pub(super) fn mentions(node: &Node, reference: &str) -> bool {
    match &node.value {
        Value::Text(text) => text == reference,
        Value::List(items) => items.iter().any(|item| mentions(item, reference)),
        _ => false,
    }
}

/// Gives every limit of that name, of every route or of one, another rate; whether there is one.
pub(super) fn set_limit(tree: &mut Table, limit: &str, leaf: &Node) -> bool {
    let mut found = named_limit(tree, limit, leaf);
    if let Some(Node { value: Value::List(routes), .. }) = tree.get_mut("routes") {
        for route in routes {
            if let Value::Table(route) = &mut route.value {
                found |= named_limit(route, limit, leaf);
            }
        }
    }
    found
}

fn named_limit(table: &mut Table, limit: &str, leaf: &Node) -> bool {
    let Some(Node { value: Value::List(limits), .. }) = table.get_mut("limits") else { return false };
    let mut found = false;
    for entry in limits {
        if let Value::Table(entry) = &mut entry.value
            && entry.get("name").and_then(Node::as_text) == Some(limit)
        {
            entry.insert("rate".into(), leaf.clone());
            found = true;
        }
    }
    found
}

/// Sets a key of the route with that match; whether there is one.
pub(super) fn set_route(tree: &mut Table, matching: &str, key: &str, leaf: &Node) -> bool {
    let Some(Node { value: Value::List(routes), .. }) = tree.get_mut("routes") else { return false };
    for route in routes {
        if let Value::Table(route) = &mut route.value
            && route.get("match").and_then(Node::as_text) == Some(matching)
        {
            set(route, key, leaf.clone());
            return true;
        }
    }
    false
}

/// How many, and the seconds of the window, of the limit of that name in `limits`.
pub(super) fn limit_rate(tree: &Table, limit: &str) -> Option<(u32, u32)> {
    let Some(Node { value: Value::List(limits), .. }) = tree.get("limits") else { return None };
    let named = limits
        .iter()
        .filter_map(Node::as_table)
        .find(|table| table.get("name").and_then(Node::as_text) == Some(limit))?;
    let spec: LimitSpec = named.get("rate")?.as_text()?.parse().ok()?;
    Some((spec.rate.count(), spec.rate.window_s()))
}
