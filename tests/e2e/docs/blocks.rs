//! The fenced blocks of a page, with what the comments before them say.

use std::path::{Path, PathBuf};

/// A page of the manual.
#[derive(Debug)]
pub(super) struct Page {
    /// Where it is, from the root of the repository.
    pub(super) name: String,
    pub(super) text: String,
}

/// A fenced block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// The line its text begins on.
    pub(super) line: usize,
    /// What stands after the fence: `sh`, `toml`, …
    pub(super) language: String,
    pub(super) text: String,
    /// Where it keeps running: a port that must take connections, or a file that must be there.
    pub(super) background: Option<String>,
    /// Everything in the background ends before it.
    pub(super) stop: bool,
    /// Files, and how many lines with a text must have come into each before.
    pub(super) awaited: Vec<(String, usize, String)>,
    /// What its output must hold.
    pub(super) expect: Vec<String>,
    /// The exit status it must end with; 0 where nothing is said.
    pub(super) exit: i32,
    /// Why nothing runs it.
    pub(super) by_hand: Option<String>,
    /// What runs it instead.
    pub(super) elsewhere: Option<String>,
    /// The file it is the content of.
    pub(super) file: Option<String>,
}

impl Block {
    /// Whether the test of its page runs it.
    pub(super) fn is_run(&self) -> bool {
        self.language == "sh" && self.file.is_none() && self.elsewhere.is_none() && self.by_hand.is_none()
    }
}

/// The root of the repository.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `README.md` and every page in `docs/`.
pub(super) fn pages() -> Vec<Page> {
    let mut names = vec!["README.md".to_owned()];
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if Path::new(&name).extension().is_some_and(|it| it == "md") {
            names.push(format!("docs/{name}"));
        }
    }
    names.sort();
    names.into_iter().map(|name| page(&name)).collect()
}

/// The page with that name.
pub(super) fn page(name: &str) -> Page {
    let text = std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    Page { name: name.to_owned(), text }
}

impl Page {
    /// Its blocks, in order.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut block = Block::default();
        let mut open = false;
        for (at, line) in self.text.lines().enumerate() {
            if open && line.trim_end() == "```" {
                blocks.push(std::mem::take(&mut block));
                open = false;
            } else if open {
                block.text.push_str(line);
                block.text.push('\n');
            } else if let Some(language) = line.strip_prefix("```") {
                (open, block.line) = (true, at + 2);
                language.trim().clone_into(&mut block.language);
            } else if let Some(words) =
                line.strip_prefix("<!--").and_then(|line| line.trim().strip_suffix("-->"))
            {
                self.directive(&mut block, at + 1, words.trim());
            } else if !line.trim().is_empty() {
                // What belongs to a block stands right before it.
                assert_eq!(block, Block::default(), "{}:{}: a comment without its block", self.name, at + 1);
            }
        }
        assert!(!open, "{}: a fence is not closed", self.name);
        blocks
    }

    fn directive(&self, block: &mut Block, line: usize, words: &str) {
        let (name, value) = words.split_once(':').map_or((words, ""), |(name, value)| (name, value.trim()));
        let place = format!("{}:{line}", self.name);
        match (name, value.is_empty()) {
            ("background", false) => block.background = Some(value.to_owned()),
            ("stop", true) => block.stop = true,
            ("await", false) => {
                let mut words = value.splitn(3, ' ');
                let (Some(file), Some(lines), Some(text)) = (words.next(), words.next(), words.next()) else {
                    panic!("{place}: await: FILE LINES TEXT");
                };
                block.awaited.push((file.to_owned(), lines.parse().unwrap(), text.to_owned()));
            }
            ("expect", false) => block.expect.push(value.to_owned()),
            ("exit", false) => {
                block.exit = value.parse().unwrap_or_else(|_| panic!("{place}: exit: {value}"));
            }
            ("elsewhere", false) => block.elsewhere = Some(value.to_owned()),
            ("by-hand", false) => block.by_hand = Some(value.to_owned()),
            ("file", false) => block.file = Some(value.to_owned()),
            // Marks of tables that a test writes.
            ("begin" | "end", false) => {}
            _ => panic!(
                "{place}: `{words}` is not one of background, stop, await, expect, exit, elsewhere, by-hand, file"
            ),
        }
    }
}

#[test]
fn comments_belong_to_the_block_they_stand_before() {
    let page = Page {
        name: "page".to_owned(),
        text: "Text\n\n<!-- background: 8000 -->\n<!-- expect: 401 -->\n```sh\na \\\n  b\n```\n\n```toml\nx = 1\n```\n"
            .to_owned(),
    };
    let blocks = page.blocks();
    assert_eq!(blocks.len(), 2);
    assert_eq!(blocks[0].text, "a \\\n  b\n");
    assert_eq!((blocks[0].line, blocks[0].background.as_deref()), (6, Some("8000")));
    assert_eq!(blocks[0].expect, ["401"]);
    assert_eq!((blocks[1].language.as_str(), blocks[1].expect.len()), ("toml", 0));
}

#[test]
#[should_panic(expected = "is not one of")]
fn a_misspelt_comment_is_no_comment() {
    Page { name: "page".to_owned(), text: "<!-- expects: 401 -->\n```sh\ntrue\n```\n".to_owned() }.blocks();
}
