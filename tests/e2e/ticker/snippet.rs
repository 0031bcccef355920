//! The JavaScript of the guide, as it stands there, in Node and in a browser.

use portcullis_tests::{Application, Gateway, Page, Scratch, System, shell};

use super::launch;

/// Of the section "WebSocket Authentication", verbatim.
const SNIPPET: &str = r#"const ws = new WebSocket('ws://localhost:8080/advanced/ws/orders/primary');

ws.onopen = () => {
  // MUST send auth as first message
  ws.send(JSON.stringify({
    type: "auth",
    api_key: "your-api-key"
  }));
};

ws.onmessage = (event) => {
  const data = JSON.parse(event.data);
  if (data.type === "authenticated") {
    console.log("Connected!");
  }
};
"#;

/// The guide's key and port; what differs is the port alone.
fn served() -> (Application, Gateway, String) {
    let application = Application::start(System::Ticker);
    let gateway = launch(application.url()).env("API_KEY", "your-api-key").start();
    let snippet = SNIPPET.replace("localhost:8080", &gateway.address().to_string());
    (application, gateway, snippet)
}

/// Node learned `WebSocket` in version 22; the package `ws` is what everybody uses before.
#[test]
fn t_cmd_05_the_snippet_prints_connected_in_node() {
    let (_application, _gateway, snippet) = served();
    let (folder, node) = crate::apps::express();
    let script = format!(
        "globalThis.WebSocket = require({:?});\n{snippet}\n\
         ws.addEventListener('message', () => ws.close());\n",
        format!("{folder}/node_modules/ws")
    );
    let scratch = Scratch::new();
    scratch.write("snippet.js", &script);
    assert_eq!(shell(&format!("timeout 30 {node} snippet.js"), &scratch), "Connected!\n");
}

#[test]
fn t_cmd_05_the_snippet_prints_connected_in_chromium() {
    let (_application, gateway, snippet) = served();
    let page = Page::open(&format!("<!doctype html><title>Orders</title><script>{snippet}</script>"));
    page.wait_for_console("Connected!");
    // With another key the page never gets there: the browser is told 1008.
    drop(page);
    let refused = snippet.replace("your-api-key", "another").replace(
        "ws.onopen",
        "ws.onclose = (event) => console.log('closed ' + event.code + ' ' + event.reason);\nws.onopen",
    );
    let page = Page::open(&format!("<!doctype html><title>Orders</title><script>{refused}</script>"));
    page.wait_for_console("closed 1008 Unauthorized");
    drop(gateway);
}
