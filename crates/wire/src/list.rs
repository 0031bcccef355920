//! Fields that are lists: `Connection: close, te`.

/// The elements of a comma-separated list, trimmed of blanks, without the empty ones (RFC 9110 section 5.6.1).
///
/// Not for fields whose elements may be quoted.
pub fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// Whether the list `value` has the element `token`, in any letter case.
pub fn lists(value: &[u8], token: &str) -> bool {
    tokens(value).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// `value` without the blanks (SP and HTAB, RFC 9110 section 5.6.3) around it.
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let Some(first) = value.iter().position(|byte| !blank(byte)) else { return b"" };
    let last = value.iter().rposition(|byte| !blank(byte)).unwrap_or(first);
    &value[first..=last]
}

/// Whether `byte` may stand in a token: a method, a field name, an element of `Connection`
/// (RFC 9110 section 5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// Whether all of `bytes` is one token.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

/// Whether `byte` may stand in a field value: blanks, visible characters and bytes over 0x7F
/// (RFC 9110 section 5.5).
pub(crate) const fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7F)
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_split_at_commas_and_trimmed() {
        let table: [(&[u8], &[&[u8]]); 6] = [
            (b"close", &[b"close"]),
            (b"keep-alive, Upgrade", &[b"keep-alive", b"Upgrade"]),
            (b" a ,\tb\t,c", &[b"a", b"b", b"c"]),
            (b",, a,,", &[b"a"]),
            (b"", &[]),
            (b" , \t", &[]),
        ];
        for (value, expected) in table {
            assert_eq!(tokens(value).collect::<Vec<_>>(), expected);
        }
        assert!(lists(b"keep-alive, Upgrade", "upgrade"));
        assert!(!lists(b"keep-alive, xupgrade", "upgrade"));
    }

    #[test]
    fn tokens_are_those_of_the_rfc() {
        assert_eq!((0..=255).filter(|byte| is_token_byte(*byte)).count(), 26 + 26 + 10 + 15);
        assert!(is_token(b"M-SEARCH") && is_token(b"x_y") && !is_token(b"") && !is_token(b"a b"));
        for byte in *b"\0\x1f \"(),/:;<=>?@[\\]{}\x7f\x80\xff" {
            assert!(!is_token_byte(byte), "{byte}");
        }
    }
}
