//! Benchmarks, apart from the code they measure: criterion benches of the driver's kernels (`cargo bench -p
//! tapeout-benches`), and beside them, in `peers/`, programs that time other people's provers and libraries.
