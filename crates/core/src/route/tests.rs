//! The matcher against tables, and against a naive one on random patterns and paths.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::method::Wanted;
use super::*;
use crate::head::Upgrade;

fn table(patterns: &[&str]) -> RouteTable {
    build(patterns).unwrap_or_else(|conflict| panic!("{conflict}"))
}

fn build(patterns: &[&str]) -> Result<RouteTable, Conflict> {
    RouteTable::build(patterns.iter().map(|text| text.parse().unwrap()).collect())
}

/// The pattern a request goes to, or `-`, or the name of the refusal.
fn goes(table: &RouteTable, method: &str, path: &str, upgrade: Upgrade) -> String {
    let path = match CanonicalPath::parse(path) {
        Ok(path) => path,
        Err(error) => return error.name().to_owned(),
    };
    match table.find(method, &path, upgrade) {
        Ok(found) => found.route.map_or("-".to_owned(), |route| table.patterns()[route].to_string()),
        Err(error) => error.name().to_owned(),
    }
}

fn others(table: &RouteTable, method: &str, path: &str) -> Vec<String> {
    let path = CanonicalPath::parse(path).unwrap();
    let found = table.find(method, &path, Upgrade::None).unwrap();
    found
        .others()
        .map(|route| route.map_or("-".to_owned(), |route| table.patterns()[route].to_string()))
        .collect()
}

const ROUTES: [&str; 20] = [
    "/files/{*rest}",
    "/files/{name}",
    "/files/about",
    "GET /users/{id}",
    "GET /users/me",
    "POST /users/{id}",
    "/users/{id}/posts/{post}",
    "HEAD /head",
    "GET /head",
    "GET /get",
    "/all",
    "DELETE,PUT /all",
    "WS /live",
    "GET /live",
    "/live",
    "GET /ws",
    "POST /live/ingest",
    "/",
    "PURGE /cache/{*key}",
    "/über/{x}",
];

#[test]
fn the_most_specific_pattern_wins() {
    let table = table(&ROUTES);
    for (method, path, pattern) in [
        ("GET", "/", "/"),
        ("GET", "/nothing", "-"),
        ("GET", "/files", "/files/{*rest}"),
        ("GET", "/files/", "/files/{*rest}"),
        ("GET", "/files/about", "/files/about"),
        ("GET", "/files/other", "/files/{name}"),
        ("GET", "/files/about/x", "/files/{*rest}"),
        ("GET", "/users/me", "GET /users/me"),
        ("POST", "/users/me", "POST /users/{id}"),
        ("PUT", "/users/me", "-"),
        ("GET", "/users/me/posts/1", "/users/{id}/posts/{post}"),
        ("GET", "/users/me/posts", "-"),
        ("HEAD", "/head", "HEAD /head"),
        ("GET", "/head", "GET /head"),
        ("HEAD", "/get", "GET /get"),
        ("HEAD", "/all", "/all"),
        ("PUT", "/all", "PUT,DELETE /all"),
        ("PATCH", "/all", "/all"),
        ("GET", "/live", "GET /live"),
        ("OPTIONS", "/live", "/live"),
        ("PURGE", "/cache/a/b", "PURGE /cache/{*key}"),
        ("GET", "/cache/a/b", "-"),
        ("GET", "/%C3%BCber/1", "/%C3%BCber/{x}"),
        ("OPTIONS", "*", "-"),
    ] {
        assert_eq!(goes(&table, method, path, Upgrade::None), pattern, "{method} {path}");
    }
    for (method, path, pattern) in [
        ("GET", "/live", "WS /live"),
        ("CONNECT", "/live", "WS /live"),
        ("GET", "/ws", "GET /ws"),
        ("GET", "/all", "/all"),
        ("GET", "/live/ingest", "-"),
    ] {
        assert_eq!(goes(&table, method, path, Upgrade::WebSocket), pattern, "WS {path}");
    }
    assert_eq!(goes(&table, "GET", "/live", Upgrade::Other), "GET /live");
}

#[test]
fn a_protected_route_has_no_second_spelling() {
    let table = table(&["POST /live/ingest", "/docs/{*rest}", "GET /health", "/proxy/{*url}"]);
    for (path, outcome) in [
        ("/live/ingest", "POST /live/ingest"),
        ("/LIVE/ingest/", "POST /live/ingest"),
        ("/%6cive/ingest", "POST /live/ingest"),
        ("/live%2fingest", "path-encoded-slash"),
        ("/live%2Fingest", "path-encoded-slash"),
        ("/live%252fingest", "path-encoded-slash"),
        ("/live\\ingest", "path-backslash"),
        ("/live%5cingest", "path-backslash"),
        ("/live/ingest;v=1", "path-parameter"),
        ("/live;/ingest", "path-parameter"),
        ("/live%3bx/ingest", "path-parameter"),
        ("//live/ingest", "path-empty-segment"),
        ("/live//ingest", "path-empty-segment"),
        ("/live/ingest//", "path-empty-segment"),
        ("/live/;/ingest", "path-parameter"),
        ("/l%2569ve/ingest", "path-double-encoding"),
        ("/live/%2569ngest", "path-double-encoding"),
        ("/docs/../live/ingest", "path-dot-segment"),
        ("/docs/%2e%2e/live/ingest", "path-dot-segment"),
        ("/docs/..;/live/ingest", "path-dot-segment"),
        ("/live/ingest%00", "path-control"),
        ("/live/ingest;a\\b", "path-ambiguous"),
    ] {
        assert_eq!(goes(&table, "POST", path, Upgrade::None), outcome, "{path}");
    }
    // Where every reading leads to the same route, the same bytes pass.
    for (path, outcome) in [
        ("/proxy/https://example.com/a%2Fb", "/proxy/{*url}"),
        ("/docs/a;v=1/b", "/docs/{*rest}"),
        ("/docs/a%5Cb", "/docs/{*rest}"),
        ("/docs/100%25", "/docs/{*rest}"),
        ("/docs/a%2520b", "/docs/{*rest}"),
        ("/elsewhere//a", "-"),
        ("/elsewhere/a%2Fb;", "path-ambiguous"),
        ("/group%2Fproject", "-"),
    ] {
        assert_eq!(goes(&table, "POST", path, Upgrade::None), outcome, "{path}");
    }
}

#[test]
fn what_other_applications_would_take_is_named() {
    let table = table(&[
        "/public/docs",
        "/{tenant}/docs",
        "/{tenant}/{*rest}",
        "/open/{*rest}",
        "GET /method/x",
        "/a/{mail}",
    ]);
    assert!(others(&table, "GET", "/public/docs").is_empty());
    assert!(others(&table, "GET", "/ACME/docs").is_empty());
    assert!(others(&table, "GET", "/a/x%40example.com").is_empty());
    assert!(others(&table, "GET", "/open/").is_empty());
    assert!(others(&table, "GET", "/open/a/").is_empty());
    assert_eq!(others(&table, "GET", "/PUBLIC/docs"), ["/{tenant}/docs"]);
    assert_eq!(others(&table, "GET", "/public/docs/"), ["/{tenant}/{*rest}"]);
    assert_eq!(others(&table, "GET", "/PUBLIC/docs/"), ["/{tenant}/docs", "/{tenant}/{*rest}"]);
    assert_eq!(others(&table, "GET", "/%70ublic/docs"), ["/{tenant}/docs"]);
    assert_eq!(others(&table, "GET", "/open"), ["-"]);
    assert_eq!(others(&table, "get", "/method/x"), ["GET /method/x"]);
    assert!(others(&table, "POST", "/method/x").is_empty());
}

#[test]
fn both_strictnesses_together_are_followed() {
    let table = table(&["/public/docs", "/{tenant}/docs", "/public/{*rest}"]);
    assert_eq!(others(&table, "GET", "/PUBLIC/docs/"), ["/{tenant}/docs", "/public/{*rest}", "-"]);
}

#[test]
fn parameters_are_named() {
    let table = table(&[
        "/a/{x}/b/{y}",
        "/files/{*rest}",
        "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{*j}",
        "/a/{z}/c/{*w}",
    ]);
    let params = |path: &str| {
        let path = CanonicalPath::parse(path).unwrap();
        let found = table.find("GET", &path, Upgrade::None).unwrap();
        found.params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(params("/a/1/b/%32"), "x=1 y=2");
    assert_eq!(params("/a/1/b/2/"), "x=1 y=2");
    assert_eq!(params("/a/1/c/2/"), "z=1 w=2/");
    assert_eq!(params("/files/a/b/"), "rest=a/b/");
    assert_eq!(params("/files/"), "rest=");
    assert_eq!(params("/files"), "rest=");
    assert_eq!(params("/1/2/3/4/5/6/7/8/9/10/11"), "a=1 b=2 c=3 d=4 e=5 f=6 g=7 h=8 i=9 j=10/11");
    let path = CanonicalPath::parse("/a/1/b/2").unwrap();
    let found = table.find("GET", &path, Upgrade::None).unwrap();
    assert_eq!((found.params.value("y"), found.params.value("z")), (Some("2"), None));
}

#[test]
fn conflicts_are_found() {
    for (patterns, first, second, unreachable) in [
        (&["/a", "/A/"][..], 0, 1, false),
        (&["/x", "GET /{a}", "GET,POST /{b}"], 1, 2, false),
        (&["WS /a", "WS /a"], 0, 1, false),
        (&["PURGE /{*a}", "PURGE /{*b}"], 0, 1, false),
        (&["/%61", "/a"], 0, 1, false),
        (&["/a/{*rest}", "/a", "/a/{x}/{*rest}"], 1, 0, true),
        (&["GET /a/{*rest}", "/a", "/a/{x}", "/a/{x}/{*rest}"], 1, 0, true),
        (&["GET /{*rest}", "/", "/{x}", "/{x}/{y}", "HEAD,GET /{x}/{y}/{*z}"], 1, 0, true),
    ] {
        let conflict = build(patterns).err().unwrap_or_else(|| panic!("{patterns:?}"));
        assert_eq!(
            (conflict.first, conflict.second, conflict.unreachable),
            (first, second, unreachable),
            "{conflict}"
        );
    }
    for patterns in [
        &["/a", "GET /a", "POST /a", "WS /a", "HEAD /a"][..],
        &["/a/{x}", "/a/{*rest}", "/a"],
        &["/a/{*rest}", "/a", "GET /a/{x}/{*rest}"],
        &["/a/{*rest}", "/a/{x}/{*rest}"],
    ] {
        assert!(build(patterns).is_ok(), "{patterns:?}");
    }
}

#[test]
fn allow_lists_what_the_path_is_for() {
    let table = table(&["GET /a", "POST /{x}", "PURGE /{*rest}", "WS /ws", "/open"]);
    let allow = |path: &str| table.allowed_methods(&CanonicalPath::parse(path).unwrap());
    assert_eq!(allow("/a"), "GET, HEAD, POST, PURGE");
    assert_eq!(allow("/b/"), "POST, PURGE");
    assert_eq!(allow("/b/c"), "PURGE");
    assert_eq!(allow("/ws"), "GET, POST, PURGE");
    assert_eq!(allow("/"), "PURGE");
}

/// The best of all patterns, by comparing each with the path.
fn naive(patterns: &[Pattern], method: &str, upgrade: Upgrade, path: &str) -> Option<usize> {
    let wanted = Wanted::new(method, upgrade);
    let core = path[1..].strip_suffix('/').unwrap_or(&path[1..]);
    let sent: Vec<&str> = if core.is_empty() { Vec::new() } else { core.split('/').collect() };
    let rank = |pattern: &Pattern| -> Option<Vec<u8>> {
        let mut rank = Vec::new();
        for (at, segment) in pattern.segments().iter().enumerate() {
            rank.push(match (segment, sent.get(at)) {
                (Segment::Rest(_), _) => {
                    rank.push(0);
                    return Some(rank);
                }
                (Segment::Static(text), Some(sent)) if text.eq_ignore_ascii_case(sent) => 3,
                (Segment::Param(_), Some(sent)) if !sent.is_empty() => 2,
                _ => return None,
            });
        }
        rank.push(1);
        (pattern.segments().len() == sent.len()).then_some(rank)
    };
    let mut best: Option<(Vec<u8>, u8, usize)> = None;
    for (route, pattern) in patterns.iter().enumerate() {
        let (Some(rank), Some(fit)) = (rank(pattern), pattern.methods().fit(&wanted)) else { continue };
        let better = best
            .as_ref()
            .is_none_or(|(known, with, _)| rank.cmp(known).then(fit.cmp(with)) == Ordering::Greater);
        if better {
            best = Some((rank, fit, route));
        }
    }
    best.map(|(_, _, route)| route)
}

fn patterns() -> impl Strategy<Value = Vec<Pattern>> {
    let segment = prop_oneof![4 => "[abA]", 1 => Just("ab".to_owned()), 2 => Just("{}".to_owned())];
    let path = (prop::collection::vec(segment, 0..4), prop_oneof!["", "/\\{\\*rest\\}", "/"]);
    let methods =
        prop_oneof![Just(""), Just("GET "), Just("POST,PUT "), Just("WS "), Just("HEAD "), Just("PURGE ")];
    prop::collection::vec((methods, path), 1..12).prop_map(|list| {
        let mut kept = Vec::new();
        for (methods, (segments, end)) in list {
            let mut text = methods.to_owned();
            for (at, segment) in segments.iter().enumerate() {
                let segment = if segment == "{}" { format!("{{p{at}}}") } else { segment.clone() };
                text.push('/');
                text.push_str(&segment);
            }
            text.push_str(if segments.is_empty() && !end.starts_with("/{") { "/" } else { &end });
            kept.push(text.parse().unwrap_or_else(|error| panic!("{text}: {error}")));
            // Conflicts are another test's matter: keep what can stand together.
            if RouteTable::build(kept.clone()).is_err() {
                kept.pop();
            }
        }
        kept
    })
}

fn paths() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![4 => "[abAc]", 1 => Just("ab".to_owned()), 1 => Just("x%20y".to_owned())],
        0..5,
    )
    .prop_flat_map(|segments| {
        prop_oneof![Just(format!("/{}", segments.join("/"))), Just(format!("/{}/", segments.join("/")))]
    })
    .prop_map(|path| if path == "//" { "/".to_owned() } else { path })
}

fn requests() -> impl Strategy<Value = (&'static str, Upgrade)> {
    let methods = prop_oneof![Just("GET"), Just("HEAD"), Just("POST"), Just("PURGE"), Just("DELETE")];
    (methods, prop_oneof![3 => Just(Upgrade::None), 1 => Just(Upgrade::WebSocket)])
}

/// One way in which some server would read a path: its choices, and the path it comes to.
#[derive(Debug, Clone)]
struct Server {
    decodes: u8,
    slash: bool,
    backslash: bool,
    parameters: bool,
    collapses: bool,
}

impl Server {
    /// Written apart from the code under test: byte for byte, the way such servers do it.
    fn reads(&self, path: &str) -> String {
        let mut bytes = path.as_bytes().to_vec();
        let strip = |bytes: &[u8]| -> Vec<u8> {
            let segments = bytes.split(|byte| *byte == b'/' || (self.backslash && *byte == b'\\'));
            let cut = segments.map(|segment| segment.split(|byte| *byte == b';').next().unwrap_or_default());
            cut.collect::<Vec<_>>().join(&b'/')
        };
        if self.parameters {
            bytes = strip(&bytes);
        }
        for _ in 0..self.decodes {
            let mut decoded = Vec::new();
            let mut at = 0;
            while at < bytes.len() {
                let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
                let value =
                    pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| bytes[at] == b'%');
                match value {
                    Some(value) if value == b'/' && !self.slash => {
                        decoded.extend_from_slice(&bytes[at..at + 3]);
                    }
                    Some(value) => decoded.push(value),
                    None => decoded.push(bytes[at]),
                }
                at += if value.is_some() { 3 } else { 1 };
            }
            bytes = decoded;
        }
        if self.backslash {
            bytes.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
        }
        if self.parameters {
            bytes = strip(&bytes);
        }
        let mut segments: Vec<&[u8]> = Vec::new();
        for (at, segment) in bytes[1..].split(|byte| *byte == b'/').enumerate() {
            match segment {
                b"." => {}
                b".." => {
                    segments.pop();
                }
                b"" if self.collapses && at > 0 => {}
                other => segments.push(other),
            }
        }
        format!("/{}", String::from_utf8_lossy(&segments.join(&b'/')))
    }
}

fn servers() -> impl Strategy<Value = Server> {
    (0_u8..4, any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(decodes, slash, backslash, parameters, collapses)| Server {
            decodes,
            slash,
            backslash,
            parameters,
            collapses,
        },
    )
}

/// `/live/ingest` as an attacker would spell it.
fn disguises() -> impl Strategy<Value = String> {
    let slash = prop_oneof![
        6 => Just("/"), 1 => Just("//"), 1 => Just("\\"), 1 => Just("%2f"), 1 => Just("%5C"), 1 => Just("%252F"), 1 => Just("/;a/"),
        1 => Just("/./"), 1 => Just("/x/../"), 1 => Just("/x/%2e%2e/"), 1 => Just("/x/..;/"), 1 => Just(";a=1/"), 1 => Just("%3Bb/"), 1 => Just("/x%2f../")
    ];
    let letter = |letter: char| {
        let code = letter as u32;
        prop_oneof![
            12 => Just(letter.to_string()), 1 => Just(letter.to_ascii_uppercase().to_string()),
            1 => Just(format!("%{code:02x}")), 1 => Just(format!("%25{code:02X}")), 1 => Just(format!("%2525{code:02x}"))
        ]
    };
    let word =
        move |word: &str| word.chars().map(letter).collect::<Vec<_>>().prop_map(|letters| letters.concat());
    let end = prop_oneof![6 => Just(""), 1 => Just("/"), 1 => Just("//"), 1 => Just(";a"), 1 => Just("%3b"), 1 => Just("/."), 1 => Just("\\")];
    (slash.clone(), word("live"), slash, word("ingest"), end)
        .prop_map(|(first, live, second, ingest, end)| format!("{first}{live}{second}{ingest}{end}"))
        .prop_map(|path| if path.starts_with('/') { path } else { format!("/{path}") })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn the_tree_agrees_with_comparing_each(patterns in patterns(), path in paths(), (method, upgrade) in requests()) {
        let table = RouteTable::build(patterns.clone()).unwrap();
        let canonical = CanonicalPath::parse(&path).unwrap();
        let found = table.find(method, &canonical, upgrade).unwrap();
        prop_assert_eq!(found.route, naive(&patterns, method, upgrade, &path));
        if let Some(route) = found.route {
            prop_assert_eq!(found.params.iter().count(), patterns[route].names().count());
        }
    }

    #[test]
    fn canonicalising_twice_changes_nothing(path in "/([ -~]|%[0-9a-f][0-9A-F]|[/.%;é\\\\]){0,20}") {
        if let Ok(once) = CanonicalPath::parse(&path) {
            let twice = CanonicalPath::parse(once.as_str());
            prop_assert_eq!(twice.as_ref().map(CanonicalPath::as_str), Ok(once.as_str()));
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(path in any::<String>(), patterns in patterns()) {
        let table = RouteTable::build(patterns).unwrap();
        for path in [path.clone(), format!("/{path}")] {
            if let Ok(path) = CanonicalPath::parse(&path) {
                let _ = table.find("GET", &path, Upgrade::None);
            }
        }
    }

    /// Whatever a server makes of the path: if it comes to the protected route, so do we, or we refuse.
    #[test]
    fn no_disguise_passes(path in disguises(), server in servers()) {
        let table = table(&["POST /live/ingest", "/x/{*rest}"]);
        let read = server.reads(&path);
        if read.trim_end_matches('/').eq_ignore_ascii_case("/live/ingest") {
            let outcome = goes(&table, "POST", &path, Upgrade::None);
            prop_assert!(outcome == "POST /live/ingest" || outcome.starts_with("path-"), "{} read as {} went to {}", path, read, outcome);
        }
    }

    /// The same for random tables: an exact server's route is ours, one of the others, or we refuse.
    #[test]
    fn every_server_takes_a_route_we_named(patterns in patterns(), path in "(/|//|;|\\\\|%2f|%5c|a|b|A|%61|%2561|c){1,8}", server in servers()) {
        let path = format!("/{path}");
        let table = RouteTable::build(patterns.clone()).unwrap();
        let Ok(canonical) = CanonicalPath::parse(&path) else { return Ok(()) };
        let Ok(found) = table.find("GET", &canonical, Upgrade::None) else { return Ok(()) };
        let taken = naive(&patterns, "GET", Upgrade::None, &server.reads(&path));
        prop_assert!(found.route == taken || found.others().any(|other| other == taken),
            "{} is {:?} here, read as {} it is {:?}", path, found.route, server.reads(&path), taken);
    }
}
