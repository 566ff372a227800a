//! The backend that a verb runs on, and what is done about its faults.

use std::sync::Arc;

use clap::ValueEnum;
use clap::builder::PossibleValuesParser;
use tapeout_driver::Backend;
use tapeout_driver::backend::{self, DEFAULT, TABLE, choices, is_host};
use tapeout_driver::guard::{Guard, Log};

/// A backend by name, and how far it is trusted.
#[derive(clap::Args)]
pub(crate) struct BackendArgs {
    /// What computes the MSMs and NTTs; `tapeout backends` lists the choice
    #[arg(long, value_name = "NAME", default_value = DEFAULT, value_parser = PossibleValuesParser::new(choices()))]
    backend: String,

    /// Check every result of the backend as it comes; auto: unless it is this machine's processor
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = When::Auto)]
    check_results: When,

    /// Compute a call that the backend fails on this one, and say so; without it the verb ends with an error
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(hosts()))]
    fallback: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

fn hosts() -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(|entry| entry.host).map(|entry| entry.name)
}

/// A backend, and what guards it.
pub(crate) struct Device {
    pub(crate) backend: Box<dyn Backend>,
    guard: Guard,
}

impl BackendArgs {
    pub(crate) fn open(&self) -> anyhow::Result<Device> {
        let guard = self.guard()?;
        let backend = backend::open_guarded(&self.backend, &guard)?;
        Ok(Device { backend, guard })
    }

    fn guard(&self) -> anyhow::Result<Guard> {
        let check = match self.check_results {
            When::Auto => !is_host(&self.backend),
            When::Always => true,
            When::Never => false,
        };
        let fallback = self.fallback.as_ref().map(|name| backend::open(name)).transpose()?;
        Ok(Guard::new(check, fallback.map(Arc::from)))
    }
}

impl Device {
    /// What the guard has seen; `None` where there is none.
    pub(crate) fn log(&self) -> Option<Log> {
        (self.guard.check || self.guard.fallback.is_some()).then(|| self.guard.log())
    }
}

/// A guard's log in a sentence.
pub(crate) fn summary(log: &Log) -> String {
    let cycles = log
        .check_cycles
        .map(|cycles| format!("{cycles} cycles of the device and "));
    let spent = format!(
        "{}{:.1} ms of the host",
        cycles.unwrap_or_default(),
        log.check_host_s * 1e3
    );
    let checked = match log.checked {
        0 => "not checked".to_owned(),
        checked => format!("{checked} calls of {} checked in {spent}", log.calls),
    };
    let faults = log.incidents.iter().map(|one| {
        let instead = one.made_good_on.map(|name| format!("; computed on {name} instead"));
        format!(
            "; {} failed {}: {}{}",
            one.engine,
            one.call,
            one.reason,
            instead.unwrap_or_default()
        )
    });
    let faults: String = faults.collect();
    format!(
        "{checked}{}",
        if faults.is_empty() {
            "; no faults".to_owned()
        } else {
            faults
        }
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use tapeout_driver::backend::on_cards;
    use tapeout_driver::card::{Card, Faulty, Injector, VerilatorCard};

    use super::*;

    impl BackendArgs {
        /// What `--backend rtl` opens, on cards whose bits flip.
        pub(crate) fn open_faulty(&self, cards: usize) -> (Device, Vec<Injector>) {
            let guard = self.guard().unwrap();
            let faulty = |_| Faulty::new(Box::new(VerilatorCard::simulated().unwrap()));
            let (cards, injectors): (Vec<_>, Vec<_>) = (0..cards).map(faulty).unzip();
            let cards = cards.into_iter().map(|card| Box::new(card) as Box<dyn Card>).collect();
            let backend = on_cards(cards, &guard).unwrap();
            (Device { backend, guard }, injectors)
        }
    }
}
