//! Every link within the documentation leads somewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// All pages, without what is built.
fn pages(under: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(under).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The targets of the links on a page, not those in code.
fn targets(text: &str) -> Vec<&str> {
    let prose = text.split('`').step_by(2);
    let links = prose.flat_map(|prose| prose.split("](").skip(1));
    // What is between backticks may stand in the words of a link: its target follows at once.
    let after_code = text.split("`](").skip(1);
    links.chain(after_code).filter_map(|rest| rest.split(')').next()).collect()
}

/// The anchors that headings get. Source: GitHub, which drops what is no letter, digit, hyphen or space.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| {
        let kept =
            heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c)).collect::<String>();
        kept.replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_to_a_file_or_heading_leads_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    pages(root, &mut found);
    assert!(found.len() > 10, "{found:?}");
    let mut looked_at = 0;
    for page in found {
        let text = std::fs::read_to_string(&page).expect("a page");
        for target in targets(&text).into_iter().filter(|target| !target.contains("://")) {
            looked_at += 1;
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let linked = if path.is_empty() { page.clone() } else { page.parent().expect("a directory").join(path) };
            assert!(linked.exists(), "{}: {target}", page.display());
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&linked).expect("a page");
                assert!(anchors(&text).contains(anchor), "{}: {target}", page.display());
            }
        }
    }
    assert!(looked_at > 40, "{looked_at}");
}
