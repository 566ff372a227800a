//! Sizes at which kernels cut their work into blocks, and more threads than one take part: results are checked in linear
//! time, as they are when backends are measured.
#![allow(clippy::unwrap_used)]

use tapeout_driver::Width;
use tapeout_driver::bench::{Draw, Kernel, Plan, run};

fn check(kernel: Kernel, log_sizes: std::ops::RangeInclusive<u32>, width: Width, batch: usize) {
    let backends = vec!["cpu".to_owned(), "portable".to_owned()];
    run(
        &Plan {
            kernel,
            backends,
            log_sizes,
            scalars: Draw::Uniform(width),
            batch,
            repetitions: 1,
            seed: 3,
        },
        |_| (),
    )
    .unwrap();
}

#[test]
fn long_transforms() {
    check(Kernel::Ntt, 13..=18, Width::Full, 1);
}

#[test]
fn many_long_transforms() {
    check(Kernel::Ntt, 13..=15, Width::Full, 5);
}

#[test]
fn long_sums() {
    check(Kernel::Msm, 13..=16, Width::Full, 1);
    check(Kernel::Msm, 16..=17, Width::Bits(1), 1);
    check(Kernel::Msm, 16..=17, Width::Signed(8), 1);
}

#[test]
fn many_long_sums() {
    check(Kernel::Msm, 13..=14, Width::Signed(48), 9);
    check(Kernel::Msm, 14..=14, Width::Full, 5);
}
