//! The product of the tiles with what they are multiplied by, without the zeros that both are made of.

use ark_ff::Zero;
use tapeout_driver::{Backend, Dir, Fr, kernels};

use super::coefficients::{Vector, Vectors, accumulate};
use crate::{field::powers, plonk::fold::Sparse};

/// `L` and `H`: the coefficients of a sum of products, below and above that of `X^(N-1)`, and that one.
pub(super) struct Halves {
    pub(super) low: Vec<Fr>,
    pub(super) middle: Fr,
    pub(super) high: Vec<Fr>,
}

impl Halves {
    fn add(&mut self, above: isize, value: Fr) {
        let n = self.low.len() as isize;
        let place = match above {
            0 => Some(&mut self.middle),
            1.. => self.high.get_mut(above as usize - 1),
            _ => usize::try_from(n + above).ok().and_then(|at| self.low.get_mut(at)),
        };
        if let Some(place) = place {
            *place += value;
        }
    }
}

/// What the rows of a tile are like.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    /// How many places a row has.
    pub(super) width: usize,
    /// The slot of the first dummy, behind all others.
    pub(super) dummies: usize,
}

/// The halves of `sum_l W_l A_l + Y A_Y`, for tiles and their rows. `N` is `longest`.
pub(super) fn split(
    tiles: &[(&Sparse, Rows)],
    mask: &[Fr],
    vectors: &Vectors,
    gamma: Fr,
    longest: usize,
    backend: &dyn Backend,
) -> tapeout_driver::Result<Halves> {
    let mut halves = geometric(tiles, vectors, gamma, longest);
    for ((tile, rows), vector) in tiles.iter().zip(&vectors.tiles) {
        Grid::new(tile, vector, *rows).product(tile, &vector.others, backend, &mut halves)?;
    }
    for (e, y) in mask.iter().enumerate() {
        for (p, a) in vectors.mask.iter().enumerate().filter(|(_, a)| !a.is_zero()) {
            halves.add(e as isize - p as isize, *y * a);
        }
    }
    Ok(halves)
}

/// What the powers of `gamma` contribute: `C = sum_l start_l W_l` times `sum_(p < N) gamma^p X^(N-1-p)`, by Horner's rule from both ends.
fn geometric(tiles: &[(&Sparse, Rows)], vectors: &Vectors, gamma: Fr, longest: usize) -> Halves {
    let mut combined = vec![Fr::zero(); longest];
    for ((tile, _), vector) in tiles.iter().zip(&vectors.tiles) {
        accumulate(&mut combined, tile, vector.start);
    }
    let powers = powers(gamma, longest);
    let mut sum = Fr::zero();
    let below = combined.iter().zip(&powers).zip(powers.iter().rev()).take(longest - 1);
    let low = below.map(|((c, power), back)| {
        sum += *power * c;
        sum * back
    });
    let low: Vec<Fr> = low.collect();
    let mut sum = Fr::zero();
    let from_middle = combined.iter().rev().map(|c| {
        sum = *c + gamma * sum;
        sum
    });
    let mut high: Vec<Fr> = from_middle.collect();
    let middle = high.pop().unwrap_or_default();
    high.reverse();
    Halves { low, middle, high }
}

/// The places of a tile with fewer slots: those from the first that is used to the last, and the dummies so far behind that
/// differences of slots are still told apart.
struct Grid {
    rows: Rows,
    /// The first slot.
    first: usize,
    /// How many there are, without the dummies.
    span: usize,
    /// How many rows.
    count: usize,
}

impl Grid {
    fn new(tile: &Sparse, vector: &Vector, rows: Rows) -> Self {
        let places = || tile.iter().chain(&vector.others).map(|(place, _)| place);
        let slots = || {
            places()
                .map(|place| place % rows.width)
                .filter(|slot| *slot < rows.dummies)
        };
        let first = slots().min().unwrap_or(0);
        Self {
            rows,
            first,
            // Dummies differ by one.
            span: slots().max().map_or(0, |last| last + 1 - first).max(2),
            count: places().map(|place| place / rows.width + 1).max().unwrap_or(1),
        }
    }

    /// The largest slot of the grid: dummies stand at twice the span and behind.
    fn last(&self) -> usize {
        2 * self.span + 1
    }

    /// Row and slot of a place.
    fn of(&self, place: usize) -> (usize, usize) {
        let (row, slot) = (place / self.rows.width, place % self.rows.width);
        let slot = match slot.checked_sub(self.rows.dummies) {
            Some(dummy) => 2 * self.span + dummy,
            None => slot - self.first,
        };
        (row, slot)
    }

    /// Adds `tile` times `others` backwards, with the constant term at `X^(N-1)`.
    fn product(
        &self,
        tile: &Sparse,
        others: &Sparse,
        backend: &dyn Backend,
        to: &mut Halves,
    ) -> tapeout_driver::Result<()> {
        let stride = 2 * self.last() + 1;
        let rows = 2 * self.count - 1;
        let size = (rows * stride).next_power_of_two();
        let mut columns = [vec![Fr::zero(); size], vec![Fr::zero(); size]];
        for (place, c) in tile {
            let (row, slot) = self.of(*place);
            columns[0][row * stride + slot] = *c;
        }
        for (place, c) in others {
            let (row, slot) = self.of(*place);
            columns[1][(self.count - 1 - row) * stride + self.last() - slot] = *c;
        }
        let ntt = backend.prepare_ntt(size.trailing_zeros())?;
        ntt.run(Dir::Forward, Fr::from(1u8), &mut columns)?;
        let [mut values, factors] = columns;
        kernels::multiply(&mut values, &factors);
        let mut product = [values];
        ntt.run(Dir::Inverse, Fr::from(1u8), &mut product)?;
        // How much farther dummies are from other slots than in the grid.
        let farther = self.rows.dummies as isize - self.first as isize - 2 * self.span as isize;
        let [product] = &product;
        for (row, values) in product.chunks(stride).take(rows).enumerate() {
            let rows = (row as isize - self.count as isize + 1) * self.rows.width as isize;
            for (slot, value) in values.iter().enumerate().filter(|(_, value)| !value.is_zero()) {
                let slots = slot as isize - self.last() as isize;
                let farther = match slots.unsigned_abs() < self.span {
                    true => 0,
                    false => farther * slots.signum(),
                };
                to.add(rows + slots + farther, *value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ark_ff::UniformRand;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::{certificate::argument::coefficients::evaluate, field::horner, plonk::tests::backend};

    const LONGEST: usize = 240;

    /// The product coefficient by coefficient, with every zero and every power of `gamma` written out.
    fn dense(tiles: &[(&Sparse, Rows)], mask: &[Fr], vectors: &Vectors, gamma: Fr) -> Vec<Fr> {
        let mut product = vec![Fr::zero(); 2 * LONGEST - 1];
        let mut add = |p: &[(usize, Fr)], a: &[Fr]| {
            for (q, c) in p {
                a.iter()
                    .enumerate()
                    .for_each(|(p, a)| product[LONGEST - 1 + q - p] += *c * a);
            }
        };
        for ((tile, _), vector) in tiles.iter().zip(&vectors.tiles) {
            let mut a: Vec<Fr> = powers(gamma, LONGEST)
                .iter()
                .map(|power| vector.start * power)
                .collect();
            vector.others.iter().for_each(|(place, other)| a[*place] += other);
            add(tile, &a);
        }
        let mask: Sparse = mask.iter().copied().enumerate().collect();
        add(&mask, &vectors.mask);
        product
    }

    #[test]
    fn the_halves_are_those_of_the_whole_product() {
        let ark = &mut ark_std::test_rng();
        let rng = &mut ChaCha20Rng::seed_from_u64(1);
        // Slots far from each other, next to each other and to the dummies, one alone, and dummies alone.
        for (width, dummies, slots) in [
            (60, 57, 3..20),
            (60, 58, 0..58),
            (30, 28, 5..6),
            (20, 3, 0..0),
            (20, 4, 3..4),
        ] {
            let rows = Rows { width, dummies };
            let sparse = |rng: &mut ChaCha20Rng, ark: &mut _| -> Sparse {
                let of_row = |row: usize| {
                    slots
                        .clone()
                        .chain(dummies..dummies + 2)
                        .map(move |slot| width * row + slot)
                };
                let all: Vec<usize> = (0..LONGEST / width).flat_map(of_row).collect();
                let kept = all.into_iter().filter(|_| rng.random_bool(0.8));
                kept.map(|place| (place, Fr::rand(ark))).collect()
            };
            let tiles = [(); 3].map(|()| sparse(rng, ark));
            let vectors = Vectors {
                tiles: [(); 3]
                    .map(|()| Vector {
                        start: Fr::rand(ark),
                        others: sparse(rng, ark),
                    })
                    .into(),
                mask: (0..14).map(|_| Fr::rand(ark)).collect(),
                known: Fr::zero(),
            };
            let mask: Vec<Fr> = (0..14).map(|_| Fr::rand(ark)).collect();
            let tiles: Vec<(&Sparse, Rows)> = tiles.iter().map(|tile| (tile, rows)).collect();
            let gamma = Fr::rand(ark);
            let expected = dense(&tiles, &mask, &vectors, gamma);
            let halves = split(&tiles, &mask, &vectors, gamma, LONGEST, backend().as_ref()).unwrap();
            assert!(halves.low == expected[..LONGEST - 1], "{width} {slots:?}");
            assert!(halves.high == expected[LONGEST..], "{width} {slots:?}");
            assert_eq!(halves.middle, expected[LONGEST - 1], "{width} {slots:?}");

            let mut values = vec![Fr::zero(); LONGEST];
            tiles[0].0.iter().for_each(|(place, c)| values[*place] = *c);
            assert_eq!(evaluate(tiles[0].0, gamma), horner(&values, gamma));
        }
    }
}
