//! What a verb took of the machine.

use std::fmt;
use std::time::Instant;

use cpu_time::ProcessTime;
use serde::Serialize;

/// Runs from its creation on.
pub(crate) struct Meter {
    wall: Instant,
    cpu: ProcessTime,
}

/// Wall time, CPU time over all threads, and the peak of resident memory of the process so far.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Cost {
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
    /// Only where the operating system tells it.
    pub(crate) peak_rss_mib: Option<f64>,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self {
            wall: Instant::now(),
            cpu: ProcessTime::now(),
        }
    }

    pub(crate) fn read(&self) -> Cost {
        Cost {
            wall_s: self.wall.elapsed().as_secs_f64(),
            cpu_s: self.cpu.elapsed().as_secs_f64(),
            peak_rss_mib: peak_rss_mib(),
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s wall, {:.3} s CPU", self.wall_s, self.cpu_s)?;
        self.peak_rss_mib
            .map_or(Ok(()), |peak| write!(f, ", {peak:.0} MiB peak memory"))
    }
}

/// Linux keeps the peak of the program's own memory here; that of getrusage begins at what the parent process had.
fn peak_rss_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(kib.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}
