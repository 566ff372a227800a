/// Montgomery product y = (a*b + m*p) / R over 255-bit operands, R = 2^255, m = (a*b mod R) * (-1/p) mod R.
///
/// Latency tapeout_pkg::MulLatency, throughput one product per cycle, no handshake. Operands below R; the product is
/// below a*b/R + p, which is not reduced any further. Fr = 0 selects BN254 Fq, 1 selects Fr.
///
/// Five limbs of 51 bits. The full product takes 15 limb products by Karatsuba's identity over all pairs, x_i y_j +
/// x_j y_i = x_i y_i + x_j y_j - (x_i - x_j)(y_i - y_j), whose signed differences still fit the DSP tiles. The low
/// half for m and the high half of m*p take the part of them that they need. Of m*p, everything that adds up to less
/// than R is left out: the exact sum is a multiple of R, so it is the next multiple of R at or above what remains. 90
/// + 63 + 68 = 221 DSP tiles.
module mont_mul #(
  parameter bit Fr = 1'b0
) (
  input  logic         clk_i,
  input  logic [254:0] a_i,
  input  logic [254:0] b_i,
  output logic [255:0] y_o
);
  import tapeout_pkg::*;
  localparam logic [254:0] P      = Fr ? FrP : FqP;
  localparam logic [254:0] NegInv = Fr ? FrNegInv : FqNegInv;
  localparam logic [5:0]   Low    = 6'b011111;  // all but x1*y2, of weight 60
  localparam logic [5:0]   High   = 6'b100000;  // only x1*y2
  localparam logic [5:0]   NoX0Y0 = 6'b111110;

  // ---------------------------------------------------------------- t = a * b, columns of weight 2^51
  // the products of equal limbs (z) and of differences of limbs (d), all from registers
  logic signed [63:0] tz_lo [5], tz_hi [5];
  logic signed [63:0] td_lo [5][5], td_hi [5][5];
  for (genvar i = 0; i < 5; i++) begin : gen_t
    logic signed [51:0] a_q, b_q;
    always_ff @(posedge clk_i) begin
      a_q <= {1'b0, a_i[51*i+:51]};
      b_q <= {1'b0, b_i[51*i+:51]};
    end
    mul_limb u_z (.clk_i, .x_i(a_q), .y_i(b_q), .lo_o(tz_lo[i]), .hi_o(tz_hi[i]));
    for (genvar j = 0; j < 5; j++) begin : gen_d
      if (i < j) begin : gen_pair
        logic signed [51:0] da_q, db_q;
        always_ff @(posedge clk_i) begin
          da_q <= {1'b0, a_i[51*i+:51]} - {1'b0, a_i[51*j+:51]};
          db_q <= {1'b0, b_i[51*i+:51]} - {1'b0, b_i[51*j+:51]};
        end
        mul_limb u_d (.clk_i, .x_i(da_q), .y_i(db_q), .lo_o(td_lo[i][j]), .hi_o(td_hi[i][j]));
      end else begin : gen_none
        assign td_lo[i][j] = '0;
        assign td_hi[i][j] = '0;
      end
    end
  end
  // for each weight the sum of the z and the sum of the d, then their difference, then the columns
  logic signed [63:0] t_lo [9], t_hi [9], t_col [10];
  for (genvar k = 0; k < 9; k++) begin : gen_t_weight
    logic signed [63:0] sum_lo, sum_hi, dif_lo, dif_hi;
    logic signed [63:0] sum_lo_q, sum_hi_q, dif_lo_q, dif_hi_q, lo_q, hi_q;
    always_comb begin
      sum_lo = '0;
      sum_hi = '0;
      dif_lo = '0;
      dif_hi = '0;
      for (int i = (k > 4 ? k - 4 : 0); i <= (k < 4 ? k : 4); i++) begin
        sum_lo += tz_lo[i];
        sum_hi += tz_hi[i];
        if (2 * i < k) begin
          dif_lo += td_lo[i][k-i];
          dif_hi += td_hi[i][k-i];
        end
      end
    end
    always_ff @(posedge clk_i) begin
      sum_lo_q <= sum_lo;
      sum_hi_q <= sum_hi;
      dif_lo_q <= dif_lo;
      dif_hi_q <= dif_hi;
      lo_q     <= sum_lo_q - dif_lo_q;
      hi_q     <= sum_hi_q - dif_hi_q;
    end
    assign t_lo[k] = lo_q;
    assign t_hi[k] = hi_q;
  end
  for (genvar k = 0; k < 10; k++) begin : gen_t_col
    logic signed [63:0] col_q;
    always_ff @(posedge clk_i) col_q <= (k < 9 ? t_lo[k % 9] : 64'sd0) + (k > 0 ? t_hi[(k+8)%9] : 64'sd0);
    assign t_col[k] = col_q;
  end
  // the low five columns become limbs, one carry per stage; what is above stays redundant
  logic [50:0] t_limb [5];
  logic signed [63:0] t_carry;
  carry_chain #(.Limbs(5)) u_t_carry (.clk_i, .col_i(t_col[0:4]), .limb_o(t_limb), .carry_o(t_carry));

  // ---------------------------------------------------------------- m = t * (-1/p) mod R
  logic signed [51:0] tl [5];
  for (genvar i = 0; i < 5; i++) begin : gen_tl
    logic signed [51:0] limb_q;
    always_ff @(posedge clk_i) limb_q <= {1'b0, t_limb[i]};
    assign tl[i] = limb_q;
  end
  logic signed [63:0] mz_lo [4], mz_hi [4];
  for (genvar i = 0; i < 4; i++) begin : gen_m
    mul_limb u_z (.clk_i, .x_i(tl[i]), .y_i({1'b0, NegInv[51*i+:51]}), .lo_o(mz_lo[i]), .hi_o(mz_hi[i]));
  end
  logic signed [63:0] m01_lo, m01_hi, m02_lo, m02_hi, m03_lo, m03_hi, m12_lo, m12_hi, m13_lo, m04_lo, m40_lo;
  `define TAPEOUT_PAIR(I, J) \
    logic signed [51:0] dx``I``J``_q; \
    always_ff @(posedge clk_i) dx``I``J``_q <= {1'b0, t_limb[I]} - {1'b0, t_limb[J]};
  `TAPEOUT_PAIR(0, 1)
  `TAPEOUT_PAIR(0, 2)
  `TAPEOUT_PAIR(0, 3)
  `TAPEOUT_PAIR(1, 2)
  `TAPEOUT_PAIR(1, 3)
  `undef TAPEOUT_PAIR
  function automatic logic signed [51:0] neg_inv_difference(int unsigned i, int unsigned j);
    return {1'b0, NegInv[51*i+:51]} - {1'b0, NegInv[51*j+:51]};
  endfunction
  mul_limb u_m01 (.clk_i, .x_i(dx01_q), .y_i(neg_inv_difference(0, 1)), .lo_o(m01_lo), .hi_o(m01_hi));
  mul_limb u_m02 (.clk_i, .x_i(dx02_q), .y_i(neg_inv_difference(0, 2)), .lo_o(m02_lo), .hi_o(m02_hi));
  mul_limb u_m03 (.clk_i, .x_i(dx03_q), .y_i(neg_inv_difference(0, 3)), .lo_o(m03_lo), .hi_o(m03_hi));
  mul_limb u_m12 (.clk_i, .x_i(dx12_q), .y_i(neg_inv_difference(1, 2)), .lo_o(m12_lo), .hi_o(m12_hi));
  mul_limb #(.Tiles(Low)) u_m13 (.clk_i, .x_i(dx13_q), .y_i(neg_inv_difference(1, 3)), .lo_o(m13_lo), .hi_o());
  mul_limb #(.Tiles(Low)) u_m04 (.clk_i, .x_i(tl[0]), .y_i({1'b0, NegInv[254:204]}), .lo_o(m04_lo), .hi_o());
  mul_limb #(.Tiles(Low)) u_m40 (.clk_i, .x_i(tl[4]), .y_i({1'b0, NegInv[50:0]}), .lo_o(m40_lo), .hi_o());
  logic signed [63:0] m_lo0_q, m_lo1_q, m_lo2_q, m_lo3_q, m_lo4_q, m_hi0_q, m_hi1_q, m_hi2_q, m_hi3_q;
  logic signed [63:0] m_sum4_q, m_col0_q, m_col1_q, m_col2_q, m_col3_q, m_col4_q;
  always_ff @(posedge clk_i) begin
    m_lo0_q <= mz_lo[0];
    m_hi0_q <= mz_hi[0];
    m_lo1_q <= mz_lo[0] + mz_lo[1] - m01_lo;
    m_hi1_q <= mz_hi[0] + mz_hi[1] - m01_hi;
    m_lo2_q <= mz_lo[0] + mz_lo[1] + mz_lo[2] - m02_lo;
    m_hi2_q <= mz_hi[0] + mz_hi[1] + mz_hi[2] - m02_hi;
    m_lo3_q <= (mz_lo[0] + mz_lo[1] + mz_lo[2] + mz_lo[3]) - (m03_lo + m12_lo);
    m_hi3_q <= (mz_hi[0] + mz_hi[1] + mz_hi[2] + mz_hi[3]) - (m03_hi + m12_hi);
    m_lo4_q <= mz_lo[1] + mz_lo[2] + mz_lo[3] - m13_lo;
    m_sum4_q  <= m04_lo + m40_lo;
  end
  always_ff @(posedge clk_i) begin
    m_col0_q <= m_lo0_q;
    m_col1_q <= m_lo1_q + m_hi0_q;
    m_col2_q <= m_lo2_q + m_hi1_q;
    m_col3_q <= m_lo3_q + m_hi2_q;
    m_col4_q <= m_lo4_q + m_hi3_q + m_sum4_q;
  end
  logic signed [63:0] m_col [5];
  assign m_col[0] = m_col0_q;
  assign m_col[1] = m_col1_q;
  assign m_col[2] = m_col2_q;
  assign m_col[3] = m_col3_q;
  assign m_col[4] = m_col4_q;
  logic [50:0] m_limb [5];
  carry_chain #(.Limbs(5)) u_m_carry (.clk_i, .col_i(m_col), .limb_o(m_limb), .carry_o());

  // ---------------------------------------------------------------- u = the high part of m * p
  logic signed [51:0] ml [5];
  for (genvar i = 0; i < 5; i++) begin : gen_ml
    logic signed [51:0] limb_q;
    always_ff @(posedge clk_i) limb_q <= {1'b0, m_limb[i]};
    assign ml[i] = limb_q;
  end
  logic signed [63:0] uz_lo [5], uz_hi [5];
  assign uz_lo[0] = '0;
  assign uz_hi[0] = '0;
  for (genvar i = 1; i < 5; i++) begin : gen_u
    mul_limb u_z (.clk_i, .x_i(ml[i]), .y_i({1'b0, P[51*i+:51]}), .lo_o(uz_lo[i]), .hi_o(uz_hi[i]));
  end
  logic signed [63:0] u13_lo, u13_hi, u14_lo, u14_hi, u23_lo, u23_hi, u24_lo, u24_hi, u34_lo, u34_hi;
  logic signed [63:0] u04_lo, u04_hi, u40_lo, u40_hi, u03_hi, u30_hi, u12_hi, u21_hi;
  `define TAPEOUT_PAIR(I, J) \
    logic signed [51:0] dm``I``J``_q; \
    always_ff @(posedge clk_i) dm``I``J``_q <= {1'b0, m_limb[I]} - {1'b0, m_limb[J]};
  `TAPEOUT_PAIR(1, 3)
  `TAPEOUT_PAIR(1, 4)
  `TAPEOUT_PAIR(2, 3)
  `TAPEOUT_PAIR(2, 4)
  `TAPEOUT_PAIR(3, 4)
  `undef TAPEOUT_PAIR
  function automatic logic signed [51:0] p_difference(int unsigned i, int unsigned j);
    return {1'b0, P[51*i+:51]} - {1'b0, P[51*j+:51]};
  endfunction
  mul_limb u_u13 (.clk_i, .x_i(dm13_q), .y_i(p_difference(1, 3)), .lo_o(u13_lo), .hi_o(u13_hi));
  mul_limb u_u14 (.clk_i, .x_i(dm14_q), .y_i(p_difference(1, 4)), .lo_o(u14_lo), .hi_o(u14_hi));
  mul_limb u_u23 (.clk_i, .x_i(dm23_q), .y_i(p_difference(2, 3)), .lo_o(u23_lo), .hi_o(u23_hi));
  mul_limb u_u24 (.clk_i, .x_i(dm24_q), .y_i(p_difference(2, 4)), .lo_o(u24_lo), .hi_o(u24_hi));
  mul_limb u_u34 (.clk_i, .x_i(dm34_q), .y_i(p_difference(3, 4)), .lo_o(u34_lo), .hi_o(u34_hi));
  // left out, all of it positive: below 2^247 each x0*y0 of these two, below 2^242 the other tiles of the four below
  // them
  mul_limb #(.Tiles(NoX0Y0)) u_u04 (.clk_i, .x_i(ml[0]), .y_i({1'b0, P[254:204]}), .lo_o(u04_lo), .hi_o(u04_hi));
  mul_limb #(.Tiles(NoX0Y0)) u_u40 (.clk_i, .x_i(ml[4]), .y_i({1'b0, P[50:0]}), .lo_o(u40_lo), .hi_o(u40_hi));
  mul_limb #(.Tiles(High)) u_u03 (.clk_i, .x_i(ml[0]), .y_i({1'b0, P[203:153]}), .lo_o(), .hi_o(u03_hi));
  mul_limb #(.Tiles(High)) u_u30 (.clk_i, .x_i(ml[3]), .y_i({1'b0, P[50:0]}), .lo_o(), .hi_o(u30_hi));
  mul_limb #(.Tiles(High)) u_u12 (.clk_i, .x_i(ml[1]), .y_i({1'b0, P[152:102]}), .lo_o(), .hi_o(u12_hi));
  mul_limb #(.Tiles(High)) u_u21 (.clk_i, .x_i(ml[2]), .y_i({1'b0, P[101:51]}), .lo_o(), .hi_o(u21_hi));

  // group sums by weight: index k holds the pairs with i + j = k + 4
  logic signed [63:0] u_lo0_q, u_lo1_q, u_lo2_q, u_lo3_q, u_lo4_q, u_hi0_q, u_hi1_q, u_hi2_q, u_hi3_q, u_hi4_q;
  logic signed [63:0] u_low_q, u_mid_lo_q, u_mid_hi_q;
  always_ff @(posedge clk_i) begin
    u_low_q    <= (u03_hi + u30_hi) + (u12_hi + u21_hi);
    u_mid_lo_q <= u04_lo + u40_lo;
    u_mid_hi_q <= u04_hi + u40_hi;
    u_lo0_q  <= uz_lo[1] + uz_lo[2] + uz_lo[3] - u13_lo;
    u_hi0_q  <= uz_hi[1] + uz_hi[2] + uz_hi[3] - u13_hi;
    u_lo1_q  <= (uz_lo[1] + uz_lo[2] + uz_lo[3] + uz_lo[4]) - (u14_lo + u23_lo);
    u_hi1_q  <= (uz_hi[1] + uz_hi[2] + uz_hi[3] + uz_hi[4]) - (u14_hi + u23_hi);
    u_lo2_q  <= uz_lo[2] + uz_lo[3] + uz_lo[4] - u24_lo;
    u_hi2_q  <= uz_hi[2] + uz_hi[3] + uz_hi[4] - u24_hi;
    u_lo3_q  <= uz_lo[3] + uz_lo[4] - u34_lo;
    u_hi3_q  <= uz_hi[3] + uz_hi[4] - u34_hi;
    u_lo4_q  <= uz_lo[4];
    u_hi4_q  <= uz_hi[4];
  end
  // u_col0_q has the weight of R / 2^51
  logic signed [63:0] u_col0_q, u_col1_q, u_col2_q, u_col3_q, u_col4_q, u_col5_q;
  always_ff @(posedge clk_i) begin
    u_col0_q <= u_lo0_q + u_mid_lo_q + u_low_q;
    u_col1_q <= u_lo1_q + u_hi0_q + u_mid_hi_q;
    u_col2_q <= u_lo2_q + u_hi1_q;
    u_col3_q <= u_lo3_q + u_hi2_q;
    u_col4_q <= u_lo4_q + u_hi3_q;
    u_col5_q <= u_hi4_q;
  end

  // ---------------------------------------------------------------- y = (t + u) / R
  // t waits for u: its columns from R on since the columns were summed, the limb below R and its carry since the
  // chain's end
  localparam int unsigned Meet = 22;
  logic [319:0] t_high_in, t_high;
  assign t_high_in = {t_col[9], t_col[8], t_col[7], t_col[6], t_col[5]};
  delay_line #(.Width(320), .Cycles(Meet)) u_t_high (.clk_i, .data_i(t_high_in), .data_o(t_high));
  logic [114:0] t_top;
  delay_line #(.Width(115), .Cycles(Meet - 5)) u_t_top (.clk_i, .data_i({t_carry, t_limb[4]}), .data_o(t_top));

  // rounds up to the next multiple of R
  logic signed [63:0] below, y_col0_q, y_col1_q, y_col2_q, y_col3_q, y_col4_q;
  assign below = u_col0_q + {13'b0, t_top[50:0]} + 64'sh7_ffff_ffff_ffff;
  always_ff @(posedge clk_i) begin
    y_col0_q <= u_col1_q + (below >>> 51) + $signed(t_top[114:51]) + $signed(t_high[63:0]);
    y_col1_q <= u_col2_q + $signed(t_high[64+:64]);
    y_col2_q <= u_col3_q + $signed(t_high[128+:64]);
    y_col3_q <= u_col4_q + $signed(t_high[192+:64]);
    y_col4_q <= u_col5_q + $signed(t_high[256+:64]);
  end
  logic signed [63:0] y_col [5];
  assign y_col[0] = y_col0_q;
  assign y_col[1] = y_col1_q;
  assign y_col[2] = y_col2_q;
  assign y_col[3] = y_col3_q;
  assign y_col[4] = y_col4_q;
  logic [50:0] y_limb [5];
  logic signed [63:0] y_carry;
  carry_chain #(.Limbs(5)) u_y_carry (.clk_i, .col_i(y_col), .limb_o(y_limb), .carry_o(y_carry));
  assign y_o = {y_carry[0], y_limb[4], y_limb[3], y_limb[2], y_limb[1], y_limb[0]};
endmodule
