//! The field's modules on the host's 64-bit limbs, to the bit: what the simulations of fidelity `fast` compute with.

/// Below `2^256`.
pub(crate) type Short = [u64; 4];
/// Below `64 p`.
pub(crate) type Wide = [u64; 5];

/// A prime field's constants.
pub(crate) struct Field {
    /// `p`.
    pub(crate) p: Short,
    /// `-1/p mod 2^64`.
    neg_inv: u64,
    /// `floor(top * 2^251 / p)`, at most 63, by the bits from 251 on.
    quotients: [u8; 512],
}

impl Field {
    const fn new(p: Short, neg_inv: u64) -> Self {
        let quotients = quotients(&p);
        Self { p, neg_inv, quotients }
    }
}

/// The field of the points' coordinates.
pub(crate) static FQ: Field = Field::new(FQ_P, 0x87d2_0782_e486_6389);
/// The field of the scalars.
pub(crate) static FR: Field = Field::new(FR_P, 0xc2e1_f593_efff_ffff);

pub(crate) const FQ_P: Short = [
    0x3c20_8c16_d87c_fd47,
    0x9781_6a91_6871_ca8d,
    0xb850_45b6_8181_585d,
    0x3064_4e72_e131_a029,
];
pub(crate) const FR_P: Short = [
    0x43e1_f593_f000_0001,
    0x2833_e848_79b9_7091,
    0xb850_45b6_8181_585d,
    0x3064_4e72_e131_a029,
];

const fn quotients(p: &Short) -> [u8; 512] {
    let mut table = [0; 512];
    let (mut top, mut q) = (0, 0);
    while top < 512 {
        let v = [0, 0, 0, top << 59, top >> 5];
        // a difference below zero shows in the top bit
        while q < 63 && minus(&v, &times(&wide(p), q + 1))[4] >> 63 == 0 {
            q += 1;
        }
        table[top as usize] = q as u8;
        top += 1;
    }
    table
}

pub(crate) const fn wide(a: &Short) -> Wide {
    [a[0], a[1], a[2], a[3], 0]
}

#[inline(always)]
pub(crate) const fn times(v: &Wide, n: u64) -> Wide {
    let (mut y, mut carry, mut i) = ([0; 5], 0, 0);
    while i < 5 {
        let s = v[i] as u128 * n as u128 + carry as u128;
        (y[i], carry) = (s as u64, (s >> 64) as u64);
        i += 1;
    }
    y
}

#[inline(always)]
pub(crate) const fn plus(a: &Wide, b: &Wide) -> Wide {
    let (mut y, mut carry, mut i) = ([0; 5], false, 0);
    while i < 5 {
        let (s, first) = a[i].overflowing_add(b[i]);
        let (s, second) = s.overflowing_add(carry as u64);
        (y[i], carry) = (s, first | second);
        i += 1;
    }
    y
}

#[inline(always)]
pub(crate) const fn minus(a: &Wide, b: &Wide) -> Wide {
    let (mut y, mut borrow, mut i) = ([0; 5], false, 0);
    while i < 5 {
        let (d, first) = a[i].overflowing_sub(b[i]);
        let (d, second) = d.overflowing_sub(borrow as u64);
        (y[i], borrow) = (d, first | second);
        i += 1;
    }
    y
}

/// `rtl/field/reduce_small.sv`.
#[inline(always)]
pub(crate) fn reduce(field: &Field, v: &Wide) -> Short {
    let top = (v[3] >> 59 | v[4] << 5) & 511;
    let y = minus(v, &times(&wide(&field.p), field.quotients[top as usize].into()));
    [y[0], y[1], y[2], y[3]]
}

/// `rtl/field/mont_mul.sv`. `(a*b + m*p) / 2^255` with `m` below `2^255` is `(2a*b + 2m*p) / 2^256`: four rounds of 64 bits over
/// `2a`, nothing subtracted at the end.
#[inline(always)]
pub(crate) fn product(field: &Field, a: &Short, b: &Short) -> Wide {
    let twice = [
        a[0] << 1,
        a[1] << 1 | a[0] >> 63,
        a[2] << 1 | a[1] >> 63,
        a[3] << 1 | a[2] >> 63,
    ];
    let mac = |t: u64, x: u64, y: u64, carry: u64| {
        let s = u128::from(x) * u128::from(y) + u128::from(t) + u128::from(carry);
        (s as u64, (s >> 64) as u64)
    };
    let mut t = [0; 4];
    for digit in twice {
        // t stays below b + p, so that its two carries add up within a limb
        let (low, mut carry) = mac(t[0], digit, b[0], 0);
        let m = low.wrapping_mul(field.neg_inv);
        let (_, mut carry_p) = mac(low, m, field.p[0], 0);
        for j in 1..4 {
            let (sum, next) = mac(t[j], digit, b[j], carry);
            carry = next;
            (t[j - 1], carry_p) = mac(sum, m, field.p[j], carry_p);
        }
        t[3] = carry.wrapping_add(carry_p);
    }
    wide(&t)
}
