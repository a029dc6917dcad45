//! The tree as the rules see it: every text file of the repository, and of Rust files only the code.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders that hold nothing that a person wrote.
const SKIPPED: &[&str] = &["target", ".git", "corpus", "artifacts", "node_modules"];

/// One text file of the repository.
pub(crate) struct Source {
    /// Path below the repository's root, with `/`.
    pub(crate) path: String,
    /// The content as it stands.
    pub(crate) text: String,
}

impl Source {
    /// Whether the file is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The text with comments, strings and character literals blanked out, so that words in it are code; line numbers
    /// stay as they are.
    pub(crate) fn code(&self) -> String {
        Blanker { rest: &self.text, out: String::with_capacity(self.text.len()) }.run()
    }

    /// The part of [`Source::code`] that tests are made of: the whole file below a `tests` folder or named
    /// `tests.rs`, else everything after the first `#[cfg(test)]`. Its first line's number comes with it.
    pub(crate) fn test_code(&self) -> (usize, String) {
        let code = self.code();
        if self.is_test_file() {
            return (1, code);
        }
        match code.find("#[cfg(test)]") {
            Some(at) => (code[..at].matches('\n').count() + 1, code[at..].to_owned()),
            None => (1, String::new()),
        }
    }

    /// [`Source::code`] without what [`Source::test_code`] holds.
    pub(crate) fn product_code(&self) -> String {
        let code = self.code();
        if self.is_test_file() {
            return String::new();
        }
        let end = code.find("#[cfg(test)]").unwrap_or(code.len());
        code[..end].to_owned()
    }

    fn is_test_file(&self) -> bool {
        let folders = ["tests/", "fuzz/"];
        folders
            .iter()
            .any(|folder| self.path.starts_with(folder) || self.path.contains(&format!("/{folder}")))
            || self.path.ends_with("/tests.rs")
    }
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every text file below the root, in the order of their paths.
pub(crate) fn sources() -> io::Result<Vec<Source>> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                continue;
            }
            let (kind, path) = (entry.file_type()?, entry.path());
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file()
                && let Ok(text) = String::from_utf8(fs::read(&path)?)
            {
                let below = path.strip_prefix(&root).unwrap_or(&path);
                found.push(Source { path: below.to_string_lossy().replace('\\', "/"), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Lines of `text` that hold `word` with no letter, digit or underscore beside it, numbered from `first`.
pub(crate) fn lines_with_word(first: usize, text: &str, word: &str) -> Vec<usize> {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let holds = |line: &str| {
        line.match_indices(word).any(|(at, _)| {
            !line[..at].chars().next_back().is_some_and(part_of_name)
                && !line[at + word.len()..].chars().next().is_some_and(part_of_name)
        })
    };
    text.lines().enumerate().filter(|(_, line)| holds(line)).map(|(i, _)| i + first).collect()
}

/// Walks Rust text once and copies what is code.
struct Blanker<'a> {
    rest: &'a str,
    out: String,
}

impl Blanker<'_> {
    fn run(mut self) -> String {
        while let Some(c) = self.rest.chars().next() {
            if self.rest.starts_with("//") {
                self.blank(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                self.blank(block_comment(self.rest));
            } else if let Some(length) = raw_string(self.rest).filter(|_| !self.inside_name()) {
                self.blank(length);
            } else if c == '"' {
                self.blank(quoted(self.rest, '"'));
            } else if c == '\'' {
                self.quote();
            } else {
                self.copy(c.len_utf8());
            }
        }
        self.out
    }

    /// A `'` begins a character literal or a lifetime; only the first has its closing quote one character on.
    fn quote(&mut self) {
        let mut next = self.rest.chars().skip(1);
        let literal = match next.next() {
            Some('\\') => true,
            Some(_) => next.next() == Some('\''),
            None => false,
        };
        if literal { self.blank(quoted(self.rest, '\'')) } else { self.copy(1) }
    }

    fn inside_name(&self) -> bool {
        self.out.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
    }

    fn copy(&mut self, length: usize) {
        self.out.push_str(&self.rest[..length]);
        self.rest = &self.rest[length..];
    }

    fn blank(&mut self, length: usize) {
        self.out.extend(self.rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = &self.rest[length..];
    }
}

/// Bytes of the block comment that `text` begins with; such comments nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Bytes of the raw string that `text` begins with, if it begins with one.
fn raw_string(text: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"].iter().find(|p| text.starts_with(**p))?;
    let hashes = text[prefix.len()..].chars().take_while(|c| *c == '#').count();
    let open = prefix.len() + hashes;
    if !text[open..].starts_with('"') {
        return None;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let body = open + 1;
    Some(text[body..].find(&close).map_or(text.len(), |end| body + end + close.len()))
}

/// Bytes of the literal that `text` begins with, up to and with the closing `quote`.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn words_in_comments_strings_and_characters_are_not_code() {
    let text = "a // x\nb /* x /* x */ x */ c \"x\\\"x\" r#\"x\"# 'x' '\\'' &'life d";
    let code = Source { path: "a.rs".into(), text: text.into() }.code();
    assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "b", "c", "&'life", "d"]);
    assert_eq!(code.lines().count(), 2);
}
