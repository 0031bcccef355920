//! Single values: numbers, durations, sizes, booleans and lists, as TOML and as plain text of an environment.

use std::net::Ipv6Addr;
use std::time::Duration;

use super::origin::Origin;
use super::problem::{Problem, nearest};
use super::tree::{Node, Value, parse_value};

/// Why a value was not taken, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    pub message: String,
    pub mend: Option<String>,
    /// Where it is, if that is not the whole value.
    pub at: Option<Origin>,
}

impl Complaint {
    pub fn new(message: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { message: message.into(), mend: Some(mend.into()), at: None }
    }

    /// Points at a part of the value.
    #[must_use]
    pub fn at(self, origin: &Origin) -> Self {
        Self { at: Some(self.at.unwrap_or_else(|| origin.clone())), ..self }
    }
}

impl Complaint {
    /// As a problem of what stands at `origin`.
    pub fn problem(self, origin: &Origin) -> Problem {
        Problem { mend: self.mend, ..Problem::new(self.at.as_ref().unwrap_or(origin), self.message) }
    }
}

type Parsed<T> = Result<T, Complaint>;

pub fn text(node: &Node) -> Parsed<&str> {
    node.as_text().ok_or_else(|| {
        Complaint::new(format!("{} stands where text is expected", node.kind()), "put it between quotes")
    })
}

pub fn boolean(node: &Node) -> Parsed<bool> {
    match &node.value {
        Value::Bool(value) => Ok(*value),
        Value::Text(text) if node.origin.is_plain() => plain_boolean(text).ok_or_else(|| {
            Complaint::new(format!("`{text}` is neither true nor false"), "write `true` or `false`")
        }),
        _ => Err(Complaint::new(
            format!("{} stands where true or false is expected", node.kind()),
            "write `true` or `false`, without quotes",
        )),
    }
}

/// A boolean as pydantic reads it, in any letter case.
pub fn plain_boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

pub fn integer(node: &Node, from: i64, to: i64) -> Parsed<i64> {
    let number = match &node.value {
        Value::Integer(number) => *number,
        Value::Text(text) if node.origin.is_plain() => text
            .trim()
            .parse()
            .map_err(|_| Complaint::new(format!("`{text}` is not a number"), "write a whole number"))?,
        Value::Text(_) => {
            return Err(Complaint::new(
                "text stands where a number is expected",
                "write the number without quotes",
            ));
        }
        _ => {
            return Err(Complaint::new(
                format!("{} stands where a number is expected", node.kind()),
                "write a whole number",
            ));
        }
    };
    if (from..=to).contains(&number) {
        Ok(number)
    } else {
        Err(Complaint::new(format!("{number} is out of range"), format!("from {from} to {to}")))
    }
}

/// `500ms`, `10s`, `5m`, `1h`, `7d`, and sums of them: `1h30m`.
pub fn duration(node: &Node) -> Parsed<Duration> {
    const MEND: &str = "a number and a unit between quotes: \"500ms\", \"10s\", \"5m\", \"1h\", \"7d\"";
    if let Value::Integer(number) = node.value {
        return Err(Complaint::new(format!("{number} has no unit"), format!("seconds? write \"{number}s\"")));
    }
    let Some(text) = node.as_text() else {
        return Err(Complaint::new(format!("{} stands where a duration is expected", node.kind()), MEND));
    };
    parse_duration(text).map_err(|message| {
        let number = text.trim().parse::<u64>();
        Complaint::new(message, number.map_or(MEND.to_owned(), |n| format!("seconds? write \"{n}s\"")))
    })
}

pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration");
    let mut rest = text.trim();
    let mut millis: u64 = 0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = rest[digits..].trim_start();
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        rest = rest[letters..].trim_start();
        millis = number.checked_mul(unit).and_then(|it| millis.checked_add(it)).ok_or_else(wrong)?;
    }
    // Timers count in milliseconds on 32-bit wheels: a hundred years is a mistake, not a wish.
    if millis == 0 || millis > 36_500 * 86_400_000 {
        return Err(format!("`{text}` is out of range: from 1ms to 100 years"));
    }
    Ok(Duration::from_millis(millis))
}

/// `100`, `100 B`, `16 KiB`, `1 MB`: bytes.
pub fn size(node: &Node) -> Parsed<u64> {
    const MEND: &str = "bytes, or a number and a unit between quotes: \"16 KiB\", \"1 MB\"";
    let wrong = |found: &str| Complaint::new(format!("{found} is not a size"), MEND);
    let bytes = match &node.value {
        Value::Integer(number) => u64::try_from(*number).map_err(|_| wrong(&number.to_string()))?,
        Value::Text(text) => parse_size(text).ok_or_else(|| wrong(&format!("`{text}`")))?,
        _ => return Err(wrong(node.kind())),
    };
    if bytes == 0 { Err(Complaint::new("a size of 0 lets nothing through", "at least 1")) } else { Ok(bytes) }
}

fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let unit: u64 = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// A list; one text alone is a list of one. Plain text is a JSON list, or is split at commas: blanks around
/// entries and empty entries are dropped.
pub fn list(node: &Node) -> Parsed<Vec<Node>> {
    match &node.value {
        Value::List(items) => Ok(items.clone()),
        Value::Text(text) if node.origin.is_plain() => plain_list(text, node),
        Value::Text(_) => Ok(vec![node.clone()]),
        _ => Err(Complaint::new(
            format!("{} stands where a list is expected", node.kind()),
            "write a list: [\"one\", \"two\"]",
        )),
    }
}

fn plain_list(text: &str, node: &Node) -> Parsed<Vec<Node>> {
    let bracket = text.trim_start().strip_prefix('[');
    // `[::1]:8000` is an address, not a list.
    let address =
        bracket.and_then(|it| it.split(']').next()).is_some_and(|it| it.parse::<Ipv6Addr>().is_ok());
    if bracket.is_some() && !address {
        return match parse_value(text.trim(), &node.origin).map(|list| list.value) {
            Some(Value::List(items)) => Ok(items),
            _ => Err(Complaint::new(
                "what starts with `[` is not a JSON list",
                "write [\"one\",\"two\"], or one,two without brackets",
            )),
        };
    }
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    Ok(entries.map(|entry| Node { value: Value::Text(entry.into()), ..node.clone() }).collect())
}

pub fn choice<'v>(node: &Node, valid: &'v [&'v str]) -> Parsed<&'v str> {
    let word = text(node)?;
    let plain = node.origin.is_plain();
    valid
        .iter()
        .find(|candidate| **candidate == word || (plain && candidate.eq_ignore_ascii_case(word.trim())))
        .copied()
        .ok_or_else(|| {
            let mend = match nearest(word, valid.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("one of {}", quoted(valid)),
            };
            Complaint::new(format!("`{word}` is not one of the words this takes"), mend)
        })
}

/// Words for a message: `a`, `b`, `c`.
pub fn quoted<S: AsRef<str>>(words: &[S]) -> String {
    words.iter().map(|word| format!("`{}`", word.as_ref())).collect::<Vec<_>>().join(", ")
}

/// Whether it is a token of RFC 9110 §5.6.2: the name of a header or a method.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Whether it can be the value of a header: visible ASCII, blanks inside (RFC 9110 §5.5).
pub fn is_field_value(text: &str) -> bool {
    text.trim() == text && text.bytes().all(|b| b == b'\t' || (0x20..0x7f).contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(text: &str) -> Node {
        Node::text(text, Origin::Default)
    }

    fn plain(text: &str) -> Node {
        Node::text(text, Origin::environment("X"))
    }

    #[test]
    fn durations() {
        for (text, ms) in
            [("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("1h30m", 5_400_000), ("7 d", 604_800_000)]
        {
            assert_eq!(duration(&file(text)), Ok(Duration::from_millis(ms)), "{text}");
        }
        for wrong in ["", "10", "s", "-1s", "1.5s", "10x", "0s", "99999999999999999999s", "200000d"] {
            assert!(duration(&file(wrong)).is_err(), "{wrong}");
        }
        let complaint = duration(&Node::new(Value::Integer(10), Origin::Default)).unwrap_err();
        assert_eq!(complaint.mend.as_deref(), Some("seconds? write \"10s\""));
    }

    #[test]
    fn sizes() {
        for (text, bytes) in
            [("100", 100), ("16 KiB", 16_384), ("1 MB", 1_000_000), ("1MiB", 1 << 20), ("2 gib", 2 << 30)]
        {
            assert_eq!(size(&file(text)), Ok(bytes), "{text}");
        }
        for wrong in ["", "KiB", "1 KiBi", "0", "-1", "1.5 MB", "99999999 TiB"] {
            assert!(size(&file(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn text_of_an_environment_is_read_as_its_libraries_read_it() {
        for yes in ["true", "True", "1", "YES", "on", "y"] {
            assert_eq!(boolean(&plain(yes)), Ok(true));
        }
        assert!(boolean(&plain("maybe")).is_err());
        assert!(boolean(&file("true")).is_err(), "text in a file is not a boolean");
        assert_eq!(integer(&plain(" 30 "), 1, 100), Ok(30));
        assert!(integer(&file("30"), 1, 100).is_err());
        let entries = |text: &str| {
            list(&plain(text)).unwrap().iter().map(|n| n.as_text().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(entries(" a , ,b,"), ["a", "b"]);
        assert_eq!(entries("[\"a\", \"b\"]"), ["a", "b"]);
        assert!(list(&plain("[a")).is_err());
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_arithmetic(text in "[0-9]{0,25} ?[a-zA-Z]{0,3}") {
            let _ = duration(&file(&text));
            let _ = size(&file(&text));
        }
    }
}
