//! Operators on random shapes against implementations that follow the definitions index by index.
#![allow(clippy::unwrap_used, clippy::panic)]

mod circuits;
mod uniqueness;

use std::collections::HashMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::model::execute;
use crate::model::graph::{Attribute, Graph, Node};
use crate::model::graph::{Constant, Input};
use crate::model::lower::lower;
use crate::model::tensor::Element;
use crate::model::tensor::Tensor;

/// A graph under construction: a chain of nodes, each of which reads the last one and constants.
struct Chain {
    nodes: Vec<Node>,
    initializers: HashMap<String, Constant>,
}

impl Chain {
    fn new() -> Self {
        Self {
            nodes: Vec::new(),
            initializers: HashMap::new(),
        }
    }

    fn last(&self) -> String {
        self.nodes.last().map_or("x".into(), |n| n.name.clone())
    }

    fn then(mut self, op: &str, constants: &[(&[usize], &[f64])], attributes: &[(&str, Attribute)]) -> Self {
        let mut inputs = vec![Some(self.last())];
        for (shape, data) in constants {
            let name = format!("c{}", self.initializers.len());
            self.initializers.insert(
                name.clone(),
                Constant {
                    tensor: Tensor::float(shape.to_vec(), data.to_vec()),
                    element: Element::Float,
                },
            );
            inputs.push(Some(name));
        }
        let name = format!("n{}", self.nodes.len());
        self.nodes.push(Node {
            op: op.into(),
            opset: 13,
            inputs,
            outputs: vec![Some(name.clone())],
            attributes: attributes.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
            name,
        });
        self
    }

    /// Shape and values of the output, or the error.
    fn run(self, shape: &[usize], input: &[f64]) -> Result<(Vec<usize>, Vec<f64>), String> {
        let output = self.last();
        let graph = Graph {
            inputs: vec![Input {
                name: "x".into(),
                shape: shape.to_vec(),
                element: Element::Float,
            }],
            outputs: vec![output],
            initializers: self.initializers,
            nodes: self.nodes,
        };
        let program = lower(&graph.sort().unwrap()).map_err(|e| e.to_string())?.program;
        program.validate().unwrap();
        let trace = execute::float(&program, input).unwrap();
        Ok((program.output_shape, trace.outputs))
    }
}

fn values(rng: &mut ChaCha20Rng, n: usize) -> Vec<f64> {
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

fn ints(values: &[usize]) -> Attribute {
    Attribute::Ints(values.iter().map(|&v| v as i64).collect())
}

fn close(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9)
}

/// Random strides, dilations and pads of a window over an image.
#[derive(Debug)]
struct Window {
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    /// Before each axis, then behind each.
    pads: [usize; 4],
    ceil: bool,
}

impl Window {
    fn random(rng: &mut ChaCha20Rng, max_pad: impl Fn(usize) -> usize) -> Self {
        let mut pair = |max: usize| [rng.random_range(1..=max), rng.random_range(1..=max)];
        let (kernel, strides, dilations) = (pair(4), pair(3), pair(3));
        let pads = [0, 1, 2, 3].map(|i| rng.random_range(0..=max_pad(kernel[i % 2])));
        Self {
            kernel,
            strides,
            dilations,
            pads,
            ceil: false,
        }
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![
            ("kernel_shape", ints(&self.kernel)),
            ("strides", ints(&self.strides)),
            ("dilations", ints(&self.dilations)),
            ("pads", ints(&self.pads)),
        ]
    }

    fn out(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        let mut out = [0; 2];
        for d in 0..2 {
            let padded = (size[d] + self.pads[d] + self.pads[d + 2]) as i64;
            let room = padded - ((self.kernel[d] - 1) * self.dilations[d] + 1) as i64;
            if room < 0 {
                return None;
            }
            let (room, stride) = (room as usize, self.strides[d]);
            out[d] = room / stride + 1;
            if self.ceil && room % stride != 0 && out[d] * stride < size[d] + self.pads[d] {
                out[d] += 1;
            }
        }
        Some(out)
    }

    /// Calls `visit` with each element of a window: its index in the kernel, and where it lies in the image if it does, and
    /// whether it lies within the image and its pads.
    fn visit(&self, size: [usize; 2], at: [usize; 2], mut visit: impl FnMut(usize, Option<usize>, bool)) {
        for a in 0..self.kernel[0] {
            for b in 0..self.kernel[1] {
                let y = (at[0] * self.strides[0] + a * self.dilations[0]) as i64 - self.pads[0] as i64;
                let x = (at[1] * self.strides[1] + b * self.dilations[1]) as i64 - self.pads[1] as i64;
                let inside = y >= 0 && x >= 0 && y < size[0] as i64 && x < size[1] as i64;
                let padded = y < (size[0] + self.pads[2]) as i64 && x < (size[1] + self.pads[3]) as i64;
                let place = inside.then(|| y as usize * size[1] + x as usize);
                visit(a * self.kernel[1] + b, place, padded);
            }
        }
    }
}

#[test]
fn convolutions() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut done = 0;
    while done < 400 {
        let window = Window::random(&mut rng, |k| k + 1);
        let size = [rng.random_range(1..9), rng.random_range(1..9)];
        let groups = rng.random_range(1..3);
        let (per_group, out_per_group) = (rng.random_range(1..3), rng.random_range(1..3));
        let (channels, out_channels) = (groups * per_group, groups * out_per_group);
        let Some(out) = window.out(size) else { continue };
        done += 1;
        let area = size[0] * size[1];
        let kernel_area = window.kernel[0] * window.kernel[1];
        let input = values(&mut rng, channels * area);
        let weights = values(&mut rng, out_channels * per_group * kernel_area);
        let bias = values(&mut rng, out_channels);
        // Some images are scaled and shifted first, per channel: zero pads must stay zero.
        let (gain, shift) = (values(&mut rng, channels), values(&mut rng, channels));
        let affine = rng.random();
        let pixel = |c: usize, i: usize| {
            let v = input[c * area + i];
            if affine { v * gain[c] + shift[c] } else { v }
        };
        let mut expected = Vec::new();
        for o in 0..out_channels {
            for i in 0..out[0] {
                for j in 0..out[1] {
                    let mut sum = bias[o];
                    for c in 0..per_group {
                        let from = o / out_per_group * per_group + c;
                        window.visit(size, [i, j], |k, place, _| {
                            let w = weights[(o * per_group + c) * kernel_area + k];
                            sum += place.map_or(0.0, |p| w * pixel(from, p));
                        });
                    }
                    expected.push(sum);
                }
            }
        }
        let mut chain = Chain::new();
        if affine {
            let shape: &[usize] = &[channels, 1, 1];
            chain = chain
                .then("Mul", &[(shape, &gain)], &[])
                .then("Add", &[(shape, &shift)], &[]);
        }
        let mut attributes = window.attributes();
        attributes.push(("group", Attribute::Int(groups as i64)));
        let w_shape = [out_channels, per_group, window.kernel[0], window.kernel[1]];
        let chain = chain.then("Conv", &[(&w_shape, &weights), (&[out_channels], &bias)], &attributes);
        let (shape, found) = chain.run(&[1, channels, size[0], size[1]], &input).unwrap();
        assert_eq!(shape, [1, out_channels, out[0], out[1]], "{window:?}");
        assert!(
            close(&found, &expected),
            "{window:?}, image {size:?}, groups {groups}, affine {affine}"
        );
    }
}

#[test]
fn pools() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let mut done = 0;
    while done < 600 {
        let mut window = Window::random(&mut rng, |k| k - 1);
        window.ceil = rng.random();
        let size = [rng.random_range(1..9), rng.random_range(1..9)];
        let channels = rng.random_range(1..4);
        let Some(out) = window.out(size) else { continue };
        done += 1;
        let area = size[0] * size[1];
        let input = values(&mut rng, channels * area);
        let kind = ["MaxPool", "AveragePool", "AveragePool with pads"][rng.random_range(0..3)];
        // In front of a pool: nothing, a ReLU, or a map that it fuses with.
        let before = rng.random_range(0..4);
        let (gain, shift) = (values(&mut rng, channels), values(&mut rng, channels));
        let pixel = |c: usize, i: usize| match (before, input[c * area + i]) {
            (1, v) => v.max(0.0),
            (2, v) => v * gain[c] + shift[c],
            (3, v) => (v * gain[c] + shift[c]).max(0.0),
            (_, v) => v,
        };
        let mut empty = false;
        let mut expected = Vec::new();
        for c in 0..channels {
            for i in 0..out[0] {
                for j in 0..out[1] {
                    let (mut max, mut sum, mut inside, mut padded) = (f64::MIN, 0.0, 0, 0);
                    window.visit(size, [i, j], |_, place, counts| {
                        padded += usize::from(counts);
                        if let Some(p) = place {
                            inside += 1;
                            sum += pixel(c, p);
                            max = max.max(pixel(c, p));
                        }
                    });
                    empty |= inside == 0;
                    expected.push(match kind {
                        "MaxPool" => max,
                        "AveragePool" => sum / inside as f64,
                        _ => sum / padded as f64,
                    });
                }
            }
        }
        let mut attributes = window.attributes();
        attributes.push(("ceil_mode", Attribute::Int(window.ceil.into())));
        if kind == "AveragePool with pads" {
            attributes.push(("count_include_pad", Attribute::Int(1)));
        }
        let mut chain = Chain::new();
        if before >= 2 {
            let weights: Vec<f64> = gain.clone();
            let attributes = [("group", Attribute::Int(channels as i64))];
            chain = chain.then(
                "Conv",
                &[(&[channels, 1, 1, 1], &weights), (&[channels], &shift)],
                &attributes,
            );
        }
        if before % 2 == 1 {
            chain = chain.then("Relu", &[], &[]);
        }
        let chain = chain.then(kind.split(' ').next().unwrap(), &[], &attributes);
        let found = chain.run(&[1, channels, size[0], size[1]], &input);
        let context = format!("{kind} after {before}: {window:?}, image {size:?}");
        if empty && kind != "AveragePool with pads" {
            // A ReLU in front leaves pads of zeros, which a maximum may be taken of.
            assert!(found.is_err() || (kind == "MaxPool" && before % 2 == 1), "{context}");
            continue;
        }
        let (shape, found) = found.unwrap_or_else(|e| panic!("{context}: {e}"));
        assert_eq!(shape, [1, channels, out[0], out[1]], "{context}");
        assert!(close(&found, &expected), "{context}");
    }
}

#[test]
fn matrix_products() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    for _ in 0..200 {
        let [batch, rows, inner, columns] = [0; 4].map(|_| rng.random_range(1..5));
        let own = rng.random();
        let input = values(&mut rng, batch * rows * inner);
        let weights = values(&mut rng, if own { batch } else { 1 } * inner * columns);
        let (gain, shift) = (values(&mut rng, inner), values(&mut rng, columns));
        let mut expected = Vec::new();
        for b in 0..batch {
            for r in 0..rows {
                for n in 0..columns {
                    let w = |k: usize| weights[(if own { b * inner } else { 0 } + k) * columns + n];
                    let product = |k: usize| input[(b * rows + r) * inner + k] * gain[k] * w(k);
                    expected.push(((0..inner).map(product).sum::<f64>() + shift[n]).max(0.0));
                }
            }
        }
        let shape = if own {
            vec![batch, inner, columns]
        } else {
            vec![inner, columns]
        };
        let chain = Chain::new()
            .then("Mul", &[(&[inner], &gain)], &[])
            .then("MatMul", &[(&shape, &weights)], &[])
            .then("Add", &[(&[columns], &shift)], &[])
            .then("Relu", &[], &[]);
        let (shape, found) = chain.run(&[batch, rows, inner], &input).unwrap();
        assert_eq!(shape, [batch, rows, columns]);
        assert!(
            close(&found, &expected),
            "{batch} x {rows} x {inner} x {columns}, own {own}"
        );
    }
}

#[test]
fn elementwise_chains() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    for _ in 0..300 {
        let shape: Vec<usize> = (0..rng.random_range(1..5)).map(|_| rng.random_range(1..4)).collect();
        let n = shape.iter().product();
        let input = values(&mut rng, n);
        let (mut chain, mut expected) = (Chain::new(), input.clone());
        for _ in 0..rng.random_range(1..6) {
            // A constant that broadcasts: some axes of length 1, some leading axes left out.
            let axes = shape[rng.random_range(0..=shape.len())..].to_vec();
            let axes: Vec<usize> = axes.into_iter().map(|d| if rng.random() { d } else { 1 }).collect();
            let constant: Vec<f64> = values(&mut rng, axes.iter().product())
                .iter()
                .map(|v| v + 0.1f64.copysign(*v))
                .collect();
            let at = |e: usize| {
                let (mut rest, mut index, mut stride) = (e, 0, 1);
                for (i, &d) in shape.iter().enumerate().rev() {
                    let along = rest % d;
                    rest /= d;
                    if let Some(k) = (i + axes.len()).checked_sub(shape.len()).filter(|&k| axes[k] > 1) {
                        index += along * stride;
                        stride *= axes[k];
                    }
                }
                constant[index]
            };
            let op = ["Add", "Sub", "Mul", "Div", "PRelu", "Relu", "Neg"][rng.random_range(0..7)];
            for (e, v) in expected.iter_mut().enumerate() {
                *v = match op {
                    "Add" => *v + at(e),
                    "Sub" => *v - at(e),
                    "Mul" => *v * at(e),
                    "Div" => *v / at(e),
                    "PRelu" => {
                        if *v < 0.0 {
                            *v * at(e)
                        } else {
                            *v
                        }
                    }
                    "Relu" => v.max(0.0),
                    _ => -*v,
                };
            }
            let constants: &[(&[usize], &[f64])] = &[(&axes, &constant)];
            chain = chain.then(op, if matches!(op, "Relu" | "Neg") { &[] } else { constants }, &[]);
        }
        let (found_shape, found) = chain.run(&shape, &input).unwrap();
        assert_eq!(found_shape, shape);
        assert!(close(&found, &expected), "{shape:?}");
    }
}
