//! The forms of text that these endpoints take and give.

use portcullis_core::Id;
use portcullis_core::route::Pattern;

use crate::api::shape::Form;

/// No control characters: the gate's reader refuses them in every text.
const PLAIN: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$";

/// The name of a user that is to be made, as the accounts judge it too.
pub static USER_NAME: Form = Form {
    is: "a user name: a letter or digit, then letters, digits, `.`, `_`, `-` or `@`",
    length: (3, 64),
    pattern: "^[A-Za-z0-9][A-Za-z0-9._@-]*$",
    format: "",
    fits: |text| {
        text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte))
    },
};

/// The name that somebody gives for its own, or the id of a user.
pub static ANY_NAME: Form = plain("a name", 1, 254);

/// An e-mail address, as the accounts judge it too (RFC 5321 sections 4.1.2 and 4.5.3.1, without quoted local
/// parts and address literals).
pub static EMAIL: Form = Form {
    is: "an e-mail address",
    length: (5, 254),
    pattern: "^(?=[^@]{1,64}@)[!#-'*+/-9=?A-Z^-~-]+(\\.[!#-'*+/-9=?A-Z^-~-]+)*@\
        ([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]$",
    format: "",
    fits: is_email,
};

/// A password.
pub static PASSWORD: Form = plain("a password", 1, 1024);

/// The name of a role.
pub static ROLE: Form = Form {
    is: "the name of a role: small letters, digits, `_` or `-`",
    length: (1, 64),
    pattern: "^[a-z][a-z0-9_-]*$",
    format: "",
    fits: |text| {
        text.starts_with(|first: char| first.is_ascii_lowercase())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
    },
};

/// What somebody calls a key or a device: something that can be seen.
pub static LABEL: Form = Form {
    is: "a name that begins with something other than a blank",
    length: (1, 100),
    pattern: "^[^\\s\\ufeff\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$",
    format: "",
    fits: |text| {
        let blank = |first: char| first.is_whitespace() || first == '\u{feff}';
        !text.starts_with(blank) && !text.chars().any(char::is_control)
    },
};

/// A code of the second factor: six digits, or a recovery code.
pub static CODE: Form = plain("a code", 6, 32);

/// A token or a key.
pub static TOKEN: Form = Form {
    is: "a token",
    length: (1, 8192),
    pattern: "^[!-~]*$",
    format: "",
    fits: |text| text.bytes().all(|byte| byte.is_ascii_graphic()),
};

/// An id.
pub static ID: Form = Form {
    is: "an id",
    length: (36, 36),
    pattern: "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
    format: "uuid",
    fits: |text| text.parse::<Id>().is_ok(),
};

/// A pattern of routes, of the kind that needs no escapes: methods, no two the same, and a path, no two of whose
/// parameters have one name.
pub static SCOPE: Form = Form {
    is: "a scope: `METHOD PATH`, or a path for all methods",
    length: (1, 256),
    pattern: "^(?!([A-Z]+,)*([A-Z]+),([A-Z]+,)*\\2[, ])(?!.*\\{\\*?([^}]*)\\}.*\\{\\*?\\4\\})\
        ((WS|(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)(,(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS))*) )?\
        (/|/\\{\\*[A-Za-z0-9_-]+\\}|\
        (/(\\.?[A-Za-z0-9_~@$!&'()+=-][A-Za-z0-9._~@$!&'()+=:-]*|\\{[A-Za-z0-9_-]+\\}))+\
        (/?|/\\{\\*[A-Za-z0-9_-]+\\}))$",
    format: "",
    fits: is_scope,
};

/// The name of a path parameter, and a value that it is bound to.
pub static BINDING: Form = Form {
    is: "the name or the value of a path parameter",
    length: (1, 64),
    pattern: "^[A-Za-z0-9._-]*$",
    format: "",
    fits: |text| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)),
};

/// The name of an event.
pub static EVENT: Form = Form {
    is: "the name of an event: small letters and `_`",
    length: (1, 64),
    pattern: "^[a-z_]*$",
    format: "",
    fits: |text| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
};

/// Text of ours.
pub static TEXT: Form = plain("text", 0, 4096);

const fn plain(is: &'static str, least: usize, most: usize) -> Form {
    let fits = |text: &str| !text.chars().any(char::is_control);
    Form { is, length: (least, most), pattern: PLAIN, format: "", fits }
}

fn is_email(text: &str) -> bool {
    let atom = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"(),.:;<>@[\\]".contains(&byte);
        !part.is_empty() && part.bytes().all(plain)
    };
    let label = |part: &str| {
        (1..=63).contains(&part.len())
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let Some((local, domain)) = text.split_once('@') else { return false };
    let Some((_, last)) = domain.rsplit_once('.') else { return false };
    local.len() <= 64
        && local.split('.').all(atom)
        && domain.split('.').all(label)
        && last.len() >= 2
        && last.starts_with(|first: char| first.is_ascii_alphabetic())
}

fn is_scope(text: &str) -> bool {
    let (methods, path) = text.split_once(' ').unwrap_or(("", text));
    let known = ["WS", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._~@$!&'()+=:{}*/-".contains(&byte);
    (methods.is_empty() && path.len() == text.len()
        || methods.split(',').all(|method| known.contains(&method)))
        && path.bytes().all(plain)
        && path.split('/').all(|segment| {
            !segment.starts_with("..") && (!segment.contains('*') || segment.starts_with("{*"))
        })
        && text.parse::<Pattern>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [&Form; 13] = [
        &EVENT, &USER_NAME, &ANY_NAME, &EMAIL, &PASSWORD, &ROLE, &LABEL, &CODE, &TOKEN, &ID, &SCOPE,
        &BINDING, &TEXT,
    ];

    /// The expression in the syntax of the generator, which cannot look ahead: what that refuses is left out.
    fn generator(form: &'static Form) -> impl Strategy<Value = String> {
        let mut pattern = form.pattern.to_owned();
        while let Some(begin) = pattern.find("(?") {
            let mut depth = 0;
            let end = pattern[begin..].find(|bracket| {
                depth += i32::from(bracket == '(') - i32::from(bracket == ')');
                depth == 0
            });
            pattern.replace_range(begin..=begin + end.unwrap(), "");
        }
        let text =
            proptest::string::string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap();
        text.prop_filter("what looking ahead refuses", |text| {
            let repeats =
                |words: Vec<&str>| words.iter().enumerate().any(|(at, word)| words[..at].contains(word));
            let methods =
                text.split_once(' ').map_or(Vec::new(), |(methods, _)| methods.split(',').collect());
            let names = text.split('{').skip(1).filter_map(|rest| rest.split('}').next());
            let names = names.map(|name| name.trim_start_matches('*')).collect();
            text.find('@').is_none_or(|at| at <= 64) && !repeats(methods) && !repeats(names)
        })
    }

    proptest! {
        #[test]
        fn what_the_document_shows_is_taken(
            texts in Vec::from(ALL.map(generator))
        ) {
            for (form, text) in ALL.into_iter().zip(texts) {
                prop_assert!((form.fits)(&text), "{} is not {}", text, form.is);
            }
        }
    }

    #[test]
    fn what_is_not_of_a_form_is_refused() {
        for address in [
            "a@b", "@b.co", "a@.co", "a@b..co", "a@-b.co", "a b@c.co", "a@b.c", "ä@b.co", "a.@b.co", "a@b.1x",
        ] {
            assert!(!(EMAIL.fits)(address), "{address}");
        }
        for address in ["user@example.com", "a.b+c_d-e@mail.example.co", "A@X-Y.DE", "o'neil=x@a.xn--p1ai"] {
            assert!((EMAIL.fits)(address), "{address}");
        }
        for name in ["", "-ab", ".ab", "a bc", "äbc", "a/b"] {
            assert!(!(USER_NAME.fits)(name), "{name}");
        }
        for scope in [
            "",
            "GET",
            "get /a",
            "GET  /a",
            "GET /a b",
            "GET a",
            "GET,/a",
            "/a//b",
            "/a?b",
            "GET /a,b",
            "GET,GET /a",
            "/{a}/{a}",
            "PURGE /a",
            "/..",
            " /a",
        ] {
            assert!(!(SCOPE.fits)(scope), "{scope}");
        }
        for scope in ["/", "GET /a", "GET,POST /a/{id}/", "WS /ws/{*rest}"] {
            assert!((SCOPE.fits)(scope), "{scope}");
        }
        assert!(!(LABEL.fits)(" a") && !(LABEL.fits)("\u{2003}") && (LABEL.fits)("ä b"));
        assert!(!(ROLE.fits)("Admin") && !(ROLE.fits)("1a") && (ROLE.fits)("read_only"));
        assert!(!(PASSWORD.fits)("a\u{7f}b") && !(TOKEN.fits)("a b") && !(ID.fits)("1"));
    }
}
