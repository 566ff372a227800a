//! Digits of a set, dealt to ranges of its buckets: threads that fill one range each have no buckets in common.

use rayon::prelude::*;

use super::buckets::CHUNK;
use super::queue::{Of, Piece};
use super::windows::BUCKET;

/// Ranges end at multiples of a power of two, of which a set has this many at most and one more.
const BINS: usize = 1 << 10;

/// The most ranges: each is a byte's value.
const RANGES: usize = 1 << 8;

/// Of so many digits one is counted to find ranges of equal load.
const COUNTED: usize = 16;

/// The digits of a set, in the order of their buckets' ranges within each piece.
pub(super) struct Dealt {
    /// Where each range begins among the buckets, and the last one ends.
    bounds: Vec<usize>,
    /// A chunk for each piece.
    digits: Vec<u32>,
    /// The bases that they multiply.
    bases: Vec<u32>,
    /// For each piece, where each range begins in its chunk and the last one ends.
    starts: Vec<u32>,
    /// How far apart a base's rotations are.
    stride: usize,
}

/// Some buckets of a set, and the digits that fill them.
pub(super) struct Range<'a> {
    dealt: &'a Dealt,
    number: usize,
    pub(super) buckets: std::ops::Range<usize>,
}

/// Which range each bucket belongs to.
struct Owners {
    shift: u32,
    bins: Vec<u8>,
}

impl Owners {
    #[inline(always)]
    fn of(&self, digit: u32) -> usize {
        self.bins[(digit & BUCKET) as usize >> self.shift] as usize
    }
}

impl Dealt {
    /// Deals a set's digits, which come in pieces of a chunk at most, to at most so many ranges of its buckets; `None` where ranges
    /// cannot have about as many digits each, as when most go to one bucket.
    pub(super) fn new(pieces: &[Piece<'_>], buckets: usize, ranges: usize) -> Option<Dealt> {
        let (owners, bounds) = cut(pieces, buckets, ranges.min(RANGES))?;
        let ends = bounds.len();
        let mut digits = vec![0; pieces.len() * CHUNK];
        let mut bases = vec![0; pieces.len() * CHUNK];
        let mut starts = vec![0; pieces.len() * ends];
        let chunks = digits.par_chunks_mut(CHUNK).zip(bases.par_chunks_mut(CHUNK));
        let chunks = chunks.zip(starts.par_chunks_mut(ends));
        chunks
            .zip(pieces)
            .for_each(|(((digits, bases), starts), piece)| deal(piece, &owners, digits, bases, starts));
        Some(Dealt {
            bounds,
            digits,
            bases,
            starts,
            stride: pieces.first().map_or(0, |piece| piece.stride),
        })
    }

    pub(super) fn ranges(&self) -> impl Iterator<Item = Range<'_>> {
        self.bounds.windows(2).enumerate().map(|(number, bounds)| Range {
            dealt: self,
            number,
            buckets: bounds[0]..bounds[1],
        })
    }
}

impl<'a> Range<'a> {
    /// The digits, for buckets that are counted from the range's first.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece<'a>> {
        let (dealt, number, first) = (self.dealt, self.number, self.buckets.start);
        let chunks = dealt.digits.chunks(CHUNK).zip(dealt.bases.chunks(CHUNK));
        let starts = dealt.starts.chunks(dealt.bounds.len());
        chunks.zip(starts).map(move |((digits, bases), starts)| {
            let places = starts[number] as usize..starts[number + 1] as usize;
            Piece {
                digits: &digits[places.clone()],
                bases: Of::Each(&bases[places]),
                zero: 0_usize.wrapping_sub(first),
                stride: dealt.stride,
            }
        })
    }
}

/// Ranges of about equal load, and their bounds; `None` where one would have more than five quarters of its share.
fn cut(pieces: &[Piece<'_>], buckets: usize, ranges: usize) -> Option<(Owners, Vec<usize>)> {
    let shift = usize::BITS - (buckets.saturating_sub(1) / BINS).leading_zeros();
    let mut loads = vec![0; (buckets.saturating_sub(1) >> shift) + 1];
    for digit in pieces.iter().flat_map(|piece| piece.digits.iter().step_by(COUNTED)) {
        loads[(digit & BUCKET) as usize >> shift] += 1;
    }
    let total: usize = loads.iter().sum();
    let (mut bounds, mut bins) = (vec![0], Vec::with_capacity(loads.len()));
    let (mut load, mut before) = (0, 0);
    for (bin, of_bin) in loads.iter().enumerate() {
        bins.push((bounds.len() - 1) as u8);
        load += of_bin;
        let last = bin + 1 == loads.len();
        if last || (bounds.len() < ranges && load * ranges >= total * bounds.len()) {
            if 4 * (load - before) * ranges > 5 * total {
                return None;
            }
            before = load;
            bounds.push(((bin + 1) << shift).min(buckets));
        }
    }
    Some((Owners { shift, bins }, bounds))
}

/// Writes a piece's digits and their bases range after range, and where ranges start.
fn deal(piece: &Piece<'_>, owners: &Owners, digits: &mut [u32], bases: &mut [u32], starts: &mut [u32]) {
    for &digit in piece.digits {
        starts[owners.of(digit) + 1] += 1;
    }
    for range in 1..starts.len() {
        starts[range] += starts[range - 1];
    }
    let mut next = [0; RANGES];
    next[..starts.len() - 1].copy_from_slice(&starts[..starts.len() - 1]);
    for (at, &digit) in piece.digits.iter().enumerate() {
        let next = &mut next[owners.of(digit)];
        let place = *next as usize;
        (digits[place], bases[place]) = (digit, piece.bases.number(at));
        *next += 1;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use rand_chacha::rand_core::{RngCore, SeedableRng};

    use super::super::windows::SIGN;
    use super::*;

    /// Each digit with the base that it multiplies, in the order of both.
    fn sorted(mut digits: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
        digits.sort_unstable();
        digits
    }

    #[test]
    fn each_digit_is_in_its_range_once() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
        for (buckets, ranges) in [(2, 1), (9, 2), (2049, 3), (1 << 15 | 1, 8), (1 << 16, 300)] {
            // As many ranges as there may be are equal enough only where buckets are.
            let digits: Vec<u32> = if ranges > RANGES {
                (0..buckets).collect()
            } else {
                let digit = |_| (rng.next_u32() % buckets) | (rng.next_u32() & SIGN);
                (0..2 * CHUNK + 77).map(digit).collect()
            };
            let pieces: Vec<Piece<'_>> = (100_000..)
                .step_by(CHUNK)
                .zip(digits.chunks(CHUNK))
                .map(|(first, digits)| Piece {
                    digits,
                    bases: Of::From(first),
                    zero: 0,
                    stride: 5,
                })
                .collect();
            let Some(dealt) = Dealt::new(&pieces, buckets as usize, ranges) else {
                panic!("{buckets} buckets are not dealt");
            };
            assert_eq!(dealt.ranges().count(), ranges.min(RANGES));
            let all = digits.iter().copied().zip(100_000..);
            let (mut found, mut end) = (Vec::new(), 0);
            for range in dealt.ranges() {
                assert_eq!(range.buckets.start, end);
                end = range.buckets.end;
                for piece in range.pieces() {
                    assert_eq!(piece.stride, 5);
                    for (at, &digit) in piece.digits.iter().enumerate() {
                        let bucket = piece.zero.wrapping_add((digit & BUCKET) as usize);
                        assert!(bucket < range.buckets.len());
                        found.push((digit, piece.bases.number(at)));
                    }
                }
            }
            assert_eq!(end, buckets as usize);
            assert!(sorted(found) == sorted(all.collect()), "{buckets} buckets");
        }
    }

    #[test]
    fn digits_of_few_buckets_are_not_dealt() {
        let digits = vec![7; CHUNK];
        let piece = Piece {
            digits: &digits,
            bases: Of::From(0),
            zero: 0,
            stride: 0,
        };
        assert!(Dealt::new(&[piece], 1000, 2).is_none());
    }
}
