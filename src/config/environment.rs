//! Reading variables: raw by envy, one struct per prefix; then into types, faults collected.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

use super::secret::Secret;

/// Declares the raw variables of one prefix: every one an optional text, read by envy.
macro_rules! section {
    ($name:ident $prefix:literal { $($field:ident),* }) => {
        #[derive(serde::Deserialize)]
        pub(in crate::config) struct $name { $($field: Option<String>,)* }

        impl $name {
            /// The prefix, and the names under it in lower case.
            pub(in crate::config) const KNOWN: (&'static str, &'static [&'static str]) =
                ($prefix, &[$(stringify!($field)),*]);

            fn read(environment: &$crate::config::Environment) -> Self {
                // Every field is an optional text, so envy has nothing to refuse.
                environment.section(Self::KNOWN.0).unwrap_or(Self { $($field: None,)* })
            }
        }
    };
}
pub(super) use section;

/// The environment, as text. Empty variables count as absent, as compose files write them.
#[derive(Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    not_utf8: Vec<String>,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        let mut environment = Self::default();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => environment.set(name, value),
                Err(_) => environment.not_utf8.push(name),
            }
        }
        environment
    }

    fn set(&mut self, name: String, value: String) {
        if !value.is_empty() {
            self.variables.insert(name, value);
        }
    }

    /// Whether any variable of a section is set.
    pub(super) fn has_any(&self, (prefix, known): (&str, &[&str])) -> bool {
        known.iter().any(|field| self.variables.contains_key(&format!("{prefix}{}", field.to_uppercase())))
    }

    /// The variables of one prefix. The one place that names envy, which knows only flat structs and no typos, and
    /// for which `LOG` and `log` are one field, given twice.
    pub(super) fn section<T: serde::de::DeserializeOwned>(&self, prefix: &str) -> Option<T> {
        let ours = self.variables.iter().filter(|(name, _)| is_upper_case(name));
        envy::prefixed(prefix).from_iter(ours.map(|(name, value)| (name.clone(), value.clone()))).ok()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            environment.set(name.into(), value.into());
        }
        environment
    }
}

/// One fault of the configuration: `RTIR_TIMEOUT: got "20", takes a duration such as 30s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The variable.
    pub variable: String,
    /// What it holds; absent where it is not set or secret.
    pub got: Option<String>,
    /// What it takes.
    pub takes: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.got {
            Some(got) => write!(f, "{}: got {got:?}, takes {}", self.variable, self.takes),
            None => write!(f, "{}: {}", self.variable, self.takes),
        }
    }
}

/// The faults found so far.
#[derive(Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Starts with what is wrong whatever is read: misspelt names under our prefixes, and values that are not text.
    /// `unprefixed` are our names that stand under no prefix of ours.
    pub(super) fn of(environment: &Environment, ours: &[(&str, &[&str])], unprefixed: &[&[&str]]) -> Self {
        let mut faults = Self::default();
        let is_unprefixed = |name: &str| unprefixed.concat().iter().any(|field| field.to_uppercase() == name);
        for name in &environment.not_utf8 {
            if ours.iter().any(|(prefix, _)| name.starts_with(prefix)) || is_unprefixed(name) {
                faults.missing(name, "is not valid UTF-8");
            }
        }
        for name in environment.variables.keys() {
            for (prefix, known) in ours {
                if let Some(rest) = name.strip_prefix(prefix) {
                    faults.check_name(name, prefix, rest, known);
                }
            }
        }
        faults
    }

    fn check_name(&mut self, name: &str, prefix: &str, rest: &str, known: &[&str]) {
        let upper_case = is_upper_case(rest);
        let rest = rest.to_lowercase();
        if (upper_case && known.contains(&rest.as_str())) || from_kubernetes(&rest) {
            return;
        }
        let near = |field: &&&str| strsim::damerau_levenshtein(field, &rest);
        let nearest = known.iter().min_by_key(near).filter(|field| near(field) <= 3);
        self.missing(
            name,
            &match nearest {
                Some(field) => {
                    format!("is not a variable of rtir-relay; did you mean {prefix}{}?", field.to_uppercase())
                }
                None => "is not a variable of rtir-relay; README lists them all".to_owned(),
            },
        );
    }

    /// Faults that were found elsewhere.
    pub(super) fn extend(&mut self, faults: Vec<Fault>) {
        self.0.extend(faults);
    }

    /// A fault with the value that was given.
    pub(super) fn add(&mut self, variable: &str, got: &str, takes: &str) {
        self.0.push(Fault { variable: variable.to_owned(), got: Some(got.to_owned()), takes: takes.to_owned() });
    }

    /// A fault without one: nothing was given, or it is secret.
    pub(super) fn missing(&mut self, variable: &str, what: &str) {
        self.0.push(Fault { variable: variable.to_owned(), got: None, takes: what.to_owned() });
    }

    /// `value` if there is no fault.
    pub(super) fn or<T>(self, value: Option<T>) -> Result<T, Vec<Fault>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }
}

/// Whether a name is spelt as ours are.
fn is_upper_case(name: &str) -> bool {
    !name.chars().any(char::is_lowercase)
}

/// Kubernetes sets such variables for every service of a namespace, here of one named `rtir` or `amqp`.
/// Source: Kubernetes, "Discovering services", environment variables.
fn from_kubernetes(rest: &str) -> bool {
    rest == "port"
        || rest.starts_with("port_")
        || rest.contains("_port_")
        || rest.ends_with("_port")
        || rest == "service_host"
        || rest.starts_with("service_port")
        || rest.ends_with("_service_host")
        || rest.contains("_service_port")
}

/// Turns the raw texts of one prefix into types.
pub(super) struct Values<'a> {
    prefix: &'static str,
    pub(super) faults: &'a mut Faults,
}

impl<'a> Values<'a> {
    pub(super) fn new(prefix: &'static str, faults: &'a mut Faults) -> Self {
        Self { prefix, faults }
    }

    /// The value if it is given and `parse` takes it; a fault if `parse` does not.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        given: Option<String>,
        takes: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = given?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.faults.add(&format!("{}{name}", self.prefix), &text, takes);
        }
        parsed
    }

    /// The value given, else the default.
    pub(super) fn or<T>(
        &mut self,
        name: &str,
        given: Option<String>,
        default: &str,
        takes: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        self.optional(name, given.or_else(|| Some(default.to_owned())), takes, parse)
    }

    /// A duration above zero, in words as people write it: `500ms`, `30s`, `5m`.
    pub(super) fn duration(&mut self, name: &str, given: Option<String>, default: &str) -> Option<Duration> {
        self.or(name, given, default, "a duration such as 500ms, 30s or 5m", |text| {
            let duration = Duration::try_from(text.parse::<SignedDuration>().ok()?).ok()?;
            (!duration.is_zero()).then_some(duration)
        })
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, name: &str, given: Option<String>, default: &str) -> Option<bool> {
        self.or(name, given, default, "true or false", |text| text.parse().ok())
    }

    /// A file that can be read.
    pub(super) fn file(&mut self, name: &str, given: Option<String>) -> Option<PathBuf> {
        let path = PathBuf::from(given?);
        if let Err(error) = std::fs::read(&path) {
            self.faults.missing(&format!("{}{name}", self.prefix), &unreadable(&path, &error));
        }
        Some(path)
    }

    /// A secret, from `name` or the file that `name_FILE` names. `None` if neither is there.
    pub(super) fn secret(&mut self, name: &str, value: Option<String>, file: Option<String>) -> Option<Secret> {
        let variable = format!("{}{name}", self.prefix);
        let secret = match (value, file) {
            (Some(value), Some(_)) => {
                self.faults.missing(&variable, &format!("is set and {variable}_FILE too; set one of them"));
                return Some(Secret::given(value));
            }
            (Some(value), None) => return Some(Secret::given(value)),
            (None, Some(file)) => Secret::in_file(file.into()),
            (None, None) => return None,
        };
        if let Err(error) = secret.read() {
            self.faults.missing(&format!("{variable}_FILE"), &error.to_string());
        }
        Some(secret)
    }
}

/// Why a file cannot be read.
pub(super) fn unreadable(path: &std::path::Path, error: &std::io::Error) -> String {
    format!("{} cannot be read: {error}", path.display())
}
