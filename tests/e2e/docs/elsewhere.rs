//! Blocks that something else runs name it, and it is there.

use super::blocks::{pages, root};

#[test]
fn what_runs_a_block_elsewhere_exists() {
    for page in pages() {
        for block in page.blocks() {
            let Some(name) = &block.elsewhere else { continue };
            let place = format!("{}:{}", page.name, block.line);
            if name.contains("::") {
                assert!(is_test(name), "{place}: there is no test {name}");
            } else {
                let script = std::fs::read_to_string(root().join(name)).unwrap_or_default();
                let command = block.text.split_whitespace().next().unwrap_or_default();
                let command = command.trim_start_matches("./");
                assert!(script.contains(command), "{place}: {name} does not run {command}");
            }
        }
    }
}

/// Whether a test with that path stands in `tests/e2e/`.
fn is_test(path: &str) -> bool {
    let (rooms, function) = path.rsplit_once("::").unwrap();
    let file = root().join("tests/e2e").join(rooms.replace("::", "/"));
    let text = [file.with_extension("rs"), file.join("mod.rs")]
        .iter()
        .find_map(|file| std::fs::read_to_string(file).ok())
        .unwrap_or_default();
    text.contains(&format!("#[test]\nfn {function}("))
}

#[test]
fn a_test_is_known_by_its_path() {
    assert!(is_test("docs::elsewhere::a_test_is_known_by_its_path"));
    assert!(!is_test("docs::elsewhere::is_test"));
    assert!(!is_test("docs::nowhere::a_test_is_known_by_its_path"));
}
