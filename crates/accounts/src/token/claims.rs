//! What the gateway's own tokens say.

use std::borrow::Cow;

use portcullis_core::Id;
use serde::{Deserialize, Serialize};

use super::TokenSettings;
use super::verify::{self, Times, TokenError};

/// The header type of access tokens (RFC 9068).
pub(super) const ACCESS_TYPE: &str = "at+jwt";
/// The header type of refresh tokens.
pub(super) const REFRESH_TYPE: &str = "rt+jwt";
const ACCESS: &str = "access";
const REFRESH: &str = "refresh";

/// Who a token is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The user's name.
    pub user: &'a str,
    /// The user's id.
    pub id: Id,
    /// The family of the login.
    pub family: Id,
    /// The user's role now. What counts later is the role the user has then.
    pub role: &'a str,
}

/// What a verified access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessClaims {
    /// The user's name when it was issued.
    pub user: Box<str>,
    /// The user's id.
    pub id: Id,
    /// The family of its login.
    pub family: Id,
    /// The role the user had when it was issued.
    pub role: Box<str>,
    /// Its own id.
    pub token: Id,
    /// When it was issued, in milliseconds since 1970: to the millisecond, by the time in its id.
    pub issued_ms: i64,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: i64,
}

/// What a verified refresh token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshClaims {
    /// The user's name when it was issued.
    pub user: Box<str>,
    /// The user's id.
    pub id: Id,
    /// Its family.
    pub family: Id,
    /// Which of the family's it is.
    pub generation: i64,
    /// Its own id.
    pub token: Id,
    /// When it was issued, in milliseconds since 1970: to the millisecond, by the time in its id.
    pub issued_ms: i64,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: i64,
}

/// The claims as they are written. Every member is required, none may stand twice, and each has one type:
/// a moment is a whole number, an audience one text.
#[derive(Serialize, Deserialize)]
pub(super) struct Written<'a> {
    #[serde(borrow)]
    iss: Cow<'a, str>,
    #[serde(borrow)]
    aud: Cow<'a, str>,
    #[serde(borrow)]
    sub: Cow<'a, str>,
    #[serde(borrow)]
    uid: Cow<'a, str>,
    #[serde(borrow)]
    sid: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    role: Option<Cow<'a, str>>,
    #[serde(default, rename = "gen", skip_serializing_if = "Option::is_none")]
    generation: Option<i64>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    jti: Cow<'a, str>,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// When a token is issued and ends.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) token: Id,
    pub(super) now_ms: i64,
    pub(super) expires_s: i64,
}

impl<'a> Written<'a> {
    pub(super) fn access(settings: &'a TokenSettings, subject: &Subject<'a>, span: Span) -> Self {
        let role = Some(Cow::Borrowed(subject.role));
        Self { role, ..Self::of(settings, subject, span, ACCESS) }
    }

    pub(super) fn refresh(
        settings: &'a TokenSettings,
        subject: &Subject<'a>,
        span: Span,
        generation: i64,
    ) -> Self {
        Self { generation: Some(generation), ..Self::of(settings, subject, span, REFRESH) }
    }

    fn of(settings: &'a TokenSettings, subject: &Subject<'a>, span: Span, kind: &'a str) -> Self {
        let now_s = span.now_ms.div_euclid(1000);
        Self {
            iss: settings.issuer.as_str().into(),
            aud: settings.audience.as_str().into(),
            sub: subject.user.into(),
            uid: subject.id.to_string().into(),
            sid: subject.family.to_string().into(),
            role: None,
            generation: None,
            kind: kind.into(),
            jti: span.token.to_string().into(),
            iat: now_s,
            nbf: now_s,
            exp: span.expires_s,
        }
    }

    /// Reads claims whose signature was proven, and judges what both kinds have in common.
    pub(super) fn judged(
        payload: &'a [u8],
        kind: &str,
        settings: &TokenSettings,
        now_ms: i64,
    ) -> Result<Self, TokenError> {
        let claims: Self =
            verify::object(payload).ok_or(TokenError::Invalid("its claims are not those of our tokens"))?;
        if claims.kind != kind {
            return Err(TokenError::Invalid("it is of another type"));
        }
        if claims.iss != settings.issuer {
            return Err(TokenError::Invalid("somebody else issued it"));
        }
        if claims.aud != settings.audience {
            return Err(TokenError::Invalid("it is for somebody else"));
        }
        claims.times().judge(now_ms, settings.leeway_s)?;
        Ok(claims)
    }

    pub(super) fn times(&self) -> Times {
        Times { issued: Some(self.iat), not_before: Some(self.nbf), expires: self.exp }
    }

    fn issued_ms(&self, token: Id) -> i64 {
        let octets = token.octets();
        let made = octets[..6].iter().fold(0, |ms, octet| ms << 8 | i64::from(*octet));
        if made.div_euclid(1000) == self.iat { made } else { self.iat * 1000 }
    }
}

impl AccessClaims {
    pub(super) const KIND: &str = ACCESS;

    pub(super) fn of(claims: &Written<'_>) -> Result<Self, TokenError> {
        let token = id(&claims.jti)?;
        Ok(Self {
            user: claims.sub.as_ref().into(),
            id: id(&claims.uid)?,
            family: id(&claims.sid)?,
            role: claims.role.as_deref().ok_or(TokenError::Invalid("it has no role"))?.into(),
            token,
            issued_ms: claims.issued_ms(token),
            expires_ms: claims.exp * 1000,
        })
    }
}

impl RefreshClaims {
    pub(super) const KIND: &str = REFRESH;

    pub(super) fn of(claims: &Written<'_>) -> Result<Self, TokenError> {
        let token = id(&claims.jti)?;
        Ok(Self {
            user: claims.sub.as_ref().into(),
            id: id(&claims.uid)?,
            family: id(&claims.sid)?,
            generation: claims.generation.ok_or(TokenError::Invalid("it has no generation"))?,
            token,
            issued_ms: claims.issued_ms(token),
            expires_ms: claims.exp * 1000,
        })
    }
}

fn id(text: &str) -> Result<Id, TokenError> {
    text.parse().map_err(|_| TokenError::Invalid("an id of it is no id"))
}
