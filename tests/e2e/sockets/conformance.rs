//! RFC 6455 frame by frame, after the sections of the Autobahn test suite: what a client sends, well formed and not,
//! to an echo server, and to the same server through the gateway.
//!
//! The suite itself runs on Python 2 alone, which no registry brings any more; these are its subjects, written anew.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use portcullis_tests::{EchoServer, Launch, PATIENCE};

const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// What one client sends.
struct Case {
    name: String,
    bytes: Vec<u8>,
    /// How many bytes go in one write.
    chop: usize,
    /// Whether the framing is broken, so that whoever reads frames must end it with 1002.
    broken: bool,
}

/// A masked frame; `first` is its first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        short @ ..=125 => bytes.push(0x80 | short as u8),
        long @ ..=0xffff => {
            bytes.push(0x80 | 0x7e);
            bytes.extend((long as u16).to_be_bytes());
        }
        longer => {
            bytes.push(0x80 | 0x7f);
            bytes.extend((longer as u64).to_be_bytes());
        }
    }
    bytes.extend(KEY);
    bytes.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

fn last(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(0x80 | opcode, payload)
}

fn goodbye() -> Vec<u8> {
    last(CLOSE, &1000_u16.to_be_bytes())
}

/// The cases, section by section.
#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, name: impl Into<String>, frames: &[Vec<u8>], chop: usize, broken: bool) {
        let mut bytes = frames.concat();
        bytes.extend(goodbye());
        self.0.push(Case { name: name.into(), bytes, chop, broken });
    }

    fn fine(&mut self, name: impl Into<String>, frames: &[Vec<u8>]) {
        let name = name.into();
        self.add(format!("{name} at once"), frames, usize::MAX, false);
        self.add(format!("{name} octet by octet"), frames, 1, false);
    }

    fn broken(&mut self, name: impl Into<String>, frames: &[Vec<u8>]) {
        let name = name.into();
        self.add(format!("{name} at once"), frames, usize::MAX, true);
        self.add(format!("{name} octet by octet"), frames, 1, true);
    }

    /// 1: messages of every size.
    fn sizes(&mut self) {
        for (kind, opcode) in [("text", TEXT), ("binary", BINARY)] {
            for size in [0, 125, 126, 127, 128, 65_535, 65_536] {
                let message = last(opcode, &vec![b'*'; size]);
                for chop in [usize::MAX, 997] {
                    self.add(
                        format!("1 {kind} of {size} by {chop}"),
                        std::slice::from_ref(&message),
                        chop,
                        false,
                    );
                }
            }
        }
    }

    /// 2: pings and pongs.
    fn pings(&mut self) {
        self.fine("2.1 a ping", &[last(PING, b"")]);
        self.fine("2.2 with a payload", &[last(PING, b"Hello, world!")]);
        self.fine("2.3 with a binary payload", &[last(PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")]);
        self.fine("2.4 with 125 bytes", &[last(PING, &[0xfe; 125])]);
        self.broken("2.5 with 126 bytes", &[last(PING, &[0xfe; 126])]);
        self.fine("2.7 a pong that nobody asked for", &[last(PONG, b"")]);
        self.fine("2.8 with a payload", &[last(PONG, b"unsolicited")]);
        self.fine("2.9 and a ping", &[last(PONG, b"unsolicited"), last(PING, b"ping")]);
        let ten: Vec<_> = (0..10).map(|n: u8| last(PING, &[b'0' + n])).collect();
        self.fine("2.10 ten pings", &ten);
    }

    /// 3 and 4: reserved bits and opcodes.
    fn reserved(&mut self) {
        for bits in 1..8_u8 {
            for (what, opcode) in [("text", TEXT), ("binary", BINARY), ("ping", PING), ("close", CLOSE)] {
                let odd = frame(0x80 | bits << 4 | opcode, b"x");
                self.broken(format!("3 {what} with the reserved bits {bits}"), &[last(TEXT, b"before"), odd]);
            }
        }
        for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
            for payload in [&b""[..], b"reserved"] {
                let odd = last(opcode, payload);
                self.broken(format!("4 opcode {opcode}"), &[last(TEXT, b"before"), odd, last(PING, b"")]);
            }
        }
    }

    /// 5: fragments.
    fn fragments(&mut self) {
        let (begin, go_on, end) = (
            |text: &str| frame(TEXT, text.as_bytes()),
            |text: &str| frame(0, text.as_bytes()),
            |text: &str| last(0, text.as_bytes()),
        );
        self.broken("5.1 a ping in two", &[frame(PING, b"one"), end("two")]);
        self.broken("5.2 a pong in two", &[frame(PONG, b"one"), end("two")]);
        self.fine("5.3 a text in two", &[begin("one"), end("two")]);
        self.fine("5.6 with a ping between", &[begin("one"), last(PING, b"ping"), end("two")]);
        self.broken("5.9 continued before it began", &[end("nothing"), last(TEXT, b"text")]);
        self.broken("5.12 the same, unfinished", &[go_on("nothing"), last(TEXT, b"text")]);
        self.broken(
            "5.15 continued after its end",
            &[begin("one"), end("two"), go_on("x"), last(TEXT, b"y")],
        );
        self.broken("5.18 two at once", &[begin("one"), last(TEXT, b"two")]);
        let five = ["one", "two", "three", "four", "five"];
        let mut frames = vec![begin(five[0])];
        for part in &five[1..4] {
            frames.extend([go_on(part), last(PING, part.as_bytes())]);
        }
        frames.push(end(five[4]));
        self.fine("5.19 in five with pings between", &frames);
        self.fine("5.x empty fragments", &[begin(""), go_on(""), end("")]);
    }

    /// 6: what is and what is not UTF-8.
    fn utf8(&mut self) {
        let valid = [
            "Hello-µ@ßöäüàá-UTF-8!!",
            "κόσμε",
            "\u{0}",
            "\u{7f}",
            "\u{80}",
            "\u{7ff}",
            "\u{fffd}",
            "\u{10ffff}",
        ];
        for text in valid {
            self.fine(format!("6 {text:?}"), &[last(TEXT, text.as_bytes())]);
            let cut = text.len() / 2;
            let parts = [frame(TEXT, &text.as_bytes()[..cut]), last(0, &text.as_bytes()[cut..])];
            self.fine(format!("6 {text:?} in two"), &parts);
        }
        let invalid: [&[u8]; 9] = [
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
            b"\xf4\x90\x80\x80",
            b"\xc0\x80",
            b"\xed\xa0\x80",
            b"\xf8\x88\x80\x80\x80",
            b"\xff",
            b"\x80",
            b"\xce",
            b"\xf0\x28\x8c\xbc",
        ];
        for text in invalid {
            // Well framed: who reads the text has to judge it.
            self.fine(format!("6 {text:x?}"), &[last(TEXT, text)]);
        }
    }

    /// 7: goodbyes.
    fn closes(&mut self) {
        self.fine("7.1.2 two closes", &[last(CLOSE, &1000_u16.to_be_bytes())]);
        self.fine("7.3.1 without a code", &[last(CLOSE, b"")]);
        self.broken("7.3.2 with half a code", &[last(CLOSE, b"\x03")]);
        let with = |code: u16, reason: &str| last(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat());
        self.fine("7.3.4 with a reason", &[with(1000, "Hello World!")]);
        self.fine("7.3.5 with the longest", &[with(1000, &"*".repeat(123))]);
        self.broken("7.3.6 with a longer one", &[with(1000, &"*".repeat(124))]);
        self.fine("7.5.1 with a reason that is no UTF-8", &[last(CLOSE, b"\x03\xe8\xce\xba\xff")]);
        for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
            self.fine(format!("7.7 with {code}"), &[with(code, "reason")]);
        }
        for code in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535] {
            self.fine(format!("7.9 with {code}"), &[with(code, "reason")]);
        }
    }

    fn all() -> Vec<Case> {
        let mut cases = Self::default();
        cases.sizes();
        cases.pings();
        cases.reserved();
        cases.fragments();
        cases.utf8();
        cases.closes();
        cases.0
    }
}

/// Everything that the other side says to it after the handshake.
fn answered(address: SocketAddr, path: &str, case: &Case) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let handshake = format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(handshake.as_bytes()).unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    let mut sending = stream.try_clone().unwrap();
    let (bytes, chop) = (case.bytes.clone(), case.chop.min(case.bytes.len()));
    let sender = std::thread::spawn(move || {
        for piece in bytes.chunks(chop) {
            // Whoever has ended it takes no more.
            if sending.write_all(piece).is_err() {
                return;
            }
        }
    });
    let mut all = Vec::new();
    let mut piece = vec![0; 64 << 10];
    // A reset after the goodbye is an end, too: not all that was sent was read.
    while let Ok(count) = stream.read(&mut piece) {
        if count == 0 {
            break;
        }
        all.extend_from_slice(&piece[..count]);
    }
    sender.join().unwrap();
    all
}

/// The code of the close frame at the end.
fn code(answered: &[u8]) -> Option<u16> {
    let mut rest = answered;
    while let [first, second, after @ ..] = rest {
        let (length, skip) = match second {
            126 => (usize::from(u16::from_be_bytes([after[0], after[1]])), 2),
            127 => (u64::from_be_bytes(after[..8].try_into().unwrap()) as usize, 8),
            short => (usize::from(*short), 0),
        };
        let payload = after.get(skip..skip + length)?;
        if first & 0xf == CLOSE {
            return payload.first_chunk().map_or(Some(1005), |code| Some(u16::from_be_bytes(*code)));
        }
        rest = &after[skip + length..];
    }
    None
}

#[test]
fn no_case_is_worse_through_the_gateway_and_broken_frames_are_judged_where_messages_are() {
    let application = EchoServer::start();
    let gateway = Launch::run()
        .config(&format!(
            "upstream = \"{}\"\n[auth]\ndefault = \"none\"\n[log]\nlevel = \"error\"\n\
             [[routes]]\nmatch = \"WS /metered\"\nwebsocket = {{ max_message = \"1 MiB\" }}\n\
             [[routes]]\nmatch = \"WS /plain\"\n",
            application.url()
        ))
        .start();
    let cases = Cases::all();
    assert!(cases.len() > 200, "{}", cases.len());
    let mut worse = String::new();
    for case in &cases {
        let direct = answered(application.address(), "/", case);
        let plain = answered(gateway.address(), "/plain", case);
        let metered = answered(gateway.address(), "/metered", case);
        let name = &case.name;
        if plain != direct {
            let _ = writeln!(worse, "{name}: {:?}, not {:?}", code(&plain), code(&direct));
        }
        let judged = if case.broken { code(&metered) == Some(1002) } else { metered == direct };
        if !judged {
            let _ = writeln!(worse, "{name}, metered: {:?}, not {:?}", code(&metered), code(&direct));
        }
    }
    assert!(worse.is_empty(), "of {} cases:\n{worse}", cases.len());
    println!("{} cases", cases.len());
}
