//! What is measured, and against what.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    time::Instant,
};

use crate::{MB, Outcome};

/// What was aimed at and what came of it, in the lines that `make bench` gathers.
#[derive(Default)]
pub struct Aims {
    lines: Vec<String>,
    missed: bool,
}

impl Aims {
    pub fn at_most(&mut self, what: &str, value: f64, aim: f64) {
        self.note(value <= aim, &format!("{what}: {value:.2} (aim <= {aim})"));
    }

    pub fn at_least(&mut self, what: &str, value: f64, aim: f64) {
        self.note(value >= aim, &format!("{what}: {value:.2} (aim >= {aim})"));
    }

    fn note(&mut self, met: bool, line: &str) {
        self.missed |= !met;
        self.lines.push(format!("{:<6} {line}", if met { "met" } else { "MISSED" }));
    }

    /// Prints them; fails when one was missed.
    pub fn told(self) -> Outcome<()> {
        println!("{}", self.lines.join("\n"));
        if self.missed { Err("an aim was missed".into()) } else { Ok(()) }
    }
}

/// Wall and processor time, since when.
pub struct Stopwatch {
    start: Instant,
    ticks: f64,
}

impl Stopwatch {
    pub fn start() -> Self {
        Self { start: Instant::now(), ticks: processor_seconds().unwrap_or(f64::NAN) }
    }

    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    pub fn line(&self, what: &str, bytes: u64) {
        let processor = processor_seconds().unwrap_or(f64::NAN) - self.ticks;
        println!("{what:<36}{:>10.2}{processor:>10.2}{:>14.1}", self.seconds(), bytes as f64 / MB);
    }
}

/// Of this process and of its children that have ended, in hundredths.
fn processor_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let fields = stat.rsplit_once(") ")?.1.split(' ').skip(11).take(4);
    Some(fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0)
}

/// Begins to measure the peak of resident memory anew.
pub fn forget_peak() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

/// The peak of resident memory, in MiB.
pub fn peak() -> Outcome<f64> {
    for line in BufReader::new(File::open("/proc/self/status")?).lines() {
        if let Some(value) = line?.strip_prefix("VmHWM:") {
            return Ok(value.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0);
        }
    }
    Err("the system does not tell the peak of memory".into())
}
