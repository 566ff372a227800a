//! The list of operators and the page that is made of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use tapeout_prover::ops;

#[test]
fn the_page_of_operators_is_up_to_date() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/ops.md");
    let found = std::fs::read_to_string(path).unwrap();
    assert!(
        found == ops::markdown(),
        "docs/ops.md is out of date: tapeout ops --markdown > docs/ops.md"
    );
}

#[test]
fn operators_are_listed_once_and_described() {
    let names: Vec<_> = ops::supported()
        .iter()
        .map(|op| (op.name.contains("::"), op.name))
        .collect();
    assert!(names.is_sorted_by(|a, b| a < b), "sorted by domain and name");
    for op in ops::supported() {
        assert!(!op.lowers_to.is_empty() && !op.slots.is_empty(), "{}", op.name);
        let cells = [op.name, op.lowers_to, op.slots, op.doc];
        assert!(cells.iter().all(|c| !c.contains(['|', '\n'])), "{}", op.name);
    }
}
