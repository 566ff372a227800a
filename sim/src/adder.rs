//! The sum of `rtl/curve/point_add.sv` on the host's 64-bit limbs, for the simulation of fidelity `fast`: the same sequence of
//! integer operations as `hw/src/curve.rs`, to the bit. `sim/tests/curve.rs` compares it with that model.

/// Below `2^256`.
type Short = [u64; 4];
/// Below `64 p`.
type Wide = [u64; 5];

const P: Short = [
    0x3c20_8c16_d87c_fd47,
    0x9781_6a91_6871_ca8d,
    0xb850_45b6_8181_585d,
    0x3064_4e72_e131_a029,
];
/// `-1/p mod 2^64`.
const NEG_INV: u64 = 0x87d2_0782_e486_6389;

// multiples of p that keep differences positive: `Offset*` of rtl/gen/tapeout_pkg.sv
const CROSS: Wide = times(&wide(&P), 4);
const NINE: Wide = times(&wide(&P), 14);
const X: Wide = times(&wide(&P), 2);

/// `floor(top * 2^251 / p)`, at most 63, by the bits from 251 on.
const QUOTIENTS: [u8; 512] = {
    let mut table = [0; 512];
    let (mut top, mut q) = (0, 0);
    while top < 512 {
        let v = [0, 0, 0, top << 59, top >> 5];
        // a difference below zero shows in the top bit
        while q < 63 && minus(&v, &times(&wide(&P), q + 1))[4] >> 63 == 0 {
            q += 1;
        }
        table[top as usize] = q as u8;
        top += 1;
    }
    table
};

const fn wide(a: &Short) -> Wide {
    [a[0], a[1], a[2], a[3], 0]
}

#[inline(always)]
const fn times(v: &Wide, n: u64) -> Wide {
    let (mut y, mut carry, mut i) = ([0; 5], 0, 0);
    while i < 5 {
        let s = v[i] as u128 * n as u128 + carry as u128;
        (y[i], carry) = (s as u64, (s >> 64) as u64);
        i += 1;
    }
    y
}

#[inline(always)]
const fn plus(a: &Wide, b: &Wide) -> Wide {
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
const fn minus(a: &Wide, b: &Wide) -> Wide {
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
fn reduce(v: &Wide) -> Short {
    let top = (v[3] >> 59 | v[4] << 5) & 511;
    let y = minus(v, &times(&wide(&P), QUOTIENTS[top as usize].into()));
    [y[0], y[1], y[2], y[3]]
}

/// `rtl/field/mont_mul.sv`. `(a*b + m*p) / 2^255` with `m` below `2^255` is `(2a*b + 2m*p) / 2^256`: four rounds of 64 bits over
/// `2a`, nothing subtracted at the end.
#[inline(always)]
fn product(a: &Short, b: &Short) -> Wide {
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
        let m = low.wrapping_mul(NEG_INV);
        let (_, mut carry_p) = mac(low, m, P[0], 0);
        for j in 1..4 {
            let (sum, next) = mac(t[j], digit, b[j], carry);
            carry = next;
            (t[j - 1], carry_p) = mac(sum, m, P[j], carry_p);
        }
        t[3] = carry.wrapping_add(carry_p);
    }
    wide(&t)
}

/// `(a1 + b1)(a2 + b2) - ta - tb`, kept positive.
#[inline(always)]
fn cross([a1, b1]: [&Short; 2], [a2, b2]: [&Short; 2], ta: &Wide, tb: &Wide) -> Wide {
    let sum = |a, b| {
        let s = plus(&wide(a), &wide(b));
        [s[0], s[1], s[2], s[3]]
    };
    minus(&plus(&product(&sum(a1, b1), &sum(a2, b2)), &CROSS), &plus(ta, tb))
}

/// `x, y, z` of the sum of two points.
fn add([x1, y1, z1, x2, y2, z2]: &[Short; 6]) -> [Short; 3] {
    let (t0, t1, t2) = (product(x1, x2), product(y1, y2), product(z1, z2));
    let t2x9 = times(&t2, 9);
    let t3 = reduce(&cross([x1, y1], [x2, y2], &t0, &t1));
    let t4 = reduce(&cross([y1, z1], [y2, z2], &t1, &t2));
    let y3 = reduce(&times(&cross([x1, z1], [x2, z2], &t0, &t2), 9));
    let z3 = reduce(&plus(&t1, &t2x9));
    let u1 = reduce(&minus(&plus(&t1, &NINE), &t2x9));
    let u0 = reduce(&times(&t0, 3));
    [
        reduce(&minus(&plus(&product(&t3, &u1), &X), &product(&t4, &y3))),
        reduce(&plus(&product(&u1, &z3), &product(&y3, &u0))),
        reduce(&plus(&product(&z3, &t4), &product(&u0, &t3))),
    ]
}

/// What `sim/fast/point_add.sv` calls: the coordinates of two points, 256 bits each, to those of their sum.
#[unsafe(no_mangle)]
extern "C" fn tapeout_point_add(pair: *const [u32; 48], sum: *mut [u32; 24]) {
    // SAFETY: the generated code passes a vector of 1536 bits and room for one of 768, as declared in point_add.sv.
    let (pair, sum) = unsafe { (&*pair, &mut *sum) };
    let limb = |i: usize| u64::from(pair[2 * i]) | u64::from(pair[2 * i + 1]) << 32;
    let out = add(&std::array::from_fn(|c| std::array::from_fn(|i| limb(4 * c + i))));
    for (words, limb) in sum.chunks_exact_mut(2).zip(out.as_flattened()) {
        words[0] = *limb as u32;
        words[1] = (*limb >> 32) as u32;
    }
}
