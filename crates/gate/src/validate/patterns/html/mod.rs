//! Whether a text would run in a page that it is pasted into.
//!
//! A text is read in the places where pages paste: between tags, as the rest of an attribute that its first quote
//! ends, as the value of an attribute without quotes, as an address, and as the rest of a string of a script.

mod address;
mod script;

use super::Rule;
use address::{addresses, is_active, squeezed};
use script::scripts;

/// The rules that a text meets.
pub(super) fn inspect(text: &str, fire: &mut impl FnMut(Rule)) {
    let bytes = text.as_bytes();
    if memchr::memchr(b'<', bytes).is_some() {
        tags(text, fire);
    }
    // An attribute that acts has a name, `=` and a value.
    if memchr::memchr(b'=', bytes).is_some() {
        attributes(text, false, &mut |name, value| broken_out(name, value, fire));
        for quote in [b'"', b'\'', b'`'] {
            if let Some(at) = memchr::memchr(quote, bytes) {
                attributes(&text[at + 1..], true, &mut |name, value| broken_out(name, value, fire));
            }
        }
    }
    if memchr::memchr(b':', bytes).is_some() || memchr::memchr(b'&', bytes).is_some() {
        addresses(text, fire);
    }
    if bytes.iter().any(|byte| matches!(byte, b'(' | b'`' | b'=' | b'+')) {
        scripts(text, fire);
    }
}

/// Elements that act by being there.
const BARE: [&str; 3] = ["script", "iframe", "noscript"];
/// Elements that act with an attribute: without one they may be something else, as in `List<Object>`.
const WITH_ATTRIBUTE: [&str; 14] = [
    "object", "embed", "applet", "meta", "base", "link", "frame", "frameset", "layer", "ilayer", "bgsound",
    "style", "xml", "import",
];

fn tags(text: &str, fire: &mut impl FnMut(Rule)) {
    for at in memchr::memchr_iter(b'<', text.as_bytes()) {
        let rest = &text[at + 1..];
        match rest.as_bytes().first() {
            Some(b'!') => {
                let declared =
                    |word: &str| rest.get(1..=word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word));
                // What is declared stands at its front.
                let head = &rest.as_bytes()[..rest.len().min(512)];
                let head = &head[..memchr::memchr(b'>', head).unwrap_or(head.len())];
                if declared("entity") || declared("doctype") && head.contains(&b'[') {
                    fire(Rule::XmlEntity);
                }
            }
            Some(first) if first.is_ascii_alphabetic() => tag(rest, fire),
            _ => {}
        }
    }
}

/// One start tag, from its name on.
fn tag(text: &str, fire: &mut impl FnMut(Rule)) {
    let end = text
        .bytes()
        .take_while(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b'/' | b'>' | b'<'))
        .count();
    let Some(name) = text.get(..end) else { return };
    // `svg:script` is one too, and old parsers take no notice of zero bytes.
    let name = name.rsplit(':').next().unwrap_or(name).replace('\0', "");
    let is = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(&name));
    if is(&BARE) {
        fire(Rule::HtmlTag);
    }
    let mut any = false;
    attributes(&text[end..], true, &mut |attribute, value| {
        any |= !attribute.is_empty();
        judge(&name, attribute, value, fire);
    });
    if any && is(&WITH_ATTRIBUTE) || name.eq_ignore_ascii_case("style") && text[end..].starts_with('>') {
        fire(Rule::HtmlTag);
    }
}

/// Attributes that take an address.
const ADDRESSES: [&str; 18] = [
    "href",
    "src",
    "action",
    "formaction",
    "data",
    "xlink:href",
    "background",
    "poster",
    "dynsrc",
    "lowsrc",
    "from",
    "to",
    "values",
    "code",
    "codebase",
    "content",
    "manifest",
    "ping",
];

fn judge(tag: &str, name: &str, value: Option<&str>, fire: &mut impl FnMut(Rule)) {
    let Some(value) = value else { return };
    let name = name.replace('\0', "");
    if is_handler(&name) {
        fire(Rule::HtmlHandler);
    } else if name.eq_ignore_ascii_case("srcdoc") {
        fire(Rule::HtmlTag);
    } else if ADDRESSES.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
        let address = squeezed(value);
        // `content="0;url=javascript:…"`, `values="x;javascript:…"`.
        if address.split([';', '=']).any(is_active) || is_active(&address) {
            fire(Rule::HtmlAddress);
        }
    } else if name.eq_ignore_ascii_case("style") {
        let style = squeezed(value);
        if ["expression(", "javascript:", "-moz-binding", "behavior:", "@import"]
            .iter()
            .any(|act| style.contains(act))
        {
            fire(Rule::HtmlHandler);
        }
    } else if name.eq_ignore_ascii_case("attributename") && !tag.is_empty() {
        let named = squeezed(value);
        if is_handler(&named) || named.contains("href") {
            fire(Rule::HtmlHandler);
        }
    }
}

/// The same behind a quote that ended an attribute, where any text may follow: only what is known to act counts.
fn broken_out(name: &str, value: Option<&str>, fire: &mut impl FnMut(Rule)) {
    let Some(value) = value else { return };
    let name = name.trim_start_matches(['"', '\'', '`', '/']);
    if is_event(name) {
        let code = value.contains(['(', '`', '=', '&', '\\', '.', '[']);
        fire(if code { Rule::HtmlHandler } else { Rule::HtmlHint });
    } else if ["href", "src", "action", "formaction", "xlink:href", "srcdoc"]
        .iter()
        .any(|it| it.eq_ignore_ascii_case(name))
        && is_active(&squeezed(value))
    {
        fire(Rule::HtmlAddress);
    }
}

/// Whether an attribute of a tag is a handler: `on` and letters.
fn is_handler(name: &str) -> bool {
    name.len() > 4
        && name.get(..2).is_some_and(|it| it.eq_ignore_ascii_case("on"))
        && name.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// How the names of events begin, behind `on`: of all that browsers know.
const EVENTS: [&str; 66] = [
    "abort",
    "activate",
    "after",
    "animation",
    "auxclick",
    "before",
    "begin",
    "blur",
    "bounce",
    "canplay",
    "cell",
    "change",
    "click",
    "close",
    "contextmenu",
    "copy",
    "cuechange",
    "cut",
    "dataavailable",
    "dataset",
    "dblclick",
    "deactivate",
    "drag",
    "drop",
    "duration",
    "emptied",
    "ended",
    "error",
    "filter",
    "finish",
    "focus",
    "form",
    "fullscreen",
    "gesture",
    "hashchange",
    "help",
    "input",
    "invalid",
    "key",
    "languagechange",
    "layout",
    "load",
    "message",
    "mouse",
    "move",
    "page",
    "paste",
    "pause",
    "play",
    "pointer",
    "popstate",
    "progress",
    "property",
    "readystate",
    "repeat",
    "reset",
    "resize",
    "row",
    "scroll",
    "search",
    "seek",
    "select",
    "show",
    "start",
    "submit",
    "toggle",
];
const MORE_EVENTS: [&str; 14] = [
    "touch",
    "transition",
    "unhandled",
    "unload",
    "volume",
    "waiting",
    "wheel",
    "webkit",
    "offline",
    "online",
    "stop",
    "storage",
    "time",
    "end",
];

fn is_event(name: &str) -> bool {
    is_handler(name)
        && EVENTS
            .iter()
            .chain(&MORE_EVENTS)
            .any(|event| name.get(2..2 + event.len()).is_some_and(|it| it.eq_ignore_ascii_case(event)))
}

/// Hands on each attribute with its value, as HTML reads them; those of one tag where `tag` says so.
fn attributes(text: &str, tag: bool, each: &mut impl FnMut(&str, Option<&str>)) {
    let bytes = text.as_bytes();
    let blank = |byte: u8| byte.is_ascii_whitespace() || byte == b'\x0c' || byte == b'/' || byte == 0x0b;
    let mut at = 0;
    while at < bytes.len() {
        if blank(bytes[at]) {
            at += 1;
            continue;
        }
        // Another tag begins; it is read on its own.
        if matches!(bytes[at], b'>' | b'<') {
            if tag {
                return;
            }
            at += 1;
            continue;
        }
        let start = at;
        at += 1;
        while at < bytes.len() && !blank(bytes[at]) && !matches!(bytes[at], b'=' | b'>' | b'<') {
            at += 1;
        }
        let name = text.get(start..at).unwrap_or_default();
        let mut next = at;
        while next < bytes.len() && bytes[next].is_ascii_whitespace() {
            next += 1;
        }
        if bytes.get(next) != Some(&b'=') {
            each(name, None);
            continue;
        }
        next += 1;
        while next < bytes.len() && bytes[next].is_ascii_whitespace() {
            next += 1;
        }
        let value = if let Some(quote @ (b'"' | b'\'' | b'`')) = bytes.get(next) {
            let length = memchr::memchr(*quote, &bytes[next + 1..]).unwrap_or(bytes.len() - next - 1);
            at = (next + length + 2).min(bytes.len());
            text.get(next + 1..next + 1 + length)
        } else {
            let part = |byte: &&u8| !byte.is_ascii_whitespace() && !matches!(byte, b'>' | b'<');
            at = next + bytes[next..].iter().take_while(part).count();
            text.get(next..at)
        };
        each(name, Some(value.unwrap_or_default()));
    }
}
