//! Every string of a JSON body with its place, and every name of a field.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::super::invalid::shown;

/// Hands on each string with its JSON Pointer, as far as the body is JSON.
pub(super) fn strings(body: &[u8], each: &mut dyn FnMut(&str, &str)) {
    let mut reader = serde_json::Deserializer::from_slice(body);
    // What is no JSON was refused where that counts.
    let _ = Value { each, pointer: &mut String::new() }.deserialize(&mut reader);
}

struct Value<'v> {
    each: &'v mut dyn FnMut(&str, &str),
    pointer: &'v mut String,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        (self.each)(self.pointer, text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            let back = self.pointer.len();
            self.pointer.push('/');
            self.pointer.push_str(&index.to_string());
            let next = items.next_element_seed(Value { each: self.each, pointer: self.pointer })?;
            self.pointer.truncate(back);
            if next.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(name) = entries.next_key::<String>()? {
            let back = self.pointer.len();
            self.pointer.push('/');
            self.pointer.push_str(&shown(&name).replace('~', "~0").replace('/', "~1"));
            (self.each)(self.pointer, &name);
            entries.next_value_seed(Value { each: self.each, pointer: self.pointer })?;
            self.pointer.truncate(back);
        }
        Ok(())
    }
}
