//! A text as the words of SQL, in the dialects of `MySQL`, PostgreSQL, SQL Server, Oracle and SQLite at once: what is
//! a comment or a string in one of them is taken for one.

/// One word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A keyword that one of the rules asks for.
    Key(Key),
    /// Any other name, quoted or not.
    Name(&'t str),
    /// `@x`, `@@x`.
    Variable,
    Number,
    /// A string.
    Text(&'t str),
    /// A string that the text does not end.
    Unended(&'t str),
    /// A comment that takes the rest of the line or of the text away, and what it takes away.
    Comment(&'t str),
    /// `=`, `<`, `!=` and the like.
    Comparison,
    /// `+`, `-`, `%` and the like.
    Arithmetic,
    Star,
    Open,
    Close,
    Comma,
    Semicolon,
    Dot,
    /// A sign without a meaning, which stands between two words all the same.
    Other,
}

/// Keywords, as far as rules tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// `AND`, `OR`, `XOR`, `&&`, `||`.
    Logic,
    Not,
    /// `LIKE`, `IN`, `BETWEEN` and the like.
    Compare,
    /// `NULL`, `TRUE`, `FALSE`.
    Constant,
    Union,
    /// `ALL`, `DISTINCT`.
    All,
    Select,
    From,
    Where,
    Having,
    Order,
    Group,
    By,
    Into,
    Case,
    When,
    Values,
    Set,
    /// What begins a statement that changes something.
    Statement,
    /// What such a statement changes.
    Object,
}

/// In the order of their words.
const KEYS: [(&str, Key); 70] = [
    ("all", Key::All),
    ("alter", Key::Statement),
    ("and", Key::Logic),
    ("attach", Key::Statement),
    ("backup", Key::Statement),
    ("between", Key::Compare),
    ("by", Key::By),
    ("call", Key::Statement),
    ("case", Key::Case),
    ("column", Key::Object),
    ("copy", Key::Statement),
    ("create", Key::Statement),
    ("data", Key::Object),
    ("database", Key::Object),
    ("declare", Key::Statement),
    ("delete", Key::Statement),
    ("distinct", Key::All),
    ("distinctrow", Key::All),
    ("div", Key::Compare),
    ("drop", Key::Statement),
    ("except", Key::Union),
    ("exec", Key::Statement),
    ("execute", Key::Statement),
    ("false", Key::Constant),
    ("from", Key::From),
    ("function", Key::Object),
    ("glob", Key::Compare),
    ("grant", Key::Statement),
    ("group", Key::Group),
    ("having", Key::Having),
    ("ilike", Key::Compare),
    ("in", Key::Compare),
    ("index", Key::Object),
    ("insert", Key::Statement),
    ("intersect", Key::Union),
    ("into", Key::Into),
    ("is", Key::Compare),
    ("isnull", Key::Compare),
    ("like", Key::Compare),
    ("load", Key::Statement),
    ("login", Key::Object),
    ("merge", Key::Statement),
    ("minus", Key::Union),
    ("not", Key::Not),
    ("notnull", Key::Compare),
    ("null", Key::Constant),
    ("or", Key::Logic),
    ("order", Key::Order),
    ("procedure", Key::Object),
    ("regexp", Key::Compare),
    ("rename", Key::Statement),
    ("replace", Key::Statement),
    ("revoke", Key::Statement),
    ("rlike", Key::Compare),
    ("schema", Key::Object),
    ("select", Key::Select),
    ("set", Key::Set),
    ("shutdown", Key::Statement),
    ("similar", Key::Compare),
    ("table", Key::Object),
    ("trigger", Key::Object),
    ("true", Key::Constant),
    ("truncate", Key::Statement),
    ("union", Key::Union),
    ("update", Key::Statement),
    ("user", Key::Object),
    ("values", Key::Values),
    ("view", Key::Object),
    ("when", Key::When),
    ("where", Key::Where),
];

impl Key {
    /// The keyword that a word is.
    fn of(word: &str) -> Option<Self> {
        if word.len() > 11 {
            return if word == "distinctrow" { Some(Key::All) } else { None };
        }
        let mut small = [0; 11];
        let small = &mut small[..word.len()];
        small.copy_from_slice(word.as_bytes());
        small.make_ascii_lowercase();
        if small == b"xor" {
            return Some(Key::Logic);
        }
        let at = KEYS.binary_search_by(|(known, _)| known.as_bytes().cmp(small)).ok()?;
        Some(KEYS[at].1)
    }
}

/// The words of a text.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, tokens: Vec::new() };
    while reader.at < reader.bytes.len() {
        if let Some(token) = reader.next() {
            reader.tokens.push(token);
        }
    }
    reader.tokens
}

struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    tokens: Vec<Token<'t>>,
}

impl<'t> Reader<'t> {
    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    /// Takes bytes as far as `part` says, and gives what stood from `start` on. Cuts stand between ASCII
    /// characters only.
    fn take(&mut self, start: usize, part: impl Fn(u8) -> bool) -> &'t str {
        while self.bytes.get(self.at).is_some_and(|byte| part(*byte)) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn one(&mut self, token: Token<'t>) -> Token<'t> {
        self.at += 1;
        token
    }

    fn next(&mut self) -> Option<Token<'t>> {
        let start = self.at;
        match self.byte(0) {
            b'\'' | b'"' => Some(self.string(self.byte(0))),
            b'`' => Some(self.quoted(b'`')),
            b'[' if self.byte(1).is_ascii_alphabetic() => Some(self.quoted(b']')),
            b'-' if self.byte(1) == b'-' => Some(self.rest_of_line(2)),
            b'#' => Some(self.rest_of_line(1)),
            b'/' if self.byte(1) == b'*' => self.block(),
            b'*' if self.byte(1) == b'/' => {
                self.at += 2;
                None
            }
            b'0'..=b'9' => Some(self.number()),
            b'.' if self.byte(1).is_ascii_digit() && !self.follows_name() => Some(self.number()),
            b'@' => {
                self.take(start, |byte| byte == b'@');
                self.take(start, is_name);
                Some(Token::Variable)
            }
            b'|' if self.byte(1) == b'|' => {
                self.at += 1;
                Some(self.one(Token::Key(Key::Logic)))
            }
            b'&' if self.byte(1) == b'&' => {
                self.at += 1;
                Some(self.one(Token::Key(Key::Logic)))
            }
            b'!' if self.byte(1) != b'=' => Some(self.one(Token::Key(Key::Not))),
            b'=' | b'<' | b'>' | b'!' | b'~' => {
                self.take(start, |byte| matches!(byte, b'=' | b'<' | b'>' | b'!' | b'~' | b'*'));
                Some(Token::Comparison)
            }
            b'+' | b'-' | b'/' | b'%' | b'^' | b'|' | b'&' => Some(self.one(Token::Arithmetic)),
            b'*' => Some(self.one(Token::Star)),
            b'(' => Some(self.one(Token::Open)),
            b')' => Some(self.one(Token::Close)),
            b',' => Some(self.one(Token::Comma)),
            b';' => Some(self.one(Token::Semicolon)),
            b'.' => Some(self.one(Token::Dot)),
            b':' if self.byte(1) == b':' => {
                // A cast of PostgreSQL.
                self.at += 2;
                self.take(start, is_name);
                None
            }
            b']' | b':' | b'?' => Some(self.one(Token::Other)),
            byte if is_name(byte) => Some(self.word()),
            // Blanks of every dialect, the one without a break (U+00A0) among them.
            _ => {
                self.at += 1;
                None
            }
        }
    }

    fn follows_name(&self) -> bool {
        matches!(self.tokens.last(), Some(Token::Name(_))) && self.at > 0 && is_name(self.bytes[self.at - 1])
    }

    /// A string; a doubled quote and one behind a backslash do not end it.
    fn string(&mut self, quote: u8) -> Token<'t> {
        self.at += 1;
        let start = self.at;
        while self.at < self.bytes.len() {
            match self.byte(0) {
                b'\\' => self.at += 2,
                byte if byte == quote && self.byte(1) == quote => self.at += 2,
                byte if byte == quote => {
                    let inside = self.text.get(start..self.at).unwrap_or_default();
                    self.at += 1;
                    return Token::Text(inside);
                }
                _ => self.at += 1,
            }
        }
        self.at = self.bytes.len();
        Token::Unended(self.text.get(start..).unwrap_or_default())
    }

    fn quoted(&mut self, end: u8) -> Token<'t> {
        self.at += 1;
        let start = self.at;
        let name = self.take(start, |byte| byte != end);
        self.at = (self.at + 1).min(self.bytes.len());
        Token::Name(name)
    }

    fn rest_of_line(&mut self, mark: usize) -> Token<'t> {
        self.at += mark;
        let start = self.at;
        Token::Comment(self.take(start, |byte| byte != b'\n'))
    }

    /// A comment between words is a blank, unless nothing ends it. What `MySQL` runs (`/*!50000 …*/`) is no comment.
    fn block(&mut self) -> Option<Token<'t>> {
        self.at += 2;
        if self.byte(0) == b'!' {
            self.at += 1;
            self.take(self.at, |byte| byte.is_ascii_digit());
            return None;
        }
        if let Some(length) = memchr::memmem::find(&self.bytes[self.at..], b"*/") {
            self.at += length + 2;
            return None;
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at = self.bytes.len();
        Some(Token::Comment(rest))
    }

    /// `1`, `.5`, `1e3`, `0xfe`, `0b1`. What goes on with letters is a name: `3rd`; `1or` is a number and a word.
    fn number(&mut self) -> Token<'t> {
        let start = self.at;
        if self.byte(0) == b'0' && matches!(self.byte(1), b'x' | b'X' | b'b' | b'B') {
            self.at += 2;
            self.take(start, |byte| byte.is_ascii_hexdigit());
            return Token::Number;
        }
        self.take(start, |byte| byte.is_ascii_digit() || byte == b'.');
        if matches!(self.byte(0), b'e' | b'E')
            && (self.byte(1).is_ascii_digit()
                || matches!(self.byte(1), b'+' | b'-') && self.byte(2).is_ascii_digit())
        {
            self.at += 2;
            self.take(start, |byte| byte.is_ascii_digit());
        }
        let letters = self.bytes[self.at..].iter().take_while(|byte| is_name(**byte)).count();
        let word = self.text.get(self.at..self.at + letters).unwrap_or_default();
        if letters == 0 || Key::of(word).is_some() {
            return Token::Number;
        }
        self.at += letters;
        Token::Name(self.text.get(start..self.at).unwrap_or_default())
    }

    fn word(&mut self) -> Token<'t> {
        let start = self.at;
        let word = self.take(start, is_name);
        // `N'…'`, `x'…'`, `e'…'`: a string with a prefix.
        if word.len() == 1 && self.byte(0) == b'\'' && b"nNxXbBeEuU".contains(&word.as_bytes()[0]) {
            return self.string(b'\'');
        }
        Key::of(word).map_or(Token::Name(word), Token::Key)
    }
}

/// Whether a byte stands in a name; bytes beyond ASCII do.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'_' | b'$')
        || byte >= 0x80 && byte != 0xa0 && byte != 0xc2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Token::{
        Arithmetic, Close, Comma, Comment, Comparison, Name, Number, Open, Star, Text, Unended, Variable,
    };
    use super::*;

    #[test]
    fn keywords_are_found_in_any_letter_case() {
        for (word, key) in [
            ("SELECT", Key::Select),
            ("uNiOn", Key::Union),
            ("xor", Key::Logic),
            ("alter", Key::Statement),
            ("where", Key::Where),
            ("all", Key::All),
            ("distinctrow", Key::All),
        ] {
            assert_eq!(Key::of(word), Some(key), "{word}");
        }
        assert!(KEYS.is_sorted_by_key(|(word, _)| *word), "they are searched by halves");
        for word in ["selects", "a", "", "wherever", "distinctrows", "ünion"] {
            assert_eq!(Key::of(word), None, "{word}");
        }
    }

    #[test]
    fn words_of_every_dialect_are_told_apart() {
        let logic = Token::Key(Key::Logic);
        for (text, expected) in [
            ("1 or 1=1", vec![Number, logic, Number, Comparison, Number]),
            ("1or'a'like'a", vec![Number, logic, Text("a"), Token::Key(Key::Compare), Unended("a")]),
            ("a''b", vec![Name("a"), Text(""), Name("b")]),
            ("'a''b\\'c' x", vec![Text("a''b\\'c"), Name("x")]),
            (
                "x/**/or/*!50000union*/[a b]`c`",
                vec![Name("x"), logic, Token::Key(Key::Union), Name("a b"), Name("c")],
            ),
            ("1 -- x\n2#y", vec![Number, Comment(" x"), Number, Comment("y")]),
            ("1/*x", vec![Number, Comment("x")]),
            (
                "f(@@version,0x41,1e3,.5)",
                vec![Name("f"), Open, Variable, Comma, Number, Comma, Number, Comma, Number, Close],
            ),
            ("a||b&&c<=>d", vec![Name("a"), logic, Name("b"), logic, Name("c"), Comparison, Name("d")]),
            (
                "3rd n'x' count(*)%2",
                vec![Name("3rd"), Text("x"), Name("count"), Open, Star, Close, Arithmetic, Number],
            ),
            ("1::int ]:x", vec![Number, Token::Other, Token::Other, Name("x")]),
            ("größe\u{a0}=1", vec![Name("größe"), Comparison, Number]),
        ] {
            assert_eq!(tokens(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in any::<String>()) {
            prop_assert!(tokens(&text).len() <= text.len());
        }

        #[test]
        fn whatever_is_quoted_and_cut(text in r#"['"`\\\[\]/*#@ a0.éx\-\n]{0,40}"#) {
            tokens(&text);
        }
    }
}
