//! The values that pass between Rust and either database: whole numbers, text, bytes, yes and no.

use std::error::Error;
use std::fmt;

use bytes::BytesMut;
use portcullis_core::Id;
use portcullis_core::port::StoreError;
use rusqlite::types::{ToSqlOutput, ValueRef};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::Fault;

/// A value on its way in.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Null,
    Int(i64),
    Bool(bool),
    Text(&'a str),
    Bytes(&'a [u8]),
    Id([u8; 16]),
}

impl Value<'_> {
    /// Neither database may see a text that the other refuses: PostgreSQL takes no zero byte.
    pub(super) fn check(self) -> Result<(), Fault> {
        match self {
            Value::Text(text) if text.contains('\0') => {
                Err(StoreError::Broken("a text with a zero byte cannot be kept".to_owned()).into())
            }
            _ => Ok(()),
        }
    }
}

/// The kind only: a driver that logs its parameters learns nothing.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Value::Null => "null",
            Value::Int(_) => "a number",
            Value::Bool(_) => "a boolean",
            Value::Text(_) => "a text",
            Value::Bytes(_) => "bytes",
            Value::Id(_) => "an id",
        })
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<u32> for Value<'_> {
    fn from(value: u32) -> Self {
        Value::Int(i64::from(value))
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<Id> for Value<'_> {
    fn from(id: Id) -> Self {
        Value::Id(id.octets())
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Value::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Value::Bytes(bytes)
    }
}

impl<'a> From<&'a [u8; 32]> for Value<'a> {
    fn from(digest: &'a [u8; 32]) -> Self {
        Value::Bytes(digest)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(*number),
            Value::Bool(is) => ValueRef::Integer(i64::from(*is)),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
            Value::Id(octets) => ValueRef::Blob(octets),
        }))
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match (self, ty) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Int(number), &Type::INT8) => number.to_sql(ty, out),
            (Value::Bool(is), &Type::BOOL) => is.to_sql(ty, out),
            (Value::Text(text), &Type::TEXT) => text.to_sql(ty, out),
            (Value::Bytes(bytes), &Type::BYTEA) => bytes.to_sql(ty, out),
            (Value::Id(octets), &Type::BYTEA) => octets.as_slice().to_sql(ty, out),
            _ => Err(format!("{self:?} was given where the server expects {ty}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A value on its way out, borrowed from its row.
pub(super) enum Cell<'a> {
    Null,
    Int(i64),
    Bool(bool),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl<'a> FromSql<'a> for Cell<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(match *ty {
            Type::INT8 => Cell::Int(i64::from_sql(ty, raw)?),
            Type::BOOL => Cell::Bool(bool::from_sql(ty, raw)?),
            Type::BYTEA => Cell::Bytes(raw),
            _ => Cell::Text(std::str::from_utf8(raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Cell::Null)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::BOOL | Type::BYTEA | Type::TEXT | Type::NAME | Type::VARCHAR)
    }
}

/// One row of an answer; columns are counted from 0.
pub(crate) enum Row<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a tokio_postgres::Row),
}

impl Row<'_> {
    pub(crate) fn int(&self, at: usize) -> Result<i64, Fault> {
        self.maybe_int(at)?.ok_or_else(|| strange(at))
    }

    pub(crate) fn maybe_int(&self, at: usize) -> Result<Option<i64>, Fault> {
        match self.cell(at)? {
            Cell::Null => Ok(None),
            Cell::Int(number) => Ok(Some(number)),
            _ => Err(strange(at)),
        }
    }

    pub(crate) fn flag(&self, at: usize) -> Result<bool, Fault> {
        self.maybe_flag(at)?.ok_or_else(|| strange(at))
    }

    pub(crate) fn maybe_flag(&self, at: usize) -> Result<Option<bool>, Fault> {
        match self.cell(at)? {
            Cell::Null => Ok(None),
            Cell::Bool(is) => Ok(Some(is)),
            Cell::Int(number @ (0 | 1)) => Ok(Some(number == 1)),
            _ => Err(strange(at)),
        }
    }

    pub(crate) fn text(&self, at: usize) -> Result<&str, Fault> {
        self.maybe_text(at)?.ok_or_else(|| strange(at))
    }

    pub(crate) fn maybe_text(&self, at: usize) -> Result<Option<&str>, Fault> {
        match self.cell(at)? {
            Cell::Null => Ok(None),
            Cell::Text(text) => Ok(Some(text)),
            _ => Err(strange(at)),
        }
    }

    pub(crate) fn bytes(&self, at: usize) -> Result<&[u8], Fault> {
        self.maybe_bytes(at)?.ok_or_else(|| strange(at))
    }

    pub(crate) fn maybe_bytes(&self, at: usize) -> Result<Option<&[u8]>, Fault> {
        match self.cell(at)? {
            Cell::Null => Ok(None),
            Cell::Bytes(bytes) => Ok(Some(bytes)),
            _ => Err(strange(at)),
        }
    }

    pub(crate) fn digest(&self, at: usize) -> Result<[u8; 32], Fault> {
        self.bytes(at)?.try_into().map_err(|_| strange(at))
    }

    pub(crate) fn id(&self, at: usize) -> Result<Id, Fault> {
        self.maybe_id(at)?.ok_or_else(|| strange(at))
    }

    pub(crate) fn maybe_id(&self, at: usize) -> Result<Option<Id>, Fault> {
        let octets = self.maybe_bytes(at)?.map(<[u8; 16]>::try_from).transpose().map_err(|_| strange(at))?;
        Ok(octets.map(Id::from_octets))
    }

    fn cell(&self, at: usize) -> Result<Cell<'_>, Fault> {
        match self {
            Row::Sqlite(row) => match row.get_ref(at).map_err(|_| strange(at))? {
                ValueRef::Null => Ok(Cell::Null),
                ValueRef::Integer(number) => Ok(Cell::Int(number)),
                ValueRef::Text(text) => std::str::from_utf8(text).map(Cell::Text).map_err(|_| strange(at)),
                ValueRef::Blob(bytes) => Ok(Cell::Bytes(bytes)),
                ValueRef::Real(_) => Err(strange(at)),
            },
            Row::Postgres(row) => row.try_get(at).map_err(|_| strange(at)),
        }
    }
}

/// The value is not named: it may be a secret.
fn strange(column: usize) -> Fault {
    StoreError::Broken(format!("column {column} of an answer holds what this version never wrote")).into()
}
