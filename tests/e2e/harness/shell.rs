//! Commands as people type them: the guides' own, and pipelines.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::scratch::Scratch;

/// What one `curl` of a command answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Separates the answers of several `curl`s; written by curl itself after each.
const END: &str = "\u{1}status ";

/// Runs a command of a guide verbatim in bash, only `localhost:8000` pointing at the gateway, and returns what
/// each `curl` in it answered, in order.
pub fn guide_command(command: &str, gateway: SocketAddr) -> Vec<Answer> {
    assert!(command.contains("http://localhost:8000"), "not a command of a guide: {command}");
    // The command stays as it is; curl is told by its own configuration file to say the status.
    let home = Scratch::new();
    home.write(
        ".curlrc",
        &format!("silent\nshow-error\nmax-time = 30\nwrite-out = \"{END}%{{http_code}}\\n\"\n"),
    );
    let command = command.replace("localhost:8000", &gateway.to_string());
    let output = Command::new("bash")
        .args(["-c", &command])
        .env_remove("PORTCULLIS_BIN")
        .env_remove("http_proxy")
        .env_remove("HTTP_PROXY")
        .env("NO_PROXY", "*")
        .env("CURL_HOME", home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut answers = Vec::new();
    let mut rest = printed.as_str();
    while let Some((body, after)) = rest.split_once(END) {
        let (status, after) = after.split_once('\n').unwrap_or((after, ""));
        answers.push(Answer { status: status.parse().unwrap(), body: body.to_owned() });
        rest = after;
    }
    assert!(!answers.is_empty(), "curl said: {}", String::from_utf8_lossy(&output.stderr));
    answers
}

/// Runs a line in bash in a folder and returns what it printed; fails when the line fails.
pub fn shell(line: &str, folder: &Scratch) -> String {
    let output = Command::new("bash")
        .args(["-c", line])
        .env_remove("PORTCULLIS_BIN")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
