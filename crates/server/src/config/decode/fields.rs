//! What the fields of a JSON body may be.

use portcullis_gate::validate::{
    Bound, Cleaning, Fields, Forbidden, Form, Kind, Rule, UnknownCleaning, UnknownKind,
};

use super::super::problem::nearest;
use super::super::tree::{Node, Value};
use super::super::value::{self, Complaint};
use super::Reader;

/// The keys of one field.
const PATTERN: &str = "routes[].body.fields.*";
/// The most characters that a rule can count: no body that is held has more bytes.
const MOST: i64 = 64 * 1024;
/// How deep rules may stand in each other: no deeper than a body.
const DEEPEST: usize = 64;

/// Names and what they may be, in the order of their names; nothing where none are named.
pub(super) fn fields(section: &Reader<'_>) -> Option<Fields> {
    let node = section.node("fields")?;
    Some(of_object(section, node, &section.path_of("fields"), opened(section), 1))
}

/// Whether fields that are not named pass.
fn opened(section: &Reader<'_>) -> bool {
    section.choice("unknown_fields", super::keys::UNKNOWN_FIELDS) == Some("pass")
}

fn of_object(section: &Reader<'_>, node: &Node, path: &str, open: bool, depth: usize) -> Fields {
    let mut fields = Fields { open, known: Vec::new() };
    let complain = |path: &str, node: &Node, complaint: Complaint| {
        let message = format!("`{path}`: {}", complaint.message);
        section.problem(Complaint { message, ..complaint }.problem(&node.origin));
    };
    let Some(table) = node.as_table().filter(|_| depth <= DEEPEST) else {
        let found = if depth > DEEPEST { "one more table" } else { node.kind() };
        let complaint = Complaint::new(
            format!("{found} stands where fields and their types are expected"),
            "{ force_update = \"boolean\" }",
        );
        complain(path, node, complaint);
        return fields;
    };
    for (name, node) in table {
        let path = format!("{path}.{name}");
        let rule = match node.as_table() {
            None => kind(node).map(Rule::from),
            Some(table) => {
                super::unknown_keys(table, PATTERN, &path, section.context);
                let reader = Reader { path: path.clone(), ..section.nested(node, PATTERN) };
                let inner =
                    |inner| of_object(section, inner, &reader.path_of("fields"), opened(&reader), depth + 1);
                rule(&reader).map(|rule| Rule { fields: table.get("fields").map(inner), ..rule })
            }
        };
        match rule {
            Ok(rule) => fields.known.push((name.as_str().into(), rule)),
            Err(complaint) => complain(&path, node, complaint),
        }
    }
    fields
}

/// One field's rule, but for the fields that it holds.
fn rule(reader: &Reader<'_>) -> Result<Rule, Complaint> {
    let written = |name: &str| reader.node(name).is_some();
    let text =
        ["min_length", "max_length", "pattern", "forbid", "sanitize"].into_iter().find(|it| written(it));
    let number = ["min", "max"].into_iter().find(|it| written(it));
    let object = ["fields", "unknown_fields"].into_iter().find(|it| written(it));
    // The type is said by what is asked of it, where it is not written.
    let kind = match (reader.leaf("type", kind), text, number, object) {
        (Some(kind), ..) => kind,
        (None, Some(_), None, None) => Kind::String,
        (None, None, Some(_), None) => Kind::Number,
        (None, None, None, Some(_)) => Kind::Object,
        _ => Kind::Any,
    };
    let misplaced = [
        (text, kind == Kind::String, "string"),
        (number, matches!(kind, Kind::Number | Kind::Integer), "number"),
        (object, kind == Kind::Object, "object"),
    ];
    if let Some((Some(name), _, of)) = misplaced.into_iter().find(|(name, fits, _)| name.is_some() && !fits) {
        return Err(Complaint::new(
            format!("`{name}` is for a {of}, and this is none"),
            format!("type = \"{of}\", or take `{name}` away"),
        ));
    }
    let rule = Rule {
        kind,
        required: reader.boolean("required"),
        min_length: reader.leaf("min_length", length).unwrap_or(0),
        max_length: reader.leaf("max_length", length),
        pattern: reader.leaf("pattern", form),
        forbidden: forbidden(reader)?,
        min: reader.leaf("min", bound),
        max: reader.leaf("max", bound),
        cleaning: reader.leaf("sanitize", cleaning),
        fields: None,
    };
    let crossed = rule.max_length.is_some_and(|most| most < rule.min_length)
        || matches!((rule.min, rule.max), (Some(least), Some(most)) if least > most);
    if crossed {
        return Err(Complaint::new(
            "nothing can be both as great and as small as this asks",
            "exchange the two",
        ));
    }
    Ok(rule)
}

fn forbidden(reader: &Reader<'_>) -> Result<Option<Forbidden>, Complaint> {
    let words = reader.list("forbid", |node| match value::text(node)? {
        "" => Err(Complaint::new("an empty text stands in every text", "take it away")),
        text => Ok(text.to_owned()),
    });
    let message = reader.text("message");
    if words.is_empty() {
        return match message {
            None => Ok(None),
            Some(_) => Err(Complaint::new(
                "`message` says why a text of `forbid` is refused",
                "forbid = [\"<script\"]",
            )),
        };
    }
    let message = message.unwrap_or_else(|| "holds what is forbidden".to_owned());
    Ok(Some(Forbidden::new(words.iter().map(String::as_str), &message)))
}

/// A word of a type.
pub(super) fn kind(node: &Node) -> Result<Kind, Complaint> {
    let word = value::text(node)?;
    word.parse().map_err(|error: UnknownKind| {
        let near = nearest(word, Kind::ALL.iter().map(|(name, _)| *name));
        let mend = near.map_or_else(|| error.to_string(), |near| format!("did you mean `{near}`?"));
        Complaint::new(format!("`{word}` is not a type"), mend)
    })
}

fn cleaning(node: &Node) -> Result<Cleaning, Complaint> {
    let word = value::text(node)?;
    word.parse().map_err(|error: UnknownCleaning| {
        let near = nearest(word, Cleaning::ALL.iter().map(|(name, _)| *name));
        let mend = near.map_or_else(|| error.to_string(), |near| format!("did you mean `{near}`?"));
        Complaint::new(format!("`{word}` is not a way to clean"), mend)
    })
}

fn length(node: &Node) -> Result<usize, Complaint> {
    value::integer(node, 0, MOST).map(|number| usize::try_from(number).unwrap_or_default())
}

fn form(node: &Node) -> Result<Form, Complaint> {
    let text = value::text(node)?;
    Form::new(text).map_err(|error| {
        let why = error.to_string();
        // The last line says what is wrong; those above it draw the place.
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        Complaint::new(
            format!("`{text}` is not a regular expression: {why}"),
            "\"^[a-zA-Z0-9_-]+$\"; there is no look-around and no back-reference",
        )
    })
}

fn bound(node: &Node) -> Result<Bound, Complaint> {
    let number = match &node.value {
        Value::Integer(number) => Some(*number as f64),
        Value::Other(text, _) => text.replace('_', "").parse().ok(),
        _ => None,
    };
    number.and_then(Bound::new).ok_or_else(|| {
        Complaint::new(
            format!("{} stands where a number is expected", node.kind()),
            "a number without quotes: 0.5",
        )
    })
}
