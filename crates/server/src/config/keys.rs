//! Every key of the configuration, once: its type, its default and what it means. Decoding, `config schema`,
//! `config env` and `config show` all read this table.
//!
//! In a path `*` stands for a name the user chooses and `[]` for the entries of a list of tables.

use super::model::TokenAlgorithm;

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Bool,
    /// Whole number, from and to.
    Integer(i64, i64),
    Duration,
    Size,
    Rate,
    /// One secret or a list of them.
    Secret,
    Choice(&'static [&'static str]),
    Path,
    /// `http://host:port`, `unix:/path`, or a list.
    Upstream,
    /// Paths of files.
    Paths,
    /// `sqlite:PATH`, `postgres://…`, or a reference to one.
    StoreUrl,
    /// Addresses to listen on: text, a table, or a list of both.
    Listen,
    /// Addresses and prefixes.
    Networks,
    /// Numbers, and ranges as texts.
    Ports,
    Origins,
    Methods,
    HeaderNames,
    /// Texts.
    Words,
    /// `none`, one scheme or a list of schemes; `anonymous` beside others.
    Schemes,
    /// Names of roles.
    Roles,
    /// Text, `false`, or a table.
    Header,
    /// Text (a path) or `false`.
    PathOrOff,
    /// Rates, as texts or tables.
    Limits,
    /// `METHOD[,METHOD] PATH`.
    Match,
    /// `METHOD PATH` of a request.
    Request,
    Address,
    Status,
    /// Text with placeholders.
    Template,
    /// Names and values.
    Fields,
    /// Names of fields, and for each a type or a table.
    Rules,
    /// Any number.
    Number,
}

/// What stands when nobody says anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Nothing.
    None,
    Text(&'static str),
    Integer(i64),
    Bool(bool),
    List(&'static [&'static str]),
    /// Decided at start; the words for people.
    Computed(&'static str),
}

#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub path: &'static str,
    pub kind: Kind,
    pub default: Fallback,
    pub doc: &'static str,
}

use Fallback as D;
use Kind as K;

const fn key(path: &'static str, kind: Kind, default: Fallback, doc: &'static str) -> Key {
    Key { path, kind, default, doc }
}

pub const MODES: &[&str] = &["enforce", "observe"];
/// What limits of every route are for one route.
pub const GENERAL: &[&str] = &["count", "show", "off"];
/// What happens to fields of a body that are not named.
pub const UNKNOWN_FIELDS: &[&str] = &["refuse", "pass"];
/// Whether requests are inspected for attacks.
pub const PATTERNS: &[&str] = &["off", "observe", "enforce"];
pub const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// The keys of this version.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("profile", K::Text, D::None, "The system whose environment names and refusals apply: `portcullis config env` lists them"),
    key("environment", K::Choice(&["development", "production"]), D::Text("development"), "`production` refuses what is unsafe"),
    key("upstream", K::Upstream, D::None, "Where the application is: a URL, a Unix socket, a list of them, or the name of one of `[upstreams]`"),

    key("server.listen", K::Listen, D::Text("127.0.0.1:8000"), "Where clients connect: `ip:port`, `unix:/path`, a table with `address`, or a list"),
    key("server.trusted_proxies", K::Networks, D::List(&[]), "Only these addresses may name the client (X-Forwarded-For, Forwarded, PROXY protocol)"),
    key("server.unknown_routes", K::Choice(&["pass", "closed"]), D::Text("pass"), "What happens to requests that no route names: protected by the defaults and passed, or 404"),
    key("server.workers", K::Integer(1, 1024), D::Computed("one for each core"), "Runtimes, each with its own listener and upstream pool"),
    key("server.drain", K::Duration, D::Text("30s"), "How long open requests may take to end at a stop"),
    key("server.tls.cert", K::Path, D::None, "Certificate chain in PEM; a renewed file is picked up"),
    key("server.tls.key", K::Path, D::None, "Private key in PEM"),
    key("server.caps.header_timeout", K::Duration, D::Text("10s"), "From the first byte of a connection or request to the end of its head"),
    key("server.caps.headers", K::Size, D::Text("16 KiB"), "Largest header section"),
    key("server.caps.target", K::Size, D::Text("8 KiB"), "Longest request target"),
    key("server.caps.body", K::Size, D::Text("1 MiB"), "Largest request body; routes may say otherwise"),
    key("server.caps.body_timeout", K::Duration, D::Text("60s"), "Between two pieces of a request body"),
    key("server.caps.idle_timeout", K::Duration, D::Text("75s"), "How long a connection may stay open between requests"),
    key("server.caps.connections", K::Integer(1, 10_000_000), D::Integer(10_000), "Open connections in all"),
    key("server.caps.connections_per_ip", K::Integer(1, 10_000_000), D::Integer(256), "Open connections of one client address"),

    key("upstreams.*.url", K::Upstream, D::None, "Where it is: a URL, a Unix socket or a list of them"),
    key("upstreams.*.connect_timeout", K::Duration, D::Text("5s"), "To an open connection"),
    key("upstreams.*.response_timeout", K::Duration, D::Text("60s"), "To the first byte of the answer; then 504"),
    key("upstreams.*.idle_timeout", K::Duration, D::Text("60s"), "Between two pieces of the answer"),
    key("upstreams.*.pass_credentials", K::Bool, D::Bool(false), "Whether the application still sees the client's credentials"),
    key("upstreams.*.breaker.failures", K::Integer(1, 1000), D::Integer(5), "Failures in a row (no connection, no answer in time, no HTTP) after which it is left alone: 503 with Retry-After. `breaker` alone, `{}`, takes the defaults; without it an upstream is always asked"),
    key("upstreams.*.breaker.open", K::Duration, D::Text("10s"), "How long, until one request passes as a probe"),

    key("log.format", K::Choice(&["text", "json"]), D::Computed("text in development, json in production"), "How a line looks"),
    key("log.file", K::Path, D::None, "A file beside stderr"),
    key("log.level", K::Choice(LEVELS), D::Text("info"), "The least important line that is written; security events always are"),
    key("log.security", K::Bool, D::Bool(true), "Whether security events are written, to the log and to the audit log"),
    key("log.rotate", K::Size, D::Text("100 MB"), "Size at which the file is put aside"),
    key("log.keep", K::Duration, D::Text("7d"), "How long files that were put aside are kept"),

    key("auth.default", K::Schemes, D::Computed("every configured scheme"), "What a route asks for when it says nothing: any one of these"),
    key("auth.ingest_token.value", K::Secret, D::None, "The token, or several that are valid at once"),
    key("auth.ingest_token.header", K::Text, D::Text("X-Ingest-Token"), "The header that carries it"),
    key("auth.ingest_token.when_unset", K::Choice(&["error", "open"]), D::Text("error"), "What an empty value means: an error, or routes that ask for it stand open (never in production)"),
    key("auth.api_key.value", K::Secret, D::None, "The key, or several that are valid at once"),
    key("auth.api_key.header", K::Text, D::Text("X-API-Key"), "The header that carries it"),
    key("auth.api_key.when_unset", K::Choice(&["error", "open"]), D::Text("error"), "What an empty value means: an error, or routes that ask for it stand open (never in production)"),
    key("auth.api_key.enabled", K::Bool, D::Bool(true), "`false`: routes that ask for it stand open; production asks all the same"),
    key("auth.api_key.role", K::Text, D::None, "The role of who has the shared key"),
    key("auth.failures.limit", K::Rate, D::Text("20/minute per ip"), "Wrong credentials; guessing is slow whatever else is configured"),
    key("auth.passwords.hash", K::Choice(&["argon2id", "bcrypt"]), D::Text("argon2id"), "How passwords are kept; the other is verified too, and replaced at the next login"),
    key("auth.passwords.min_length", K::Integer(8, 128), D::Integer(12), "Fewest characters"),
    key("auth.passwords.complexity", K::Bool, D::Bool(true), "Whether upper case, lower case, a digit and something else must be in it"),
    key("auth.passwords.min_score", K::Integer(0, 4), D::Integer(3), "How hard it must be to guess, as zxcvbn counts: 0 to 4"),
    key("auth.passwords.breached_file", K::Path, D::None, "SHA-1 digests of breached passwords in their order, as Have I Been Pwned gives them out; what is in it is refused"),
    key("auth.tokens.algorithm", K::Choice(&TokenAlgorithm::NAMES), D::Computed("HS256 where `secret` stands, else EdDSA"), "How tokens are signed; no other is accepted"),
    key("auth.tokens.secret", K::Secret, D::None, "Signs with HS256, at least 32 bytes; of several the first signs, and all verify"),
    key("auth.tokens.key", K::Paths, D::None, "Private key in PEM for RS256, ES256 or EdDSA; of several the first signs, and all verify. Without one the gateway makes its own and keeps it in its store"),
    key("auth.tokens.issuer", K::Text, D::Text("portcullis"), "`iss` of tokens; no other is accepted"),
    key("auth.tokens.audience", K::Text, D::Text("portcullis"), "`aud` of tokens; no other is accepted"),
    key("auth.tokens.access_ttl", K::Duration, D::Text("30m"), "How long an access token is valid"),
    key("auth.tokens.refresh_ttl", K::Duration, D::Text("7d"), "How long a login can be prolonged"),
    key("auth.tokens.rotate", K::Duration, D::Text("90d"), "How old a key that the gateway made may get before it makes another"),
    key("auth.sessions.max_age", K::Duration, D::Text("24h"), "How long a session is valid"),
    key("auth.sessions.idle", K::Duration, D::None, "Ends a session in which nothing was asked for so long"),
    key("auth.sessions.cleanup", K::Duration, D::Text("1h"), "Between two removals of what has expired"),
    key("auth.sessions.max_per_user", K::Integer(1, 10_000), D::Integer(50), "Sessions of one user"),
    key("auth.sessions.cookie", K::Text, D::Computed("`__Host-session`; `session` in development without TLS"), "The cookie that carries a session"),
    key("auth.devices.registration_timeout", K::Duration, D::Text("30m"), "How long a device may take from its registration to its first session"),
    key("auth.devices.max_per_user", K::Integer(1, 10_000), D::Integer(10), "Devices of one user"),
    key("auth.attempts.timeout", K::Duration, D::Text("5m"), "How long a login may wait for its second factor"),
    key("auth.lockout.attempts", K::Integer(1, 10_000), D::Integer(5), "Failed logins of one account after which it waits; an address has several times as many"),
    key("auth.lockout.window", K::Duration, D::Text("5m"), "In how long they count"),
    key("auth.keys.prefix", K::Text, D::Text("pk_"), "What new API keys of users begin with, so that scanners find them"),
    key("auth.keys.max_per_user", K::Integer(1, 10_000), D::Integer(50), "API keys of one user"),
    key("auth.keys.expires", K::Duration, D::None, "How long a new API key is valid, where its maker does not say"),
    key("auth.registration.enabled", K::Bool, D::Bool(true), "Whether people may register themselves"),
    key("auth.registration.role", K::Text, D::Text("free"), "The role they get"),

    key("store.url", K::StoreUrl, D::Text("sqlite:portcullis.db"), "Where accounts are kept: `sqlite:PATH`, `postgres://…`, or `env:NAME` of one. This section, as any of `auth.passwords`, `tokens`, `sessions`, `devices`, `attempts`, `lockout`, `keys` and `registration`, has the gateway keep accounts"),
    key("store.encryption_key", K::Secret, D::None, "Encrypts the store: 32 bytes in base64 or hexadecimal, or a passphrase; production asks for one with SQLite"),

    key("audit.enabled", K::Bool, D::Computed("true where accounts are kept or `audit.url` stands"), "Whether every request, security event and change of an account is recorded in the audit log"),
    key("audit.retention", K::Duration, D::Text("90d"), "How old a record may get before it is removed"),
    key("audit.on_full", K::Choice(&["drop", "wait"]), D::Text("drop"), "What happens while the store takes no more records: they are counted and lost, or requests wait"),
    key("audit.buffer", K::Size, D::Text("32 MiB"), "How much may wait for the store, in all; each core has its part"),
    key("audit.url", K::StoreUrl, D::None, "A store of its own for the audit log, beside that of accounts or without one: `sqlite:PATH`, `postgres://…`, or `env:NAME` of one"),
    key("audit.encryption_key", K::Secret, D::None, "Encrypts that store; production asks for it with SQLite"),

    key("roles.*.limit", K::Limits, D::None, "What everybody of that role has, `per user` where it does not say: one rate or a list. Rights grow in the order in which roles are written: free, premium, own ones, admin"),

    key("identity.user_headers", K::HeaderNames, D::List(&[]), "Headers that tell the application the user's name, beside X-Auth-User; a client's own are taken off"),
    key("identity.assertion", K::Bool, D::Bool(false), "Whether X-Auth-Assertion says who it is, signed; `/.well-known/jwks.json` under the prefix has the keys"),
    key("identity.assertion_audience", K::Text, D::Text("application"), "`aud` of the assertion"),

    key("cors.enabled", K::Bool, D::Computed("true where `[cors]` stands"), "Whether the gateway answers preflights and writes CORS headers"),
    key("cors.origins", K::Origins, D::List(&[]), "Pages of these origins may call; exact, or `*` without credentials"),
    key("cors.credentials", K::Bool, D::Bool(false), "Whether such pages may send cookies"),
    key("cors.methods", K::Methods, D::List(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]), "Methods that a preflight allows"),
    key("cors.headers", K::HeaderNames, D::List(&["Accept", "Accept-Language", "Authorization", "Content-Language", "Content-Type", "X-API-Key", "X-Ingest-Token", "X-Request-Id", "X-Requested-With"]), "Request headers that a preflight allows; `*` for any"),
    key("cors.expose", K::HeaderNames, D::List(&["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"]), "Answer headers that such pages may read"),
    key("cors.max_age", K::Duration, D::Text("10m"), "How long a browser remembers a preflight"),
    key("cors.reject", K::Bool, D::Bool(false), "Answer 403 to other origins, instead of leaving it to the browser"),

    key("headers.secure", K::Bool, D::Bool(true), "The security headers of the gateway; `false` adds none of them"),
    key("headers.*", K::Header, D::None, "A header of every answer: its value, `false` to remove it, or { value, keep = true } to let the application's own stand"),

    key("query.check", K::Bool, D::Bool(false), "Whether every query must be text: 422 for control characters, broken escapes and what is not UTF-8"),
    key("query.max_count", K::Integer(1, 10_000), D::Integer(100), "Most parameters of a query that is checked"),
    key("query.max_length", K::Size, D::Text("4 KiB"), "Longest name or value of a parameter that is checked, decoded"),

    key("outbound.allow", K::Words, D::List(&[]), "Where URLs may lead beside the public Internet: addresses, prefixes, host names, `*.example.com` for every name under it"),
    key("outbound.deny", K::Words, D::List(&[]), "Where they may not lead, whatever else says so"),
    key("outbound.ports", K::Ports, D::List(&["80", "443", "8080", "8443"]), "On which ports: numbers, and ranges as \"8000-8999\""),
    key("outbound.resolver", K::Words, D::Computed("the name servers of the system"), "Name servers that are asked where names lead: addresses, with a port or without"),
    key("outbound.timeout", K::Duration, D::Text("5s"), "How long the names in one URL may take to resolve; then it is refused"),

    key("egress.listen", K::Text, D::None, "Where a proxy listens through which the application calls others (`HTTP_PROXY`, `HTTPS_PROXY`): every call is judged by `[outbound]`, at the moment it is made"),
    key("egress.clients", K::Networks, D::List(&["127.0.0.0/8", "::1"]), "Who may call through it: addresses and prefixes"),
    key("egress.hosts", K::Words, D::List(&[]), "The only hosts that may be called, written as in `outbound.allow`; none for all that `[outbound]` lets pass"),
    key("egress.mode", K::Choice(MODES), D::Text("enforce"), "`observe` lets calls to other hosts than these pass and logs them; what `[outbound]` refuses is always refused"),
    key("patterns.mode", K::Choice(PATTERNS), D::Text("off"), "Whether paths, queries and held bodies are inspected for attacks: `observe` logs what is found, `enforce` refuses it with 403; routes may say otherwise"),
    key("patterns.score", K::Integer(1, 100), D::Integer(5), "The sum of weights at which a request is refused; a strong rule has 5"),
    key("patterns.without", K::Words, D::List(&[]), "Rules that are not applied"),
    key("patterns.words", K::Words, D::List(&[]), "Texts that nobody may send, in any letter case: rule `listed-text`"),

    key("limiter.enabled", K::Bool, D::Bool(true), "`false`: no limit is in force but that of wrong credentials"),

    key("limits[].rate", K::Rate, D::None, "`COUNT/[N]UNIT [per SCOPE]`: 100/minute per ip"),
    key("limits[].mode", K::Choice(MODES), D::Text("enforce"), "`observe` counts and logs and refuses nobody"),
    key("limits[].name", K::Text, D::None, "For logs, and so that a later layer can replace it; limits of routes that have the same name are one counter"),

    key("routes[].match", K::Match, D::None, "`METHOD[,METHOD] PATH`; {name} one segment, {*rest} the rest; WS for WebSocket; no method = all"),
    key("routes[].auth", K::Schemes, D::Computed("`auth.default`"), "none, a scheme (ingest-token, api-key, bearer, session, first-message), or a list of which any one will do; with `anonymous` in it, who has none passes too"),
    key("routes[].roles", K::Roles, D::List(&[]), "Whom it is for, beside `admin`: any one of these roles"),
    key("routes[].limits", K::Limits, D::List(&[]), "Limits of this route, beside the general ones"),
    key("routes[].general_limits", K::Choice(GENERAL), D::Text("count"), "What `limits` of every route and those of roles are here: `count`; `show`, their headers alone; or `off`"),
    key("routes[].upstream", K::Text, D::Computed("`upstream`"), "The name of one of `[upstreams]`"),
    key("routes[].mode", K::Choice(MODES), D::Text("enforce"), "`observe` evaluates authentication, limits and where URLs lead, logs them and refuses nobody"),
    key("routes[].query.names", K::Words, D::Computed("any"), "The parameters that a query of this route may have; an empty list for none"),
    key("routes[].query.max_count", K::Integer(1, 10_000), D::Computed("`query.max_count`"), "Most parameters"),
    key("routes[].query.max_length", K::Size, D::Computed("`query.max_length`"), "Longest name or value of a parameter, decoded"),
    key("routes[].body.max", K::Size, D::Computed("`server.caps.body`; 64 KiB where a body is judged"), "Largest request body"),
    key("routes[].body.content_types", K::Words, D::Computed("any"), "Media types that a body may have; others are answered 415"),
    key("routes[].body.fields", K::Rules, D::Computed("any"), "A body is a JSON object with these fields and no other: `string`, `number`, `integer`, `boolean`, `array`, `object`, `any`, or a table; 422 for what is not"),
    key("routes[].body.fields.*.type", K::Text, D::Computed("by what else is asked"), "Its type"),
    key("routes[].body.fields.*.required", K::Bool, D::Bool(false), "Whether it must be there, and not null"),
    key("routes[].body.fields.*.min_length", K::Integer(0, 65_536), D::Integer(0), "Fewest characters of a string"),
    key("routes[].body.fields.*.max_length", K::Integer(0, 65_536), D::Computed("any"), "Most characters of a string"),
    key("routes[].body.fields.*.pattern", K::Text, D::None, "A regular expression that must match somewhere in a string, or from end to end with `^` and `$`; matched in linear time"),
    key("routes[].body.fields.*.forbid", K::Words, D::List(&[]), "What must not stand in a string, in any letter case"),
    key("routes[].body.fields.*.message", K::Text, D::Computed("holds what is forbidden"), "What is said where it does"),
    key("routes[].body.fields.*.min", K::Number, D::None, "Least number"),
    key("routes[].body.fields.*.max", K::Number, D::None, "Greatest number"),
    key("routes[].body.fields.*.sanitize", K::Choice(&["trim", "text", "filename"]), D::None, "How a string is cleaned before it is judged and goes on: `trim` takes off blanks; `text` is for what is shown in a page; `filename` for names of files"),
    key("routes[].body.fields.*.fields", K::Rules, D::Computed("any"), "The fields of an object, as those of the body"),
    key("routes[].body.fields.*.unknown_fields", K::Choice(UNKNOWN_FIELDS), D::Text("refuse"), "What happens to others of an object that names some"),
    key("routes[].body.unknown_fields", K::Choice(UNKNOWN_FIELDS), D::Text("refuse"), "What happens to fields that `fields` does not name"),
    key("routes[].body.max_depth", K::Integer(1, 64), D::Computed("8"), "A body is a JSON object with objects and lists in each other to this depth at most"),
    key("routes[].body.max_fields", K::Integer(1, 10_000), D::Computed("100"), "A body is a JSON object, none of its objects with more fields than this"),
    key("routes[].body.hold", K::Size, D::Computed("`routes[].body.max`, at most 64 KiB"), "Largest body that is held until it was judged as JSON, or inspected as a form where `content_types` names only that; larger ones are answered 413"),
    key("routes[].body.public_urls", K::Words, D::List(&[]), "JSON pointers to what must be public URLs in a body, which is a JSON object; `*` for any name or index. What `[outbound]` does not let pass is refused"),
    key("routes[].patterns", K::Choice(PATTERNS), D::Computed("`patterns.mode`"), "Whether requests of this route are inspected for attacks"),
    key("routes[].websocket.max_message", K::Size, D::None, "Largest message of a client; a larger one closes the WebSocket with 1009. Frames are checked, and nothing is compressed"),
    key("routes[].websocket.idle_timeout", K::Duration, D::None, "Closes a WebSocket on which nothing passed for so long"),
    key("routes[].websocket.connections", K::Integer(1, 10_000_000), D::None, "Open WebSockets of this route"),
    key("routes[].websocket.connections_per_ip", K::Integer(1, 10_000_000), D::None, "Open WebSockets of this route from one address, IPv6 by /64"),
    key("routes[].websocket.connections_per_user", K::Integer(1, 10_000_000), D::None, "Open WebSockets of this route of one user"),
    key("routes[].websocket.connections_per_path", K::Integer(1, 10_000_000), D::None, "Open WebSockets of one path of this route: of one account in `WS /orders/{account}`"),
    key("routes[].websocket.auth_timeout", K::Duration, D::Text("10s"), "How long the first message may take where `auth` is `first-message`; then 4408"),
    key("routes[].websocket.messages", K::Limits, D::None, "How many messages one client may send: `600/minute`; more close its WebSocket with 4429"),
    key("routes[].websocket.ping", K::Duration, D::None, "Pings a client that is silent for so long, and closes its WebSocket when it does not answer within the same time"),

    key("replies.*.content_type", K::Text, D::Text("application/json"), "Content type of this refusal"),
    key("replies.*.body", K::Template, D::None, "Body; {limit} {window} {remaining} {reset} {retry_after} {request_id} {detail} {title} {code} {status}, and {errors} and {fastapi_errors}, the lists of what is wrong with a query or a body"),
    key("replies.*.headers", K::Fields, D::None, "More headers of this refusal"),
    key("replies.*.websocket.message", K::Template, D::None, "A message before a WebSocket is closed with this refusal; placeholders as in `body`"),
    key("replies.*.websocket.close", K::Integer(1000, 4999), D::Computed("the code of the refusal"), "Code of the close frame"),
    key("replies.*.websocket.reason", K::Text, D::Computed("the code of the refusal"), "Reason in the close frame, at most 123 bytes"),
    key("replies.*.status", K::Integer(400, 599), D::Computed("that of the refusal"), "Another status of this refusal"),
    key("replies.*.log", K::Text, D::None, "What the log says of it, where somebody searches for certain words"),

    key("errors.replace", K::Choice(&["never", "5xx", "4xx-5xx"]), D::Text("5xx"), "Which answers of the application get the body of `replies.upstream-error`, so that no stack trace leaves"),
    key("errors.in_development", K::Bool, D::Bool(false), "Whether they are replaced in development too"),

    key("endpoints.prefix", K::Text, D::Text("/portcullis"), "Where the gateway's own endpoints stand"),
    key("endpoints.health", K::PathOrOff, D::Text("/health"), "Whether the gateway is up; `false` for none"),
    key("endpoints.metrics", K::PathOrOff, D::None, "Counters for Prometheus; without a path there are none"),
    key("endpoints.metrics_readers", K::Networks, D::List(&[]), "Who may read them beside this machine; everybody else is answered 404"),
    key("endpoints.auth", K::PathOrOff, D::Text("/auth"), "Registration, login, tokens, keys, devices and sessions, where accounts are kept; `false` for none"),
    key("endpoints.admin", K::PathOrOff, D::Text("/admin"), "Users, keys, sessions and devices of others, for admins, where accounts are kept; `false` for none"),
    key("endpoints.docs", K::PathOrOff, D::Text("/docs"), "What these endpoints take and give, with `/openapi.json`, where accounts are kept; `false` for none"),

    key("tests[].name", K::Text, D::None, "What it shows"),
    key("tests[].request", K::Request, D::None, "`METHOD PATH`"),
    key("tests[].headers", K::Fields, D::None, "Headers of the request"),
    key("tests[].from", K::Address, D::Text("192.0.2.1"), "The client's address"),
    key("tests[].expect.status", K::Status, D::None, "The status of the gateway's answer; 200 when the request would be forwarded"),
    key("tests[].expect.code", K::Text, D::None, "The code of the refusal, or `forward`, or `answered` by the gateway itself"),
    key("tests[].expect.route", K::Text, D::None, "The `match` of the route that applies"),
];

/// Keys of the interface that a later version brings; naming one is an error that says so.
pub const LATER: &[&str] = &[
    "admin",
    "cluster",
    "auth.tokens.jwks_url",
    "server.tls.acme",
    "limits[].counting",
    "routes[].body.schema",
    "endpoints.console",
    "upstreams.*.tls",
];

impl Key {
    /// The environment name of a key, where it can have one: `PORTCULLIS_SERVER__LISTEN`.
    pub fn environment_name(&self) -> Option<String> {
        let path = self.path.split("[]").next().unwrap_or(self.path);
        if path != self.path {
            return None;
        }
        let upper = path.replace('.', "__").replace('*', "NAME").to_uppercase();
        Some(format!("PORTCULLIS_{upper}"))
    }
}

impl Fallback {
    /// For people.
    pub fn words(&self) -> String {
        match self {
            Fallback::None => String::new(),
            Fallback::Text(text) => format!("\"{text}\""),
            Fallback::Integer(number) => number.to_string(),
            Fallback::Bool(value) => value.to_string(),
            Fallback::List(items) => serde_json::to_string(items).unwrap_or_default(),
            Fallback::Computed(words) => (*words).to_owned(),
        }
    }
}

/// The key with that pattern.
pub fn find(pattern: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == pattern)
}

/// The names that may stand under a section (a pattern, empty for the root), in the order of the table.
pub fn names_under(section: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in KEYS {
        let Some(rest) = under(key.path, section) else { continue };
        let name = rest.split(['.', '[']).next().unwrap_or(rest);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// What stands at a pattern: a key, a section, a list of tables, or nothing that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Key(&'static str),
    Section,
    Tables,
    Later,
    Unknown,
}

pub fn shape(pattern: &str) -> Shape {
    if let Some(key) = find(pattern) {
        return Shape::Key(key.path);
    }
    if LATER.contains(&pattern) {
        return Shape::Later;
    }
    let tables = format!("{pattern}[].");
    if KEYS.iter().any(|key| key.path.starts_with(&tables)) {
        return Shape::Tables;
    }
    let section = format!("{pattern}.");
    if KEYS.iter().any(|key| key.path.starts_with(&section)) { Shape::Section } else { Shape::Unknown }
}

/// The pattern of `name` under `section`: itself, or `*` where the user chooses names.
pub fn child(section: &str, name: &str) -> String {
    let join = |name: &str| if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
    let named = join(name);
    if shape(&named) == Shape::Unknown && shape(&join("*")) != Shape::Unknown { join("*") } else { named }
}

fn under(path: &'static str, section: &str) -> Option<&'static str> {
    if section.is_empty() { Some(path) } else { path.strip_prefix(section)?.strip_prefix('.') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_stands_twice_or_in_both_lists() {
        for (at, key) in KEYS.iter().enumerate() {
            assert!(KEYS[at + 1..].iter().all(|other| other.path != key.path), "{}", key.path);
            assert!(LATER.iter().all(|later| !key.path.starts_with(&format!("{later}."))), "{}", key.path);
            assert!(!key.doc.is_empty() && !key.doc.ends_with('.'), "{}", key.path);
        }
    }

    #[test]
    fn patterns_are_found() {
        assert_eq!(shape("server.caps"), Shape::Section);
        assert_eq!(shape("routes"), Shape::Tables);
        assert_eq!(shape("routes[].match"), Shape::Key("routes[].match"));
        assert_eq!(shape("cluster"), Shape::Later);
        assert_eq!(shape("sever"), Shape::Unknown);
        assert_eq!(child("headers", "X-Frame-Options"), "headers.*");
        assert_eq!(child("headers", "secure"), "headers.secure");
        assert_eq!(child("upstreams", "app"), "upstreams.*");
        assert_eq!(names_under("server.tls"), ["cert", "key"]);
    }
}
