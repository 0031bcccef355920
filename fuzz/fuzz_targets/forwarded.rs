//! Whatever stands in the fields about hops: a client's own words never name it, and what is sent on is four
//! lines of what was verified.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_core::{Denial, Field, Head, Upgrade};
use portcullis_gate::edge::{Config, Edge, spoofable, write_forwarded};

fuzz_target!(|input: (Vec<(u8, &[u8])>, [u8; 4], bool)| {
    let (lines, own, secure) = input;
    let names = ["X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Real-IP", "x-forwarded-for"];
    assert!(names.into_iter().all(spoofable));
    let edge = Edge::new(Config { trusted_proxies: vec!["10.0.0.0/8".parse().expect("a net")] });
    let mut fields: Vec<Field<'_>> =
        lines.iter().map(|(name, value)| Field { name: names[usize::from(*name) % names.len()], value }).collect();
    let judge = |peer: [u8; 4], fields: &[Field<'_>]| -> Result<_, Denial> {
        let head = Head { method: "GET", path: "/", query: None, authority: "host", secure, upgrade: Upgrade::None, fields };
        let client = edge.client(peer.into(), &head, secure)?;
        let mut out = Vec::new();
        write_forwarded(&client, &head, &mut out);
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 4);
        Ok(client.address)
    };
    assert_eq!(judge([192, 0, 2, 1], &fields), Ok([192, 0, 2, 1].into()));
    let _ = judge([10, 0, 0, 1], &fields);
    // A proxy that writes one field and takes the other off.
    if own[0] != 10 {
        let appended = std::net::IpAddr::from(own).to_string();
        fields.retain(|field| !field.name.eq_ignore_ascii_case("forwarded"));
        fields.push(Field { name: "X-Forwarded-For", value: appended.as_bytes() });
        assert_eq!(judge([10, 0, 0, 1], &fields), Ok(own.into()));
    }
});
