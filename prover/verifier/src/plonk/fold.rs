//! The weight fold: the checksum `kappa` of (L2) without the weights.
//!
//! A *weight tile* is a polynomial `W(X) = sum_(i < m) X^(width i) R_i(X)` with `R_i(X) = sum weight X^slot`, `deg R_i < width`: row
//! `i` of the tile belongs to the power `rho^(channel + i)`. The verifying key holds `[W_l]` for every tile. With `c_l` the scalar
//! that a tile's position has ([`WeightTile::scalar`]), let `U = sum_l c_l W_l`. Dividing by `X^width - rho`,
//!
//! ```text
//! U = V + (X^width - rho) q,     V = sum_l c_l sum_i rho^i R_(l,i),     kappa = V(eta),
//! ```
//!
//! since reducing mod `X^width - rho` puts `rho` in the place of `X^width`. The prover sends `[V]`, `[V*]` with
//! `V*(X) = X^(width-1) V(1/X)`, and `[q]`. The verifier checks
//!
//! - (F1) `e([U] - [V] + rho [q], [1]_2) = e([q], [tau^width]_2)`, batched with the opening's pairings;
//! - (F2) `V(eta) = kappa`, by the opening;
//! - (F3) `deg V < width`: `V*(1/z) = z^-(width-1) V(z)` at a point drawn later. That the reference string ends somewhere shows
//!   nothing: a longer one of the same `tau` may exist.
//!
//! No polynomial of the size of the weights is handled per proof: with `floor(W_l / X^(width (d+1))) = S_(l,d)`, a polynomial that
//! never changes, `q = sum_l c_l sum_d rho^d S_(l,d)`. The proving key holds `[R_(l,i)]`, the reversed `[R*_(l,i)]` and `[S_(l,d)]`,
//! and the three commitments are sums of as many multiples as the tiles have rows.
//!
//! # Hidden weights
//!
//! `[W_l]` hides nothing of weights that somebody can guess, and `V(eta)` and `V(z)` are linear combinations of them. Where weights are
//! to be hidden, every row of every tile has two more coefficients, random ones that are drawn when the key is made ([`Hidden`]): they
//! multiply reads of zero. And every proof has a mask `M`, a random polynomial of degree below [`MASK`] that
//! is committed to before `eta` and counts as one more tile, of one row, with the scalar `eta^(N - MASK)`, `N` the number of reads: `C` has
//! its coefficients at the last reads, which are of zero too. What is folded is then `V + eta^(N - MASK) M`.
//!
//! Cached quotients: Eagen and Gabizon, <https://eprint.iacr.org/2023/393>; division by `X^width - rho`: Eagen and Gabizon's
//! Mercury, <https://eprint.iacr.org/2025/385>. See `docs/protocol.md`, "The weight fold".

use ark_bn254::Fr;
use ark_ff::Field;

use super::linear::{LinearLayer, Point};
use crate::field::geometric;

/// The longest weight polynomial that is committed to as one, in coefficients: tiles with more rows are cut. More is a longer
/// reference string, less is more points in the verifying key.
pub const MAX_COEFFICIENTS: usize = 1 << 19;

/// The number of coefficients of a proof's mask, one for each functional of it that is revealed: the values at `tau`, by its commitment;
/// at `1/tau`, by that of `V*`; at `eta` and at `z`.
pub const MASK: usize = 4;

/// The number of random coefficients of a row of a tile: one for its value at `tau`, one for that at `1/tau`.
pub const DUMMIES: usize = 2;

/// Where the reads are that hide weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// The first read behind everything that layers read. The dummies of a tile are at this read and the next, and where positions
    /// move them.
    pub dummies: usize,
    /// The first read of the mask.
    pub mask: usize,
}

impl Hidden {
    /// The slot of a tile's first dummy.
    pub fn slot(&self, tile: &WeightTile) -> usize {
        self.dummies - tile.read
    }
}

/// One axis of positions that all taps of a tile move along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which position challenge.
    pub axis: usize,
    /// Number of positions.
    pub count: usize,
    /// How far one step moves the taps.
    pub stride: usize,
}

/// Weights that are committed to as one polynomial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightTile {
    /// The exponent of `rho` that row 0 has.
    pub channel: usize,
    /// Number of rows.
    pub rows: usize,
    /// The read of slot 0.
    pub read: usize,
    /// What the positions multiply the weights by.
    pub steps: Vec<Step>,
    /// The operands it holds: layer, operand.
    pub parts: Vec<(usize, usize)>,
}

/// How the weights of a circuit are cut into tiles: a function of the circuit, so that no key needs to hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The number of slots of a tile, `width` above.
    pub width: usize,
    /// The tiles.
    pub tiles: Vec<WeightTile>,
    /// Where weights are hidden: what hides them.
    pub hidden: Option<Hidden>,
}

impl WeightTile {
    /// `c_l = rho^channel eta^read prod_d sum_(i < count) (s_d eta^stride)^i`.
    pub fn scalar(&self, at: &Point, eta: Fr) -> Fr {
        let positions: Fr = self
            .steps
            .iter()
            .map(|step| geometric(at.s[step.axis] * eta.pow([step.stride as u64]), step.count))
            .product();
        at.rho.pow([self.channel as u64]) * eta.pow([self.read as u64]) * positions
    }
}

impl Fold {
    /// Cuts the weights of `layers` into tiles.
    ///
    /// Operands that every position reads alike (those of a Gemm) have `c_l` of the same form and share tiles, as long as that
    /// does not make tiles much wider than the widest operand.
    pub fn new(layers: &[LinearLayer], hidden: Option<Hidden>) -> Self {
        let widest = layers
            .iter()
            .flat_map(|l| &l.tiles)
            .map(|t| t.slots)
            .max()
            .unwrap_or(0)
            .max(1);
        let mut groups: Vec<WeightTile> = Vec::new();
        let mut shared: Option<usize> = None;
        let mut width = widest;
        for (l, layer) in layers.iter().enumerate() {
            for (t, tile) in layer.tiles.iter().enumerate() {
                let steps: Vec<Step> = layer
                    .axes
                    .iter()
                    .zip(&tile.strides)
                    .enumerate()
                    .filter(|(_, (axis, _))| axis.count != 1)
                    .map(|(axis, (a, stride))| Step {
                        axis,
                        count: a.count,
                        stride: *stride,
                    })
                    .collect();
                let free = steps.is_empty();
                // Layers and operands come in ascending order of channels and of rows.
                if let Some(index) = shared.filter(|_| free) {
                    let group = &mut groups[index];
                    let span = (tile.read + tile.slots).saturating_sub(group.read);
                    if tile.read >= group.read && layer.offset >= group.channel && span <= 2 * widest {
                        group.rows = group.rows.max(layer.offset + tile.channels - group.channel);
                        group.parts.push((l, t));
                        width = width.max(span);
                        continue;
                    }
                }
                if free {
                    shared = Some(groups.len());
                }
                groups.push(WeightTile {
                    channel: layer.offset,
                    rows: tile.channels,
                    read: tile.read,
                    steps,
                    parts: vec![(l, t)],
                });
            }
        }
        if let Some(hidden) = hidden {
            let slots = groups.iter().map(|group| hidden.slot(group) + DUMMIES);
            width = slots.fold(width.max(MASK), usize::max);
        }
        let most = (MAX_COEFFICIENTS / width).max(1);
        let tiles = groups.iter().flat_map(|group| cut(group, most)).collect();
        Self { width, tiles, hidden }
    }

    /// The rows of all tiles.
    pub fn rows(&self) -> usize {
        self.tiles.iter().map(|tile| tile.rows).sum()
    }

    /// The number of powers of tau in G1 that the preparation takes.
    pub fn powers(&self) -> usize {
        self.width * self.tiles.iter().map(|tile| tile.rows).max().unwrap_or(1)
    }

    /// The mask's scalar, `eta^(N - MASK)`, if there is a mask.
    pub fn mask_scalar(&self, eta: Fr) -> Option<Fr> {
        self.hidden.map(|hidden| eta.pow([hidden.mask as u64]))
    }

    /// Each tile's scalar `c_l`.
    pub fn scalars(&self, at: &Point, eta: Fr) -> Vec<Fr> {
        self.tiles.iter().map(|tile| tile.scalar(at, eta)).collect()
    }
}

/// Cuts a tile into tiles of at most `most` rows.
pub fn cut(tile: &WeightTile, most: usize) -> impl Iterator<Item = WeightTile> + '_ {
    (0..tile.rows).step_by(most).map(move |first| WeightTile {
        channel: tile.channel + first,
        rows: most.min(tile.rows - first),
        ..tile.clone()
    })
}

/// The value at `1/z` of a polynomial of degree below `width` written backwards, from its value at `z` (F3); `None` for `z = 0`.
pub fn reversed_value(value: Fr, z: Fr, width: usize) -> Option<Fr> {
    Some(value * z.inverse()?.pow([width as u64 - 1]))
}
