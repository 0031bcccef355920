//! Trailer lines: read like fields of a head, and refused where only a head may say it.

use crate::error::BodyError;
use crate::known::Known;
use crate::scan::{self, Syntax};

/// The length of the trailer line that `bytes` begin with, CRLF included. `None`: more bytes are needed.
pub(crate) fn line(bytes: &[u8]) -> Result<Option<usize>, BodyError> {
    let Some(line) = scan::field(bytes)? else { return Ok(None) };
    if Known::of(line.name).may_be_trailer() && Known::behind_underscores(line.name).may_be_trailer() {
        Ok(Some(line.len))
    } else {
        Err(BodyError::ForbiddenTrailer)
    }
}

impl From<Syntax> for BodyError {
    fn from(syntax: Syntax) -> BodyError {
        match syntax {
            Syntax::BareLf => BodyError::BareLf,
            Syntax::BareCr => BodyError::BareCr,
            Syntax::ControlInValue => BodyError::ControlInTrailer,
            Syntax::BlankBeforeFirstField
            | Syntax::ObsFold
            | Syntax::BlankBeforeColon
            | Syntax::InvalidFieldName
            | Syntax::TooManyFields => BodyError::InvalidTrailer,
        }
    }
}
