//! Names that the gateway gives: 128 bits, made so that those of one time stand together.

use std::fmt;
use std::str::FromStr;

/// The id of a user, a key, a session, a device: a version 7 UUID (RFC 9562), so that rows made one after
/// another stand side by side in an index. It is no secret: knowing one gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u128);

impl Id {
    /// A fresh id from the time in milliseconds since 1970 and 128 random bits, of which 74 are used.
    pub fn fresh(unix_ms: u64, random: u128) -> Self {
        let time = u128::from(unix_ms & 0xffff_ffff_ffff) << 80;
        let random = random & !(0xffff_ffff_ffff << 80) & !(0xf << 76) & !(0x3 << 62);
        Self(time | 0x7 << 76 | 0x2 << 62 | random)
    }

    /// The id that these octets are.
    pub fn from_octets(octets: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(octets))
    }

    /// The octets, in the order of a UUID.
    pub fn octets(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The last eight digits, for logs that must not carry what a whole id might be taken for.
    pub fn short(self) -> String {
        format!("{:08x}", self.0 as u32)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0;
        let (time_high, time_low) = ((id >> 96) as u32, (id >> 80) as u16);
        let (version, variant) = ((id >> 64) as u16, (id >> 48) as u16);
        let rest = id as u64 & 0xffff_ffff_ffff;
        write!(f, "{time_high:08x}-{time_low:04x}-{version:04x}-{variant:04x}-{rest:012x}")
    }
}

/// A text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: 32 hexadecimal digits in groups of 8-4-4-4-12")]
pub struct NotAnId;

impl FromStr for Id {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let bytes = text.as_bytes();
        let dashes = [8, 13, 18, 23];
        if bytes.len() != 36 {
            return Err(NotAnId);
        }
        let mut id = 0_u128;
        for (at, byte) in bytes.iter().enumerate() {
            if dashes.contains(&at) {
                if *byte != b'-' {
                    return Err(NotAnId);
                }
                continue;
            }
            let digit = char::from(*byte).to_digit(16).ok_or(NotAnId)?;
            id = id << 4 | u128::from(digit);
        }
        Ok(Self(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_id_is_a_version_7_uuid_and_reads_back() {
        let id = Id::fresh(0x0199_aabb_ccdd, u128::MAX);
        assert_eq!(id.to_string(), "0199aabb-ccdd-7fff-bfff-ffffffffffff");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(Id::from_octets(id.octets()), id);
        assert_eq!(id.short(), "ffffffff");
        assert!(Id::fresh(2, 0) > Id::fresh(1, u128::MAX), "the later one stands behind");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "0199aabb",
            "0199aabb-ccdd-7fff-bfff-fffffffffff",
            "0199aabbxccdd-7fff-bfff-ffffffffffff",
            "0199aabb-ccdd-7fff-bfff-fffffffffffg",
            "+199aabb-ccdd-7fff-bfff-ffffffffffff",
        ] {
            assert_eq!(text.parse::<Id>(), Err(NotAnId), "{text}");
        }
    }
}
