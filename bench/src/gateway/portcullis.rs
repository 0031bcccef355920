//! Portcullis with the policy: the nine lines of the manual, and room for the measurement.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::{Gateway, Setup};
use crate::policy::API_KEY;

/// A built binary.
pub(crate) struct Portcullis {
    pub(crate) binary: PathBuf,
}

impl Gateway for Portcullis {
    fn name(&self) -> &'static str {
        "Portcullis"
    }

    fn version(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--version");
        command
    }

    fn command(&self, setup: &Setup<'_>) -> Result<Command> {
        let file = setup.write("portcullis.toml", &configuration(setup))?;
        let mut command = Command::new(&self.binary);
        command.arg("run").arg("--config").arg(file).env("API_KEY", API_KEY);
        Ok(command)
    }

    fn remark(&self) -> &'static str {
        "shows X-RateLimit and RateLimit headers; its log goes to stderr, which is a file; security events are written even with the access log off"
    }
}

fn configuration(setup: &Setup<'_>) -> String {
    let Setup { listen, upstream, workers, connections, .. } = setup;
    let limit = setup.limit.per_minute();
    // Access lines are of level info. Security events are written at every level: where refusals are measured
    // with the log off, this product alone still writes.
    let level = if setup.log { "info" } else { "error" };
    let tls = setup
        .tls
        .map(|tls| {
            let (cert, key) = (tls.chain.display(), tls.key.display());
            format!("[server.tls]\ncert = \"{cert}\"\nkey = \"{key}\"\n")
        })
        .unwrap_or_default();
    let room = connections + 500;
    format!(
        r#"upstream = "http://{upstream}"
[server]
listen = "{listen}"
workers = {workers}
{tls}[server.caps]
connections = {room}
connections_per_ip = {room}
[log]
format = "json"
level = "{level}"
[auth.api_key]
value = "env:API_KEY"
[auth.failures]
limit = "60000000/minute per ip"
[[limits]]
rate = "{limit}/minute per ip"
"#
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::policy::Limit;

    #[test]
    fn the_configuration_is_toml_with_the_policy_in_it() {
        let setup = Setup {
            dir: Path::new("."),
            listen: ([127, 0, 0, 1], 8000).into(),
            upstream: ([127, 0, 0, 1], 9000).into(),
            log: false,
            limit: Limit::Low,
            tls: None,
            workers: 2,
            connections: 10,
        };
        let text = configuration(&setup);
        for part in
            ["upstream = \"http://127.0.0.1:9000\"", "rate = \"60/minute per ip\"", "level = \"error\""]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("[server.tls]"));
    }
}
