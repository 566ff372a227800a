//! Progress of long work, on standard error and only where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over a known number of steps.
pub(crate) fn bar(steps: u64) -> ProgressBar {
    styled(ProgressBar::new(steps), "{elapsed:>4} {bar:24} {pos}/{len} {msg}")
}

/// A spinner with the name of the current phase.
pub(crate) fn spinner() -> ProgressBar {
    styled(ProgressBar::new_spinner(), "{spinner} {elapsed:>4} {msg}")
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    let bar = match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
