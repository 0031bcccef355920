//! A JSON object in which no name stands twice. A parser that takes the last of two, and one that takes the
//! first, read two tokens in one.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

/// The members of an object, with different names each.
pub(super) struct Members(Map<String, Value>);

impl Members {
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Once;

        impl<'de> Visitor<'de> for Once {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut from: M) -> Result<Members, M::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = from.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(M::Error::custom("a name stands twice"));
                    }
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Once)
    }
}
