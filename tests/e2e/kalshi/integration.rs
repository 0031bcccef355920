//! K-INT: the steps of the guide, with the gateway in place of its middleware.

use portcullis_tests::{Connection, Launch, Outcome, Request, Scratch, Upstream, binary, free_port, shell};

use super::{
    FRONTEND, KEY, LIMITED, UNAUTHORIZED, assert_reached, assert_refused, guarded, launch, status_with,
};

/// What the guide says the template holds, as its `.env.example` writes it.
const TEMPLATE: &str = "\
# Server Configuration
HOST=0.0.0.0
PORT=8000
DEBUG=false
RELOAD=false
LOG_LEVEL=INFO
ENVIRONMENT=development

# Security
ALLOWED_ORIGINS=http://localhost:3000,https://yourdomain.com
API_KEY=your-secure-api-key-here
RATE_LIMIT_PER_MINUTE=100
JWT_SECRET=your-jwt-secret-here

# WebSocket
MAX_CONNECTIONS=1000
WEB_SOCKET_TIMEOUT=300

# Application
KALSHI_API_BASE=https://api.elections.kalshi.com/trade-api/v2
UPDATE_INTERVAL_SECONDS=120
DATABASE_URL=sqlite:///./kalshi_whale.db
";

#[test]
fn k_int_01_the_template_is_copied_and_works() {
    let upstream = Upstream::ok();
    let start = launch(&upstream.url()).file(".env.example", TEMPLATE);
    let folder = start.path(".");
    let copied = std::process::Command::new("cp").args([".env.example", ".env"]).current_dir(folder).status();
    assert!(copied.unwrap().success());
    let gateway = start.start();
    let answer =
        status_with("your-secure-api-key-here").header("Origin", FRONTEND).send_to(gateway.address());
    assert_reached(&answer);
    assert_eq!(answer.number("x-ratelimit-limit"), 100);
    assert_eq!(answer.field("access-control-allow-origin"), Some(FRONTEND));
    assert_eq!(status_with("other").send_to(gateway.address()).status, 401);
    // The template's key is an example: good enough to try, and said to be one.
    let log = gateway.log();
    assert!(
        log.lines().any(|line| line.to_lowercase().contains("warn") && line.contains("API_KEY")),
        "{log}"
    );
}

#[test]
fn k_int_01_the_template_that_the_gateway_writes_has_the_names_of_the_guide() {
    let upstream = Upstream::ok();
    let folder = Scratch::new();
    let (success, said) =
        Launch::command("init --profile kalshiwhale --dir").arg(&folder.file("made")).finish();
    assert!(success, "{said}");
    let example = folder.read("made/.env.example").unwrap_or_else(|| panic!("no .env.example: {said}"));
    for name in ["ALLOWED_ORIGINS", "API_KEY", "RATE_LIMIT_PER_MINUTE", "JWT_SECRET"] {
        let there =
            example.lines().any(|line| line.trim_start_matches(['#', ' ']).starts_with(&format!("{name}=")));
        assert!(there, "{name} is missing in:\n{example}");
    }
    // Filled in, it is ready for production.
    let filled = example
        .lines()
        .map(
            |line| {
                if line.starts_with("API_KEY=") { format!("API_KEY={KEY}\n") } else { format!("{line}\n") }
            },
        )
        .collect::<String>()
        .replace("ENVIRONMENT=development", "ENVIRONMENT=production");
    let start = launch(&upstream.url()).file("filled.env", &filled).arg("--env-file").arg("filled.env");
    let gateway = start.start();
    assert_reached(&status_with(KEY).send_to(gateway.address()));
    assert_eq!(status_with("other").send_to(gateway.address()).status, 401);
}

/// An application that knows nothing of keys, limits, headers or origins.
const MAIN: &str = r#"
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Backend(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps({"status": "running", "path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *words):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Backend).serve_forever()
"#;

#[test]
fn k_int_02_all_that_the_middleware_provides_comes_without_a_line_in_the_application() {
    let port = free_port();
    let gateway = launch(&format!("http://127.0.0.1:{port}"))
        .env("API_KEY", KEY)
        .env("ALLOWED_ORIGINS", FRONTEND)
        .env("RATE_LIMIT_PER_MINUTE", "5")
        .file("main.py", MAIN)
        .application(&["python3", "main.py", &port.to_string()])
        .start();
    let mut connection = Connection::open(gateway.address());
    // API key validation.
    assert_refused(&status_with("wrong").on(&mut connection), 401, UNAUTHORIZED);
    let answer = status_with(KEY).header("Origin", FRONTEND).on(&mut connection);
    assert_eq!((answer.status, answer.text()), (200, r#"{"status": "running", "path": "/api/status"}"#));
    // Security headers and CORS.
    assert_eq!(answer.field("content-security-policy"), Some("default-src 'self'"));
    assert_eq!(answer.field("x-frame-options"), Some("DENY"));
    assert_eq!(answer.field("access-control-allow-origin"), Some(FRONTEND));
    assert_eq!(answer.field("server"), None, "{}", answer.head);
    // Input validation.
    let refresh = |body: &str| Request::post("/api/refresh", body).header("X-API-Key", KEY);
    assert_eq!(refresh(r#"{"force_update":true}"#).on(&mut connection).status, 200);
    assert_eq!(refresh(r#"{"role":"admin"}"#).on(&mut connection).status, 422);
    // Rate limiting.
    let refused = (0..5).map(|_| status_with(KEY).on(&mut connection)).find(|answer| answer.status == 429);
    assert_refused(&refused.expect("a refusal"), 429, LIMITED);
    assert_eq!(gateway.folder().read("main.py").as_deref(), Some(MAIN));
}

const EXPORTS: &str = "\
export ENVIRONMENT=production
export DEBUG=false
export LOG_LEVEL=WARNING
export RELOAD=false
";

#[test]
fn k_int_03_the_four_export_lines_are_accepted() {
    // In a shell, as the guide has them.
    let folder = Scratch::new();
    let binary = binary().canonicalize().unwrap();
    let line =
        format!("{EXPORTS}export API_KEY={KEY}\n{} config show --profile kalshiwhale", binary.display());
    let shown = shell(&line, &folder);
    assert!(shown.lines().any(|line| line.contains("environment") && line.contains("production")), "{shown}");
    assert!(shown.lines().any(|line| line.contains("level") && line.contains("warn")), "{shown}");
    assert!(!shown.contains(KEY), "{shown}");

    // In a file.
    let upstream = Upstream::ok();
    let start = guarded(&upstream).file("production.env", EXPORTS).arg("--env-file").arg("production.env");
    match start.outcome() {
        Outcome::Serves(gateway) => {
            let banner = gateway.log();
            assert!(banner.contains("production"), "{banner}");
            assert_reached(&status_with(KEY).send_to(gateway.address()));
        }
        Outcome::Ended { output, .. } => panic!("it does not start:\n{output}"),
    }
}
