//! Why a body is not an alert.

/// Why a body is not an alert. Displays as `entity.name: expected a string, got a number`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{cause}", path, if path.is_empty() { "" } else { ": " })]
pub struct Malformed {
    /// Where: `entity.focal_points[2].email`; empty for the body as a whole.
    pub path: String,
    /// What is wrong there. Holds no value of the alert.
    pub cause: String,
}

impl Malformed {
    pub(super) fn new(path: &str, cause: impl Into<String>) -> Self {
        // A hostile key may be as long as the body and hold line breaks; a path is to be read by a person.
        let path = path.escape_debug().to_string();
        let cut = path.floor_char_boundary(200);
        let path = if cut < path.len() { format!("{}...", &path[..cut]) } else { path };
        Self { path, cause: cause.into() }
    }

    /// The same fault, seen from the object whose field `name` was read.
    pub(super) fn within(self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { join(name, &self.path) };
        Self { path, ..self }
    }
}

/// `path.name`, or `name` at the top.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
