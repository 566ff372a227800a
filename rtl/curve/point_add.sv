`include "assert.svh"
/// Complete addition on BN254 G1 in homogeneous projective coordinates (x : y : z), infinity being (0 : y : 0).
///
/// Latency tapeout_pkg::AddLatency, throughput one addition per cycle; valid and tag travel along, nothing can be
/// held back. Renes, Costello, Batina 2015, algorithm 7 (a = 0, b3 = 9): no exceptional pair. Coordinates in and out
/// are below p + 2^251 (1.17 p); tapeout_pkg holds the bound of every signal between, and hw/src/curve.rs proves
/// them.
module point_add
  import types_pkg::*;
#(
  parameter int unsigned TagBits = 16
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               valid_i,
  input  logic [TagBits-1:0] tag_i,
  input  point_t             first_i,
  input  point_t             second_i,
  output logic               valid_o,
  output logic [TagBits-1:0] tag_o,
  output point_t             sum_o
);
  import tapeout_pkg::*;
  localparam logic [259:0] Cross = 260'(FqP) * OffsetCross;
  localparam logic [259:0] Nine  = 260'(FqP) * OffsetNine;
  localparam logic [259:0] DiffX = 260'(FqP) * OffsetX;

  // ---------------------------------------------------------------- six products of the coordinates and their sums
  logic [255:0] m [6];
  for (genvar i = 0; i < 6; i++) begin : gen_first
    logic [255:0] a_q, b_q;
    always_ff @(posedge clk_i) begin
      unique case (i)
        0: {a_q, b_q} <= {first_i.x, second_i.x};
        1: {a_q, b_q} <= {first_i.y, second_i.y};
        2: {a_q, b_q} <= {first_i.z, second_i.z};
        3: {a_q, b_q} <= {first_i.x + first_i.y, second_i.x + second_i.y};
        4: {a_q, b_q} <= {first_i.y + first_i.z, second_i.y + second_i.z};
        default: {a_q, b_q} <= {first_i.x + first_i.z, second_i.x + second_i.z};
      endcase
    end
    mont_mul u_mul (.clk_i, .a_i(a_q[254:0]), .b_i(b_q[254:0]), .y_o(m[i]));
  end

  // ---------------------------------------------------------------- cross terms; offsets keep differences positive
  logic [259:0] t01_q, t12_q, t02_q, t2x9_q, t0x3_q, t1_q, s01_q, s12_q, s02_q;
  always_ff @(posedge clk_i) begin
    t01_q  <= 260'(m[0]) + 260'(m[1]);
    t12_q  <= 260'(m[1]) + 260'(m[2]);
    t02_q  <= 260'(m[0]) + 260'(m[2]);
    t2x9_q <= (260'(m[2]) << 3) + 260'(m[2]);
    t0x3_q <= (260'(m[0]) << 1) + 260'(m[0]);
    t1_q   <= 260'(m[1]);
    s01_q  <= 260'(m[3]) + Cross;
    s12_q  <= 260'(m[4]) + Cross;
    s02_q  <= 260'(m[5]) + Cross;
  end
  logic [259:0] d01_q, d12_q, d02_q, sum_q, dif_q, triple_q;
  always_ff @(posedge clk_i) begin
    d01_q    <= s01_q - t01_q;
    d12_q    <= s12_q - t12_q;
    d02_q    <= s02_q - t02_q;
    sum_q    <= t1_q + t2x9_q;
    dif_q    <= t1_q + Nine - t2x9_q;
    triple_q <= t0x3_q;
  end
  // t3, t4, y3, z3, t1, t0 of the paper, in this order
  logic [259:0] wide0_q, wide1_q, wide2_q, wide3_q, wide4_q, wide5_q, wide [6];
  logic [255:0] r [6];
  always_ff @(posedge clk_i) begin
    wide0_q <= d01_q;
    wide1_q <= d12_q;
    wide2_q <= (d02_q << 3) + d02_q;
    wide3_q <= sum_q;
    wide4_q <= dif_q;
    wide5_q <= triple_q;
  end
  assign wide[0] = wide0_q;
  assign wide[1] = wide1_q;
  assign wide[2] = wide2_q;
  assign wide[3] = wide3_q;
  assign wide[4] = wide4_q;
  assign wide[5] = wide5_q;
  for (genvar i = 0; i < 6; i++) begin : gen_reduce
    reduce_small u_reduce (.clk_i, .v_i(wide[i]), .y_o(r[i]));
  end

  // ---------------------------------------------------------------- six products again, and the coordinates
  logic [255:0] n [6];
  mont_mul u_n0 (.clk_i, .a_i(r[0][254:0]), .b_i(r[4][254:0]), .y_o(n[0]));
  mont_mul u_n1 (.clk_i, .a_i(r[1][254:0]), .b_i(r[2][254:0]), .y_o(n[1]));
  mont_mul u_n2 (.clk_i, .a_i(r[2][254:0]), .b_i(r[5][254:0]), .y_o(n[2]));
  mont_mul u_n3 (.clk_i, .a_i(r[4][254:0]), .b_i(r[3][254:0]), .y_o(n[3]));
  mont_mul u_n4 (.clk_i, .a_i(r[5][254:0]), .b_i(r[0][254:0]), .y_o(n[4]));
  mont_mul u_n5 (.clk_i, .a_i(r[3][254:0]), .b_i(r[1][254:0]), .y_o(n[5]));
  logic [259:0] x_q, y_q, z_q;
  always_ff @(posedge clk_i) begin
    x_q <= 260'(n[0]) + DiffX - 260'(n[1]);
    y_q <= 260'(n[3]) + 260'(n[2]);
    z_q <= 260'(n[5]) + 260'(n[4]);
  end
  reduce_small u_x (.clk_i, .v_i(x_q), .y_o(sum_o.x));
  reduce_small u_y (.clk_i, .v_i(y_q), .y_o(sum_o.y));
  reduce_small u_z (.clk_i, .v_i(z_q), .y_o(sum_o.z));

  // ---------------------------------------------------------------- what travels along
  delay_line #(.Width(TagBits), .Cycles(AddLatency)) u_tag (.clk_i, .data_i(tag_i), .data_o(tag_o));
  logic [AddLatency-1:0] valid_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[AddLatency-2:0], valid_i};
  end
  assign valid_o = valid_q[AddLatency-1];

  // ---------------------------------------------------------------- the ranges that hw proves
  localparam int unsigned Wide = MulLatency + 3;
  localparam int unsigned Last = 2 * MulLatency + 6;
  function automatic logic in_range(point_t point);
    return 260'(point.x) < BoundCoordinate && 260'(point.y) < BoundCoordinate && 260'(point.z) < BoundCoordinate;
  endfunction
  `TAPEOUT_ASSERT(coordinates_in_range, !valid_i || (in_range(first_i) && in_range(second_i)))
  `TAPEOUT_ASSERT(wide_in_range, !valid_q[Wide] || (wide0_q < BoundCross && wide1_q < BoundCross
      && wide2_q < BoundY3 && wide3_q < BoundZ3 && wide4_q < BoundT1 && wide5_q < BoundT0))
  `TAPEOUT_ASSERT(sums_in_range, !valid_q[Last] || (x_q < BoundXSum && y_q < BoundYSum && z_q < BoundYSum))
endmodule
