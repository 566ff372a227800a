//! Bits that flip on the simulated card: every one is noticed, or the result is right all the same.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use tapeout_driver::backend::{on_cards, open};
use tapeout_driver::card::{Card, Faulty, Injector, Site, VerilatorCard};
use tapeout_driver::guard::Guard;
use tapeout_driver::sample::{Bases, field, fields, scalars};
use tapeout_driver::{Backend, Dir, Error, Fr, Msm, Ntt, Result, Scalars, Width};

/// What came of a flip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It was noticed, and the engine named.
    Noticed,
    /// The result is right all the same.
    Harmless,
    /// The result is wrong, and nothing said so.
    Wrong,
}

/// A simulated card on which bits flip, and what is resident on it.
struct Bench {
    backend: Box<dyn Backend>,
    injector: Injector,
    guard: Guard,
    bases: Bases,
    msm: Box<dyn Msm>,
    ntts: Vec<(u32, Box<dyn Ntt>)>,
    rng: ChaCha8Rng,
    counts: BTreeMap<(Site, Outcome), usize>,
    /// Flips that did no harm in their own call and were noticed in a later one.
    late: usize,
}

impl Bench {
    /// `None` where there is no simulation.
    fn new(guard: Guard, seed: u64) -> Option<Self> {
        if open("rtl").is_err() {
            return None;
        }
        let (card, injector) = Faulty::new(Box::new(VerilatorCard::simulated().unwrap()));
        let backend = on_cards(vec![Box::new(card) as Box<dyn Card>], &guard).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let bases = Bases::random(40, &mut rng);
        Some(Self {
            // what was there before and is not used any more is a part of the memory too
            msm: {
                drop(backend.prepare_msm(&Bases::random(60, &mut rng).points).unwrap());
                backend.prepare_msm(&bases.points).unwrap()
            },
            ntts: (4..=6)
                .map(|log_n| (log_n, backend.prepare_ntt(log_n).unwrap()))
                .collect(),
            backend,
            injector,
            guard,
            bases,
            rng,
            counts: BTreeMap::new(),
            late: 0,
        })
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.rng.next_u32() % bound
    }

    /// Flips a bit in a call and looks at what came of it; `false` if the call was over before.
    fn flip(&mut self, site: Site) -> bool {
        let sum = self.below(2) == 0;
        let after = match site {
            Site::Result | Site::Packet => self.below(3),
            Site::Memory | Site::Register => self.below(4),
            Site::Read => self.below(30),
            Site::Write => self.below(6),
            Site::Adder => self.below(100),
            Site::Butterfly => self.below(60),
        };
        let before = self.guard.log().incidents.len();
        self.injector.arm(site, after, self.rng.next_u64());
        let right = if sum { self.sum() } else { self.transform() };
        let flipped = self.injector.disarm();
        let incidents = self.guard.log().incidents[before..].to_vec();
        if site == Site::Memory {
            self.msm = self.backend.prepare_msm(&self.bases.points).unwrap();
        }
        let engine = if sum {
            "the MSM engine of backend rtl"
        } else {
            "the NTT engine of backend rtl"
        };
        if flipped.is_empty() {
            // a spurious reset in a call of the other engine is noticed here
            let late = right.is_err() || !incidents.is_empty();
            assert!(
                !late || self.counts.keys().any(|(_, outcome)| *outcome == Outcome::Harmless),
                "{right:?}"
            );
            assert!(!matches!(right, Ok(false)) || !self.guard.check, "wrong without a flip");
            self.late += usize::from(late);
            return false;
        }
        for incident in &incidents {
            assert_eq!(incident.engine, engine, "{flipped:?}");
        }
        let outcome = match right {
            Ok(false) => Outcome::Wrong,
            Ok(true) if incidents.is_empty() => Outcome::Harmless,
            Ok(true) => Outcome::Noticed,
            Err(error) => {
                let named = matches!(error, Error::Fault { .. }) && error.to_string().contains(engine);
                assert!(
                    named || !self.guard.check && matches!(error, Error::Device { .. }),
                    "{error}"
                );
                Outcome::Noticed
            }
        };
        assert!(
            outcome != Outcome::Wrong || !self.guard.check,
            "not noticed: {flipped:?}"
        );
        *self.counts.entry((site, outcome)).or_default() += 1;
        true
    }

    /// Whether sums of a batch are right.
    fn sum(&mut self) -> Result<bool> {
        let widths = match self.below(8) {
            0 => vec![Width::Full],
            1 => vec![Width::Signed(40)],
            n => vec![Width::Signed(8); n as usize - 1],
        };
        let items: Vec<_> = widths.iter().map(|width| scalars(40, *width, &mut self.rng)).collect();
        let batch: Vec<_> = items
            .iter()
            .zip(widths)
            .map(|(values, width)| Scalars { values, width })
            .collect();
        let run = self.msm.run(&batch)?;
        Ok(run.out == items.iter().map(|values| self.bases.msm(values)).collect::<Vec<_>>())
    }

    /// Whether transforms of a batch are right.
    fn transform(&mut self) -> Result<bool> {
        let (which, count) = (self.below(3) as usize, 1 + self.below(3) as usize);
        let dir = if self.below(2) == 0 { Dir::Forward } else { Dir::Inverse };
        // the table of the call before serves again, now and then
        let coset = if self.below(2) == 0 {
            Fr::from(5u64)
        } else {
            field(&mut self.rng)
        };
        let (log_n, ntt) = &self.ntts[which];
        let mut columns: Vec<Vec<Fr>> = (0..count).map(|_| fields(1 << log_n, &mut self.rng)).collect();
        let mut expected = columns.clone();
        open("portable")?.prepare_ntt(*log_n)?.run(dir, coset, &mut expected)?;
        ntt.run(dir, coset, &mut columns)?;
        Ok(columns == expected)
    }

    /// That many flips, at all sites alike.
    fn flips(&mut self, count: usize) {
        let mut sites = Site::ALL.into_iter().cycle();
        let mut done = 0;
        while done < count {
            let Some(site) = sites.next() else { return };
            // a call that is over before is no flip
            while !self.flip(site) {}
            done += 1;
        }
    }

    fn all(&self, outcome: Outcome) -> usize {
        self.counts
            .iter()
            .filter(|((_, o), _)| *o == outcome)
            .map(|(_, n)| n)
            .sum()
    }
}

/// Prints what came of the flips, by site.
fn report(bench: &Bench) {
    println!("{}{} of the harmless ones noticed later", table(bench), bench.late);
}

/// What came of the flips, as docs/faults.md shows it.
fn table(bench: &Bench) -> String {
    let outcomes = [Outcome::Noticed, Outcome::Harmless, Outcome::Wrong];
    let row = |what: &str, counts: [usize; 3]| format!("| {what} | {} | {} | {} |\n", counts[0], counts[1], counts[2]);
    let mut out = String::from("| where | noticed | harmless | wrong |\n|---|--:|--:|--:|\n");
    for site in Site::ALL {
        let what = match site {
            Site::Result => "results",
            Site::Packet => "packets",
            Site::Memory => "memory",
            Site::Register => "registers at rest",
            Site::Read => "registers as read",
            Site::Write => "registers as written",
            Site::Adder => "within the adder",
            Site::Butterfly => "within a butterfly",
        };
        out += &row(
            what,
            outcomes.map(|outcome| bench.counts.get(&(site, outcome)).copied().unwrap_or(0)),
        );
    }
    out + &row("all", outcomes.map(|outcome| bench.all(outcome)))
}

/// Puts a table between the marks of a page.
fn write_into(page: &std::path::Path, table: &str) {
    let (begin, end) = ("<!-- written by `make test-faults` -->\n", "<!-- until here -->\n");
    let text = std::fs::read_to_string(page).unwrap();
    let (before, rest) = text.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    std::fs::write(page, format!("{before}{begin}\n{table}\n{end}{after}")).unwrap();
}

#[test]
fn no_flip_goes_unnoticed() {
    let Some(mut bench) = Bench::new(Guard::new(true, None), 1) else {
        return;
    };
    bench.flips(1000);
    report(&bench);
    if let Some(page) = std::env::var_os("TAPEOUT_FAULTS_PAGE") {
        write_into(page.as_ref(), &table(&bench));
    }
    assert_eq!(bench.all(Outcome::Wrong), 0);
    // a register that is misread is one of status, which is read again, or of a counter
    for site in Site::ALL.into_iter().filter(|site| *site != Site::Read) {
        assert!(bench.counts.contains_key(&(site, Outcome::Noticed)), "{site:?}");
    }
}

/// As above, many more and other ones: `make test-hardware`.
#[test]
#[ignore = "takes minutes"]
fn no_flip_goes_unnoticed_in_a_long_sweep() {
    for seed in 10..20 {
        let Some(mut bench) = Bench::new(Guard::new(true, None), seed) else {
            return;
        };
        bench.flips(2000);
        report(&bench);
        assert_eq!(bench.all(Outcome::Wrong), 0);
    }
}

/// The flips that the checks find are not found without them.
#[test]
fn without_checks_wrong_results_go_through() {
    let Some(mut bench) = Bench::new(Guard::new(false, None), 2) else {
        return;
    };
    bench.flips(30);
    report(&bench);
    assert!(bench.all(Outcome::Wrong) > 0);
}

#[test]
fn the_processor_makes_good_what_flips() {
    let fallback: Arc<dyn Backend> = Arc::from(open("cpu").unwrap());
    let Some(mut bench) = Bench::new(Guard::new(true, Some(fallback)), 3) else {
        return;
    };
    bench.flips(60);
    report(&bench);
    assert_eq!(bench.all(Outcome::Noticed) + bench.all(Outcome::Harmless), 60);
    let incidents = bench.guard.log().incidents;
    assert!(!incidents.is_empty() && incidents.iter().all(|one| one.made_good_on == Some("cpu")));
}
