//! A `Cookie` field without one of its cookies.

/// Appends the cookies of a field value (RFC 6265 section 4.2.1) to `out`, but those named `withheld`. Appends
/// the value as it is where none has that name, and nothing where no other is left.
pub fn without(value: &[u8], withheld: &str, out: &mut Vec<u8>) {
    let is_withheld = |cookie: &[u8]| {
        let name = cookie.split(|byte| *byte == b'=').next().unwrap_or_default();
        name.trim_ascii() == withheld.as_bytes()
    };
    let cookies = || value.split(|byte| *byte == b';');
    if !cookies().any(is_withheld) {
        out.extend_from_slice(value);
        return;
    }
    for (index, cookie) in cookies().filter(|cookie| !is_withheld(cookie)).enumerate() {
        if index > 0 {
            out.extend_from_slice(b"; ");
        }
        out.extend_from_slice(cookie.trim_ascii());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withheld_cookie_is_taken_out_from_between_its_neighbours() {
        let left = |value: &str| {
            let mut out = Vec::new();
            without(value.as_bytes(), "__Host-session", &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(left("a=1; __Host-session=secret; b=2"), "a=1; b=2");
        assert_eq!(left("__Host-session=secret;b=2"), "b=2");
        assert_eq!(left("__Host-session=secret"), "");
        assert_eq!(left("a=1;  c=__Host-session=2"), "a=1;  c=__Host-session=2");
        assert_eq!(left("a=1; __Host-session=x; __Host-session=y"), "a=1");
    }
}
