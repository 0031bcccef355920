//! JSON bodies under rules: what passes is JSON to another parser too, and what is cleaned is the same object but for
//! the strings that were to be cleaned.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portcullis_gate::validate::{Body, Cleaning, Config, Fields, Kind, Object, Rule};
use serde_json::Value;

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let cleaned = |cleaning| Rule { kind: Kind::String, cleaning: Some(cleaning), ..Rule::default() };
    let inner = Fields::closed([("f", cleaned(Cleaning::Filename))]);
    let nested = Rule { kind: Kind::Object, fields: Some(inner), ..Rule::default() };
    let fields = Fields::closed([("a", cleaned(Cleaning::Trim)), ("b", cleaned(Cleaning::Text)), ("n", nested)]);
    let object = Object { fields: Some(Fields { open: true, ..fields }), ..Object::default() };
    Config { body: Some(Body { json: Some(object), ..Body::default() }), ..Config::default() }
});

fn clean(object: &mut Value, name: &str, cleaning: Cleaning) {
    if let Some(Value::String(text)) = object.get_mut(name) {
        *text = cleaning.apply(text).into_owned();
    }
}

fuzz_target!(|body: &[u8]| {
    if CONFIG.judge_body(body).is_err() || body.is_empty() {
        // Nothing that is refused is rewritten, but it must not break the scanner either.
        let _ = CONFIG.clean_body(body);
        return;
    }
    let mut sent: Value = serde_json::from_slice(body).expect("it passed");
    clean(&mut sent, "a", Cleaning::Trim);
    clean(&mut sent, "b", Cleaning::Text);
    if let Some(inner) = sent.get_mut("n") {
        clean(inner, "f", Cleaning::Filename);
    }
    let written = CONFIG.clean_body(body);
    let kept: Value = serde_json::from_slice(written.as_deref().unwrap_or(body)).expect("it stays JSON");
    assert_eq!(kept, sent);
    assert!(CONFIG.clean_body(written.as_deref().unwrap_or(body)).is_none() || written.is_some());
});
