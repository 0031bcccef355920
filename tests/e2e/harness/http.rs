//! A small HTTP/1.1 client that sends exactly the bytes it is given and hides nothing of what comes back.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use super::wait::PATIENCE;

/// One connection to a server.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Self {
        Self::over(
            TcpStream::connect(address).unwrap_or_else(|error| panic!("connecting to {address}: {error}")),
        )
    }

    /// Connects from an address of this machine, such as `127.0.0.2`: another client as far as the server
    /// can tell.
    pub fn open_from(source: IpAddr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
        socket.connect(&address.into()).unwrap_or_else(|error| panic!("from {source} to {address}: {error}"));
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Sends the bytes as they are. A server that has closed already is no error here: its answer tells.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.stream.get_mut().write_all(bytes.as_ref());
        self
    }

    /// Ends the sending half.
    pub fn end(&mut self) -> &mut Self {
        let _ = self.stream.get_ref().shutdown(std::net::Shutdown::Write);
        self
    }

    /// Reads one whole answer.
    pub fn response(&mut self) -> Response {
        self.read_response(true)
    }

    /// Reads the answer to a HEAD request: it has no body whatever its head says.
    pub fn response_to_head(&mut self) -> Response {
        self.read_response(false)
    }

    /// Whether the server has closed its half: nothing more comes.
    pub fn is_closed(&mut self) -> bool {
        match self.stream.fill_buf() {
            Ok(bytes) => bytes.is_empty(),
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    /// The bytes as they come, for what is not an HTTP answer (any more).
    pub fn stream(&mut self) -> &mut BufReader<TcpStream> {
        &mut self.stream
    }

    fn read_response(&mut self, with_body: bool) -> Response {
        let head = self.head();
        let mut response = Response::parse(&head);
        let bodiless = !with_body || response.status < 200 || matches!(response.status, 204 | 304);
        if bodiless {
            return response;
        }
        if response.field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            self.chunks(&mut response);
        } else if let Some(length) = response.field("content-length") {
            response.body = vec![0; length.parse().unwrap()];
            self.stream.read_exact(&mut response.body).unwrap();
        } else {
            self.stream.read_to_end(&mut response.body).unwrap();
        }
        response
    }

    fn head(&mut self) -> Vec<u8> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let count = self.stream.read_until(b'\n', &mut head).unwrap_or_else(|error| {
                panic!("no whole answer: {error}; so far: {}", String::from_utf8_lossy(&head))
            });
            assert!(count > 0, "closed without a whole answer; so far: {:?}", String::from_utf8_lossy(&head));
        }
        head
    }

    fn chunks(&mut self, response: &mut Response) {
        loop {
            let size = self.line();
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("chunk size {size:?}"));
            if size == 0 {
                break;
            }
            let start = response.body.len();
            response.body.resize(start + size, 0);
            self.stream.read_exact(&mut response.body[start..]).unwrap();
            assert_eq!(self.line(), "", "a chunk ends with CRLF");
        }
        loop {
            let line = self.line();
            match line.split_once(':') {
                Some((name, value)) => response.trailers.push((name.to_owned(), value.trim().to_owned())),
                None => break,
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end_matches(['\r', '\n']).to_owned()
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The status line and the fields, as they came.
    pub head: String,
    /// Every field in the order it came, the name in its letter case.
    pub fields: Vec<(String, String)>,
    /// The body, without chunk framing.
    pub body: Vec<u8>,
    /// Fields after a chunked body.
    pub trailers: Vec<(String, String)>,
}

impl Response {
    fn parse(head: &[u8]) -> Self {
        let head = String::from_utf8(head.to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {status_line:?}"));
        let fields = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Self { status, head, fields, ..Self::default() }
    }

    /// The value of a field that stands at most once; fails when it stands twice.
    pub fn field(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} stands {} times in {}", all.len(), self.head);
        all.first().copied()
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The field as a whole number; fails when it is missing or something else.
    pub fn number(&self, name: &str) -> u64 {
        let value = self.field(name).unwrap_or_else(|| panic!("no {name} in {}", self.head));
        value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}, not a whole number"))
    }

    /// The field as a list of words, in lower case and sorted: `Vary`, `Access-Control-Allow-Methods` and the like.
    pub fn words(&self, name: &str) -> Vec<String> {
        let mut words: Vec<String> = self
            .all(name)
            .iter()
            .flat_map(|value| value.split(','))
            .map(|word| word.trim().to_ascii_lowercase())
            .filter(|word| !word.is_empty())
            .collect();
        words.sort();
        words
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }
}

/// A well-formed request, for tests that are not about the bytes.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// Any method.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), fields: Vec::new(), body: None }
    }

    /// `GET`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// `POST` with a JSON body.
    pub fn post(target: &str, body: &str) -> Self {
        Self::new("POST", target).header("Content-Type", "application/json").body(body)
    }

    /// A CORS preflight.
    pub fn preflight(target: &str, origin: &str, method: &str, headers: &str) -> Self {
        let request = Self::new("OPTIONS", target)
            .header("Origin", origin)
            .header("Access-Control-Request-Method", method);
        if headers.is_empty() { request } else { request.header("Access-Control-Request-Headers", headers) }
    }

    /// Adds a field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds an access token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Sets the body, with its length.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        if !self.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            bytes.extend_from_slice(b"Host: gateway.test\r\n");
        }
        for (name, value) in &self.fields {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if let Some(body) = &self.body {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }

    /// Sends it on a connection and reads the answer.
    pub fn on(&self, connection: &mut Connection) -> Response {
        connection.send(self.bytes());
        if self.method == "HEAD" { connection.response_to_head() } else { connection.response() }
    }

    /// Sends it on a connection of its own.
    pub fn send_to(&self, address: SocketAddr) -> Response {
        self.on(&mut Connection::open(address))
    }

    /// Sends it on a connection of its own from another address of this machine.
    pub fn send_from(&self, source: &str, address: SocketAddr) -> Response {
        self.on(&mut Connection::open_from(source.parse().unwrap(), address))
    }
}
