// The Montgomery product of rtl/field/mont_mul.sv on the host's 64-bit limbs, for the simulation of fidelity `fast`:
// (a*b + m*p) / 2^255, to the bit.
#include <cstdint>
#include <cstring>

namespace {
using u64 = std::uint64_t;
using u128 = unsigned __int128;

struct Field {
    u64 p[4];
    u64 inv;  // -1/p mod 2^64
};

constexpr Field kFq = {{0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029}, 0x87d20782e4866389};
constexpr Field kFr = {{0x43e1f593f0000001, 0x2833e84879b97091, 0xb85045b68181585d, 0x30644e72e131a029}, 0xc2e1f593efffffff};

template <const Field& F>
inline void product(const u64* a, const u64* b, u64* y) {
    u64 t[9] = {};
    for (int i = 0; i < 4; i++) {
        u64 carry = 0;
        for (int j = 0; j < 4; j++) {
            u128 s = static_cast<u128>(a[i]) * b[j] + t[i + j] + carry;
            t[i + j] = static_cast<u64>(s);
            carry = static_cast<u64>(s >> 64);
        }
        t[i + 4] = carry;
    }
    // m is 255 bits: the last digit is one bit short
    for (int i = 0; i < 4; i++) {
        u64 m = t[i] * F.inv;
        if (i == 3) m &= ~(u64{1} << 63);
        u64 carry = 0;
        for (int j = 0; j < 4; j++) {
            u128 s = static_cast<u128>(m) * F.p[j] + t[i + j] + carry;
            t[i + j] = static_cast<u64>(s);
            carry = static_cast<u64>(s >> 64);
        }
        for (int k = i + 4; k < 9; k++) {
            u128 s = static_cast<u128>(t[k]) + carry;
            t[k] = static_cast<u64>(s);
            carry = static_cast<u64>(s >> 64);
        }
    }
    for (int k = 0; k < 4; k++) y[k] = t[k + 3] >> 63 | t[k + 4] << 1;
}
}  // namespace

extern "C" void tapeout_mont_mul(unsigned char fr, const std::uint32_t* a, const std::uint32_t* b, std::uint32_t* y) {
    u64 la[4], lb[4], ly[4];
    std::memcpy(la, a, sizeof la);
    std::memcpy(lb, b, sizeof lb);
    if (fr) {
        product<kFr>(la, lb, ly);
    } else {
        product<kFq>(la, lb, ly);
    }
    std::memcpy(y, ly, sizeof ly);
}
