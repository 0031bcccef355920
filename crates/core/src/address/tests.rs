//! The table against the registries, range by range, and against arithmetic.

use proptest::prelude::*;

use super::*;

fn kind(text: &str) -> Option<Kind> {
    special(text.parse().unwrap()).map(|special| special.kind)
}

/// Every range of the registries, by its first and its last address, and the neighbours that are public.
#[test]
fn every_range_of_the_registries_is_special_from_its_first_to_its_last_address() {
    let ranges = [
        ("0.0.0.0", "0.255.255.255", Kind::Unspecified),
        ("10.0.0.0", "10.255.255.255", Kind::PrivateNetwork),
        ("100.64.0.0", "100.127.255.255", Kind::Shared),
        ("127.0.0.0", "127.255.255.255", Kind::Loopback),
        ("169.254.0.0", "169.254.255.255", Kind::LinkLocal),
        ("172.16.0.0", "172.31.255.255", Kind::PrivateNetwork),
        ("192.0.0.0", "192.0.0.255", Kind::Protocol),
        ("192.0.0.8", "192.0.0.11", Kind::Protocol),
        ("192.0.0.170", "192.0.0.171", Kind::Protocol),
        ("192.0.2.0", "192.0.2.255", Kind::Documentation),
        ("192.31.196.0", "192.31.196.255", Kind::Protocol),
        ("192.52.193.0", "192.52.193.255", Kind::Protocol),
        ("192.88.99.0", "192.88.99.255", Kind::Translated),
        ("192.168.0.0", "192.168.255.255", Kind::SmallNetwork),
        ("192.175.48.0", "192.175.48.255", Kind::Protocol),
        ("198.18.0.0", "198.19.255.255", Kind::Benchmarking),
        ("198.51.100.0", "198.51.100.255", Kind::Documentation),
        ("203.0.113.0", "203.0.113.255", Kind::Documentation),
        ("224.0.0.0", "239.255.255.255", Kind::Multicast),
        ("240.0.0.0", "255.255.255.254", Kind::Reserved),
        ("255.255.255.255", "255.255.255.255", Kind::Broadcast),
        ("::", "::", Kind::Unspecified),
        ("::1", "::1", Kind::Loopback),
        ("::2", "::ffff:ffff", Kind::Translated),
        ("::ffff:10.0.0.0", "::ffff:10.255.255.255", Kind::PrivateNetwork),
        ("::ffff:127.0.0.1", "::ffff:127.255.255.255", Kind::Loopback),
        ("::ffff:0:0:0", "::ffff:0:ffff:ffff", Kind::Translated),
        ("64:ff9b::a00:0", "64:ff9b::aff:ffff", Kind::PrivateNetwork),
        ("64:ff9b::7f00:1", "64:ff9b::7fff:ffff", Kind::Loopback),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Kind::Translated),
        ("100::", "100::ffff:ffff:ffff:ffff", Kind::Protocol),
        ("100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", Kind::Protocol),
        ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", Kind::Translated),
        ("2001:1::1", "2001:1::3", Kind::Protocol),
        ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", Kind::Benchmarking),
        ("2001:3::", "2001:3:ffff:ffff:ffff:ffff:ffff:ffff", Kind::Protocol),
        ("2001:4:112::", "2001:4:112:ffff:ffff:ffff:ffff:ffff", Kind::Protocol),
        ("2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", Kind::Protocol),
        ("2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", Kind::Protocol),
        ("2001:30::", "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff", Kind::Protocol),
        ("2001:1ff::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Kind::Protocol),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Kind::Documentation),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Kind::Translated),
        ("2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", Kind::Protocol),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Kind::Documentation),
        ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Kind::Protocol),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Kind::PrivateNetwork),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Kind::LinkLocal),
        ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Kind::LinkLocal),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Kind::Multicast),
    ];
    for (first, last, expected) in ranges {
        assert_eq!((kind(first), kind(last)), (Some(expected), Some(expected)), "{first} to {last}");
    }
}

#[test]
fn the_neighbours_of_the_ranges_are_public() {
    let public = [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.31.195.255",
        "192.31.197.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "168.63.129.15",
        "168.63.129.17",
        "93.184.216.34",
        "8.8.8.8",
        "2001:200::",
        "2001:db7:ffff::",
        "2001:db9::",
        "2003::",
        "2000::",
        "2606:4700:4700::1111",
        "2620:4f:7fff::",
        "2620:4f:8001::",
        "3ffe::",
        "3fff:1000::",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ];
    for text in public {
        assert_eq!(kind(text), None, "{text}");
    }
}

#[test]
fn metadata_is_told_apart() {
    for text in [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
    ] {
        assert_eq!(kind(text), Some(Kind::Metadata), "{text}");
    }
}

#[test]
fn what_is_not_given_out_is_not_public() {
    for text in
        ["200::", "400::1", "1000::", "4000::", "6000::1", "8000::", "c000::", "e000::", "fe00::", "fe7f::1"]
    {
        assert_eq!(kind(text), Some(Kind::Reserved), "{text}");
    }
}

#[test]
fn a_narrower_range_stands_before_the_wider_one() {
    for (at, (first, length, ..)) in IPV4.iter().enumerate() {
        let bits = u32::from_be_bytes(*first);
        assert!(*length == 32 || bits << length == 0, "{first:?} has bits beyond /{length}");
        for (earlier, width, ..) in &IPV4[..at] {
            let holds = (bits ^ u32::from_be_bytes(*earlier)).leading_zeros() >= *width;
            assert!(!holds || length < width, "{first:?}/{length} is never reached");
        }
    }
    for (at, (first, length, ..)) in IPV6.iter().enumerate() {
        let bits = Ipv6Addr::from(*first).to_bits();
        assert!(*length == 128 || bits << length == 0, "{first:?} has bits beyond /{length}");
        for (earlier, width, ..) in &IPV6[..at] {
            let holds = (bits ^ Ipv6Addr::from(*earlier).to_bits()).leading_zeros() >= *width;
            // A wider range may begin where a narrower one does.
            assert!(!holds || length < width, "{first:?}/{length} is never reached");
        }
    }
}

proptest! {
    #[test]
    fn the_forms_that_stand_for_an_ipv4_address_are_judged_as_it(bits in any::<u32>()) {
        let plain = Ipv4Addr::from_bits(bits);
        let expected = special(plain.into());
        prop_assert_eq!(special(plain.to_ipv6_mapped().into()), expected);
        let nat64 = Ipv6Addr::from_bits((0x64_ff9b_u128 << 96) | u128::from(bits));
        prop_assert_eq!(special(nat64.into()), expected);
        prop_assert_eq!(meant(nat64.into()), IpAddr::V4(plain));
        prop_assert_eq!(meant(plain.to_ipv6_mapped().into()), IpAddr::V4(plain));
    }

    /// By a relay or a translator the wrapped address is reached, public or not: none of them is taken.
    #[test]
    fn the_forms_that_lead_elsewhere_are_never_public(bits in any::<u32>(), rest in any::<u128>()) {
        let inner = u128::from(bits);
        let forms = [
            inner,
            (0xffff << 32) << 16 | inner,
            0x2002 << 112 | inner << 80 | rest >> 48,
            0x2001_0000 << 96 | rest >> 32,
            0x64_ff9b_0001 << 80 | rest >> 48,
        ];
        for form in forms {
            prop_assert!(!is_public(Ipv6Addr::from_bits(form).into()), "{}", Ipv6Addr::from_bits(form));
        }
    }

    /// What the standard library knows to be special is special here.
    #[test]
    fn nothing_that_std_calls_special_is_public(bits in any::<u32>(), wide in any::<u128>()) {
        let v4 = Ipv4Addr::from_bits(bits);
        let known = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_broadcast()
            || v4.is_documentation() || v4.is_unspecified() || v4.is_multicast();
        prop_assert!(!(known && is_public(v4.into())), "{}", v4);
        let v6 = Ipv6Addr::from_bits(wide);
        let known = v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_multicast() || v6.is_loopback();
        prop_assert!(!(known && is_public(v6.into())), "{}", v6);
        prop_assert!(wide >> 125 == 1 || wide >> 32 == 0xffff || wide >> 32 == 0x64_ff9b << 64 || !is_public(v6.into()));
    }

    /// Ranges are decided by their bits alone: each of the table, drawn from inside.
    #[test]
    fn an_address_inside_a_range_is_not_public(at in 0..IPV4.len(), at6 in 0..IPV6.len(), bits in any::<u128>()) {
        let (first, length, ..) = IPV4[at];
        let host = u32::MAX.checked_shr(length).unwrap_or(0) & bits as u32;
        let inside = Ipv4Addr::from_bits(u32::from_be_bytes(first) | host);
        prop_assert!(!is_public(inside.into()), "{}", inside);
        let (first, length, ..) = IPV6[at6];
        let host = u128::MAX.checked_shr(length).unwrap_or(0) & bits;
        let inside = Ipv6Addr::from_bits(Ipv6Addr::from(first).to_bits() | host);
        prop_assert!(!is_public(inside.into()), "{}", inside);
    }
}
