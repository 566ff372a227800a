//! The engines on a card. Of the MSM engine: bases in the card's memory, packed scalars in, window sums out.
//!
//! The host recodes nothing: it packs scalars of similar width side by side, so that items of a batch share a pass, and puts the
//! window sums of each item together with doublings.

mod msm;
mod ntt;
pub(crate) mod plan;
mod shared;
mod waves;

use std::sync::{Arc, Mutex};

use tapeout_hw::Reg;
use tapeout_hw::ntt::CONFIG;
use tapeout_hw::regs::hash;

use super::Availability;
use super::several::Several;
use crate::card::{Card, VerilatorCard};
use crate::guard::Guard;
use crate::{Backend, Error, G1Affine, Info, Msm, Ntt, Result};
use shared::{Shared, lock};
pub use waves::record_msm;

const NAME: &str = "rtl";

/// The clock that cycles are converted to time with: what comparable engines run at on a VU9P (Hardcaml 278 MHz,
/// CycloneMSM 250 MHz). An assumption, not the result of place and route.
const CLOCK_HZ: u64 = 250_000_000;

fn failed(reason: impl Into<String>) -> Error {
    Error::Device {
        backend: NAME,
        reason: reason.into(),
    }
}

/// Whether this build can simulate the card.
pub(super) fn availability() -> Availability {
    if tapeout_sim::available() {
        return Availability::Ready;
    }
    Availability::Missing {
        reason: "this program was built without Verilator, which simulates the card".into(),
        remedy: "install Verilator 5 (Debian and Ubuntu: apt-get install verilator) and build it again".into(),
    }
}

/// The most engines that share the work.
const MAX_ENGINES: usize = 4;

/// The names of the backend, by its number of engines.
pub(super) const NAMES: [&str; MAX_ENGINES] = [NAME, "rtl:2", "rtl:3", "rtl:4"];

/// A card with an MSM engine, an NTT engine and a memory.
pub(super) struct Rtl {
    shared: Arc<Mutex<Shared>>,
    device: String,
}

/// The number of engines that `rtl:N` asks for.
pub(super) fn engines(text: &str) -> Result<usize> {
    let count = text.parse().ok().filter(|count| (1..=MAX_ENGINES).contains(count));
    count.ok_or_else(|| Error::Unsupported {
        backend: NAME,
        reason: format!("'{text}' is no number of engines: give rtl:1 to rtl:{MAX_ENGINES}"),
    })
}

/// That many simulated cards.
pub(super) fn simulated(engines: usize, guard: &Guard) -> Result<Box<dyn Backend>> {
    let card = |_| -> Result<Box<dyn Card>> { Ok(Box::new(VerilatorCard::simulated()?)) };
    on_cards((0..engines).map(card).collect::<Result<_>>()?, guard)
}

/// The backend on one to four cards, each under guard. Bases are split among them; transforms run on the first.
///
/// # Errors
/// [`Error::Unsupported`] for another number of cards, [`Error::Device`] when a card's registers are not those that
/// this program knows.
pub fn on_cards(cards: Vec<Box<dyn Card>>, guard: &Guard) -> Result<Box<dyn Backend>> {
    let count = cards.len();
    let name = *count
        .checked_sub(1)
        .and_then(|i| NAMES.get(i))
        .ok_or_else(|| Error::Unsupported {
            backend: NAME,
            reason: format!("{count} cards: it runs on one to {MAX_ENGINES}"),
        })?;
    let device = |i: usize| match count {
        1 => format!("backend {name}"),
        _ => format!("card {} of backend {name}", i + 1),
    };
    let guarded = |(i, card)| -> Result<Box<dyn Backend>> { Ok(guard.wrap(Box::new(Rtl::new(card)?), device(i))) };
    let mut devices = cards.into_iter().enumerate().map(guarded).collect::<Result<Vec<_>>>()?;
    if count == 1
        && let Some(one) = devices.pop()
    {
        return Ok(one);
    }
    Ok(Box::new(Several::new(name, devices)))
}

impl Rtl {
    /// Takes a card whose registers are those that this program knows.
    fn new(mut card: Box<dyn Card>) -> Result<Self> {
        let (found, known) = (card.read(Reg::Id)?, hash());
        if found != known {
            let reason = format!("its register table is {found:#010x}, this program speaks {known:#010x}");
            return Err(failed(reason));
        }
        let device = card.describe();
        let shared = Arc::new(Mutex::new(Shared::new(card)));
        Ok(Self { shared, device })
    }
}

impl Backend for Rtl {
    fn info(&self) -> Info {
        let lines = lock(&self.shared).map_or(0, |shared| u64::from(shared.lines));
        Info {
            name: NAME,
            device: format!("{}; times assume {} MHz", self.device, CLOCK_HZ / 1_000_000),
            clock_hz: Some(CLOCK_HZ),
            memory_bytes: Some(lines * 64),
        }
    }

    fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>> {
        Ok(Box::new(msm::RtlMsm::new(&self.shared, bases)?))
    }

    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
        Ok(Box::new(ntt::RtlNtt::new(&self.shared, log_n, CONFIG.max_log_n)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tapeout_hw::regs::bits;

    use super::*;
    use crate::card::Port;

    /// A card of which only the registers answer.
    struct Stranger(u32);

    impl Card for Stranger {
        fn read(&mut self, reg: Reg) -> Result<u32> {
            Ok(if reg == Reg::Id { self.0 } else { bits::READY })
        }

        fn write(&mut self, _: Reg, _: u32) -> Result<()> {
            Ok(())
        }

        fn send(&mut self, _: Port, _: &[u64]) -> Result<()> {
            Ok(())
        }

        fn recv(&mut self, _: Port, _: &mut [u64]) -> Result<()> {
            Err(failed("it gives nothing"))
        }

        fn abandon(&mut self, _: Port) -> Result<()> {
            Ok(())
        }

        fn lines(&self) -> u32 {
            8
        }

        fn describe(&self) -> String {
            "stranger".into()
        }
    }

    fn strangers(ids: &[u32]) -> Result<Box<dyn Backend>> {
        let card = |id: &u32| Box::new(Stranger(*id)) as Box<dyn Card>;
        on_cards(ids.iter().map(card).collect(), &Guard::default())
    }

    #[test]
    fn a_card_with_another_table_is_refused() {
        assert!(strangers(&[hash()]).is_ok());
        let error = strangers(&[hash(), hash() ^ 1]).err().unwrap();
        assert!(error.to_string().contains("register table"), "{error}");
        for count in [0, 5] {
            assert!(matches!(
                strangers(&vec![hash(); count]).err(),
                Some(Error::Unsupported { .. })
            ));
        }
    }

    #[test]
    fn bases_are_split_among_engines() {
        let rtl = strangers(&[hash(); 4]).unwrap();
        assert_eq!((rtl.info().name, rtl.info().memory_bytes), ("rtl:4", Some(4 * 8 * 64)));
        assert!(
            rtl.info().device.starts_with("4 times stranger"),
            "{}",
            rtl.info().device
        );
        let full = rtl.prepare_msm(&[G1Affine::identity(); 32]).unwrap();
        assert!(rtl.prepare_msm(&[G1Affine::identity(); 1]).is_err());
        drop(full);
        // what does not fit one engine is taken from none
        assert!(rtl.prepare_msm(&[G1Affine::identity(); 33]).is_err());
        assert_eq!(rtl.prepare_msm(&[G1Affine::identity(); 30]).unwrap().len(), 30);
        assert!(["0", "5", "", "x"].into_iter().all(|text| engines(text).is_err()));
    }

    #[test]
    fn memory_is_given_back_and_taken_again() {
        let card = Rtl::new(Box::new(Stranger(hash()))).unwrap();
        let prepare = |n| card.prepare_msm(&vec![G1Affine::identity(); n]);
        let (a, b, c) = (prepare(3).unwrap(), prepare(2).unwrap(), prepare(3).unwrap());
        assert!(matches!(prepare(1).err(), Some(Error::Unsupported { .. })));
        drop(b);
        assert!(prepare(3).is_err());
        let b = prepare(2).unwrap();
        assert_eq!(card.shared.lock().unwrap().taken, [(0, 3), (3, 2), (5, 3)]);
        drop((a, b, c));
        assert!(prepare(8).is_ok());
    }
}
