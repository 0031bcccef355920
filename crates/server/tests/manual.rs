//! The tables of the manual are written by the code they speak of: what stands between `<!-- begin: NAME -->` and
//! `<!-- end: NAME -->` must be what the code says.
//!
//! `PORTCULLIS_WRITE_MANUAL=1 cargo test -p portcullis --test manual` writes them anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use portcullis::config::dialect::{Example, Meaning};
use portcullis::config::keys::{KEYS, Key, Kind, LATER};
use portcullis::config::profile;
use portcullis_core::Denial;
use portcullis_core::denial::UrlFault;
use portcullis_core::identity::Scheme;
use portcullis_core::quota::Verdict;

/// What the example file cannot show beside everything else.
const ASIDE: [(&str, &str); 4] = [
    ("profile", "\"kalshiwhale\""),
    ("auth.passwords.breached_file", "\"pwned-passwords.txt\""),
    ("auth.tokens.secret", "\"env:JWT_SECRET_KEY\""),
    ("auth.tokens.key", "\"signing.pem\""),
];

#[test]
fn every_key_with_its_default_and_an_example() {
    let example: toml::Table = read("docs/portcullis.example.toml").parse().unwrap();
    let mut out = String::new();
    let mut section = "";
    for key in KEYS {
        let own = key.path.split(['.', '[']).next().filter(|own| *own != key.path).unwrap_or_default();
        if own != section || out.is_empty() {
            section = own;
            let _ = write!(out, "{}", heading(section));
        }
        let shown = at(&example, key.path).map(|value| value.to_string());
        let aside = ASIDE.iter().find(|(path, _)| *path == key.path).map(|(_, value)| (*value).to_owned());
        let example = shown.or(aside).map(|value| format!("`{}`", cell(&value)));
        let default = key.default.words();
        let default = if default.is_empty() { "–".to_owned() } else { plain(&default) };
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            key.path,
            takes(key.kind),
            default,
            example.unwrap_or_else(|| panic!("docs/portcullis.example.toml shows no `{}`", key.path)),
            cell(key.doc)
        );
    }
    check("docs/configuration.md", "keys", out.trim_start());
}

#[test]
fn what_a_later_version_brings() {
    let names: Vec<String> = LATER.iter().map(|name| format!("`{name}`")).collect();
    check("docs/configuration.md", "later", &names.join(", "));
}

#[test]
fn every_name_of_a_profile() {
    for name in profile::PROFILES.map(|profile| profile.name) {
        let dialect = profile::find(name).unwrap().dialect;
        let mut out = String::from("| name | without it | sets | |\n|---|---|---|---|\n");
        for name in dialect.names {
            let default =
                if name.default.is_empty() { "–".to_owned() } else { format!("`{}`", name.default) };
            let doc = match name.meaning {
                Meaning::Unused(why) => format!("{}: {why}", name.doc),
                _ => name.doc.to_owned(),
            };
            let written = if name.example == Example::None { "" } else { "; `init` writes it" };
            let _ = writeln!(
                out,
                "| `{}` | {default} | {} | {}{written} |",
                name.name,
                plain(&name.meaning.key()),
                cell(&doc)
            );
        }
        let application: Vec<String> = dialect.application.iter().map(|name| format!("`{name}`")).collect();
        if !application.is_empty() {
            let _ = write!(out, "\nLeft to the application: {}.\n", application.join(", "));
        }
        check("docs/profiles.md", name, &out);
    }
}

#[test]
fn every_refusal() {
    let mut out = String::from("| code | status | `detail` |\n|---|---|---|\n");
    let denials = denials();
    for code in Denial::CODES {
        let denial = denials.iter().find(|denial| denial.code() == code);
        let denial = denial.unwrap_or_else(|| panic!("`denials` has no `{code}`"));
        let _ = writeln!(out, "| `{code}` | {} | {} |", denial.status(), denial.detail());
    }
    check("docs/security.md", "denials", &out);
}

#[test]
fn everything_that_is_refused_on_the_wire() {
    let source = read("crates/wire/src/error.rs");
    let page = "docs/security.md";
    for (error, mark) in
        [("RequestError", "requests"), ("BodyError", "bodies"), ("ResponseError", "responses")]
    {
        let mut out = String::from("| name | status | why |\n|---|---|---|\n");
        let rows = refusals(&source, error);
        assert!(rows.len() > 10, "{error}: {rows:?}");
        for [name, status, why] in rows {
            let _ = writeln!(out, "| `{name}` | {status} | {why} |");
        }
        check(page, mark, &out);
    }
}

#[test]
fn everything_that_is_refused_in_a_path() {
    let source = read("crates/core/src/route/path.rs");
    let mut out = String::from("| name | what |\n|---|---|\n");
    let mut rows = 0;
    let (_, declared) = source.split_once("pub enum PathError {").unwrap();
    let (declared, _) = declared.split_once("\n}").unwrap();
    let mut why = String::new();
    for line in declared.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            why.push_str(doc);
        } else if let Some(variant) = line.strip_suffix(',').filter(|it| !it.starts_with('#')) {
            let arm = format!("PathError::{variant} => \"");
            let (_, name) = source.split_once(&arm).unwrap();
            let name = name.split('"').next().unwrap();
            let _ = writeln!(out, "| `{name}` | {} |", cell(std::mem::take(&mut why).trim()));
            rows += 1;
        }
    }
    assert!(rows > 10, "{out}");
    check("docs/security.md", "paths", &out);
}

/// One of each refusal.
fn denials() -> Vec<Denial> {
    let verdict =
        Verdict { admitted: false, limit: 1, window_s: 1, remaining: 0, reset_ms: 0, retry_after_ms: 1 };
    vec![
        Denial::Malformed("why"),
        Denial::NotImplemented("why"),
        Denial::VersionNotSupported("why"),
        Denial::RequestTimeout,
        Denial::BodyTooLarge,
        Denial::TargetTooLong,
        Denial::HeadersTooLarge,
        Denial::Invalid(422),
        Denial::Url(UrlFault::Invalid),
        Denial::Url(UrlFault::Scheme),
        Denial::Url(UrlFault::Refused),
        Denial::Url(UrlFault::PrivateNetwork),
        Denial::Url(UrlFault::Unresolved),
        Denial::AttackPattern,
        Denial::BreakerOpen(1),
        Denial::ExpectationFailed,
        Denial::UnknownRoute,
        Denial::MethodNotAllowed,
        Denial::MissingCredential(Scheme::ApiKey),
        Denial::InvalidCredential(Scheme::ApiKey),
        Denial::ExpiredCredential(Scheme::ApiKey),
        Denial::WebSocketVersion,
        Denial::LoginTimeout,
        Denial::LoginMalformed,
        Denial::LoginExpected,
        Denial::InsufficientRole,
        Denial::OutOfScope,
        Denial::MissingDevice,
        Denial::CrossSiteRequest,
        Denial::AuthenticationUnavailable,
        Denial::OriginForbidden,
        Denial::PreflightForbidden,
        Denial::RateLimited(verdict),
        Denial::TooManyFailures(verdict),
        Denial::TooManyConnections,
        Denial::UpstreamUnreachable,
        Denial::UpstreamMalformed,
        Denial::UpstreamTimeout,
        Denial::Draining,
        Denial::Internal,
    ]
}

/// Name, status and reason of every variant of an error of `wire`, out of its source: the reasons are its
/// documentation, which no program can ask for.
fn refusals(source: &str, error: &str) -> Vec<[String; 3]> {
    let (_, declared) = source.split_once(&format!("    {error} {{\n")).unwrap();
    let (declared, _) = declared.split_once("\n    }\n}").unwrap();
    let mut rows = Vec::new();
    let mut why = String::new();
    for line in declared.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            why.push_str(doc);
            continue;
        }
        let mut quoted = line.split('"');
        let (Some(_), Some(name), Some(rest)) = (quoted.next(), quoted.next(), quoted.next()) else {
            panic!("not a refusal: {line}");
        };
        let status = rest.trim_matches([',', ' ']).to_owned();
        rows.push([name.to_owned(), status, reason(&std::mem::take(&mut why))]);
    }
    rows
}

/// A doc comment as people read it: links to items are their names.
fn reason(doc: &str) -> String {
    let mut text = doc.trim().replace("[`crate::", "`").replace("[`", "`").replace("`]", "`");
    while let Some(at) = text.find("`(crate::") {
        let end = text[at + 1..].find(')').map_or(text.len(), |end| at + end + 2);
        text.replace_range(at + 1..end, "");
    }
    cell(&text)
}

fn heading(section: &str) -> String {
    let title = if section.is_empty() { "At the root".to_owned() } else { format!("`{section}`") };
    format!("\n#### {title}\n\n| key | takes | default | example | |\n|---|---|---|---|---|\n")
}

/// What a key takes, with its unit.
fn takes(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Bool => "`true` or `false`".to_owned(),
        Kind::Integer(from, to) => format!("{from} to {to}"),
        Kind::Duration => "duration".to_owned(),
        Kind::Size => "size".to_owned(),
        Kind::Rate => "rate".to_owned(),
        Kind::Secret => "secret, or a list".to_owned(),
        Kind::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Kind::Path => "file".to_owned(),
        Kind::Paths => "file, or a list".to_owned(),
        Kind::StoreUrl => "URL".to_owned(),
        Kind::Roles => "list of roles".to_owned(),
        Kind::Upstream => "URL, `unix:` path, or a list".to_owned(),
        Kind::Listen => "`ip:port`, `unix:` path, table, or a list".to_owned(),
        Kind::Networks => "list of addresses and prefixes".to_owned(),
        Kind::Ports => "list of ports and ranges".to_owned(),
        Kind::Origins => "list of origins".to_owned(),
        Kind::Methods => "list of methods".to_owned(),
        Kind::HeaderNames => "list of header names".to_owned(),
        Kind::Words => "list of texts".to_owned(),
        Kind::Schemes => "`none`, scheme, or a list, with `anonymous` or without".to_owned(),
        Kind::Header => "text, `false`, or a table".to_owned(),
        Kind::PathOrOff => "path or `false`".to_owned(),
        Kind::Limits => "list of rates and tables".to_owned(),
        Kind::Match => "pattern".to_owned(),
        Kind::Request => "method and path".to_owned(),
        Kind::Address => "address".to_owned(),
        Kind::Status => "status".to_owned(),
        Kind::Template => "template".to_owned(),
        Kind::Fields => "table of names and values".to_owned(),
        Kind::Rules => "table of names, and types or tables".to_owned(),
        Kind::Number => "number".to_owned(),
    }
}

/// A default or a key: data as code, words as words.
fn plain(text: &str) -> String {
    let words = text.contains('`') || text.contains(' ') && !text.starts_with(['"', '[']);
    if words { cell(text) } else { format!("`{}`", cell(text)) }
}

/// Text that may stand in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// The first value at the path of a key in the example file.
fn at(table: &toml::Table, path: &str) -> Option<toml::Value> {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let (name, list) = name.strip_suffix("[]").map_or((name, false), |name| (name, true));
    let candidates: Vec<&toml::Value> = if name == "*" {
        let known = |it: &str| KEYS.iter().any(|key: &Key| key.path.rsplit('.').next() == Some(it));
        table.iter().filter(|(it, _)| !known(it)).map(|(_, value)| value).collect()
    } else if list {
        table.get(name)?.as_array()?.iter().collect()
    } else {
        table.get(name).into_iter().collect()
    };
    candidates.into_iter().find_map(|value| match rest {
        None => Some(value.clone()),
        Some(rest) => at(value.as_table()?, rest),
    })
}

/// Compares a table of the manual with what it must be, or writes it.
fn check(page: &str, mark: &str, table: &str) {
    let text = read(page);
    let (begin, end) = (format!("<!-- begin: {mark} -->\n"), format!("<!-- end: {mark} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{page} has no `{begin}`"));
    let (stands, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{page} has no `{end}`"));
    let wanted = format!("\n{}\n\n", table.trim_end());
    if stands == wanted {
        return;
    }
    if std::env::var_os("PORTCULLIS_WRITE_MANUAL").is_some() {
        std::fs::write(root().join(page), format!("{before}{begin}{wanted}{end}{after}")).unwrap();
        return;
    }
    let differing =
        wanted.lines().find(|line| !stands.contains(*line)).unwrap_or("something is there too much");
    panic!(
        "{page}: the table `{mark}` is not what the code says:\n{differing}\n\
         write it anew: PORTCULLIS_WRITE_MANUAL=1 cargo test -p portcullis --test manual -- --test-threads 1"
    );
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
