//! Pairs of points of a bucket, added many at a time.
//!
//! One point at most waits in a bucket. As soon as a second one comes the two go to a queue, and nothing waits any more; once the
//! queue is full, all of its pairs are added, and each sum goes back to its bucket as any other point does. So bases are visited in
//! their order, what waits is young enough to be in a cache, and nothing needs to be sorted.

use std::hint::select_unpredictable;

use super::engine::{Engine, NEGATED, Points, RESULT};
use super::pages;
use super::sums::grow;
use super::windows::{BUCKET, SIGN, UNIT};

/// What waits in a bucket in which nothing does: from here on words are no references, as there are no results to be negated. Those
/// further on say in which round a pair took what was at the bucket's own place.
const NONE: u32 = NEGATED | RESULT;

const _: () = assert!(SIGN == NEGATED);

/// Buckets, and the pairs that are to be added.
pub(super) struct Queue<E: Engine> {
    /// Of each bucket a reference: to a base, or to a sum in `points`.
    waiting: Vec<u32>,
    /// The sums that wait, each at its bucket's number; behind them those that are the second point of a pair; behind those the ones that
    /// have to wait elsewhere, of every other round.
    points: Vec<E::Point>,
    /// How many times pairs were added.
    round: u32,
    pairs: Pairs,
    /// The pairs that were added last.
    added: Pairs,
    /// Where their sums are put.
    places: Vec<u32>,
}

/// References to two points each, and the buckets where their sums go.
#[derive(Default)]
struct Pairs {
    a: Vec<u32>,
    b: Vec<u32>,
    buckets: Vec<u32>,
    len: usize,
}

/// Which bases some digits multiply.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of<'a> {
    /// Those from this one on.
    From(usize),
    /// One for each digit.
    Each(&'a [u32]),
}

impl Of<'_> {
    /// The base of the digit at a place.
    #[inline(always)]
    pub(super) fn number(self, at: usize) -> u32 {
        match self {
            Of::From(first) => (first + at) as u32,
            Of::Each(bases) => bases[at],
        }
    }
}

/// Some of a window's digits, and where they belong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) digits: &'a [u32],
    /// The bucket of the digit zero; wrapped where that would be before the first, of digits that are large enough.
    pub(super) zero: usize,
    pub(super) bases: Of<'a>,
    /// How far apart a base's rotations are.
    pub(super) stride: usize,
}

impl<E: Engine> Queue<E> {
    pub(super) fn new() -> Self {
        Queue {
            waiting: Vec::new(),
            points: Vec::new(),
            round: 0,
            pairs: Pairs::default(),
            added: Pairs::default(),
            places: Vec::new(),
        }
    }

    /// Empties all of so many buckets, and makes room for so many pairs.
    pub(super) fn start(&mut self, buckets: usize, pairs: usize) {
        if self.waiting.capacity() < buckets {
            self.waiting = pages::with_capacity(buckets);
        }
        self.waiting.clear();
        self.waiting.resize(buckets, NONE);
        self.round = 0;
        grow(&mut self.points, buckets + 3 * pairs, E::INFINITY);
        self.places.resize(pairs, 0);
        for pairs_of in [&mut self.pairs, &mut self.added] {
            for list in [&mut pairs_of.a, &mut pairs_of.b, &mut pairs_of.buckets] {
                list.resize(pairs, 0);
            }
            pairs_of.len = 0;
        }
    }

    /// Puts bases into the buckets of their digits.
    pub(super) fn fill(&mut self, engine: E, scratch: &mut E::Scratch, bases: &[E::Point], piece: Piece<'_>) {
        let mut at = 0;
        while at < piece.digits.len() {
            // Each makes one pair at most.
            let room = self.pairs.a.len() - self.pairs.len;
            let end = piece.digits.len().min(at + room);
            let digits = piece.digits[at..end].iter().copied();
            match piece.bases {
                Of::From(first) => self.take_in(digits.zip((first + at) as u32..), piece),
                Of::Each(bases) => self.take_in(digits.zip(bases[at..end].iter().copied()), piece),
            }
            at = end;
            if self.pairs.a.len() - self.pairs.len <= self.pairs.a.len() / 32 {
                self.add(engine, scratch, bases);
            }
        }
    }

    /// Puts the referenced bases into the first bucket.
    pub(super) fn fill_first(&mut self, engine: E, scratch: &mut E::Scratch, bases: &[E::Point], references: &[u32]) {
        let mut rest = references;
        while !rest.is_empty() {
            let Pairs { a, b, buckets, len } = &mut self.pairs;
            let (now, later) = rest.split_at(rest.len().min(2 * (a.len() - *len)));
            let (pairs, odd) = now.as_chunks::<2>();
            let mut put = |first, second| {
                (a[*len], b[*len], buckets[*len]) = (first, second, 0);
                *len += 1;
            };
            pairs.iter().for_each(|&[first, second]| put(first, second));
            // Where one is left there is room for another pair.
            if let &[last] = odd {
                let waiting = &mut self.waiting[0];
                if *waiting < NONE {
                    put(std::mem::replace(waiting, NONE), last);
                } else {
                    *waiting = last;
                }
            }
            rest = later;
            if self.pairs.len == self.pairs.a.len() {
                self.add(engine, scratch, bases);
            }
        }
    }

    /// As [`Queue::fill`], for some digits of a piece with their bases, no more than there is room for pairs.
    #[inline(always)]
    fn take_in(&mut self, digits: impl Iterator<Item = (u32, u32)>, piece: Piece<'_>) {
        let Pairs { a, b, buckets, len } = &mut self.pairs;
        let mut end = *len;
        for (digit, base) in digits {
            let number = digit & BUCKET;
            let bucket = (number as usize).wrapping_add(piece.zero);
            // The sign of a digit is at the same place as that of a reference.
            let reference = (base + ((digit & !SIGN) >> UNIT) * piece.stride as u32) | (digit & SIGN);
            let waiting = &mut self.waiting[bucket];
            let paired = *waiting < NONE;
            (a[end], b[end], buckets[end]) = (*waiting, reference, bucket as u32);
            *waiting = select_unpredictable(paired | (number == 0), NONE, reference);
            end += usize::from(paired);
        }
        *len = end;
    }

    /// Adds all pairs and puts the sums into their buckets.
    ///
    /// Where a sum will be is known before it is: it is written there at once. A bucket's own place is read by the pair that took what was
    /// there, in the next round; a sum that comes to wait before that waits elsewhere. It does not wait for long: in the next round
    /// it meets that pair's own sum, and in the one after it is read, before anything is written there again.
    fn add(&mut self, engine: E, scratch: &mut E::Scratch, bases: &[E::Point]) {
        std::mem::swap(&mut self.pairs, &mut self.added);
        let (now, next) = (&self.added, &mut self.pairs);
        self.round += 1;
        let (round, own, count) = (NONE | self.round, self.waiting.len(), now.len);
        let mut other = own + (1 + self.round as usize % 2) * next.a.len();
        let (a, b, buckets) = (&mut next.a[..], &mut next.b[..], &mut next.buckets[..]);
        let all = self.waiting.as_mut_slice();
        let mut end = 0;
        for (&bucket, to) in now.buckets[..count].iter().zip(&mut self.places) {
            let waiting = &mut all[bucket as usize];
            let (before, second) = (*waiting, (own + end) as u32);
            let (paired, taken) = (before < NONE, before == round);
            let place = select_unpredictable(paired, second, bucket);
            let place = select_unpredictable(taken, other as u32, place);
            *waiting = select_unpredictable(paired, round, RESULT | place);
            *to = place;
            (a[end], b[end], buckets[end]) = (before, RESULT | second, bucket);
            end += usize::from(paired);
            other += usize::from(taken);
        }
        next.len = end;
        let (a, b, to) = (&now.a[..count], &now.b[..count], &self.places[..count]);
        engine.add_among(scratch, bases, &mut self.points, a, b, to);
    }

    /// The sum of each bucket.
    pub(super) fn finish(&mut self, engine: E, scratch: &mut E::Scratch, bases: &[E::Point], out: &mut [E::Point]) {
        while self.pairs.len > 0 {
            self.add(engine, scratch, bases);
        }
        let points = Points::<E> {
            bases,
            results: &self.points,
        };
        for (out, &waiting) in out.iter_mut().zip(&self.waiting) {
            *out = if waiting >= NONE {
                E::INFINITY
            } else {
                points.get(waiting)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    use super::super::engine::Portable;
    use super::super::scalar::Plain;
    use super::*;
    use crate::sample::Bases;
    use crate::{G1Affine, G1Projective};

    fn check<E: Engine>(engine: E, points: &[G1Affine], digits: &[u32], pairs: usize) {
        const BUCKETS: usize = 9;
        let bases: Vec<E::Point> = points.iter().map(|point| engine.import(point)).collect();
        let (mut queue, mut scratch) = (Queue::new(), engine.scratch());
        // A second use finds nothing of the first.
        for digits in [&digits[..digits.len() / 2], digits] {
            queue.start(BUCKETS, pairs);
            let piece = Piece {
                digits,
                zero: 0,
                bases: Of::From(0),
                stride: points.len(),
            };
            queue.fill(engine, &mut scratch, &bases, piece);
            let mut sums = vec![E::INFINITY; BUCKETS];
            queue.finish(engine, &mut scratch, &bases, &mut sums);
            let mut expected = [G1Projective::default(); BUCKETS];
            for (digit, point) in digits.iter().zip(points).filter(|(digit, _)| *digit & BUCKET != 0) {
                expected[(digit & BUCKET) as usize] += if digit & SIGN == 0 { *point } else { -*point };
            }
            let sums: Vec<G1Projective> = sums.iter().map(|sum| engine.export(sum).into()).collect();
            assert!(sums == expected, "{digits:?}, {pairs} pairs at a time");
        }
    }

    /// All for the first bucket, given in pieces of any length.
    fn check_first<E: Engine>(engine: E, points: &[G1Affine], references: &[u32], pieces: usize, pairs: usize) {
        let bases: Vec<E::Point> = points.iter().map(|point| engine.import(point)).collect();
        let (mut queue, mut scratch) = (Queue::new(), engine.scratch());
        // What is left of other buckets is in nobody's way.
        queue.start(9, pairs);
        let piece = Piece {
            digits: &[3; 40],
            zero: 0,
            bases: Of::From(0),
            stride: points.len(),
        };
        queue.fill(engine, &mut scratch, &bases, piece);
        queue.start(1, pairs);
        for references in references.chunks(pieces) {
            queue.fill_first(engine, &mut scratch, &bases, references);
        }
        let mut sum = [E::INFINITY];
        queue.finish(engine, &mut scratch, &bases, &mut sum);
        let expected: G1Projective = references
            .iter()
            .map(|reference| (points[(reference & !SIGN) as usize], reference & SIGN != 0))
            .map(|(point, negative)| if negative { -point } else { point })
            .sum();
        assert!(
            G1Projective::from(engine.export(&sum[0])) == expected,
            "{pieces} at a time, {pairs} pairs"
        );
    }

    #[test]
    fn one_bucket_takes_bases_in_pieces() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(9);
        let points = Bases::random(50, &mut rng).points;
        for len in [0, 1, 2, 3, 30, 301] {
            let references: Vec<u32> = (0..len)
                .map(|_| (rng.next_u32() % 50) | (rng.next_u32() & SIGN))
                .collect();
            for pieces in [1, 2, 3, 7, 64, 1000] {
                for pairs in [1, 2, 8, 64] {
                    check_first(Portable(Plain), &points, &references, pieces, pairs);
                    #[cfg(target_arch = "x86_64")]
                    if let Some(simd) = super::super::ifma::Simd::detect() {
                        check_first(simd, &points, &references, pieces, pairs);
                    }
                }
            }
        }
    }

    /// Runs of bases for the same bucket make several sums for it in one round, which have to wait beside each other and meet in the
    /// next ones.
    #[test]
    fn runs_of_any_length_for_few_buckets() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(8);
        let points = Bases::random(600, &mut rng).points;
        for pairs in [1, 2, 8, 16, 64] {
            for longest in [1, 4, 12, 40] {
                let mut digits = Vec::new();
                while digits.len() < points.len() {
                    let bucket = rng.next_u32() % 9;
                    for _ in 0..=rng.next_u32() % longest {
                        digits.push(bucket | (rng.next_u32() & SIGN));
                    }
                }
                digits.truncate(points.len());
                check(Portable(Plain), &points, &digits, pairs);
                #[cfg(target_arch = "x86_64")]
                if let Some(simd) = super::super::ifma::Simd::detect() {
                    check(simd, &points, &digits, pairs);
                }
            }
        }
    }
}
