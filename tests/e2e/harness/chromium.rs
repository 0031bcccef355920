//! A real browser.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use super::journal::Journal;
use super::scratch::Scratch;

/// A page that is open in headless Chromium, with a profile of its own, until this is dropped.
pub struct Page {
    browser: Child,
    console: Journal,
    _folder: Scratch,
}

impl Page {
    /// Opens a page with that HTML.
    pub fn open(html: &str) -> Self {
        let folder = Scratch::new();
        let page = folder.write("page.html", html);
        let mut browser = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--enable-logging=stderr", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", folder.file("profile")))
            .arg(format!("file://{page}"))
            .env("HOME", folder.path())
            // Its helpers end with it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("chromium: {error}; on Debian, apt-get install chromium"));
        let console = Journal::default();
        console.follow(browser.stderr.take().unwrap());
        Self { browser, console, _folder: folder }
    }

    /// Waits until the console of the page says that; returns the line.
    pub fn wait_for_console(&self, text: &str) -> String {
        self.console
            .find(|line| line.contains("CONSOLE") && line.contains(text))
            .unwrap_or_else(|| panic!("the console never said {text:?}:\n{}", self.console.whole()))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let group = format!("-{}", self.browser.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.browser.wait();
    }
}
