//! HAProxy with the policy.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::Result;

use super::{Gateway, Setup};
use crate::policy::{API_KEY, LIMITED_BODY, SECURITY_HEADERS, UNAUTHORIZED_BODY};

/// The package of the distribution, found in `PATH`.
pub(crate) struct Haproxy;

impl Gateway for Haproxy {
    fn name(&self) -> &'static str {
        "HAProxy"
    }

    fn version(&self) -> Command {
        let mut command = Command::new("haproxy");
        command.arg("-v");
        command
    }

    fn command(&self, setup: &Setup<'_>) -> Result<Command> {
        let file = setup.write("haproxy.cfg", &configuration(setup))?;
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(file);
        Ok(command)
    }

    fn remark(&self) -> &'static str {
        "shows X-RateLimit headers; it cannot write a file, so its log goes to stdout, which is one"
    }
}

fn configuration(setup: &Setup<'_>) -> String {
    let Setup { listen, upstream, workers, connections, .. } = setup;
    // Not less than a server would have: where connections are a quarter of it, HAProxy begins to close those to the
    // application (tune.pool-high-fd-ratio), and 256 clients cost it three times as much.
    let maxconn = connections.max(&10_000) + 500;
    let limit = setup.limit.per_minute();
    let (log_target, log) = if setup.log {
        let format = r#"log-format '{"time":"%T","request_id":"%ID","ip":"%ci","method":"%HM","path":"%HP","status":%ST,"bytes":%B,"duration":%Ta,"user_agent":"%{+E}[capture.req.hdr(0)]"}'"#;
        (
            "log stdout format raw local0",
            format!(
                "log global\n  {format}\n  declare capture request len 64\n  http-request capture req.hdr(User-Agent) id 0"
            ),
        )
    } else {
        ("", String::new())
    };
    let tls =
        setup.tls.map(|tls| format!(" ssl crt {} alpn http/1.1", tls.both.display())).unwrap_or_default();
    let scheme = if setup.tls.is_some() { "https" } else { "http" };
    let mut headers = String::new();
    for (name, value) in SECURITY_HEADERS {
        let _ = writeln!(headers, "  http-after-response set-header {name} {}", quoted(value));
    }
    format!(
        r"global
  nbthread {workers}
  maxconn {maxconn}
  # It would insist on two descriptors for each connection; a waiting one has one.
  no strict-limits
  ssl-default-bind-options ssl-min-ver TLSv1.2
  {log_target}
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 60s
  timeout http-request 10s
  timeout http-keep-alive 600s
  option http-keep-alive
  option dontlognull
  http-reuse always
frontend gate
  bind {listen}{tls} backlog 4096
  {log}
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  stick-table type ip size 1m expire 2m store http_req_rate(60s)
  acl key_right req.hdr(X-API-Key) -m str {API_KEY}
  http-request track-sc0 src
  http-request set-var(txn.rate) sc_http_req_rate(0)
  http-request set-var(txn.limit) int({limit})
  http-request return status 429 content-type application/problem+json string {limited} hdr Retry-After 60 if {{ sc_http_req_rate(0) gt {limit} }}
  http-request return status 401 content-type application/problem+json string {unauthorized} hdr WWW-Authenticate ApiKey unless key_right
  http-request del-header X-API-Key
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto {scheme}
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
{headers}  http-after-response set-header X-Request-Id %[unique-id]
  http-after-response set-header X-RateLimit-Limit {limit}
  http-after-response set-header X-RateLimit-Remaining %[var(txn.limit),sub(txn.rate)]
  http-after-response set-header X-RateLimit-Reset %[date(60)]
  http-after-response del-header Server
  http-after-response del-header X-Powered-By
  default_backend app
backend app
  server app {upstream} pool-max-conn 512 pool-purge-delay 600s
",
        limited = quoted(LIMITED_BODY),
        unauthorized = quoted(UNAUTHORIZED_BODY),
    )
}

/// In single quotes nothing is special but the quote itself, except where the text is a log format: `%` is doubled.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''").replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_survive() {
        assert_eq!(quoted("default-src 'none'"), r"'default-src '\''none'\'''");
        assert_eq!(quoted("100%"), "'100%%'");
    }
}
