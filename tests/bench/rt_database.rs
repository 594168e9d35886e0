//! The database of a real RT, asked over one connection that stays: RT itself would have to work for an answer.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// `psql`, which answers a line for each line.
pub struct RtDatabase {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl RtDatabase {
    /// The one that `tests/servers/postgresql` keeps in `dir`.
    pub fn connect(dir: &Path) -> Self {
        let port = std::fs::read_to_string(dir.join("port")).unwrap();
        let words = ["-h", "127.0.0.1", "-U", "postgres", "-d", "rt5", "-p", port.trim()];
        let options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"];
        let mut command = Command::new("psql");
        let command = command.args(words).args(options).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("psql starts");
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }

    /// The one number that `query` gives.
    pub fn number(&mut self, query: &str) -> usize {
        writeln!(self.to, "{query};").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line.trim().parse().unwrap_or_else(|_| panic!("{query}: {line:?}"))
    }

    pub fn tickets(&mut self) -> usize {
        self.number("SELECT count(*) FROM Tickets")
    }

    /// Adds tickets that have a key and nothing else: no history, no people.
    pub fn fill(&mut self, tickets: usize) {
        let there = self.tickets();
        self.number(&format!(
            "WITH new AS (SELECT nextval('tickets_id_seq') AS id FROM generate_series(1, {tickets})), \
             made AS (INSERT INTO Tickets (id, EffectiveId, Queue, Type, Owner, Subject, Status, Creator, Created, \
             LastUpdatedBy, LastUpdated) SELECT new.id, new.id, queue.id, 'ticket', nobody.id, \
             'SSL problem: https://www.water.example', 'open', 1, now(), 1, now() FROM new, \
             (SELECT id FROM Queues WHERE Name = 'Incident Reports') queue, \
             (SELECT id FROM Users WHERE Name = 'Nobody') nobody RETURNING id), \
             keyed AS (INSERT INTO ObjectCustomFieldValues (CustomField, ObjectType, ObjectId, SortOrder, Content, \
             Creator, Created, LastUpdatedBy, LastUpdated, Disabled) SELECT field.id, 'RT::Ticket', made.id, 0, \
             'before-' || made.id, 1, now(), 1, now(), 0 FROM made, \
             (SELECT id FROM CustomFields WHERE Name = 'Alert ID') field RETURNING id) SELECT count(*) FROM keyed"
        ));
        assert_eq!(self.tickets(), there + tickets);
        writeln!(self.to, "VACUUM ANALYZE;").unwrap();
    }
}

impl Drop for RtDatabase {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
