//! nginx with the policy, tuned as its operators would.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::Result;

use super::{Gateway, Setup};
use crate::policy::{API_KEY, LIMITED_BODY, SECURITY_HEADERS, UNAUTHORIZED_BODY};

/// The package of the distribution, found in `PATH`.
pub(crate) struct Nginx;

impl Gateway for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
    }

    fn version(&self) -> Command {
        let mut command = Command::new("nginx");
        command.arg("-v");
        command
    }

    fn command(&self, setup: &Setup<'_>) -> Result<Command> {
        let file = setup.write("nginx.conf", &configuration(setup))?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(setup.dir).arg("-c").arg(file).args(["-e", "stderr"]);
        Ok(command)
    }

    fn remark(&self) -> &'static str {
        "limit_req cannot show X-RateLimit headers and does not count refused credentials; Server says `nginx`; its access log is buffered (64 KiB, 1 s)"
    }
}

fn configuration(setup: &Setup<'_>) -> String {
    let Setup { listen, upstream, workers, connections, .. } = setup;
    let dir = setup.dir.display();
    let access_log = if setup.log {
        format!("access_log {} json buffer=64k flush=1s;", setup.log_file().display())
    } else {
        "access_log off;".to_owned()
    };
    let (tls, certificate) = match setup.tls {
        Some(tls) => (
            " ssl",
            format!(
                "ssl_certificate {}; ssl_certificate_key {}; ssl_protocols TLSv1.2 TLSv1.3; \
                 ssl_session_cache shared:tls:10m;",
                tls.chain.display(),
                tls.key.display()
            ),
        ),
        None => ("", String::new()),
    };
    let per_second = setup.limit.per_minute() / 60;
    let burst = setup.limit.per_minute();
    let mut headers = String::new();
    for (name, value) in SECURITY_HEADERS {
        let _ = writeln!(headers, "    add_header {name} \"{value}\" always;");
    }
    // Workers must be able to open what the master, started by the same user, has made.
    let user = if rustix::process::geteuid().is_root() { "user root root;" } else { "" };
    let room = connections + 1000;
    format!(
        r#"daemon off;
{user}
worker_processes {workers};
worker_rlimit_nofile {room};
pid {dir}/nginx.pid;
# Each refusal of a limit would otherwise be a second line.
error_log stderr crit;
events {{ worker_connections {room}; }}
http {{
  server_tokens off;
  default_type application/octet-stream;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  log_format json escape=json '{{"time":"$time_iso8601","request_id":"$request_id","ip":"$remote_addr","method":"$request_method","path":"$uri","status":$status,"bytes":$body_bytes_sent,"duration":$request_time,"user_agent":"$http_user_agent"}}';
  {access_log}
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  client_body_buffer_size 64k;
  map $http_x_api_key $key_right {{ default 0; "{API_KEY}" 1; }}
  map $status $challenge {{ default ""; 401 "ApiKey"; }}
  map $status $wait {{ default ""; 429 "60"; }}
  limit_req_zone $binary_remote_addr zone=per_ip:16m rate={per_second}r/s;
  limit_req_status 429;
  upstream app {{
    server {upstream};
    keepalive 512;
    keepalive_requests 1000000000;
    keepalive_time 24h;
    keepalive_timeout 600s;
  }}
  server {{
    listen {listen}{tls} reuseport backlog=4096;
    {certificate}
{headers}    add_header X-Request-Id $request_id always;
    add_header WWW-Authenticate $challenge always;
    add_header Retry-After $wait always;
    error_page 429 @limited;
    location / {{
      default_type application/problem+json;
      if ($key_right = 0) {{ return 401 '{UNAUTHORIZED_BODY}'; }}
      limit_req zone=per_ip burst={burst} nodelay;
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-API-Key "";
      proxy_set_header X-Request-Id $request_id;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host;
      proxy_hide_header X-Powered-By;
      proxy_request_buffering off;
      proxy_buffers 8 32k;
      proxy_busy_buffers_size 64k;
      proxy_max_temp_file_size 0;
    }}
    location @limited {{ internal; default_type application/problem+json; return 429 '{LIMITED_BODY}'; }}
  }}
}}
"#
    )
}
