//! Field tables and arrays: AMQP 0-9-1, section 4.2.5.5, with the types that RabbitMQ gives to the tags. They are walked
//! with a stack of their own, at most [`MAX_DEPTH`] high, whatever a publisher nests.

use std::ops::Range;

use super::altered::Altered;
use super::rename::rename;
use super::text;

/// Tables and arrays in the headers are read so deep; RabbitMQ's own `x-death` takes 3. lapin overflows its stack below
/// some thousand, and the JSON of an export takes two levels for each and is read 128 deep.
pub(super) const MAX_DEPTH: usize = 32;

/// The tag of bytes of any kind. They have the same prefix as a table or an array: four bytes of length.
const BYTE_ARRAY: u8 = b'x';
const TEXT: u8 = b'S';
const TABLE: u8 = b'F';
const ARRAY: u8 = b'A';
const VOID: u8 = b'V';
/// What the shortest entry with a byte array takes: a name of one byte, the tag, and the length.
const SEALED_BYTES: usize = 7;

/// A field of a table, or a value of an array: where its parts lie.
pub(super) struct Entry {
    /// The name, in a table.
    pub(super) name: Range<usize>,
    tag: usize,
    /// The value, without its length.
    value: Range<usize>,
}

/// A table or an array that is being walked.
struct Container {
    end: usize,
    is_table: bool,
    /// Where its tag is; the outermost has none.
    tag: Option<usize>,
    /// How many tables with names that are not UTF-8 were found before it, and whether it is one itself.
    badly_named_before: usize,
    is_badly_named: bool,
}

/// Makes the table in `bytes[table]`, given without its length, one that can be read.
///
/// - Nested deeper than [`MAX_DEPTH`], or not readable inside (an unknown tag, a length that does not fit): a nested
///   table or array becomes a byte array with the same content.
/// - What cannot be read of the outermost table becomes one field with those bytes.
/// - Names become UTF-8, different ones.
///
/// # Errors
/// It is a single byte.
pub(super) fn repair(bytes: &mut [u8], table: Range<usize>, altered: &mut Altered) -> Result<(), Unreadable> {
    let badly_named = match flatten(bytes, &table, altered) {
        Ok(badly_named) => badly_named,
        Err(at) => {
            altered.note("a header cannot be read: it and those behind it are kept as bytes");
            // A single byte makes no field; with the one before it there are enough.
            let last = || fields(bytes, table.clone()).last().map(|last| last.name.start - 1);
            let rest = if table.end - at > 1 { at } else { last().unwrap_or(at) };
            seal(bytes, rest..table.end)?;
            flatten(bytes, &table, altered).map_err(|_| Unreadable)?
        }
    };
    for table in badly_named {
        let names = fields(bytes, table).map(|entry| entry.name).collect();
        rename(bytes, names, altered);
    }
    Ok(())
}

/// A table whose fields cannot be made readable.
#[derive(Debug)]
pub(super) struct Unreadable;

/// Turns what is too deep or not readable into byte arrays. Gives the tables in which a name is not UTF-8, or where the
/// first field of the outermost table is that cannot be read.
fn flatten(bytes: &mut [u8], table: &Range<usize>, altered: &mut Altered) -> Result<Vec<Range<usize>>, usize> {
    let mut badly_named = Vec::new();
    let mut begin = table.start;
    let outermost =
        Container { end: table.end, is_table: true, tag: None, badly_named_before: 0, is_badly_named: false };
    // The innermost is the last; where each begins is needed only of those that go into `badly_named`.
    let mut open = vec![(begin, outermost)];
    while let Some((start, container)) = open.last_mut() {
        if begin == container.end {
            open.pop();
            continue;
        }
        let Some(entry) = Entry::read(bytes, begin..container.end, container.is_table) else {
            let Some(tag) = container.tag else { return Err(begin) };
            altered.note("a header cannot be read: it is kept as bytes");
            bytes[tag] = BYTE_ARRAY;
            begin = container.end;
            badly_named.truncate(container.badly_named_before);
            open.pop();
            continue;
        };
        if !container.is_badly_named && !text::is_valid(&bytes[entry.name.clone()]) {
            container.is_badly_named = true;
            badly_named.push(*start..container.end);
        }
        begin = entry.value.end;
        if matches!(bytes[entry.tag], TABLE | ARRAY) {
            if open.len() == MAX_DEPTH {
                altered.note(format_args!("headers are nested deeper than {MAX_DEPTH}: the deepest are kept as bytes"));
                bytes[entry.tag] = BYTE_ARRAY;
                continue;
            }
            begin = entry.value.start;
            let container = Container {
                end: entry.value.end,
                is_table: bytes[entry.tag] == TABLE,
                tag: Some(entry.tag),
                badly_named_before: badly_named.len(),
                is_badly_named: false,
            };
            open.push((begin, container));
        }
    }
    Ok(badly_named)
}

/// Makes `rest`, which may hold anything, one field of a table. Its name is left to be made UTF-8, and another than those
/// of the other fields.
///
/// # Errors
/// It is too short for any field.
pub(super) fn seal(bytes: &mut [u8], rest: Range<usize>) -> Result<(), Unreadable> {
    let rest = &mut bytes[rest];
    let name_bytes = if rest.len() < SEALED_BYTES { rest.len().checked_sub(2).ok_or(Unreadable)? } else { 1 };
    rest[0] = u8::try_from(name_bytes).map_err(|_| Unreadable)?;
    rest[1..=name_bytes].fill(0xff);
    match rest.len().checked_sub(SEALED_BYTES) {
        None => rest[name_bytes + 1] = VOID,
        Some(value_bytes) => {
            rest[2] = BYTE_ARRAY;
            rest[3..SEALED_BYTES].copy_from_slice(&u32::try_from(value_bytes).map_err(|_| Unreadable)?.to_be_bytes());
        }
    }
    Ok(())
}

/// The fields of one table, without those of the tables in it; ends where one cannot be read.
pub(super) fn fields(bytes: &[u8], table: Range<usize>) -> impl Iterator<Item = Entry> {
    let mut begin = table.start;
    std::iter::from_fn(move || {
        let entry = Entry::read(bytes, begin..table.end, true)?;
        begin = entry.value.end;
        Some(entry)
    })
}

impl Entry {
    /// The bytes of a long string.
    pub(super) fn text<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        (*bytes.get(self.tag)? == TEXT).then(|| bytes.get(self.value.clone()))?
    }

    /// The first in `bytes[within]`, if it lies in there whole.
    fn read(bytes: &[u8], within: Range<usize>, is_named: bool) -> Option<Self> {
        let bytes = &bytes[..within.end];
        let name = if is_named {
            let length = usize::from(*bytes.get(within.start)?);
            within.start + 1..within.start + 1 + length
        } else {
            within.start..within.start
        };
        let tag = name.end;
        let begin = tag + 1;
        let value = match bytes.get(tag)? {
            b'V' => begin..begin,
            b't' | b'b' | b'B' => begin..begin + 1,
            b's' | b'U' | b'u' => begin..begin + 2,
            b'I' | b'i' | b'f' => begin..begin + 4,
            b'D' => begin..begin + 5,
            b'l' | b'L' | b'd' | b'T' => begin..begin + 8,
            &(TEXT | BYTE_ARRAY | TABLE | ARRAY) => prefixed(bytes, begin)?,
            _ => return None,
        };
        (value.end <= within.end).then_some(Self { name, tag, value })
    }
}

/// What lies behind the four bytes of its length, which begin at `at`. It may reach beyond `bytes`.
pub(super) fn prefixed(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let length = u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?);
    let begin = at + 4;
    Some(begin..begin.checked_add(usize::try_from(length).ok()?)?)
}
