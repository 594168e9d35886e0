//! A body laid out for reading.

use serde::de::IgnoredAny;

/// JSON with one value a line, each as it was written: a parser would change numbers and drop what is given twice.
/// `None` if it is no JSON.
pub(super) fn laid_out(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut layout = Layout { text: String::with_capacity(text.len() * 2), depth: 0, opened: false };
    let (mut in_string, mut escaped) = (false, false);
    for c in text.chars() {
        if in_string {
            layout.text.push(c);
            in_string = escaped || c != '"';
            escaped = c == '\\' && !escaped;
        } else if !c.is_ascii_whitespace() {
            layout.add(c);
            in_string = c == '"';
        }
    }
    Some(layout.text)
}

/// Text under way.
struct Layout {
    text: String,
    depth: usize,
    /// Whether the last was an opening bracket: what closes at once stays on its line.
    opened: bool,
}

impl Layout {
    /// Adds the first or only character of a token.
    fn add(&mut self, c: char) {
        let closes = matches!(c, '}' | ']');
        if closes {
            self.depth -= 1;
        }
        if self.opened != closes {
            self.break_line();
        }
        self.text.push(c);
        self.opened = matches!(c, '{' | '[');
        match c {
            '{' | '[' => self.depth += 1,
            ',' => self.break_line(),
            ':' => self.text.push(' '),
            _ => {}
        }
    }

    fn break_line(&mut self) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("  ", self.depth));
    }
}

#[cfg(test)]
mod tests {
    use super::laid_out;

    #[test]
    fn json_is_laid_out_as_it_was_written() {
        let body = br#"{"a":1e400, "b":[ ],"b":{},"c":[1.0,{"d":"x\"{,\\"}] }"#;
        let expected = "{\n  \"a\": 1e400,\n  \"b\": [],\n  \"b\": {},\n  \"c\": [\n    1.0,\n    {\n      \
            \"d\": \"x\\\"{,\\\\\"\n    }\n  ]\n}";
        assert_eq!(laid_out(body).as_deref(), Some(expected));
        assert_eq!(laid_out(b" \"text\" ").as_deref(), Some("\"text\""));
        for no_json in [&b"{"[..], b"\xff", b"", b"{} {}"] {
            assert_eq!(laid_out(no_json), None);
        }
    }
}
