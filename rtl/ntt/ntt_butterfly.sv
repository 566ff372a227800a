`include "assert.svh"
/// Radix-2 butterfly over BN254 Fr: forward u = a + t b, v = a - t b; inverse u = (a + b) / 2, v = t (a - b) / 2.
///
/// Latency NttButterflyLatency, throughput one per cycle, no handshake. t is in Montgomery form (R = 2^255). Operands and
/// results are below 1.17 r (hw::ntt::bounds). inverse_i must hold still while anything is under way. One multiplier.
module ntt_butterfly (
  input  logic         clk_i,
  input  logic         inverse_i,
  input  logic [255:0] a_i,
  input  logic [255:0] b_i,
  input  logic [255:0] t_i,
  output logic [255:0] u_o,
  output logic [255:0] v_o
);
  import tapeout_pkg::*;
  localparam logic [255:0] P      = 256'(FrP);
  localparam logic [255:0] TwiceP = P << 1;

  // inverse: sum and difference, then half of them; forward: as they come
  logic [255:0] even1_q, odd1_q, even2_q, odd2_q, t1_q, t2_q;
  logic inverse1_q;
  always_ff @(posedge clk_i) begin
    even1_q <= inverse_i ? a_i + b_i : a_i;
    odd1_q  <= inverse_i ? a_i + TwiceP - b_i : b_i;
    t1_q    <= t_i;
    // of the same operands, also when the direction changes between words that nobody waits for
    inverse1_q <= inverse_i;
    even2_q <= inverse1_q ? (even1_q + (even1_q[0] ? P : '0)) >> 1 : even1_q;
    odd2_q  <= inverse1_q ? (odd1_q + (odd1_q[0] ? P : '0)) >> 1 : odd1_q;
    t2_q    <= t1_q;
  end
  logic [255:0] product, even;
  mont_mul #(.Fr(1'b1)) u_product (.clk_i, .a_i(odd2_q[254:0]), .b_i(t2_q[254:0]), .y_o(product));
  delay_line #(.Width(256), .Cycles(MulLatency)) u_even (.clk_i, .data_i(even2_q), .data_o(even));

  logic [259:0] u_q, v_q;
  always_ff @(posedge clk_i) begin
    u_q <= 260'(even) + (inverse_i ? '0 : 260'(product));
    v_q <= inverse_i ? 260'(product) : 260'(even) + 260'(TwiceP) - 260'(product);
  end
  reduce_small #(.Fr(1'b1)) u_u (.clk_i, .v_i(u_q), .y_o(u_o));
  reduce_small #(.Fr(1'b1)) u_v (.clk_i, .v_i(v_q), .y_o(v_o));

  // what hw::ntt::bounds proves, of operands in range: those that nobody waits for may be anything
  localparam logic [255:0] Bound = P + (256'd1 << QuotientShift);
  logic in_range1_q = 1'b0, in_range2_q = 1'b0;
  always_ff @(posedge clk_i) begin
    in_range1_q <= a_i < Bound && b_i < Bound && t_i < Bound;
    in_range2_q <= in_range1_q;
  end
  `TAPEOUT_ASSERT(operands_fit_the_multiplier, !in_range2_q || (!odd2_q[255] && !t2_q[255]), 1'b1)
endmodule
