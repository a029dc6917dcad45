//! The house rules, held by tests: sizes, names, directions, and words that must not stand in the tree.
//!
//! Input is the repository as it lies on disk; nothing is built or started.

mod api_server;
mod manifests;
mod secrets;
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::io;

use source::{Source, lines_with_word, root, sources};

/// Lines a Rust file should stay below, and the number that fails.
const LONG: usize = 400;
const TOO_LONG: usize = 600;

/// What may stand at the top: the layout that the code map describes, and what cargo, rustup and make look for there.
const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".config",
    ".dockerignore",
    ".git",
    ".gitignore",
    ".rustfmt.toml",
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "broker",
    "charts",
    "config",
    "crds",
    "deny.toml",
    "docs",
    "operator",
    "rust-toolchain.toml",
    "target",
    "tests",
];

/// The only places where waiting by the clock is the point: one polls a condition up to a deadline, one measures.
const MAY_SLEEP: &[&str] = &["tests/e2e/src/until.rs", "tests/e2e/src/bin/moat-figures/pace.rs"];

/// Fails with one line per offence.
fn assert_none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

/// `path:line` for each line.
fn places(source: &Source, lines: Vec<usize>) -> impl Iterator<Item = String> {
    lines.into_iter().map(|line| format!("{}:{line}", source.path))
}

#[test]
fn rust_files_stay_short_enough_to_read() -> io::Result<()> {
    let mut offences = Vec::new();
    for source in sources()?.iter().filter(|s| s.is_rust()) {
        let lines = source.text.lines().count();
        if lines > TOO_LONG {
            offences.push(format!("{}: {lines} lines, at most {TOO_LONG}", source.path));
        } else if lines > LONG {
            println!("warning: {} has {lines} lines, aim for {LONG}", source.path);
        }
    }
    assert_none("split these files by what they do", &offences);
    Ok(())
}

#[test]
fn the_top_level_holds_only_what_the_layout_names() -> io::Result<()> {
    let mut offences = Vec::new();
    for entry in fs::read_dir(root())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !TOP_LEVEL.contains(&name.as_str()) {
            offences.push(name);
        }
    }
    assert_none("move these into the folder they belong to", &offences);
    Ok(())
}

#[test]
fn no_module_is_a_drawer_for_everything() -> io::Result<()> {
    let drawers = ["utils", "util", "helpers", "helper", "common", "misc"];
    let offences: Vec<String> = sources()?
        .into_iter()
        .filter(|s| s.is_rust())
        .filter(|s| s.path.trim_end_matches(".rs").split('/').any(|part| drawers.contains(&part)))
        .map(|s| s.path)
        .collect();
    assert_none("name these files after what they do", &offences);
    Ok(())
}

#[test]
fn no_code_is_unsafe() -> io::Result<()> {
    let mut offences = Vec::new();
    for source in sources()?.iter().filter(|s| s.is_rust()) {
        offences.extend(places(source, lines_with_word(1, &source.code(), "unsafe")));
    }
    assert_none("write this without unsafe", &offences);
    Ok(())
}

#[test]
fn a_test_is_ignored_only_with_a_reason() -> io::Result<()> {
    let mut offences = Vec::new();
    for source in sources()?.iter().filter(|s| s.is_rust()) {
        let bare = |line: &&str| line.contains("#[ignore]") || line.contains("#[ignore = \"\"]");
        offences.extend(source.code().lines().filter(bare).map(|line| format!("{}: {line}", source.path)));
    }
    assert_none("say why the test is ignored", &offences);
    Ok(())
}

#[test]
fn work_left_over_names_its_issue() -> io::Result<()> {
    // Put together here, so that this file does not offend itself.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut offences = Vec::new();
    for source in &sources()? {
        for word in words {
            let lines = lines_with_word(1, &source.text, word);
            let owned = |line: &usize| {
                let text = source.text.lines().nth(line - 1).unwrap_or_default();
                text.split(&format!("{word}(#"))
                    .nth(1)
                    .is_some_and(|t| t.starts_with(|c: char| c.is_ascii_digit()))
            };
            offences.extend(places(source, lines.into_iter().filter(|line| !owned(line)).collect()));
        }
    }
    assert_none("name the issue that will do it, as in WORD(#12), or do it now", &offences);
    Ok(())
}

#[test]
fn no_file_names_a_path_of_one_machine() -> io::Result<()> {
    let paths = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/tm", "p/")];
    let mut offences = Vec::new();
    for source in &sources()? {
        for (number, line) in source.text.lines().enumerate() {
            // A path begins after a space, a quote or the like; `tests/home/x` and a URL's path do not.
            let absolute =
                |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}$".contains(c));
            if paths.iter().any(|path| line.match_indices(path).any(|(at, _)| absolute(at))) {
                offences.push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    assert_none("these paths exist on one machine only", &offences);
    Ok(())
}

#[test]
fn no_test_sleeps() -> io::Result<()> {
    let mut offences = Vec::new();
    for source in sources()?.iter().filter(|s| s.is_rust() && !MAY_SLEEP.contains(&s.path.as_str())) {
        let (first, code) = source.test_code();
        for word in ["thread::sleep", "time::sleep", "sleep_ms"] {
            offences.extend(places(source, lines_with_word(first, &code, word)));
        }
    }
    assert_none("wait for the condition, not for the clock", &offences);
    Ok(())
}

#[test]
fn compile_and_policy_do_no_io_and_read_no_clock() -> io::Result<()> {
    let pure = [
        "crds/src/",
        "broker/crates/policy/src/",
        "operator/src/build/",
        "operator/src/bundle/",
        "operator/src/policy/",
        "operator/src/roll.rs",
        "operator/src/status/",
    ];
    // The generator is a program of its own beside the library: it writes the YAML.
    let programs = ["crds/src/bin/"];
    let outside = [
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "SystemTime",
        "Instant",
        "tokio",
        "rand",
        "println",
        "eprintln",
    ];
    let mut offences = Vec::new();
    for source in sources()?.iter().filter(|s| s.is_rust()) {
        let within = |folders: &[&str]| folders.iter().any(|folder| source.path.starts_with(folder));
        if !within(&pure) || within(&programs) {
            continue;
        }
        let code = source.product_code();
        for word in outside {
            offences.extend(
                places(source, lines_with_word(1, &code, word)).map(|place| format!("{place}: {word}")),
            );
        }
    }
    assert_none("what this needs from outside enters by an argument", &offences);
    Ok(())
}

#[test]
fn links_between_documents_lead_somewhere() -> io::Result<()> {
    let mut offences = Vec::new();
    for source in sources()?.iter().filter(|s| s.path.ends_with(".md")) {
        let folder = root().join(&source.path).parent().map(|p| p.to_owned()).unwrap_or_default();
        for link in source.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty() && !link.contains("://") && !folder.join(file).exists() {
                offences.push(format!("{}: {link}", source.path));
            }
        }
    }
    assert_none("these links lead nowhere", &offences);
    Ok(())
}

#[test]
fn every_decision_is_in_the_index() -> io::Result<()> {
    let all = sources()?;
    let folder = "docs/decisions/";
    let index = all.iter().find(|s| s.path == "docs/decisions/README.md").map_or("", |s| s.text.as_str());
    let records = all.iter().filter_map(|s| s.path.strip_prefix(folder)).filter(|name| *name != "README.md");
    let offences: Vec<String> =
        records.filter(|name| !index.contains(&format!("]({name})"))).map(str::to_owned).collect();
    assert_none("name these records in docs/decisions/README.md", &offences);
    Ok(())
}

#[test]
fn the_readme_names_make_targets_that_exist() -> io::Result<()> {
    let all = sources()?;
    let text_of = |path: &str| all.iter().find(|s| s.path == path).map_or("", |s| s.text.as_str());
    let makefile = text_of("Makefile");
    let named = all
        .iter()
        .filter(|s| s.path.ends_with(".md"))
        .flat_map(|s| s.text.split(['`', '\n']))
        .filter_map(|words| words.strip_prefix("make "))
        .filter_map(|rest| rest.split_whitespace().next());
    let offences: Vec<String> = named
        .filter(|target| target.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
        .filter(|target| !makefile.contains(&format!("\n{target}: ")))
        .map(str::to_owned)
        .collect();
    assert_none("the documents name make targets that are not there", &offences);
    Ok(())
}

#[test]
fn every_metric_stands_in_the_operations_guide() -> io::Result<()> {
    let all = sources()?;
    let names = |text: &str, mark: char| -> BTreeSet<String> {
        let words =
            text.split(mark).filter(|word| word.starts_with("moat_") && !word.contains(char::is_whitespace));
        words.filter_map(|word| word.split('{').next().map(str::to_owned)).collect()
    };
    let mut coded = BTreeSet::new();
    // Broker and operator make their metrics in one place each, by names in quotes.
    let places = ["broker/src/metrics", "operator/src/kube/metrics"];
    for source in all.iter().filter(|s| places.iter().any(|place| s.path.starts_with(place))) {
        coded.extend(names(&source.text, '"'));
    }
    let guide = all.iter().find(|s| s.path == "docs/operations.md").map_or("", |s| s.text.as_str());
    let rows: String = guide.lines().filter(|line| line.starts_with("| `moat_")).collect();
    let documented = names(&rows, '`');
    assert!(!coded.is_empty(), "the metrics could not be found");
    assert_eq!(documented, coded, "docs/operations.md has a row for each metric");
    Ok(())
}

#[test]
fn every_invariant_in_the_readme_names_tests_that_exist() -> io::Result<()> {
    let all = sources()?;
    let readme = all.iter().find(|s| s.path == "README.md").map_or("", |s| s.text.as_str());
    let section = readme.split("\n## Invariants").nth(1).unwrap_or_default();
    let section = section.split("\n## ").next().unwrap_or_default();
    let tests: BTreeSet<&str> = all
        .iter()
        .filter(|s| s.is_rust())
        .flat_map(|s| s.text.split("fn ").skip(1))
        .filter_map(|rest| rest.split(['(', '<']).next())
        .collect();
    // A test's name is the only thing there in code font with at least two underscores.
    let named: Vec<&str> =
        section.split('`').skip(1).step_by(2).filter(|word| word.matches('_').count() >= 2).collect();
    assert!(named.len() >= 6, "the README's section \"Invariants\" names the test that holds each of them");
    let offences: Vec<String> =
        named.iter().filter(|name| !tests.contains(*name)).map(|n| (*n).to_owned()).collect();
    assert_none("the README names tests that are not there", &offences);
    Ok(())
}
