//! The text of the ticket: plain, aligned, bounded, and the alert's own words where it quotes them.
//!
//! Three things are changed in a quoted value, and only these: control characters and those that reorder text show as
//! their JSON escape, so that no value can pass for another line; addresses and names of people and of services are
//! written so that RTIR does not collect them (see `alert::defang`); and what is too long is cut, which the text says.

use std::fmt::Write as _;

use super::requestors::Notified;
use crate::alert::{Alert, Line, defang, defang_addresses};

/// The longest value shown, in bytes.
const MAX_VALUE_BYTES: usize = 4 * 1024;
/// The longest text, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// How much of the text may name people, in bytes; the rest is for the alert.
const MAX_PEOPLE_BYTES: usize = 16 * 1024;
/// Stands where a value or the text goes on.
const CUT: &str = " [cut; the alert is attached whole as alert.json]";

/// Fields that name people, or services which were only asked or told, should they have no line of their own.
const NOT_OF_THE_SITE: [&str; 12] = [
    "details.dns_server",
    "details.resolver",
    "details.registrar",
    "details.vendors",
    "details.permalink",
    "details.capture_url",
    "details.issuer",
    "details.contact",
    "entity.focal_points",
    "entity.contact",
    "links",
    "advice",
];

/// The text, and whether anything of the alert is missing in it.
pub(super) struct Content {
    pub text: String,
    pub cut: bool,
}

/// Writes the text of the ticket of `alert`.
pub(super) fn render(alert: &Alert, notified: &Notified) -> Content {
    let mut writer = Writer { text: String::new(), cut: false };
    writer.block(&subject_matter(alert));
    writer.section("Details", &alert.details.lines());
    let other: Vec<Line> = alert.other.iter().map(|(path, value)| other_line(path, &value.to_string())).collect();
    writer.section("Other details", &other);

    let mut people = Writer { text: String::new(), cut: false };
    let people_notified: Vec<_> = notified.people.iter().map(|person| defang(&person.who)).collect();
    people.list("Notified", &people_notified);
    let left_out: Vec<_> =
        notified.left_out.iter().map(|left| format!("{} ({})", defang(&left.who), left.why)).collect();
    people.list("Not notified", &left_out);
    people.cut_to(MAX_PEOPLE_BYTES);

    let mut id = Writer { text: String::new(), cut: false };
    id.block(&[line("Alert ID", &alert.id)]);

    let what_is_wrong = one_line(&format!("{}: {}", alert.details.what_is_wrong(), alert.platform_url));
    let first = cut_value(&what_is_wrong, &mut writer.cut);
    writer.cut_to(MAX_BYTES - people.text.len() - id.text.len() - first.len() - 1);
    Content {
        text: format!("{first}\n{}{}{}", writer.text, people.text, id.text),
        cut: writer.cut || people.cut || id.cut,
    }
}

fn subject_matter(alert: &Alert) -> Vec<Line> {
    let mut lines = vec![line("Platform", &alert.platform_url), line("Entity", &alert.entity.name)];
    lines.extend(alert.entity.description.iter().map(|description| line("About it", description)));
    lines.push(line("Severity", alert.severity().as_str()));
    lines.push(line("Detected at", &alert.detected_at));
    lines
}

/// A field that has no line of its own is called by where it stands in the alert.
fn other_line(path: &str, value: &str) -> Line {
    let lower = path.to_lowercase();
    let not_of_the_site = NOT_OF_THE_SITE.iter().any(|name| lower.starts_with(name));
    let name = path.strip_prefix("details.").unwrap_or(path);
    (defang(name), if not_of_the_site { defang(value) } else { value.to_owned() })
}

fn line(name: &str, value: &str) -> Line {
    (name.to_owned(), value.to_owned())
}

/// Builds the text block by block.
struct Writer {
    text: String,
    cut: bool,
}

impl Writer {
    /// A heading and the lines under it; nothing where there is no line.
    fn section(&mut self, heading: &str, lines: &[Line]) {
        if !lines.is_empty() {
            let _ = write!(self.text, "\n{heading}");
            self.block(lines);
        }
    }

    /// Lines whose values stand in one column, and whose values of several lines stay in it.
    fn block(&mut self, lines: &[Line]) {
        /// A name longer than this does not push the column further.
        const WIDEST: usize = 24;
        self.text.push('\n');
        let width = lines.iter().map(|(name, _)| name.chars().count() + 1).filter(|width| *width <= WIDEST).max();
        let width = width.unwrap_or(0);
        for (name, value) in lines {
            let name = one_line(name);
            let name = format!("{}:", cut_value(&name, &mut self.cut));
            let value = cut_value(&quote(value), &mut self.cut).replace('\n', &format!("\n{:width$} ", ""));
            let _ = writeln!(self.text, "{name:width$} {value}");
        }
    }

    /// A heading and one indented line each.
    fn list(&mut self, heading: &str, entries: &[String]) {
        if !entries.is_empty() {
            let _ = writeln!(self.text, "\n{heading}:");
        }
        for entry in entries {
            let entry = one_line(entry);
            let _ = writeln!(self.text, "  {}", cut_value(&entry, &mut self.cut));
        }
    }

    /// Cuts the text so far to `max_bytes`, at a line where there is one near, and says so.
    fn cut_to(&mut self, max_bytes: usize) {
        if self.text.len() <= max_bytes {
            return;
        }
        self.cut = true;
        self.text.truncate(self.text.floor_char_boundary(max_bytes - CUT.len() - 1));
        self.text.push_str(CUT);
        self.text.push('\n');
    }
}

/// `value`, cut at a character boundary if it is too long.
fn cut_value(value: &str, cut: &mut bool) -> String {
    if value.len() <= MAX_VALUE_BYTES {
        return value.to_owned();
    }
    *cut = true;
    format!("{}{CUT}", &value[..value.floor_char_boundary(MAX_VALUE_BYTES)])
}

/// A text that must not break its line.
fn one_line(text: &str) -> String {
    quote(text).replace('\n', "\\n")
}

/// A value as the text shows it; line breaks stay.
fn quote(value: &str) -> String {
    let value = defang_addresses(value);
    let mut quoted = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\n' | '\t' => quoted.push(c),
            '\r' => quoted.push_str("\\r"),
            c if misleads(c) => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted
}

/// Whether `c` makes a line read otherwise than it is written: a control character, or one of Unicode's bidirectional
/// controls and line separators.
pub(crate) fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
