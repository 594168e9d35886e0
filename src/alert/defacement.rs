//! Details of a `defacement` alert.

use super::choice::choices;
use super::defang::defang;
use super::object::{details, item};
use super::{Line, present};

choices! {
    /// How the site was changed.
    ChangeKind {
        /// Something is there that was not.
        ResourceAdded = "resource_added",
        /// Something is gone.
        ResourceRemoved = "resource_removed",
        /// A file stands elsewhere.
        FileMoved = "file_moved",
        /// The page's title is another.
        TitleChanged = "title_changed",
        /// It redirects to elsewhere.
        RedirectionChanged = "redirection_changed",
        /// It answers with another HTTP status.
        HttpStatusChanged = "http_status_changed",
        /// Its size is out of the ordinary.
        SizeAnomaly = "size_anomaly",
    }
}

details! {
    /// Details of a `defacement` alert, each as given.
    Defacement {
        /// What was changed.
        changes: Vec<Change>,
        /// Where a picture or copy of the changed page lies.
        capture_url: Option<String>,
    }
}

item! {
    /// One change of the site.
    Change {
        /// What sort of change.
        kind: ChangeKind;
        /// Where on the site.
        path: Option<String>,
        /// What was there.
        before: Option<String>,
        /// What is there now.
        after: Option<String>,
    }
}

impl Defacement {
    pub(super) fn what_is_wrong(&self) -> String {
        match self.changes.len() {
            0 => "The site seems defaced".to_owned(),
            1 => "The site seems defaced (1 change)".to_owned(),
            changes => format!("The site seems defaced ({changes} changes)"),
        }
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for change in &self.changes {
            let place = change.path.as_deref().map(|path| format!(" at {path}")).unwrap_or_default();
            lines.push(("Change".to_owned(), format!("{}{place}", change.kind)));
            lines.extend(present([("  before", change.before.as_deref()), ("  after", change.after.as_deref())]));
        }
        lines.extend(present([("Capture", self.capture_url.as_deref().map(defang).as_deref())]));
        lines
    }
}
