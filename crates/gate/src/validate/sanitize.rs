//! How a text is cleaned before the application sees it.
//!
//! The rules are those that applications write for themselves: blanks around a text, text that is shown in a page,
//! names of files. They come after each other so that none undoes the work of another: what is taken out is taken
//! out until nothing of it is left, and only then is what remains escaped.

use std::borrow::Cow;

/// A way to clean a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleaning {
    /// Takes off blanks at both ends.
    Trim,
    /// For text that is shown: at most 1000 characters, no control characters, no `<script>…</script>`, no
    /// `javascript:`, the rest escaped for HTML, no blanks at the ends.
    Text,
    /// For the name of a file: none of `< > : " / \ | ? *`, no `..`, no control characters, at most 255 bytes.
    Filename,
}

/// A word that names no way to clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a way to clean is trim, text or filename")]
pub struct UnknownCleaning;

/// The longest text that [`Cleaning::Text`] leaves, in characters before they are escaped.
const LONGEST_TEXT: usize = 1000;
/// The longest name of a file on the file systems that are used (Linux, macOS, Windows), in bytes.
const LONGEST_NAME: usize = 255;

impl Cleaning {
    /// Every way with its name.
    pub const ALL: [(&'static str, Cleaning); 3] =
        [("trim", Cleaning::Trim), ("text", Cleaning::Text), ("filename", Cleaning::Filename)];

    /// The text as it goes on.
    pub fn apply(self, text: &str) -> Cow<'_, str> {
        match self {
            Cleaning::Trim => Cow::Borrowed(text.trim()),
            Cleaning::Text => clean_text(text),
            Cleaning::Filename => clean_filename(text),
        }
    }
}

impl std::str::FromStr for Cleaning {
    type Err = UnknownCleaning;

    fn from_str(name: &str) -> Result<Self, UnknownCleaning> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, it)| it).ok_or(UnknownCleaning)
    }
}

fn clean_text(text: &str) -> Cow<'_, str> {
    let end = text.char_indices().nth(LONGEST_TEXT).map_or(text.len(), |(at, _)| at);
    let mut kept: String = text[..end].chars().filter(|it| !is_control(*it)).collect();
    // What a removal brings together may be what was to be removed: `<scr<script></script>ipt>`.
    while let Some(shorter) = without_script(&kept).or_else(|| without(&kept, "javascript:")) {
        kept = shorter;
    }
    let kept = kept.trim();
    let mut out = String::with_capacity(kept.len());
    for character in kept.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            other => out.push(other),
        }
    }
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

/// The control characters that no text holds: lines and tabs stay.
fn is_control(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n' | '\r')
}

/// The text without each element `script`, with what stands in it; nothing where there is none.
fn without_script(text: &str) -> Option<String> {
    let folded = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(open) = folded[from..].find("<script").map(|at| from + at) {
        let Some(close) = folded[open..].find("</script>").map(|at| open + at) else { break };
        out.push_str(&text[from..open]);
        from = close + "</script>".len();
    }
    (from > 0).then(|| out + &text[from..])
}

/// The text without a word in any letter case; nothing where it does not hold it.
fn without(text: &str, word: &str) -> Option<String> {
    let folded = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(at) = folded[from..].find(word).map(|at| from + at) {
        out.push_str(&text[from..at]);
        from = at + word.len();
    }
    (from > 0).then(|| out + &text[from..])
}

fn clean_filename(name: &str) -> Cow<'_, str> {
    let taken =
        |it: &char| it.is_control() || matches!(it, '<' | '>' | ':' | '"' | '/' | '\\' | '|' | '?' | '*');
    let kept: String = name.chars().filter(|it| !taken(it)).collect();
    let mut kept = kept.replace("..", "");
    let mut end = kept.len().min(LONGEST_NAME);
    while !kept.is_char_boundary(end) {
        end -= 1;
    }
    kept.truncate(end);
    if kept == name { Cow::Borrowed(name) } else { Cow::Owned(kept) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ways_have_names() {
        for (name, cleaning) in Cleaning::ALL {
            assert_eq!(name.parse(), Ok(cleaning));
        }
        assert_eq!("html".parse::<Cleaning>(), Err(UnknownCleaning));
    }

    #[test]
    fn text_that_is_shown_cannot_act() {
        for (sent, kept) in [
            ("", ""),
            ("rainy walk", "rainy walk"),
            ("  two\tlines\n and more ", "two\tlines\n and more"),
            ("a\u{0}b\u{8}c\u{b}d\u{c}e\u{e}f\u{1f}g\u{7f}h\u{85}i", "abcdefghi"),
            ("Tom & \"Jerry\" <3 'x'", "Tom &amp; &quot;Jerry&quot; &lt;3 &#x27;x&#x27;"),
            ("a<script>alert(1)</script>b", "ab"),
            ("a<SCRIPT src=x>\n</ScRiPt>b<script></script>c", "abc"),
            ("a<scr<script></script>ipt>x</script>b", "ab"),
            ("<script>never closed", "&lt;script&gt;never closed"),
            ("JaVaScRiPt:alert(1)", "alert(1)"),
            ("javajavascript:script:x", "x"),
            ("java\u{0}script:x", "x"),
            ("<b>bold</b>", "&lt;b&gt;bold&lt;/b&gt;"),
        ] {
            assert_eq!(Cleaning::Text.apply(sent), kept, "{sent:?}");
        }
        let long = "ä".repeat(1001);
        assert_eq!(Cleaning::Text.apply(&long).chars().count(), 1000);
    }

    #[test]
    fn a_name_of_a_file_leads_nowhere_else() {
        for (sent, kept) in [
            ("mix.m3u", "mix.m3u"),
            ("../../etc/passwd", "etcpasswd"),
            ("..\\..\\boot.ini", "boot.ini"),
            ("....//x", "x"),
            (".|.x", "x"),
            (".\u{0}./x", "x"),
            ("a<b>c:d\"e/f\\g|h?i*j", "abcdefghij"),
            ("a...b", "a.b"),
            ("", ""),
        ] {
            assert_eq!(Cleaning::Filename.apply(sent), kept, "{sent:?}");
        }
        assert_eq!(Cleaning::Filename.apply(&"x".repeat(300)).len(), 255);
        assert_eq!(Cleaning::Filename.apply(&"ä".repeat(300)).len(), 254);
    }

    proptest! {
        #[test]
        fn nothing_is_left_that_was_to_go(text in r#"(<script>?|</script>|javascript:|java|script:|[<>"'&\x00-\x1fä. /]|\.\.){0,30}"#) {
            let kept = Cleaning::Text.apply(&text);
            prop_assert!(!kept.contains(['<', '>', '"', '\'']));
            prop_assert!(!kept.to_ascii_lowercase().contains("javascript:"));
            prop_assert!(!kept.chars().any(is_control));
            prop_assert_eq!(kept.trim(), &*kept);
            let name = Cleaning::Filename.apply(&text);
            prop_assert!(!name.contains("..") && !name.contains(['/', '\\']) && name.len() <= 255);
            // A clean name stays as it is.
            prop_assert_eq!(Cleaning::Filename.apply(&name), name.clone());
        }
    }
}
