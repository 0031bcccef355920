//! What reading and writing costs, in nanoseconds: `cargo run --release -p portcullis-wire --example speed`.

use portcullis_wire::{
    Body, BodyDecoder, Caps, Known, Scratch, parse_request, parse_response, split_target, write,
};
use std::hint::black_box;
use std::time::Instant;

const REQUEST: &[u8] = b"GET /api/v1/orders?symbol=BTC-USD&limit=50 HTTP/1.1\r\n\
Host: gateway.example.com\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
Accept: application/json, text/plain, */*\r\n\
Accept-Language: en-US,en;q=0.5\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
X-API-Key: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n\
Origin: https://app.example.com\r\n\
Connection: keep-alive\r\n\
Referer: https://app.example.com/dashboard\r\n\
Sec-Fetch-Dest: empty\r\n\
Sec-Fetch-Mode: cors\r\n\
Sec-Fetch-Site: same-site\r\n\r\n";

const BARE: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n";

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ndate: Sat, 21 Nov 2026 02:33:00 GMT\r\nserver: uvicorn\r\n\
content-length: 27\r\ncontent-type: application/json\r\n\r\n";

const CHUNKS: &[u8] =
    b"10\r\n0123456789abcdef\r\n10\r\n0123456789abcdef\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n";

fn main() {
    let caps = Caps::default();
    measure("request of a browser, 12 fields", || {
        let mut scratch = Scratch::new();
        let head = parse_request(black_box(REQUEST), &caps, &mut scratch).ok().flatten();
        head.map_or(0, |head| head.fields.len() + head.len)
    });
    measure("request of a load generator", || {
        let mut scratch = Scratch::new();
        let head = parse_request(black_box(BARE), &caps, &mut scratch).ok().flatten();
        head.map_or(0, |head| head.fields.len() + head.len)
    });
    measure("request refused for a bare LF", || {
        let mut scratch = Scratch::new();
        let bytes: &[u8] = black_box(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\n\r\n");
        parse_request(bytes, &caps, &mut scratch).is_err().into()
    });
    let drip = [&BARE[..BARE.len() - 2], b"X: ", &[b'y'; 10_000]].concat();
    measure("10 KB of a head that is not whole", || {
        let mut scratch = Scratch::new();
        parse_request(black_box(&drip), &caps, &mut scratch).is_ok().into()
    });
    measure("response of uvicorn, 4 fields", || {
        let mut scratch = Scratch::new();
        let head = parse_response(black_box(RESPONSE), &caps, "GET", &mut scratch).ok().flatten();
        head.map_or(0, |head| head.fields.len() + head.len)
    });
    measure("target", || {
        let target = split_target("GET", black_box("/api/v1/orders?symbol=BTC-USD&limit=50"), "a");
        target.map_or(0, |target| target.path.len())
    });
    let mut scratch = Scratch::new();
    if let Ok(Some(head)) = parse_request(REQUEST, &caps, &mut scratch) {
        let mut out = Vec::with_capacity(1024);
        measure("copying the browser's fields, filtered", || {
            out.clear();
            write::request_line(&mut out, head.method, head.target);
            for field in black_box(head.fields) {
                if !Known::of(field.name).is_hop_by_hop() {
                    write::field_as_read(&mut out, field);
                }
            }
            out.len()
        });
    }
    measure("body in three chunks", || {
        let (mut decoder, mut at) = (BodyDecoder::new(Body::Chunked), 0);
        while !decoder.is_done() {
            let Ok((consumed, _)) = decoder.advance(black_box(&CHUNKS[at..])) else { break };
            at += consumed;
        }
        at
    });
    measure("date", || write::imf_fixdate(black_box(1_795_228_380))[5].into());
}

fn measure(what: &str, mut once: impl FnMut() -> usize) {
    const ROUNDS: u32 = 200_000;
    let best = (0..5).map(|_| {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| {
            black_box(once());
        });
        start.elapsed().as_nanos() / u128::from(ROUNDS)
    });
    println!("{:>6} ns  {what}", best.min().unwrap_or_default());
}
