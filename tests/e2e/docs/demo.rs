//! `portcullis demo`: what it prints to paste is pasted.

use portcullis_tests::{Launch, Scratch, binary, free_port, until};
use std::process::Command;

#[test]
fn what_the_demonstration_prints_is_true() {
    let port = free_port();
    let demo = Launch::command(&format!("demo --listen 127.0.0.1:{port}")).start();
    assert_eq!(demo.address().port(), port);
    let printed = until("the whole introduction", || {
        let log = demo.log();
        log.contains("listening on").then_some(log)
    });
    let commands = commands(&printed);
    assert!(commands.len() >= 4, "{printed}");
    let mut statuses = 0;
    for (comment, command) in commands {
        let output = run(&command);
        // `# no key: 401` promises a 401.
        let promised: Vec<&str> = comment
            .split(|c: char| !c.is_ascii_digit())
            .filter(|word| word.len() == 3 && "245".contains(&word[..1]) && *word != "100")
            .collect();
        for status in &promised {
            assert!(output.contains(status), "{comment}: {command}\n{output}");
        }
        statuses += promised.len();
    }
    assert!(statuses >= 3, "{printed}");
}

/// The commands with the comment above each.
fn commands(printed: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut open = false;
    for line in printed.lines() {
        if let Some(comment) = line.trim_start().strip_prefix("# ") {
            found.push((comment.to_owned(), String::new()));
            open = true;
        } else if line.trim().is_empty() {
            open = false;
        } else if let Some((_, command)) = found.last_mut().filter(|_| open) {
            command.push_str(line);
            command.push('\n');
        }
    }
    found
}

fn run(command: &str) -> String {
    let folder = Scratch::new();
    let bin = folder.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(std::fs::canonicalize(binary()).unwrap(), bin.join("portcullis")).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .args(["-c", command])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("NO_PROXY", "*")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command}\n{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}
