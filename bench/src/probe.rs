//! Before anything is measured: does the gateway enforce the policy at all?

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use crate::load::{Connection, Target, blocking};
use crate::policy::{Ask, Limit, SECURITY_HEADERS};
use crate::response;
use crate::upstream::small_body;

/// What an answer looks like, so that a reader can see that nobody writes less.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Shape {
    pub(crate) head_bytes: usize,
    pub(crate) header_lines: usize,
    /// Which of the security headers are missing.
    pub(crate) missing: Vec<&'static str>,
}

/// Asks as a client would and checks each answer.
pub(crate) fn verify(target: &Target, limit: Limit) -> Result<Shape> {
    let (head, bytes) = ask(target, Ask::Small)?;
    ensure!(head.status == 200, "the right key is answered {}", head.status);
    ensure!(bytes[head.bytes..] == small_body(), "the body is not the application's");
    let leaks =
        [("Server", "bench-upstream"), ("X-Powered-By", "bench")].into_iter().find(|(name, value)| {
            response::header(&bytes, name).is_some_and(|found| found.starts_with(value.as_bytes()))
        });
    if let Some((name, _)) = leaks {
        bail!("the application's {name} header is not hidden");
    }
    ensure!(response::header(&bytes, "X-Request-Id").is_some(), "no X-Request-Id");
    let missing: Vec<_> = SECURITY_HEADERS
        .into_iter()
        .filter(|(name, _)| response::header(&bytes, name).is_none())
        .map(|(name, _)| name)
        .collect();
    ensure!(missing.len() <= 2, "security headers are missing: {}", missing.join(", "));
    for refused in [Ask::NoKey, Ask::WrongKey] {
        let (head, bytes) = ask(target, refused)?;
        ensure!(head.status == 401, "{refused:?} is answered {}", head.status);
        ensure!(response::header(&bytes, "WWW-Authenticate").is_some(), "401 without WWW-Authenticate");
    }
    if limit == Limit::Low {
        limited(target)?;
    }
    Ok(Shape { head_bytes: head.bytes, header_lines: response::count(&bytes), missing })
}

/// The limit refuses at the latest after twice its allowance: once the window is filled, whatever its form.
fn limited(target: &Target) -> Result<()> {
    for _ in 0..Limit::Low.per_minute() * 2 + 10 {
        let (head, bytes) = ask(target, Ask::OverLimit)?;
        if head.status == 429 {
            ensure!(response::header(&bytes, "Retry-After").is_some(), "429 without Retry-After");
            return Ok(());
        }
    }
    bail!("the limit of {} a minute is not enforced", Limit::Low.per_minute())
}

fn ask(target: &Target, ask: Ask) -> Result<(response::Head, Vec<u8>)> {
    let mut stream = blocking::connect(target)?;
    blocking::exchange(&mut stream, &ask.work(Connection::Kept).request).with_context(|| format!("{ask:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Upstream;

    #[test]
    fn the_bare_application_does_not_pass() {
        let upstream = Upstream::start().unwrap();
        let target = Target { address: upstream.address, tls: None };
        let error = verify(&target, Limit::High).unwrap_err();
        assert!(error.to_string().contains("not hidden"), "{error}");
        assert!(limited(&target).unwrap_err().to_string().contains("not enforced"));
    }
}
