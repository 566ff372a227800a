//! Field arithmetic on its way to Yul: a graph in which equal terms are one node, written out as few statements as it allows.

use std::collections::HashMap;
use std::fmt::Write;

use ark_ff::{BigInteger, One, PrimeField, Zero};
use tapeout_driver::Fr;

/// The memory word that holds r. Reading it is two bytes of code where the number itself is 33.
const MODULUS: &str = "mload(0)";

/// Expressions that are nested deeper are cut: the compiler's parser gives up at some hundreds, which a sum over the words of a large
/// public input reaches.
const MAX_DEPTH: usize = 128;

/// A constant with more digits than this, prefix included, is stored if it is needed twice.
const SHORT_LITERAL: usize = 10;

/// A field element of the verifier's: an index into [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Node(usize);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Term {
    Const(Fr),
    /// The word at this address.
    Word(usize),
    Add(Node, Node),
    Sub(Node, Node),
    Mul(Node, Node),
}

/// Terms, each once.
#[derive(Default)]
pub(super) struct Graph {
    terms: Vec<Term>,
    index: HashMap<Term, Node>,
    /// Where nodes are that were written out already.
    home: HashMap<Node, usize>,
}

/// Memory addresses given out one word after the other.
pub(super) struct Memory(pub(super) usize);

impl Memory {
    pub(super) fn words(&mut self, count: usize) -> usize {
        let at = self.0;
        self.0 += 32 * count;
        at
    }
}

impl Graph {
    fn term(&mut self, term: Term) -> Node {
        *self.index.entry(term).or_insert_with(|| {
            self.terms.push(term);
            Node(self.terms.len() - 1)
        })
    }

    pub(super) fn constant(&mut self, v: Fr) -> Node {
        self.term(Term::Const(v))
    }

    pub(super) fn int(&mut self, v: u64) -> Node {
        self.constant(Fr::from(v))
    }

    pub(super) fn word(&mut self, address: usize) -> Node {
        self.term(Term::Word(address))
    }

    fn value(&self, node: Node) -> Option<Fr> {
        match self.terms[node.0] {
            Term::Const(v) => Some(v),
            _ => None,
        }
    }

    pub(super) fn add(&mut self, a: Node, b: Node) -> Node {
        match (self.value(a), self.value(b)) {
            (Some(a), Some(b)) => self.constant(a + b),
            (Some(v), _) if v.is_zero() => b,
            (_, Some(v)) if v.is_zero() => a,
            _ => self.term(Term::Add(a, b)),
        }
    }

    pub(super) fn sub(&mut self, a: Node, b: Node) -> Node {
        match (self.value(a), self.value(b)) {
            (Some(a), Some(b)) => self.constant(a - b),
            (_, Some(v)) if v.is_zero() => a,
            _ => self.term(Term::Sub(a, b)),
        }
    }

    pub(super) fn mul(&mut self, a: Node, b: Node) -> Node {
        match (self.value(a), self.value(b)) {
            (Some(a), Some(b)) => self.constant(a * b),
            (Some(v), _) | (_, Some(v)) if v.is_zero() => self.constant(v),
            (Some(v), _) if v.is_one() => b,
            (_, Some(v)) if v.is_one() => a,
            _ => self.term(Term::Mul(a, b)),
        }
    }

    pub(super) fn neg(&mut self, a: Node) -> Node {
        let zero = self.int(0);
        self.sub(zero, a)
    }

    pub(super) fn sum(&mut self, terms: impl IntoIterator<Item = Node>) -> Node {
        let zero = self.int(0);
        terms.into_iter().fold(zero, |sum, term| self.add(sum, term))
    }

    pub(super) fn product(&mut self, terms: impl IntoIterator<Item = Node>) -> Node {
        let one = self.int(1);
        terms.into_iter().fold(one, |product, term| self.mul(product, term))
    }

    /// `base^exponent` by squaring; the squares of one base are shared between its powers.
    pub(super) fn pow(&mut self, base: Node, mut exponent: u64) -> Node {
        let (mut square, mut out) = (base, self.int(1));
        while exponent > 0 {
            if exponent & 1 == 1 {
                out = self.mul(out, square);
            }
            exponent >>= 1;
            if exponent > 0 {
                square = self.mul(square, square);
            }
        }
        out
    }

    /// Writes the statements that put each node's value at its address.
    pub(super) fn emit(&mut self, roots: &[(Node, usize)], memory: &mut Memory, out: &mut String) {
        // Nodes refer to earlier ones only, so that one pass from the end counts uses.
        let mut uses = vec![0usize; self.terms.len()];
        for (node, _) in roots {
            uses[node.0] += 1;
        }
        for i in (0..self.terms.len()).rev() {
            if uses[i] == 0 || self.home.contains_key(&Node(i)) {
                continue;
            }
            if let Term::Add(a, b) | Term::Sub(a, b) | Term::Mul(a, b) = self.terms[i] {
                uses[a.0] += 1;
                uses[b.0] += 1;
            }
        }
        // How deep the text of each node would be nested.
        let mut depth = vec![0; self.terms.len()];
        for (i, uses) in uses.iter().enumerate() {
            let node = Node(i);
            if let (Term::Add(a, b) | Term::Sub(a, b) | Term::Mul(a, b), false) =
                (self.terms[i], self.home.contains_key(&node))
            {
                depth[i] = 1 + depth[a.0].max(depth[b.0]);
            }
            let worth_storing = match self.terms[i] {
                Term::Add(..) | Term::Sub(..) | Term::Mul(..) => true,
                Term::Const(v) => literal(&v).len() > SHORT_LITERAL,
                Term::Word(_) => false,
            };
            let needed = (*uses > 1 && worth_storing) || (*uses > 0 && depth[i] > MAX_DEPTH);
            if needed && !self.home.contains_key(&node) {
                depth[i] = 0;
                let at = memory.words(1);
                self.store(node, at, out);
                self.home.insert(node, at);
            }
        }
        for (node, address) in roots {
            self.store(*node, *address, out);
        }
    }

    fn store(&self, node: Node, address: usize, out: &mut String) {
        // Writing to a string does not fail.
        let _ = writeln!(out, "mstore({address:#x}, {})", self.text(node));
    }

    fn text(&self, node: Node) -> String {
        if let Some(at) = self.home.get(&node) {
            return format!("mload({at:#x})");
        }
        match self.terms[node.0] {
            Term::Const(v) => literal(&v),
            Term::Word(at) => format!("mload({at:#x})"),
            Term::Add(a, b) => format!("addmod({}, {}, {MODULUS})", self.text(a), self.text(b)),
            Term::Sub(a, b) => format!("addmod({}, sub({MODULUS}, {}), {MODULUS})", self.text(a), self.text(b)),
            Term::Mul(a, b) => format!("mulmod({}, {}, {MODULUS})", self.text(a), self.text(b)),
        }
    }
}

/// A field element as the shorter of itself and the negation of its negative.
fn literal(v: &Fr) -> String {
    let (plain, negated) = (hex_integer(&v.into_bigint()), hex_integer(&(-*v).into_bigint()));
    if negated.len() + SHORT_LITERAL < plain.len() {
        format!("sub({MODULUS}, {negated})")
    } else {
        plain
    }
}

/// An integer in hexadecimal.
pub(super) fn hex_integer(v: &impl BigInteger) -> String {
    let digits: String = v.to_bytes_be().iter().map(|b| format!("{b:02x}")).collect();
    let digits = digits.trim_start_matches('0');
    format!("0x{}", if digits.is_empty() { "0" } else { digits })
}

#[cfg(test)]
mod tests {
    use ark_ff::Field;

    use super::*;

    /// How deep parentheses are nested on one line.
    fn nested(line: &str) -> usize {
        let depths = line.chars().scan(0usize, |depth, c| {
            match c {
                '(' => *depth += 1,
                ')' => *depth -= 1,
                _ => {}
            }
            Some(*depth)
        });
        depths.max().unwrap_or(0)
    }

    #[test]
    fn a_sum_of_many_words_is_cut() {
        let mut graph = Graph::default();
        let words: Vec<Node> = (0..2000).map(|i| graph.word(32 * i)).collect();
        let sum = graph.sum(words);
        let mut out = String::new();
        graph.emit(&[(sum, 0)], &mut Memory(64_000), &mut out);
        assert!(out.lines().all(|line| nested(line) <= MAX_DEPTH + 4), "{out}");
        assert_eq!(out.matches("addmod").count(), 1999);
    }

    #[test]
    fn constants_are_written_once_and_the_short_way() {
        let mut graph = Graph::default();
        let (long, minus_two) = (
            graph.constant(Fr::from(3u64).inverse().unwrap_or_default()),
            graph.constant(-Fr::from(2u64)),
        );
        let [a, b] = [0, 32].map(|at| graph.word(at));
        let terms = [(a, long), (b, long), (a, minus_two)].map(|(word, c)| graph.mul(word, c));
        let sum = graph.sum(terms);
        let mut out = String::new();
        graph.emit(&[(sum, 64)], &mut Memory(96), &mut out);
        let digits = hex_integer(&Fr::from(3u64).inverse().unwrap_or_default().into_bigint());
        assert_eq!(out.matches(&digits).count(), 1, "{out}");
        assert!(out.contains("sub(mload(0), 0x2)"), "{out}");
    }
}
