//! Every command of the manual, run as it stands: one test for each page.

use super::blocks::{Block, Page, page, pages};
use super::session::Session;

/// The tests below; a page without one fails `every_page_has_its_test`.
const TESTED: [&str; 11] = [
    "README.md",
    "docs/accounts.md",
    "docs/audit.md",
    "docs/configuration.md",
    "docs/differences.md",
    "docs/logs.md",
    "docs/outbound.md",
    "docs/profiles.md",
    "docs/running.md",
    "docs/store.md",
    "docs/validation.md",
];

#[test]
fn every_page_has_its_test() {
    for page in pages() {
        let runs = page.blocks().iter().any(Block::is_run);
        assert_eq!(
            TESTED.contains(&page.name.as_str()),
            runs,
            "{} has blocks to run, or has none",
            page.name
        );
    }
}

#[test]
fn what_nobody_runs_is_the_measurement_alone() {
    for page in pages() {
        let by_hand = page.blocks().iter().filter(|block| block.by_hand.is_some()).count();
        assert_eq!(by_hand, usize::from(page.name == "docs/performance.md"), "{}", page.name);
    }
}

#[test]
fn commands_are_marked_sh() {
    for page in pages() {
        for block in page.blocks() {
            let hidden = ["bash", "shell", "console", "zsh", "shell-session"];
            assert!(!hidden.contains(&block.language.as_str()), "{}:{}: write sh", page.name, block.line);
            let command = block.text.lines().any(|line| line.trim_start().starts_with("portcullis "));
            assert!(
                block.language == "sh" || block.file.is_some() || !command,
                "{}:{}: a command that nobody runs",
                page.name,
                block.line
            );
        }
    }
}

#[test]
fn the_front_door() {
    follow(&page("README.md"));
}

#[test]
fn configuration() {
    follow(&page("docs/configuration.md"));
}

#[test]
fn differences() {
    follow(&page("docs/differences.md"));
}

#[test]
fn logs() {
    follow(&page("docs/logs.md"));
}

#[test]
fn outbound() {
    follow(&page("docs/outbound.md"));
}

#[test]
fn profiles() {
    follow(&page("docs/profiles.md"));
}

#[test]
fn running() {
    follow(&page("docs/running.md"));
}

#[test]
fn accounts() {
    follow(&page("docs/accounts.md"));
}

#[test]
fn the_audit_log() {
    follow(&page("docs/audit.md"));
}

#[test]
fn the_store() {
    follow(&page("docs/store.md"));
}

#[test]
fn what_a_request_may_hold() {
    follow(&page("docs/validation.md"));
}

/// Does what the page says, in the order it says it.
fn follow(page: &Page) {
    let mut session = Session::start();
    for block in page.blocks() {
        let place = format!("{}:{}", page.name, block.line);
        if block.stop {
            session.stop();
        }
        for (file, lines, text) in &block.awaited {
            session.await_lines(file, *lines, text);
        }
        if let Some(name) = &block.file {
            session.write(name, &block.text);
        }
        if !block.is_run() {
            continue;
        }
        if let Some(ready) = &block.background {
            session.leave_running(&block, ready);
            continue;
        }
        let ended = session.run(&block);
        let said = format!("{place}:\n{}--- it printed:\n{}{}", block.text, ended.output, session.logs());
        assert_eq!(ended.status, block.exit, "{said}");
        assert!(block.exit != 0 || ended.failed.is_empty(), "`{}` failed in {said}", ended.failed);
        for expected in &block.expect {
            let expected = session.with_ports(expected);
            assert!(ended.output.contains(&expected), "no `{expected}` in {said}");
        }
    }
}
