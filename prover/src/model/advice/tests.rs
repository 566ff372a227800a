//! What settles advice is found in every program that expansion makes, and in none of which a weight, a constant or a value differs.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::fixed::{Limbs, Scale};
use crate::model::program::{Composite, Program};

const LIMBS: Limbs = Limbs { bits: 11, hi: 2, lo: 2 };

/// Two channels of three elements, with a constant among them. Scales decide which way values are shifted.
fn composite(composite: Composite, scale: i32) -> Quantised {
    let operand = |first: u32| {
        let inputs = (first..first + 5).map(Source::Input);
        inputs.chain([Source::Const(3.0)]).collect::<Vec<_>>()
    };
    let operands = match composite {
        Composite::Divide => vec![operand(0), operand(5)],
        _ => vec![operand(0)],
    };
    let layer = Layer {
        name: "composite".into(),
        channels: 2,
        dims: vec![3],
        act: Act::Composite(composite),
        operands,
        scale: Some(Scale(scale)),
        ..Layer::default()
    };
    let program = Program {
        input_shape: vec![10],
        input_scale: Some(Scale(0)),
        output_shape: vec![6],
        layers: vec![layer],
        outputs: (0..6).map(|index| Source::Layer { layer: 0, index }).collect(),
        ..Program::default()
    };
    crate::plonk::tests::quantised(&program, LIMBS)
}

/// Each rule, quotients with and without a layer for the half of the divisor, and all of that in batches.
fn models() -> Vec<Quantised> {
    let mut models = vec![
        composite(Composite::Divide, 3),
        composite(Composite::Divide, -2),
        composite(Composite::SquareRoot, 4),
        composite(Composite::ReciprocalSquareRoot, 5),
    ];
    assert_eq!([models[0].program.layers.len(), models[1].program.layers.len()], [5, 4]);
    models.extend(models.clone().into_iter().map(|model| model.batched(3)));
    models
}

#[test]
fn what_expansion_makes_is_settled() {
    for model in models() {
        let settling = model.settling().unwrap();
        let floors = model.program.layers.iter().map(|layer| layer.act == Act::Floor);
        assert!(floors.eq(settling.iter().copied()) && settling.contains(&true));
    }
    let plain = crate::plonk::tests::small_network();
    let layers = plain.layers.len();
    let model = Quantised {
        program: plain,
        ..composite(Composite::Divide, 3)
    };
    assert_eq!(model.settling(), Ok(vec![false; layers]));
}

/// Each weight, each constant, each value read and each kind of layer counts, in each element.
#[test]
fn nothing_else_settles() {
    let refused = |mut model: Quantised, what: &str, change: &dyn Fn(&mut Program<i64>)| {
        change(&mut model.program);
        assert!(model.settling().is_err(), "{what}");
    };
    for model in models() {
        for (i, layer) in model.program.layers.iter().enumerate().skip(1) {
            for channel in 0..layer.bias.len() {
                refused(model.clone(), "bias", &|p| p.layers[i].bias[channel] += 1);
                for term in 0..layer.terms.len() {
                    refused(model.clone(), "weight", &|p| {
                        p.layers[i].terms[term].taps[channel][0].1 += 1
                    });
                    refused(model.clone(), "no weight", &|p| {
                        p.layers[i].terms[term].taps[channel].clear()
                    });
                }
            }
            for (t, term) in layer.terms.iter().enumerate() {
                for at in 0..term.block.len() {
                    refused(model.clone(), "value", &|p| {
                        p.layers[i].terms[t].block[at] = Source::Const(77)
                    });
                }
            }
            for (o, operand) in layer.operands.iter().enumerate() {
                for at in 0..operand.len() {
                    refused(model.clone(), "factor", &|p| {
                        p.layers[i].operands[o][at] = Source::Const(77)
                    });
                }
            }
            let other = if layer.act == Act::Floor {
                Act::Requant
            } else {
                Act::Product { factor: 1 }
            };
            refused(model.clone(), "kind", &|p| p.layers[i].act = other);
            refused(model.clone(), "end", &|p| p.layers.truncate(i));
        }
    }
}

/// A sum of raw products may wrap around with weights that nobody knows, and so they are for settling alone.
#[test]
fn raw_products_have_no_other_use() {
    let model = composite(Composite::SquareRoot, 4);
    let count = model.program.layers.len();
    let reading = |act: Act, source: Source<i64>| {
        let mut model = model.clone();
        let mut layer = model.program.layers[count - 1].clone();
        match act {
            Act::Requant => {
                layer.terms.truncate(1);
                layer.terms[0].block.fill(source);
            }
            _ => {
                (layer.terms, layer.bias) = (Vec::new(), Vec::new());
                layer.operands = vec![vec![source; 6]; act.operands()];
            }
        }
        layer.act = act;
        model.program.layers.push(layer);
        model.settling()
    };
    let [advice, product] = [0, 1].map(|layer| Source::Layer { layer, index: 2 });
    for act in [Act::Requant, Act::Product { factor: 1 }, Act::RawProduct] {
        assert_eq!(reading(act, product), Err(count), "{act:?}");
        assert!(reading(act, advice).is_ok(), "{act:?}");
    }

    let mut model = model.clone();
    model.program.outputs[0] = product;
    assert_eq!(model.settling(), Err(1));
}

/// One rule's advice is not settled by layers that settle another's, nor by the same with another shift.
#[test]
fn rules_are_told_apart() {
    for (i, model) in models().into_iter().enumerate() {
        let Act::Advice(own) = model.program.layers[0].act else {
            unreachable!("advice comes first");
        };
        for rule in [
            Rule::SquareRoot { shift: 8 },
            Rule::SquareRoot { shift: 9 },
            Rule::ReciprocalSquareRoot { shift: 10 },
            Rule::ReciprocalSquareRoot { shift: 11 },
        ] {
            let mut other = model.clone();
            other.program.layers[0].act = Act::Advice(rule);
            if other.program.layers[0].act.operands() == model.program.layers[0].operands.len() {
                assert_eq!(other.settling().is_ok(), rule == own, "{i}: {rule:?}");
            }
        }
        if let Rule::Quotient { numerator, denominator } = own {
            for (n, d) in [(numerator + 1, denominator), (numerator, denominator + 1)] {
                let mut other = model.clone();
                other.program.layers[0].act = Act::Advice(Rule::Quotient {
                    numerator: n,
                    denominator: d,
                });
                assert_eq!(other.settling(), Err(0), "{i}");
            }
        }
    }
}
