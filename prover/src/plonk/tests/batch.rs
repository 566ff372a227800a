//! Several inferences in one proof.

use super::{forge::*, *};
use crate::{field::signed, model::program::MAX_DIMS};

/// Inputs of inferences that differ.
fn inputs_of(input: &[i64], count: usize) -> Vec<i64> {
    let flipped = |b: usize| input.iter().map(move |v| if b.is_multiple_of(2) { *v } else { v / 2 });
    (0..count).flat_map(flipped).collect()
}

#[test]
fn a_batch_gives_what_its_inferences_give() {
    let mut proven = 0;
    let small = ("small network", small_network(), small_input());
    for (name, program, input) in primitives().into_iter().chain([small]) {
        assert_eq!(program.clone().batched(1), program, "{name}");
        for count in [2, 3] {
            let batch = program.clone().batched(count);
            batch.validate().unwrap();
            let input = inputs_of(&input, count);
            let exact = execute::exact(&batch, &LIMBS, &input).unwrap();
            assert_eq!(exact, reference_run(&batch, &input), "{name}");
            let one = |input| execute::exact(&program, &LIMBS, input).unwrap().outputs;
            let single: Vec<i64> = input.chunks(program.input_len()).flat_map(one).collect();
            assert_eq!(exact.outputs, single, "{name}");
            let need = layout::demand(&batch, 3, disclosure(false));
            if need.rows(shape(&batch, 3).ports) > 1 << LIMBS.bits {
                continue;
            }
            let fixture = Fixture::new(&batch, 3, false);
            let (public, proof) = fixture.honest(&input);
            fixture
                .verify(&public, &proof)
                .unwrap_or_else(|e| panic!("{e}: {name}"));
            let mut other = public.clone();
            *other.last_mut().unwrap() += 1;
            assert!(fixture.verify(&other, &proof).is_err(), "{name}");
            proven += 1;
        }
    }
    assert!(proven >= 6, "{proven} batches fit the rows of tests");
}

/// An output of one inference larger and one of the other smaller: right in sum, and wrong in each.
#[test]
fn what_one_inference_lacks_another_cannot_have() {
    // Two pools of one window each: the axes are the inference, the window's two and the element's two.
    let program = pool(2, vec![1, 1, 1, 2], vec![0, 0, 0, 1], true).batched(2);
    assert_eq!(program.layers[0].dims.len(), MAX_DIMS);
    let attack = Attack::new(program, &[10, 500, 20, 300]).lie(|_, u, y| {
        // The second element of the first inference, the first of the second.
        u[1] += 100 * SCALE;
        u[2] -= 100 * SCALE;
        y[0] = signed(600);
    });
    attack.assert_rejected(&attack.fixture(|_| {}));
    let convolution = |inputs: usize| {
        let mut layer = gemm(inputs_from(inputs), &[&[SCALE]], Act::Requant);
        (layer.dims, layer.terms[0].strides) = (vec![1, 2], vec![0, 1]);
        network(inputs, vec![layer]).batched(2)
    };
    // The last position of the first inference and the first of the second, whose monomials share a challenge if axes do.
    let attack = Attack::new(convolution(2), &[10, 20, 30, 40]).lie(|_, u, y| {
        u[1] += SCALE;
        u[2] -= SCALE;
        (y[1], y[2]) = (signed(21), signed(29));
    });
    attack.needs_defence(|defences| defences.separate_axes = false);
}

fn inputs_from(count: usize) -> Vec<Source<i64>> {
    inputs(0..count as u32)
}
