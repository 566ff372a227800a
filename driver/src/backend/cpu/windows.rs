//! How scalars are cut into digits, and which buckets the digits go to.

use super::digits::MAX_BITS;
use super::eisenstein;

/// The place of the unit in a digit.
pub(super) const UNIT: u32 = 29;

/// The sign bit of a digit.
pub(super) const SIGN: u32 = 1 << 31;

/// The bits of a digit that number its bucket.
pub(super) const BUCKET: u32 = (1 << UNIT) - 1;

/// The widest digits that are worth their buckets for any number of scalars that memory holds.
const WIDEST: u32 = 18;

/// As [`WIDEST`]: a sixth of `2^22` buckets.
const WIDEST_EISENSTEIN: u32 = 11;

/// What digits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Integers and a sign ([`super::digits`]).
    Signed,
    /// Eisenstein integers and one of six units ([`super::eisenstein`]).
    Eisenstein,
}

/// How scalars are cut into digits: `count` windows of `width` bits, the last of which takes what is left.
///
/// A digit is a word: the number of its bucket, from bit [`UNIT`] on the exponent of the power of `w` that its bucket's number
/// is to be multiplied by (always zero where digits are [`Kind::Signed`]), and [`SIGN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Windows {
    pub(super) kind: Kind,
    pub(super) width: u32,
    pub(super) count: usize,
    /// The magnitudes are at most `2^bits`. Eisenstein integers are of one size, whatever the scalar.
    bits: u32,
    /// Whether all windows share their buckets.
    pub(super) shared: bool,
}

/// The buckets of a window in rows: bucket `i` stands for column `i mod columns` and row `i / columns`.
///
/// Signed digits are their bucket's number. Eisenstein ones are `column - row w^2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) columns: usize,
    /// How many buckets there are, the first among them, which stands for zero.
    pub(super) size: usize,
}

impl Windows {
    /// Windows of signed digits, for magnitudes of at most `2^bits`.
    pub(super) fn signed(width: u32, bits: u32, shared: bool) -> Windows {
        Windows {
            kind: Kind::Signed,
            width,
            count: bits.div_ceil(width).max(1) as usize,
            bits,
            shared,
        }
    }

    /// Windows of Eisenstein digits, for scalars of any size. The last window has what is left above the others, or else, if
    /// there is a `rest`, only what is left above as many windows as there is room for.
    pub(super) fn eisenstein(width: u32, rest: bool) -> Windows {
        let (whole, left) = (eisenstein::BITS / width, eisenstein::BITS % width);
        Windows {
            kind: Kind::Eisenstein,
            width,
            count: (whole + u32::from(rest && left > 0)).max(1) as usize,
            bits: MAX_BITS,
            shared: false,
        }
    }

    /// The first bit of a window.
    pub(super) fn start(self, window: usize) -> u32 {
        self.width * window as u32
    }

    /// The size of a window's digits: the largest magnitude of a signed one, and for one of Eisenstein's the largest distance, in
    /// halves, of what it may be from zero in the direction of a unit ([`eisenstein`]).
    pub(super) fn largest(self, window: usize) -> usize {
        let last = window + 1 == self.count;
        match self.kind {
            Kind::Signed if last => 1 << (self.bits - self.start(window)),
            Kind::Signed => 1 << (self.width - 1),
            Kind::Eisenstein if last => eisenstein::left_above(self.start(window)),
            Kind::Eisenstein => 1 << self.width,
        }
    }

    /// The buckets of a window.
    pub(super) fn grid(self, window: usize) -> Grid {
        let largest = if self.shared {
            (0..self.count).map(|window| self.largest(window)).max().unwrap_or(0)
        } else {
            self.largest(window)
        };
        match self.kind {
            Kind::Signed => Grid {
                columns: 1 << ((usize::BITS - largest.leading_zeros()) / 2),
                size: largest + 1,
            },
            // 2 column + row and column + 2 row are at most the largest.
            Kind::Eisenstein => Grid {
                columns: largest / 2 + 1,
                size: (largest / 2 + 1) * (largest / 2) + 1,
            },
        }
    }

    /// How many buckets of a window are in use.
    fn buckets(self, window: usize) -> usize {
        let largest = self.largest(window);
        match self.kind {
            Kind::Signed => largest,
            // A sixth of a hexagon of this width.
            Kind::Eisenstein => (largest * largest).div_ceil(6),
        }
    }

    /// About how many additions `n` scalars take.
    pub(super) fn cost(self, n: usize) -> usize {
        let buckets = (0..self.count).map(|window| self.buckets(window));
        let buckets = if self.shared {
            buckets.max().unwrap_or(0)
        } else {
            buckets.sum()
        };
        let last = match self.kind {
            Kind::Signed => n,
            Kind::Eisenstein => eisenstein::any_left_above(self.start(self.count - 1), n),
        };
        (self.count - 1) * n + last + 3 * buckets
    }

    /// The cheapest windows of signed digits, for `n` scalars of magnitude at most `2^bits`.
    pub(super) fn choose_signed(n: usize, bits: u32, shared: bool) -> Windows {
        (1..=WIDEST.min(bits.max(1)))
            .map(|width| Windows::signed(width, bits, shared))
            .min_by_key(|windows| windows.cost(n))
            .unwrap_or(Windows::signed(1, bits, shared))
    }

    /// The cheapest windows of Eisenstein digits, for `n` scalars.
    pub(super) fn choose_eisenstein(n: usize) -> Windows {
        (1..=WIDEST_EISENSTEIN)
            .flat_map(|width| [false, true].map(|rest| Windows::eisenstein(width, rest)))
            .min_by_key(|windows| windows.cost(n))
            .unwrap_or(Windows::eisenstein(1, false))
    }
}
