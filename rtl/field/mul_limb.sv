/// Product of two signed 52-bit limbs as a redundant pair: x * y = lo + 2^51 * hi.
///
/// Latency 3, throughput one product per cycle, no handshake. Six DSP tiles of 26 x 17 bits (27 x 18 signed).
/// Tiles[i] = 0 leaves tile i out, for products of which only one end is needed; the tiles are, from bit 0, x0*y0,
/// x0*y1, x0*y2, x1*y0, x1*y1, x1*y2 with x0 of 26 and y0, y1 of 17 bits. lo stays in 0..2^53, |hi| below 2^54.
module mul_limb #(
  parameter logic [5:0] Tiles = 6'b111111
) (
  input  logic               clk_i,
  input  logic signed [51:0] x_i,
  input  logic signed [51:0] y_i,
  output logic signed [63:0] lo_o,
  output logic signed [63:0] hi_o
);
  logic signed [26:0] x0, x1;
  logic signed [17:0] y0, y1, y2;
  assign x0 = {1'b0, x_i[25:0]};
  assign x1 = 27'($signed(x_i[51:26]));
  assign y0 = {1'b0, y_i[16:0]};
  assign y1 = {1'b0, y_i[33:17]};
  assign y2 = y_i[51:34];

  // one DSP each, its product register included
  logic signed [44:0] t00_q, t01_q, t02_q, t10_q, t11_q, t12_q;
  always_ff @(posedge clk_i) begin
    t00_q <= Tiles[0] ? x0 * y0 : 45'sd0;
    t01_q <= Tiles[1] ? x0 * y1 : 45'sd0;
    t02_q <= Tiles[2] ? x0 * y2 : 45'sd0;
    t10_q <= Tiles[3] ? x1 * y0 : 45'sd0;
    t11_q <= Tiles[4] ? x1 * y1 : 45'sd0;
    t12_q <= Tiles[5] ? x1 * y2 : 45'sd0;
  end

  // weights: s 0, u 34, v 26, w 60
  logic signed [63:0] s_q, v_q, u_q, w_q;
  always_ff @(posedge clk_i) begin
    s_q <= 64'(t00_q) + (64'(t01_q) <<< 17);
    v_q <= 64'(t10_q) + (64'(t11_q) <<< 17);
    u_q <= 64'(t02_q);
    w_q <= 64'(t12_q);
  end

  always_ff @(posedge clk_i) begin
    lo_o <= {13'b0, s_q[50:0]} + {13'b0, u_q[16:0], 34'b0} + {13'b0, v_q[24:0], 26'b0};
    hi_o <= (s_q >>> 51) + (u_q >>> 17) + (v_q >>> 25) + (w_q <<< 9);
  end
endmodule
