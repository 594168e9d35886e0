//! Processes that are measured: what they have used of the processor and hold of memory, by `/proc`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::eventually::eventually;

/// `/proc` counts in these, on every Linux that Debian has.
pub const TICKS_PER_SECOND: f64 = 100.0;

/// One process, killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; what it says goes to the end of `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).unwrap();
        let command = command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, log: log.to_owned() }
    }

    /// Seconds of the processor so far.
    pub fn cpu(&self) -> f64 {
        cpu_of(self.child.id())
    }

    /// The same, to the nanosecond, of the threads that there are: for what uses next to nothing.
    pub fn cpu_of_threads(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of_thread = |task: std::io::Result<fs::DirEntry>| -> Option<f64> {
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse().ok()
        };
        tasks.filter_map(of_thread).sum::<f64>() / 1e9
    }

    /// What it holds of memory now, in MB.
    pub fn memory(&self) -> f64 {
        self.status("VmRSS:")
    }

    /// The most that it has held.
    pub fn peak_memory(&self) -> f64 {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let value = status.lines().find_map(|line| line.strip_prefix(field)).expect("it runs");
        value.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "it has ended by itself, see its log");
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        eventually("its end", async || self.child.try_wait().unwrap()).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<_> = log.lines().rev().take(20).collect();
            eprintln!("--- the end of {}", self.log.display());
            lines.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// Seconds of the processor that `pid` has used, with its children that have ended.
pub fn cpu_of(pid: u32) -> f64 {
    stat(pid).map_or(0.0, |stat| stat.cpu)
}

/// The same with all processes below it.
pub fn cpu_of_tree(root: u32) -> f64 {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let processes: Vec<(u32, Stat)> = pids.filter_map(|pid| Some((pid, stat(pid)?))).collect();
    let (mut sum, mut below) = (0.0, vec![root]);
    while let Some(parent) = below.pop() {
        sum += processes.iter().find(|(pid, _)| *pid == parent).map_or(0.0, |(_, stat)| stat.cpu);
        below.extend(processes.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
    }
    sum
}

/// The process `name` of a server that `tests/servers` keeps in `dir`.
pub fn pid_in(dir: &Path, name: &str) -> u32 {
    let path = dir.join(name).with_extension("pid");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.split_whitespace().next().unwrap().parse().unwrap()
}

struct Stat {
    parent: u32,
    cpu: f64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command may have spaces and parentheses. After it: state, parent, ...; see proc_pid_stat(5).
    let fields: Vec<_> = text.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = fields[11..15].iter().map(|field| field.parse::<f64>().unwrap()).sum::<f64>();
    Some(Stat { parent: fields[1].parse().ok()?, cpu: ticks / TICKS_PER_SECOND })
}
