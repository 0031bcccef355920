//! E-IN: what a prompt may be, and how it reaches the application.

use portcullis_tests::{
    Application, Connection, Gateway, Launch, Request, Response, System, Upstream, shell,
};
use serde_json::{Value, json};

use super::{Visitor, assert_reached, generous};

/// The routes that take a `PlaylistRequest`.
const ROUTES: [&str; 2] = ["/playlist/generate", "/playlist/refine"];

/// A gateway, and somebody who may ask for playlists.
fn open(upstream: &Upstream) -> (Gateway, Visitor) {
    let gateway = generous(upstream).start();
    let visitor = Visitor::new(&gateway, "asker");
    (gateway, visitor)
}

fn asked(prompt: &str) -> Value {
    json!({ "prompt": prompt, "session_id": "session-1", "device_id": "device_1" })
}

/// Fails unless the request was refused as FastAPI refuses it, with one error of that type at that field, and
/// without a word of what was sent.
#[track_caller]
fn assert_invalid(answer: &Response, kind: &str, field: &str) -> Value {
    assert_eq!(answer.status, 422, "{}{}", answer.head, answer.text());
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let body = answer.json();
    let detail = body["detail"].as_array().unwrap();
    assert_eq!(
        (detail.len(), &detail[0]["type"], &detail[0]["loc"]),
        (1, &json!(kind), &json!(["body", field]))
    );
    assert!(!answer.text().contains("quince"), "{}", answer.text());
    detail[0].clone()
}

#[test]
fn e_in_01_a_prompt_has_1_to_500_characters() {
    let upstream = Upstream::ok();
    let (gateway, visitor) = open(&upstream);
    for (number, route) in ROUTES.into_iter().enumerate() {
        let ask =
            |body: &Value| visitor.sign(Request::post(route, &body.to_string())).send_to(gateway.address());
        assert_reached(&ask(&asked("x")));
        // Characters, not bytes.
        assert_reached(&ask(&asked(&"ä".repeat(500))));
        assert_eq!(upstream.count(), 2 * (number + 1));
        let short = assert_invalid(&ask(&asked("")), "string_too_short", "prompt");
        assert_eq!(short["msg"], "String should have at least 1 character");
        let long =
            assert_invalid(&ask(&asked(&format!("quince{}", "ä".repeat(495)))), "string_too_long", "prompt");
        assert_eq!(long["msg"], "String should have at most 500 characters");
        assert_invalid(&ask(&json!({ "session_id": "s", "device_id": "d" })), "missing", "prompt");
        let null = json!({ "prompt": null, "session_id": "s", "device_id": "d" });
        assert_invalid(&ask(&null), "string_type", "prompt");
        // Blanks are no prompt.
        assert_invalid(&ask(&asked(" \t\n ")), "string_too_short", "prompt");
    }
    assert_eq!(upstream.count(), 4, "nothing of them reached the application");
}

#[test]
fn e_in_01_a_refusal_is_what_the_application_itself_would_say() {
    let application = Application::start(System::EchoTuner);
    let theirs_at = application.url().strip_prefix("http://").unwrap().parse().unwrap();
    let upstream = Upstream::ok();
    let (gateway, visitor) = open(&upstream);
    for body in
        [asked(""), asked(&"x".repeat(501)), json!({ "prompt": "x", "session_id": "a b", "device_id": "d" })]
    {
        let request = || visitor.sign(Request::post("/playlist/generate", &body.to_string()));
        let (ours, theirs) = (request().send_to(gateway.address()), request().send_to(theirs_at));
        assert_eq!((ours.status, theirs.status), (422, 422));
        for member in ["type", "loc", "msg"] {
            assert_eq!(ours.json()["detail"][0][member], theirs.json()["detail"][0][member], "{body}");
        }
    }
}

#[test]
fn e_in_02_sessions_and_devices_are_letters_digits_underscores_and_hyphens() {
    let upstream = Upstream::ok();
    let gateway = generous(&upstream).start();
    for (route, field) in ROUTES.into_iter().flat_map(|route| [(route, "session_id"), (route, "device_id")]) {
        // What is refused is counted: each has an allowance of its own.
        let visitor = Visitor::new(&gateway, &format!("{}-{field}", &route[10..]));
        let ask = |value: Value| {
            let mut body = asked("rainy walk");
            body[field] = value;
            visitor.sign(Request::post(route, &body.to_string())).send_to(gateway.address())
        };
        assert_reached(&ask(json!("abc-XYZ_019")));
        let reached = upstream.count();
        for wrong in
            ["", "quince quince", "quince;", "quince'--", "../quince", "quinc\u{e9}", "quince\n", "\nquince"]
        {
            let said = assert_invalid(&ask(json!(wrong)), "string_pattern_mismatch", field);
            assert_eq!(said["msg"], "String should match pattern '^[a-zA-Z0-9_-]+$'");
        }
        assert_invalid(&ask(json!(7)), "string_type", field);
        assert_eq!(upstream.count(), reached);
    }
}

#[test]
fn e_in_03_a_prompt_with_something_of_a_page_in_it_is_refused_and_noticed() {
    let upstream = Upstream::ok();
    let (gateway, visitor) = open(&upstream);
    let ask = |prompt: &str| {
        let request = Request::post("/playlist/generate", &asked(prompt).to_string());
        visitor.sign(request).header("X-Request-Id", "the-suspicious-one").send_to(gateway.address())
    };
    for prompt in [
        "<script>quince</script>",
        "songs <SCRIPT src=//quince>",
        "jAvAsCrIpT:quince()",
        "Data:text/html,quince",
        "songs about data: quince",
    ] {
        let said = assert_invalid(&ask(prompt), "value_error", "prompt");
        assert_eq!(said["msg"], "Value error, Invalid prompt content");
    }
    // An escape of JSON is no way around.
    let escaped = asked("x").to_string().replace("\"x\"", r#""\u003cscr\u0069pt>""#);
    let answer = visitor.sign(Request::post("/playlist/generate", &escaped)).send_to(gateway.address());
    assert_invalid(&answer, "value_error", "prompt");
    assert_eq!(upstream.count(), 0);
    let line = gateway.wait_for_log(&["suspicious_activity", "forbidden-text", "the-suspicious-one"]);
    assert!(line.contains("/prompt") && line.contains("422"), "{line}");
    assert!(!gateway.log().contains("quince"), "{}", gateway.log());

    for prompt in ["a script about java", "metadata", "big data songs", "2 < 3"] {
        assert_reached(&ask(prompt));
    }
}

#[test]
fn e_in_04_a_prompt_reaches_the_application_without_blanks_at_its_ends() {
    let upstream = Upstream::ok();
    let (gateway, visitor) = open(&upstream);
    let sent = r#"{ "prompt" : "  rainy \u00e4 walk\n " , "session_id":"s", "device_id":"d", "more": [ 1.50, " x " ] }"#;
    let seen =
        r#"{ "prompt" : "rainy ä walk" , "session_id":"s", "device_id":"d", "more": [ 1.50, " x " ] }"#;
    let post = |body: &str| visitor.sign(Request::post("/playlist/generate", body));

    // The rest stays byte for byte, and the head says the new length.
    let mut connection = Connection::open(gateway.address());
    assert_reached(&post(sent).on(&mut connection));
    let received = upstream.only();
    assert_eq!(String::from_utf8_lossy(&received.body), seen);
    assert_eq!(received.field("content-length"), Some(seen.len().to_string().as_str()));
    // What is clean is passed as it is, on the same connection.
    assert_reached(&post(seen).on(&mut connection));
    assert_eq!(upstream.received()[1].body, seen.as_bytes());

    // In chunks, and over HTTP/2.
    let signed = visitor.sign(Request::new("POST", "/playlist/generate"));
    connection.send(
        signed.header("Transfer-Encoding", "chunked").header("Content-Type", "application/json").bytes(),
    );
    for piece in sent.as_bytes().chunks(7) {
        connection.send(format!("{:x}\r\n", piece.len())).send(piece).send("\r\n");
    }
    assert_reached(&connection.send("0\r\n\r\n").response());
    assert_eq!(upstream.received()[2].body, seen.as_bytes());
    let line = format!(
        "curl --noproxy '*' -sS --max-time 30 --http2-prior-knowledge -w ' %{{http_version}} %{{http_code}}' \
         -H 'X-Session-ID: {}' -H 'X-Device-ID: {}' -H 'Content-Type: application/json' --data-binary '{sent}' \
         http://{}/playlist/generate",
        visitor.session.secret,
        visitor.device.id,
        gateway.address()
    );
    let answer = shell(&line, gateway.folder());
    assert!(answer.ends_with(" 2 200"), "{answer}");
    let received = &upstream.received()[3];
    assert_eq!(received.body, seen.as_bytes());
    assert_eq!(received.field("content-length"), Some(seen.len().to_string().as_str()));
}

/// A gateway whose route cleans `note` and `file`, and what the application gets of a body.
fn cleaned(upstream: &Upstream, bodies: &[(Value, Value)]) {
    let gateway = Launch::run()
        .config(&format!(
            "upstream = \"{}\"\n[auth]\ndefault = \"none\"\n\
             [[routes]]\nmatch = \"POST /notes\"\nbody = {{ unknown_fields = \"pass\", fields = {{ \
             note = {{ sanitize = \"text\" }}, file = {{ sanitize = \"filename\" }} }} }}\n",
            upstream.url()
        ))
        .start();
    let mut connection = Connection::open(gateway.address());
    for (number, (sent, seen)) in bodies.iter().enumerate() {
        assert_reached(&Request::post("/notes", &sent.to_string()).on(&mut connection));
        let received: Value = serde_json::from_slice(&upstream.received()[number].body).unwrap();
        assert_eq!(received, *seen, "{sent}");
    }
}

#[test]
fn e_in_05_text_of_a_field_that_is_cleaned_cannot_act_in_a_page() {
    let note = |sent: &str, seen: &str| (json!({ "note": sent, "id": 7 }), json!({ "note": seen, "id": 7 }));
    let cases = [
        note("rainy walk", "rainy walk"),
        note(" Tom & \"Jerry\"'s <3 ", "Tom &amp; &quot;Jerry&quot;&#x27;s &lt;3"),
        note("a\u{0}b\u{8}c\u{b}d\u{c}e\u{e}f\u{1f}g\u{7f}h\ti\nj", "abcdefgh\ti\nj"),
        // The guide escapes first: then its rule about script elements finds none, and its text stays.
        note("a<script>alert('x')</script>b", "ab"),
        note("<SCRIPT\nsrc=x></script >", "&lt;SCRIPT\nsrc=x&gt;&lt;/script &gt;"),
        note("<scr<script></script>ipt>alert(1)</script>!", "!"),
        note("jAvAsCrIpT:alert(1)", "alert(1)"),
        note("javajavascript:script:alert(1)", "alert(1)"),
        note(&"ä".repeat(1500), &"ä".repeat(1000)),
        // A field that is not named stays what it is.
        (json!({ "other": "<script>" }), json!({ "other": "<script>" })),
    ];
    cleaned(&Upstream::ok(), &cases);
}

#[test]
fn e_in_06_the_name_of_a_file_leads_nowhere_else() {
    let file = |sent: &str, seen: &str| (json!({ "file": sent }), json!({ "file": seen }));
    let cases = [
        file("summer mix.m3u", "summer mix.m3u"),
        file("<a>:b\"c/d\\e|f?g*h", "abcdefgh"),
        file("../../etc/passwd", "etcpasswd"),
        file("..\\..\\boot.ini", "boot.ini"),
        file("....//....//x", "x"),
        file(".|./x", "x"),
        file("a\u{0}.mp3", "a.mp3"),
        file(&"x".repeat(300), &"x".repeat(255)),
    ];
    cleaned(&Upstream::ok(), &cases);
}
