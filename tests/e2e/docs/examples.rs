//! Every TOML block of the manual is a configuration, or a piece of one, that the binary reads.

use portcullis_tests::{Launch, Scratch, shell};

use super::blocks::{pages, root};

/// A secret that nobody uses, another one for each name.
fn secret(name: &str) -> String {
    format!("0d9c4f6a1be87325c0f1d2e3b4a5968778695a4b3c2d1e0f9e8d7c6b5a493827-{name}")
}

#[test]
fn every_example_is_read() {
    let certificate = Certificate::new();
    for page in pages() {
        for block in page.blocks().iter().filter(|block| block.language == "toml") {
            let (good, said) = certificate.read(&whole(&block.text));
            assert!(good, "{}:{}:\n{}\n{said}", page.name, block.line, block.text);
        }
    }
}

#[test]
fn the_complete_example_is_read_and_its_tests_pass() {
    let text = std::fs::read_to_string(root().join("docs/portcullis.example.toml")).unwrap();
    let certificate = Certificate::new();
    let (good, said) = certificate.read(&text);
    assert!(good, "{said}");
    let (good, said) = certificate.with("test", &text);
    assert!(good && said.contains(" passed, 0 failed"), "{said}");
}

/// What examples with TLS name: `cert.pem` and `key.pem`.
struct Certificate {
    cert: String,
    key: String,
}

impl Certificate {
    fn new() -> Self {
        let folder = Scratch::new();
        let command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
                       -keyout key.pem -out cert.pem -subj /CN=example 2>&1";
        shell(command, &folder);
        Self { cert: folder.read("cert.pem").unwrap(), key: folder.read("key.pem").unwrap() }
    }

    fn read(&self, text: &str) -> (bool, String) {
        self.with("config show", text)
    }

    /// Runs a command on a configuration, with everything there that it names.
    fn with(&self, command: &str, text: &str) -> (bool, String) {
        let mut launch = Launch::command(command).file("cert.pem", &self.cert).file("key.pem", &self.key);
        for name in named(text, "\"env:") {
            launch = launch.env(&name, &secret(&name));
        }
        for name in named(text, "\"file:") {
            launch = launch.file(&name, &secret(&name));
        }
        launch.config(text).finish()
    }
}

/// A piece of a configuration, made whole: every one needs an upstream, and what a piece refers to.
fn whole(piece: &str) -> String {
    let root = piece.split("\n[").next().unwrap_or_default();
    let has =
        |key: &str| root.lines().any(|line| line.split('=').next().is_some_and(|name| name.trim() == key));
    let mut text = String::new();
    if !has("upstream") && !has("profile") {
        text.push_str("upstream = \"http://127.0.0.1:9000\"\n");
    }
    text.push_str(piece);
    let defines = |section: &str| piece.lines().any(|line| line.trim() == section);
    for (scheme, section) in [("api-key", "[auth.api_key]"), ("ingest-token", "[auth.ingest_token]")] {
        if piece.contains(&format!("\"{scheme}\"")) && !defines(section) && !has("profile") {
            text.push_str(&format!("\n{section}\nvalue = \"{}\"\n", secret(scheme)));
        }
    }
    text
}

/// The names after a prefix, up to the closing quote.
fn named(text: &str, prefix: &str) -> Vec<String> {
    text.split(prefix).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}
