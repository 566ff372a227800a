//! Bits that fall within the engines' arithmetic, in simulations of fidelity `fast`: to test what notices them.

use std::cell::Cell;

/// Where a bit falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// In a sum of the point adder.
    Adder,
    /// In a result of a butterfly.
    Butterfly,
}

thread_local! {
    static ARMED: Cell<Option<(Unit, u32, u32)>> = const { Cell::new(None) };
}

/// Lets one bit of one fall to zero in what a unit of this thread's cards computes, after it has computed `after`
/// results; which bit, `seed` decides. `None` forgets what was armed. Gives what was armed before and has not fallen.
pub fn arm(upset: Option<(Unit, u32, u32)>) -> Option<(Unit, u32, u32)> {
    ARMED.replace(upset)
}

/// A unit's result on its way into the pipeline. A bit only falls, so that coordinates and elements stay in the ranges that the
/// hardware's assertions hold them to.
#[inline]
pub(crate) fn pass(unit: Unit, words: &mut [u64]) {
    let Some((armed, after, seed)) = ARMED.get() else {
        return;
    };
    if armed != unit {
        return;
    }
    if after > 0 {
        ARMED.set(Some((armed, after - 1, seed)));
        return;
    }
    let bits = 64 * words.len();
    let set = |bit: &usize| words[bit / 64] >> (bit % 64) & 1 == 1;
    // a result of zeros has none: the next one does
    if let Some(bit) = (0..bits).map(|i| (seed as usize + i) % bits).find(set) {
        words[bit / 64] ^= 1 << (bit % 64);
        ARMED.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_falls_once() {
        assert_eq!(arm(Some((Unit::Adder, 1, 70))), None);
        let mut words = [u64::MAX, 0b1010];
        pass(Unit::Butterfly, &mut words);
        pass(Unit::Adder, &mut words);
        assert_eq!(words, [u64::MAX, 0b1010]);
        pass(Unit::Adder, &mut [0, 0]);
        // from bit 70 on there is none: the first of all
        pass(Unit::Adder, &mut words);
        assert_eq!(words, [u64::MAX - 1, 0b1010]);
        pass(Unit::Adder, &mut words);
        assert_eq!((words, arm(None)), ([u64::MAX - 1, 0b1010], None));
    }
}
