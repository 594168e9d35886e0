//! The machine: its clock, what else it does, and what it and its servers are.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::process::TICKS_PER_SECOND;
use super::settings::variable;

/// Microseconds, the same in all processes.
pub fn now_us() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

/// What all processors have done so far.
#[derive(Clone, Copy)]
pub struct Processors {
    at: Instant,
    busy: f64,
    stolen: f64,
}

/// What others did between two looks at the processors.
pub struct Others {
    /// Of all processors, for processes that have no part in the benchmark.
    pub percent: f64,
    /// Of all processors, for other virtual machines.
    pub stolen_percent: f64,
}

impl Processors {
    pub fn now() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap();
        let fields = stat.lines().next().unwrap().split_whitespace().skip(1);
        // user, nice, system, idle, iowait, irq, softirq, steal; see proc_stat(5).
        let seconds: Vec<f64> = fields.map(|field| field.parse::<f64>().unwrap() / TICKS_PER_SECOND).collect();
        let busy = seconds[0] + seconds[1] + seconds[2] + seconds[5] + seconds[6];
        Self { at: Instant::now(), busy, stolen: seconds[7] }
    }

    /// What was done since `before` beside `own`, the seconds of all that has a part in the benchmark.
    pub fn others(&self, before: &Self, own: f64) -> Others {
        let available = (self.at - before.at).as_secs_f64() * processors();
        let percent = |seconds: f64| (100.0 * seconds / available).max(0.0);
        Others { percent: percent(self.busy - before.busy - own), stolen_percent: percent(self.stolen - before.stolen) }
    }
}

fn processors() -> f64 {
    let count = fs::read_to_string("/proc/stat").unwrap().lines().filter(|line| line.starts_with("cpu")).count() - 1;
    f64::from(u32::try_from(count).unwrap())
}

/// What the figures were measured on and of.
pub fn description() -> BTreeMap<String, String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, model)| model);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = memory.lines().next().and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    let gigabytes = memory.unwrap_or_default().div_ceil(1 << 20);
    let os = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let os = os.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or_default().trim_matches('"');
    let kernel = output("uname", &["-r"]);
    let processor = format!("{} x {}, {gigabytes} GB, {os}, Linux {kernel}", processors(), model.unwrap_or("unknown"));
    let packages = ["rabbitmq-server", "request-tracker5", "starman"];
    let packages = packages.map(|package| {
        let version = output("dpkg-query", &["-W", "-f", "${Version}", package]);
        format!("{package} {version}")
    });
    let relay = variable("RELAY").unwrap();
    let bytes = fs::metadata(&relay).unwrap().len();
    let size = f64::from(u32::try_from(bytes / 1024).unwrap()) / 1024.0;
    let of_relay = format!("{}, {size:.1} MB, {}", output(&relay, &["--version"]), variable("BENCH_RELAY").unwrap());
    BTreeMap::from([
        ("taken".to_owned(), output("date", &["--utc", "+%Y-%m-%d %H:%M UTC"])),
        ("machine".to_owned(), processor),
        ("load".to_owned(), fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()),
        ("relay".to_owned(), of_relay),
        ("benchmark".to_owned(), format!("commit {}", output("git", &["describe", "--always", "--dirty"]))),
        ("servers".to_owned(), format!("{}, {}", packages.join(", "), output("psql", &["--version"]))),
        ("beside".to_owned(), variable("BENCH_PEERS").unwrap()),
    ])
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
