//! How requests show RT who they come from, as it is told to people.

/// How requests show who they come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// None was made yet.
    Unknown,
    /// By a session that was logged in once.
    Session,
    /// By the password in each request, since RT gives no session.
    Password(NoSession),
    /// By a token in each request.
    Token,
}

/// Why there is no session, and what to do about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoSession {
    /// The cause.
    pub why: String,
    /// The fix.
    pub fix: String,
}
