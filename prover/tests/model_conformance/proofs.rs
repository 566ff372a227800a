//! Node tests of the ONNX project, proven and verified.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tapeout_prover::pipeline::{self, SetupOptions, Trust};
use tapeout_prover::statement::NO_CONTEXT;

use crate::suite::{Case, Imported, Suite};

/// Rows of the largest trace that the test of each run proves.
const ROWS: usize = 1 << 7;

/// Rows of the largest trace that is proven at all here.
const MOST_ROWS: usize = 1 << 12;

/// Makes keys, proves and verifies; the verified outputs are the executor's, and no others verify. `None` for a test that is not
/// imported, has no layout or one of more rows, or has no output.
fn prove(suite: &Suite, case: &Case, rows: usize) -> Option<usize> {
    let imported = Imported::new(suite, case).ok()?;
    let choice = imported.choose().ok()?;
    let size = choice.shape.n();
    let quantised = choice.quantised.clone();
    // Without an output there is nothing to state.
    if imported.model.inputs.is_empty() || quantised.program.outputs.is_empty() || size > rows {
        return None;
    }
    let backend = tapeout_driver::backend::open(tapeout_driver::backend::DEFAULT).unwrap();
    let pipeline::Keys { proving: key, .. } = pipeline::keys(
        &imported.model,
        choice,
        SetupOptions::default(),
        None,
        &*backend,
        &mut |_| {},
    )
    .unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let proven = pipeline::prove(&key, &imported.input, &NO_CONTEXT, &*backend, Some(1), &mut |_| {})
        .unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let trace = quantised
        .run(&quantised.quantise_input(&imported.input).unwrap())
        .unwrap();
    let mut statement = proven.statement;
    let verified = pipeline::verify(key.verifying(), &statement.to_bytes(), &NO_CONTEXT, Trust::InsecureDev)
        .unwrap_or_else(|e| panic!("{}: {e}", case.name));
    assert_eq!(verified.words, trace.outputs, "{}", case.name);
    *statement.public.last_mut().unwrap() ^= 1;
    let tampered = pipeline::verify(key.verifying(), &statement.to_bytes(), &NO_CONTEXT, Trust::InsecureDev);
    assert!(tampered.is_err(), "{}: another output verifies", case.name);
    Some(size)
}

/// Of each operator the smallest tests, by the bytes of their tensors.
fn of_each_operator(suite: &Suite, count: usize) -> Vec<&Case> {
    let mut by_op: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in suite.cases.iter().filter(|c| c.types.is_none()) {
        by_op.entry(&case.op).or_default().push(case);
    }
    let size = |case: &&Case| {
        case.inputs
            .iter()
            .chain(&case.outputs)
            .map(|p| p.shape.iter().product::<usize>())
            .sum::<usize>()
    };
    let smallest = |mut cases: Vec<_>| {
        cases.sort_by_key(|c| (size(c), c.expanded));
        cases.truncate(count);
        cases
    };
    by_op.into_values().flat_map(smallest).collect()
}

/// Proves cases in threads of their own. In the provers' thread pool one that waits would begin the next case, and so on until its stack is full.
fn prove_each(suite: &Suite, cases: &[&Case], rows: usize) -> Vec<usize> {
    let next = AtomicUsize::new(0);
    let work = || {
        let cases = std::iter::from_fn(|| cases.get(next.fetch_add(1, Ordering::Relaxed)));
        cases.filter_map(|case| prove(suite, case, rows)).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    })
}

#[test]
fn the_smallest_test_of_each_operator_proves_and_verifies() {
    let suite = Suite::load();
    let proven = prove_each(&suite, &of_each_operator(&suite, 1), ROWS);
    println!("{} proofs", proven.len());
    assert!(proven.len() >= 60, "{}", proven.len());
}

/// `make test-conformance`
#[test]
#[ignore = "takes minutes"]
fn every_test_of_moderate_size_proves_and_verifies() {
    let suite = Suite::load();
    let sizes = prove_each(&suite, &suite.cases.iter().collect::<Vec<_>>(), MOST_ROWS);
    let mut by_rows: BTreeMap<usize, usize> = BTreeMap::new();
    sizes.iter().for_each(|n| *by_rows.entry(*n).or_default() += 1);
    println!("{} proofs; by rows {by_rows:?}", sizes.len());
    assert!(sizes.len() > 1000, "{}", sizes.len());
}
