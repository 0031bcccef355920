//! Every TOML block of the manual is a configuration, or a piece of one, that the binary reads.

use portcullis_tests::{Launch, Scratch, shell};

use super::blocks::pages;

/// A key of sixty-four characters that nobody uses.
const SECRET: &str = "0d9c4f6a1be87325c0f1d2e3b4a5968778695a4b3c2d1e0f9e8d7c6b5a493827";

#[test]
fn every_example_is_read() {
    let folder = Scratch::new();
    shell(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem \
         -days 2 -subj /CN=example -addext subjectAltName=DNS:example 2>/dev/null",
        &folder,
    );
    let pem = |name: &str| folder.read(name).unwrap();
    let (cert, key) = (pem("cert.pem"), pem("key.pem"));
    for page in pages() {
        for block in page.blocks().iter().filter(|block| block.language == "toml") {
            let place = format!("{}:{}", page.name, block.line);
            let mut launch = Launch::command("config show").file("cert.pem", &cert).file("key.pem", &key);
            for name in named(&block.text, "\"env:") {
                launch = launch.env(&name, SECRET);
            }
            for name in named(&block.text, "\"file:") {
                launch = launch.file(&name, SECRET);
            }
            let (good, said) = launch.config(&whole(&block.text)).finish();
            assert!(good, "{place}:\n{}\n{said}", block.text);
        }
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
            text.push_str(&format!("\n{section}\nvalue = \"{SECRET}\"\n"));
        }
    }
    text
}

/// The names after a prefix, up to the closing quote.
fn named(text: &str, prefix: &str) -> Vec<String> {
    text.split(prefix).skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}
