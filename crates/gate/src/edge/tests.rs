//! Clients behind proxies, honest and not.

use portcullis_core::{Field, Upgrade};
use proptest::prelude::*;

use super::*;

fn edge() -> Edge {
    let nets = ["10.0.0.0/8", "192.168.1.1/32", "2001:db8:ffff::/48", "::ffff:172.16.0.0/108"];
    Edge::new(Config { trusted_proxies: nets.map(|net| net.parse().unwrap()).to_vec() })
}

fn head<'a>(fields: &'a [Field<'a>]) -> Head<'a> {
    Head {
        method: "GET",
        path: "/",
        query: None,
        authority: "api.example.com",
        secure: false,
        upgrade: Upgrade::None,
        fields,
    }
}

/// `Name: value` lines as fields.
fn fields(lines: &[&'static str]) -> Vec<Field<'static>> {
    let split = |line: &&'static str| line.split_once(": ").unwrap();
    lines.iter().map(split).map(|(name, value)| Field { name, value: value.as_bytes() }).collect()
}

fn client(peer: &str, lines: &[&'static str]) -> Result<String, Denial> {
    let found = edge().client(peer.parse().unwrap(), &head(&fields(lines)), false)?;
    assert_eq!(found.peer, canonical(peer.parse().unwrap()));
    Ok(format!("{}{}", found.address, if found.secure { " tls" } else { "" }))
}

#[test]
fn only_trusted_peers_name_the_client() {
    for lines in [
        &["X-Forwarded-For: 9.9.9.9"][..],
        &["Forwarded: for=9.9.9.9;proto=https"],
        &["X-Real-IP: 9.9.9.9"],
        &["X-Forwarded-Proto: https"],
        &["X-Forwarded-For: 9.9.9.9", "Forwarded: for=8.8.8.8"],
        &["Forwarded: for=\""],
    ] {
        assert_eq!(client("203.0.113.7", lines).as_deref(), Ok("203.0.113.7"), "{lines:?}");
    }
    let nobody = Edge::new(Config::default());
    let fields = fields(&["X-Forwarded-For: 9.9.9.9"]);
    let found = nobody.client(UNIX_PEER, &head(&fields), true).unwrap();
    assert_eq!(found, Client::direct(UNIX_PEER, true));
}

#[test]
fn hops_are_followed_from_the_right() {
    for (peer, lines, expected) in [
        ("10.0.0.1", &[][..], "10.0.0.1"),
        ("10.0.0.1", &["X-Forwarded-For: 203.0.113.7"], "203.0.113.7"),
        ("::ffff:10.0.0.1", &["X-Forwarded-For: 203.0.113.7"], "203.0.113.7"),
        ("172.16.0.9", &["X-Forwarded-For: 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", &["X-Forwarded-For: 9.9.9.9, 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", &["X-Forwarded-For: 9.9.9.9, 203.0.113.7, 10.1.1.1,192.168.1.1"], "203.0.113.7"),
        (
            "10.0.0.1",
            &["X-Forwarded-For: 9.9.9.9", "x-forwarded-for: 203.0.113.7", "X-Forwarded-For: 10.2.2.2"],
            "203.0.113.7",
        ),
        ("10.0.0.1", &["X-Forwarded-For: 10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        ("10.0.0.1", &["X-Forwarded-For: 9.9.9.9, 192.168.1.2, 10.2.2.2"], "192.168.1.2"),
        ("10.0.0.1", &["X-Forwarded-For: , 203.0.113.7 ,, "], "203.0.113.7"),
        ("10.0.0.1", &["X-Forwarded-For: "], "10.0.0.1"),
        ("10.0.0.1", &["X-Forwarded-For: 203.0.113.7:4711"], "203.0.113.7"),
        ("10.0.0.1", &["X-Forwarded-For: [2001:db8::7]:4711"], "2001:db8::7"),
        ("10.0.0.1", &["X-Forwarded-For: 2001:db8::7, 2001:db8:ffff::2"], "2001:db8::7"),
        ("10.0.0.1", &["X-Forwarded-For: ::ffff:203.0.113.7, ::ffff:10.2.2.2"], "203.0.113.7"),
        // What is no address ends the walk at the hop that wrote it.
        ("10.0.0.1", &["X-Forwarded-For: 9.9.9.9, unknown"], "10.0.0.1"),
        ("10.0.0.1", &["X-Forwarded-For: 9.9.9.9, unknown, 10.2.2.2"], "10.2.2.2"),
        ("10.0.0.1", &["X-Forwarded-For: <script>, 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", &["Forwarded: for=203.0.113.7"], "203.0.113.7"),
        (
            "10.0.0.1",
            &["Forwarded: for=9.9.9.9, for=\"[2001:db8::7]:1\";proto=https, for=10.2.2.2;proto=http"],
            "2001:db8::7 tls",
        ),
        ("10.0.0.1", &["Forwarded: for=9.9.9.9", "Forwarded: for=203.0.113.7;by=10.0.0.1"], "203.0.113.7"),
        ("10.0.0.1", &["Forwarded: for=9.9.9.9, for=_hidden, for=10.2.2.2"], "10.2.2.2"),
        ("10.0.0.1", &["Forwarded: for=9.9.9.9, for=unknown"], "10.0.0.1"),
        ("10.0.0.1", &["Forwarded: for=9.9.9.9, by=10.0.0.1"], "10.0.0.1"),
        // What the client left open does not reach what the proxy wrote on a line of its own.
        ("10.0.0.1", &["Forwarded: for=\"", "Forwarded: for=203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", &["X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.7:99"], "203.0.113.7"),
        ("10.0.0.1", &["X-Real-IP: 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", &["X-Real-IP: 203.0.113.7", "X-Real-IP: 203.0.113.8"], "10.0.0.1"),
        ("10.0.0.1", &["X-Real-IP: nobody"], "10.0.0.1"),
        ("10.0.0.1", &["X-Real-IP: 9.9.9.9", "X-Forwarded-For: 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", &["X-Real-IP: 9.9.9.9", "X-Forwarded-For: unknown"], "10.0.0.1"),
    ] {
        assert_eq!(client(peer, lines).as_deref(), Ok(expected), "{lines:?}");
    }
}

#[test]
fn fields_that_contradict_are_refused() {
    for (lines, name) in [
        (&["X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.8"][..], "forwarded-disagree"),
        (&["X-Forwarded-For: 203.0.113.7", "Forwarded: for=unknown"], "forwarded-disagree"),
        (&["Forwarded: for=\"9.9.9.9, for=203.0.113.7"], "forwarded-syntax"),
        (&["Forwarded: for=203.0.113.7;for=9.9.9.9"], "forwarded-syntax"),
    ] {
        assert_eq!(client("10.0.0.1", lines), Err(Denial::Malformed(name)), "{lines:?}");
    }
}

#[test]
fn the_scheme_is_that_of_the_way_to_the_first_proxy() {
    for (lines, secure) in [
        (&["X-Forwarded-Proto: https"][..], true),
        (&["X-Forwarded-Proto: HTTPS"], true),
        (&["X-Forwarded-Proto: wss"], true),
        (&["X-Forwarded-Proto: http"], false),
        (&["X-Forwarded-Proto: nonsense"], false),
        (&["X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https"], true),
        // The client's own word stands left.
        (&["X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https, http"], false),
        (&["X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https", "X-Forwarded-Proto: http"], false),
        // One value for each hop: the client's is the second from the right.
        (&["X-Forwarded-For: 203.0.113.7, 10.2.2.2", "X-Forwarded-Proto: https, http"], true),
        (&["X-Forwarded-For: 203.0.113.7, 10.2.2.2", "X-Forwarded-Proto: http, https"], false),
        (&["X-Forwarded-For: 203.0.113.7, 10.2.2.2", "X-Forwarded-Proto: https"], true),
        (&["X-Forwarded-For: 203.0.113.7, 10.2.2.2, 10.3.3.3", "X-Forwarded-Proto: https, http"], false),
        (&["X-Forwarded-Proto: https", "Forwarded: for=203.0.113.7;proto=http"], false),
        (&["X-Forwarded-Proto: https", "Forwarded: for=203.0.113.7;proto=https"], true),
        (&["X-Forwarded-Proto: https", "Forwarded: for=203.0.113.7"], true),
    ] {
        let outcome = client("10.0.0.1", lines).unwrap();
        assert_eq!(outcome.ends_with(" tls"), secure, "{lines:?}");
    }
    let told = fields(&["X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: http"]);
    let silent = fields(&["X-Forwarded-For: 203.0.113.7"]);
    let over_tls = |fields: &[Field<'_>]| {
        edge().client("10.0.0.1".parse().unwrap(), &head(fields), true).unwrap().secure
    };
    assert!(!over_tls(&told), "the way to the proxy is not the way to us");
    assert!(over_tls(&silent));
}

fn written(peer: &str, lines: &[&'static str], secure: bool) -> String {
    let fields = fields(lines);
    let head = head(&fields);
    let client = edge().client(peer.parse().unwrap(), &head, secure).unwrap();
    let mut out = b"GET / HTTP/1.1\r\n".to_vec();
    write_forwarded(&client, &head, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_application_hears_only_what_was_verified() {
    let expect = |chain: &str, proto: &str, real: &str| {
        format!(
            "GET / HTTP/1.1\r\nX-Forwarded-For: {chain}\r\nX-Forwarded-Proto: {proto}\r\nX-Forwarded-Host: api.example.com\r\nX-Real-IP: {real}\r\n"
        )
    };
    let spoofed = [
        "X-Forwarded-For: 9.9.9.9",
        "X-Forwarded-Host: evil.example",
        "X-Real-IP: 9.9.9.9",
        "X-Forwarded-Proto: https",
    ];
    assert_eq!(written("203.0.113.7", &spoofed, false), expect("203.0.113.7", "http", "203.0.113.7"));
    assert_eq!(written("2001:db8::7", &[], true), expect("2001:db8::7", "https", "2001:db8::7"));
    assert_eq!(
        written(
            "10.0.0.1",
            &["X-Forwarded-For: 9.9.9.9, 203.0.113.7, 10.2.2.2, 10.3.3.3", "X-Forwarded-Proto: https"],
            false
        ),
        expect("203.0.113.7, 10.2.2.2, 10.3.3.3, 10.0.0.1", "https", "203.0.113.7")
    );
    assert_eq!(
        written("10.0.0.1", &["Forwarded: for=9.9.9.9, for=\"[2001:db8::7]\", for=10.2.2.2"], false),
        expect("2001:db8::7, 10.2.2.2, 10.0.0.1", "http", "2001:db8::7")
    );
    assert_eq!(
        written("10.0.0.1", &["X-Real-IP: 203.0.113.7"], false),
        expect("203.0.113.7, 10.0.0.1", "http", "203.0.113.7")
    );
    assert_eq!(
        written("10.0.0.1", &["X-Forwarded-For: 9.9.9.9, unknown"], false),
        expect("10.0.0.1", "http", "10.0.0.1")
    );
}

proptest! {
    /// Whatever a client sends, behind a proxy that appends what it saw the client is who it is.
    #[test]
    fn a_client_cannot_choose_its_address(sent in prop::collection::vec("[ -~]{0,40}", 0..3), own in any::<[u8; 4]>(), hops in 0..3_usize) {
        let own = IpAddr::from(own);
        prop_assume!(!edge().trusts(own));
        let mut appended = sent.last().cloned().map_or(own.to_string(), |last| format!("{last}, {own}"));
        for hop in 0..hops {
            appended = format!("{appended}, 10.0.0.{hop}");
        }
        let mut values = sent.clone();
        values.pop();
        values.push(appended);
        let fields: Vec<Field<'_>> = values.iter().map(|value| Field { name: "X-Forwarded-For", value: value.as_bytes() }).collect();
        let found = edge().client("10.0.0.9".parse().unwrap(), &head(&fields), false).unwrap();
        prop_assert_eq!(found.address, own);
    }

    /// The same for `Forwarded`; what the client leaves open is refused, never believed.
    #[test]
    fn nor_by_the_other_field(sent in "[a-z0-9=;,\" .:\\\\\\[\\]]{0,40}", own in any::<[u8; 4]>(), joined in any::<bool>()) {
        let own = IpAddr::from(own);
        prop_assume!(!edge().trusts(own));
        let added = format!("for={own};proto=http");
        let values = if joined { vec![format!("{sent}, {added}")] } else { vec![sent, added] };
        let fields: Vec<Field<'_>> = values.iter().map(|value| Field { name: "Forwarded", value: value.as_bytes() }).collect();
        match edge().client("10.0.0.9".parse().unwrap(), &head(&fields), false) {
            Ok(found) => prop_assert_eq!(found.address, own),
            Err(denial) => prop_assert_eq!(denial, Denial::Malformed("forwarded-syntax")),
        }
    }

    #[test]
    fn any_fields_are_read_without_panic(values in prop::collection::vec((0..4_usize, prop::collection::vec(any::<u8>(), 0..60)), 0..6)) {
        let names = ["X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Real-IP"];
        let fields: Vec<Field<'_>> = values.iter().map(|(name, value)| Field { name: names[*name], value }).collect();
        let head = head(&fields);
        if let Ok(client) = edge().client("10.0.0.9".parse().unwrap(), &head, false) {
            let mut out = Vec::new();
            write_forwarded(&client, &head, &mut out);
            prop_assert_eq!(out.split(|byte| *byte == b'\n').count(), 5);
        }
    }
}
