//! T-REF: what a query and a body may be, on every endpoint.

use portcullis_tests::{Request, Upstream};

use super::{KEY, assert_reached, guarded};

#[test]
fn t_ref_02_queries_of_every_endpoint_and_bodies_of_those_that_take_one_are_judged() {
    let upstream = Upstream::ok();
    let gateway = guarded(&upstream).start();
    let send = |request: Request| request.header("X-API-Key", KEY).send_to(gateway.address());
    // Open, named, and unknown ones.
    for path in ["/health", "/subscriptions", "/orders/7", "/anything/else"] {
        assert_reached(&send(Request::get(&format!("{path}?symbol=NIFTY%2050&limit=5"))));
        for query in ["q=quince%00", "q=quince%0d%0aX:%20y", "q=%ff", "q=quince%zz"] {
            let answer = send(Request::get(&format!("{path}?{query}")));
            assert_eq!(answer.status, 422, "{path}?{query}: {}", answer.text());
            assert_eq!(answer.json()["detail"][0]["loc"], serde_json::json!(["query", "q"]));
            assert!(!answer.text().contains("quince"), "{}", answer.text());
        }
    }
    let reached = upstream.count();
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(9), "]".repeat(9));
    for path in ["/subscriptions", "/advanced/batch-orders"] {
        let asked =
            |kind: &str, body: &str| send(Request::new("POST", path).header("Content-Type", kind).body(body));
        for (kind, body, status, found) in [
            ("application/json", "[]", 422, "model_attributes_type"),
            ("application/json", "{not json", 422, "json_invalid"),
            ("application/json", r#"{"a":1,"a":2}"#, 422, "there more than once"),
            ("application/json", r#"{"a":"\u0000"}"#, 422, "a control character"),
            ("application/json", deep.as_str(), 422, "deeper than 8 levels"),
            ("application/json", &" ".repeat(70_000), 413, "larger than 65536 bytes"),
            ("text/plain", "{}", 415, "this type of body is not taken"),
        ] {
            let answer = asked(kind, body);
            assert_eq!(answer.status, status, "{path}: {}", answer.text());
            assert!(answer.json()["detail"].is_array() && answer.text().contains(found), "{}", answer.text());
        }
        assert_eq!(upstream.count(), reached, "nothing of it reached the service");
    }
}
