//! What an application that the gateway starts finds in its environment.

use portcullis_tests::{Gateway, Launch, Request, free_port};

/// Answers every request with its environment, as JSON.
const APPLICATION: &str = "\
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(dict(os.environ)).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
";

const DOT_ENV: &str = "INGEST_TOKEN=9f86d081884c7d659a2feaa0c55ad015\nDATABASE_URL=sqlite:///./pump.db\n";

fn behind(pass_credentials: bool) -> Gateway {
    let port = free_port().to_string();
    let upstream = format!("http://127.0.0.1:{port}");
    Launch::profile("pump-analyzer", &upstream)
        .file(".env", DOT_ENV)
        .config(&format!(
            "[upstreams.default]\nurl = \"{upstream}\"\npass_credentials = {pass_credentials}\n"
        ))
        .application(&["python3", "-c", APPLICATION, &port])
        .start()
}

#[test]
fn it_has_its_own_names_and_not_the_credential_that_is_taken_off() {
    let gateway = behind(false);
    let environment = Request::get("/").send_to(gateway.address()).json();
    assert_eq!(environment["DATABASE_URL"], "sqlite:///./pump.db", "{environment}");
    // Else it would ask again for what the gateway has taken off.
    assert_eq!(environment["INGEST_TOKEN"], "", "{environment}");
}

#[test]
fn it_keeps_the_credential_where_it_checks_too() {
    let gateway = behind(true);
    let environment = Request::get("/").send_to(gateway.address()).json();
    assert_ne!(environment["INGEST_TOKEN"], "", "{environment}");
}
