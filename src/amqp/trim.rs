//! What a dead letter's copy goes without where its headers and properties would not fit into a frame. Pure.
//!
//! There is always a copy that fits: the failure headers that may be long are set aside, foreign headers are dropped, the
//! largest first, and then what was set aside comes back as far as there is room. The copy says what it lacks.

use std::collections::BTreeMap;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, ShortString};

use super::headers;

/// What the relay writes, of any length that AMQP takes for a name.
const OURS: [&str; 10] = [
    headers::REASON,
    headers::TIME,
    headers::SERVICE,
    headers::ATTEMPTS,
    headers::HTTP_STATUS,
    headers::ALERT_KEY,
    headers::ORIGINAL_EXCHANGE,
    headers::ORIGINAL_ROUTING_KEY,
    headers::REPLAY_COUNT,
    headers::REPLAY_ID,
];
/// What else it writes, the most useful first, with the lengths to try. The history is JSON and never longer.
const LONG: [(&str, &[usize]); 3] =
    [(headers::MESSAGE, &[2048, 1024, 256]), (headers::RESPONSE, &[2048, 512]), (headers::HISTORY, &[4096])];
/// None of [`OURS`] is longer; a publisher may have written one that is.
const MOST_OF_OURS: usize = 300;
/// What the note may take, and how much of a name it shows.
const MOST_OF_NOTE: usize = 400;
const MOST_OF_NAME: usize = 64;

struct Trim {
    properties: BasicProperties,
    headers: BTreeMap<ShortString, AMQPValue>,
    most: usize,
    lacks: Vec<String>,
}

/// `properties` so that they fit into a frame of `most` bytes, with a note of what they lack.
pub(super) fn fit(properties: BasicProperties, most: usize) -> BasicProperties {
    let headers = properties.headers().clone().unwrap_or_default().inner().clone();
    // The note has room whatever it says.
    let room = most.saturating_sub(1 + headers::TRIMMED.len() + 5 + MOST_OF_NOTE);
    let mut trim = Trim { properties, headers, most: room, lacks: Vec::new() };
    let long = LONG.map(|(name, lengths)| (name, trim.headers.remove(name), lengths));
    trim.drop_foreign();
    trim.drop_properties();
    for (name, value, lengths) in long {
        trim.put_back(name, value.as_ref(), lengths);
    }
    trim.noted()
}

impl Trim {
    fn fits(&self) -> bool {
        headers::frame_size(&self.properties.clone().with_headers(self.headers.clone().into())) <= self.most
    }

    /// Drops foreign headers, the largest first, until the rest fits.
    fn drop_foreign(&mut self) {
        let is_ours = |name: &str, size| OURS.contains(&name) && size <= MOST_OF_OURS;
        let sizes = self.headers.iter().map(|(name, value)| (headers::value_size(value), name.clone()));
        let mut foreign: Vec<_> = sizes.filter(|(size, name)| !is_ours(name.as_str(), *size)).collect();
        foreign.sort();
        while !self.fits()
            && let Some((size, name)) = foreign.pop()
        {
            self.headers.remove(&name);
            self.lacks.push(format!("{} ({size} bytes)", shortened(name.as_str(), MOST_OF_NAME)));
        }
    }

    /// Only what is needed to read the body, where even that is not enough.
    fn drop_properties(&mut self) {
        if self.fits() {
            return;
        }
        let mut kept = BasicProperties::default().with_delivery_mode(2);
        macro_rules! keep {
            ($($property:ident, $with:ident;)*) => { $(
                if let Some(value) = self.properties.$property().clone() { kept = kept.$with(value); }
            )* };
        }
        keep! {
            content_type, with_content_type;
            content_encoding, with_content_encoding;
            message_id, with_message_id;
            timestamp, with_timestamp;
            priority, with_priority;
        }
        self.properties = kept;
        self.lacks.push("properties".to_owned());
    }

    /// Puts back as much of a header as there is room for.
    fn put_back(&mut self, name: &str, value: Option<&AMQPValue>, lengths: &[usize]) {
        let Some(text) = value.and_then(headers::text) else { return };
        for length in lengths {
            let part = shortened(&text, *length);
            self.headers.insert(name.into(), AMQPValue::LongString(part.into()));
            if self.fits() {
                if part.len() < text.len() {
                    self.lacks.push(format!("{name} (shortened)"));
                }
                return;
            }
        }
        self.headers.remove(name);
        self.lacks.push(name.to_owned());
    }

    fn noted(mut self) -> BasicProperties {
        let note = self.lacks.join(", ");
        self.headers.insert(headers::TRIMMED.into(), AMQPValue::LongString(shortened(&note, MOST_OF_NOTE).into()));
        self.properties.with_headers(self.headers.into())
    }
}

fn shortened(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldTable;

    use super::*;

    fn text(bytes: usize) -> AMQPValue {
        AMQPValue::LongString("é".repeat(bytes / 2).into())
    }

    fn copy(foreign: &[(&str, usize)]) -> BasicProperties {
        let mut table = FieldTable::default();
        for (name, bytes) in foreign {
            table.insert((*name).into(), text(*bytes));
        }
        for name in OURS {
            table.insert(name.into(), text(250));
        }
        for (name, bytes) in [(headers::MESSAGE, 2048), (headers::RESPONSE, 2048), (headers::HISTORY, 4096)] {
            table.insert(name.into(), text(bytes));
        }
        let long = || ShortString::from("x".repeat(255));
        BasicProperties::default()
            .with_content_type("application/json".into())
            .with_message_id(long())
            .with_correlation_id(long())
            .with_reply_to(long())
            .with_app_id(long())
            .with_type(long())
            .with_cluster_id(long())
            .with_headers(table)
    }

    fn names(properties: &BasicProperties) -> Vec<String> {
        properties.headers().as_ref().unwrap().inner().keys().map(ToString::to_string).collect()
    }

    #[test]
    fn there_is_always_a_copy_that_fits_and_says_what_it_lacks() {
        for most in [4096, 8192, 16_384, 131_072] {
            for foreign in [
                &[][..],
                &[("a", 130_000)],
                &[("a", 3000), ("b", 60_000), ("c", 70_000)],
                &[("x-failure-odd", 200_000)],
            ] {
                let given = copy(foreign);
                let fitted = fit(given.clone(), most);
                assert!(headers::frame_size(&fitted) <= most, "{most} {foreign:?}");
                let lacks = names(&given).into_iter().filter(|name| !names(&fitted).contains(name));
                let note = headers::text(&fitted.headers().as_ref().unwrap().inner()[headers::TRIMMED]).unwrap();
                for name in lacks {
                    assert!(note.contains(&name), "{most} {foreign:?}: {name} in {note}");
                }
                assert!(names(&fitted).iter().any(|name| name == headers::REASON));
            }
        }
    }

    #[test]
    fn the_largest_foreign_header_goes_first_and_the_failure_is_told_in_full_where_there_is_room() {
        let fitted = fit(copy(&[("small", 1000), ("large", 130_000)]), 131_072);
        let kept = names(&fitted);
        assert!(kept.iter().any(|name| name == "small") && !kept.iter().any(|name| name == "large"), "{kept:?}");
        for (name, _) in LONG {
            assert!(kept.iter().any(|kept| kept == name), "{name} in {kept:?}");
        }
    }
}
