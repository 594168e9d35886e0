//! What the fuzzer looks for holds for what it has found before, and for the fixtures.

use std::path::Path;

use serde_json::json;

use crate::support::alerts;

#[path = "../fuzz/targets/checks.rs"]
mod checks;
#[path = "../fuzz/targets/frame_checks.rs"]
pub mod frame_checks;

/// Checks every file of `directory`, which has at least `least`.
fn replay(directory: &str, least: usize, check: fn(&[u8])) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(directory);
    let entries = std::fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= least, "{} files in {}", files.len(), path.display());
    for file in files {
        // Captured, and so shown with the file that fails.
        println!("{}", file.display());
        check(&std::fs::read(file).unwrap());
    }
}

#[test]
fn every_message_found_by_fuzzing_is_a_ticket_or_a_dead_letter() {
    replay("fuzz/corpus/alert", 10, checks::alert);
    replay("fixtures/alerts", 10, checks::alert);
}

#[test]
fn every_answer_found_by_fuzzing_is_understood_or_an_error_that_can_be_shown() {
    replay("fuzz/corpus/rt_answer", 10, checks::rt_answer);
    replay("fixtures/rt", 10, checks::rt_answer);
}

#[test]
fn every_stream_found_by_fuzzing_passes_with_readable_messages() {
    replay("fuzz/corpus/frames", 10, frame_checks::stream);
}

#[test]
fn a_message_of_any_size_is_a_ticket_or_a_dead_letter() {
    for bytes in [1024 * 1024, 1024 * 1024 + 1] {
        checks::alert(&vec![b'['; bytes]);
        checks::alert(&[b"{\"id\":\"".as_slice(), &vec![b'x'; bytes - 9], b"\"}"].concat());
    }
    // Each control character is written as six.
    let person = json!({ "name": "\u{85}".repeat(4000), "email": "ada@water.example" });
    let people = json!({ "entity": { "focal_points": vec![person; 100] }, "details": { "error": "\n".repeat(4000) } });
    checks::alert(&alerts::body(&alerts::with(alerts::ssl("alert-1"), people)));
}
