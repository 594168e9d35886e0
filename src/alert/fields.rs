//! Taking the fields of an object: strictly where they decide, tolerantly elsewhere.
//!
//! A tolerant getter takes a value only if it fits; what is left in the end is shown under "Other details".

use std::str::FromStr;

use super::Number;
use super::json::Value;
use super::malformed::{Malformed, join};

/// The fields of one object that nobody took yet.
pub(super) struct Fields {
    path: String,
    fields: Vec<(String, Value)>,
}

impl Fields {
    /// The fields of `value`, which stands at `path`. `null` fields are absent.
    ///
    /// # Errors
    /// The value is not an object.
    pub(super) fn of(path: &str, value: Value) -> Result<Self, Malformed> {
        match value {
            Value::Object(fields) => Ok(Self::new(path, fields)),
            other => Err(Malformed::new(path, format!("expected an object, got {}", other.kind()))),
        }
    }

    fn new(path: &str, fields: Vec<(String, Value)>) -> Self {
        let given = fields.into_iter().filter(|(_, value)| *value != Value::Null).collect();
        Self { path: path.to_owned(), fields: given }
    }

    /// The field whatever it is.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.take_if(name, |_| true)
    }

    /// Strict: a string, if the field is there.
    pub(super) fn string(&mut self, name: &str) -> Result<Option<String>, Malformed> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.fault(name, format!("expected a string, got {}", other.kind()))),
        }
    }

    /// Strict: a string that must be there.
    pub(super) fn required_string(&mut self, name: &str) -> Result<String, Malformed> {
        self.string(name)?.ok_or_else(|| self.fault(name, "missing"))
    }

    /// Strict: a value that must be there.
    pub(super) fn required(&mut self, name: &str) -> Result<Value, Malformed> {
        self.take(name).ok_or_else(|| self.fault(name, "missing"))
    }

    /// Strict: an object that must be there.
    pub(super) fn required_object(&mut self, name: &str) -> Result<Fields, Malformed> {
        let value = self.required(name)?;
        Self::of(&join(&self.path, name), value)
    }

    /// Strict: one of a choice, if the field is there.
    pub(super) fn choice<T: FromStr<Err = String>>(&mut self, name: &str) -> Result<Option<T>, Malformed> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|expected| self.fault(name, format!("unknown value; {expected}")))
    }

    /// Tolerant: taken only if it is a string.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.take_if(name, |value| matches!(value, Value::String(_)))? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Tolerant: taken only if it is a number.
    pub(super) fn number(&mut self, name: &str) -> Option<Number> {
        match self.take_if(name, |value| matches!(value, Value::Number(_)))? {
            Value::Number(text) => Some(Number { text }),
            _ => None,
        }
    }

    /// Tolerant: taken only if it is a word that `T` knows.
    pub(super) fn known<T: FromStr>(&mut self, name: &str) -> Option<T> {
        let known = |value: &Value| matches!(value, Value::String(text) if text.parse::<T>().is_ok());
        match self.take_if(name, known)? {
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Tolerant: the fields of an object, none if there is no object.
    pub(super) fn object(&mut self, name: &str) -> Fields {
        let fields = match self.take_if(name, |value| matches!(value, Value::Object(_))) {
            Some(Value::Object(fields)) => fields,
            _ => Vec::new(),
        };
        Self::new(&join(&self.path, name), fields)
    }

    /// Tolerant: the items of an array that `read` can use; the others stay, under their index.
    pub(super) fn items<T>(&mut self, name: &str, read: impl Fn(&mut Fields) -> Option<T>) -> Vec<T> {
        let mut taken = Vec::new();
        let Some(Value::Array(items)) = self.take_if(name, |value| matches!(value, Value::Array(_))) else {
            return taken;
        };
        for (index, item) in items.into_iter().enumerate() {
            let label = format!("{name}[{index}]");
            let Ok(mut fields) = Self::of(&label, item.clone()) else {
                self.fields.push((label, item));
                continue;
            };
            match read(&mut fields) {
                Some(read) => {
                    taken.push(read);
                    self.fields.extend(fields.rest());
                }
                None => self.fields.push((label, item)),
            }
        }
        taken
    }

    /// What nobody took, with its path.
    pub(super) fn rest(self) -> impl Iterator<Item = (String, Value)> {
        let Self { path, fields } = self;
        fields.into_iter().map(move |(name, value)| (join(&path, &name), value))
    }

    /// A fault of the field `name`.
    pub(super) fn fault(&self, name: &str, cause: impl Into<String>) -> Malformed {
        Malformed::new(&join(&self.path, name), cause)
    }

    fn take_if(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        let index = self.fields.iter().position(|(known, value)| known == name && fits(value))?;
        Some(self.fields.remove(index).1)
    }
}
