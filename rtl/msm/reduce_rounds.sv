/// The rounds that turn planes into a sum: which planes are to be moved in each, and whether they are doubled or join
/// the plane below.
///
/// Planes 0 to low-1 have weight 2^plane, planes 8 to 8+high-1 weight 2^(low + plane - 8). A round of each side takes
/// one plane: doublings and joins take turns from the top; then the high side's plane 8 is doubled low times and
/// joins plane 0. The high side is never done before the low side.
///
/// first_i goes back to the first round. start_i begins a round, or with sums_i a visit to plane 0, with planes_i to
/// every plane in the order of their weights; the groups of 16 windows (plane_o, half_o) come by valid/ready. busy_o
/// until the last has been taken; done_o when no round is left.
module reduce_rounds (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       first_i,
  input  logic       start_i,
  input  logic       sums_i,
  input  logic       planes_i,
  input  logic [3:0] low_bits_i,
  input  logic [3:0] high_bits_i,
  input  logic       two_halves_i,
  output logic       busy_o,
  output logic       done_o,
  output logic       valid_o,
  input  logic       ready_i,
  output logic [3:0] plane_o,
  output logic       half_o,
  output logic       doubles_o
);
  logic [4:0] round_q, high_steps, low_steps, high_doubling;
  logic       side_q, low_works, fire, last_plane, last_group;
  logic [3:0] sum_plane_q;
  logic [3:0] high_plane, low_plane;
  // steps down from plane high-1 or low-1 to the lowest, a doubling and a join each
  assign high_steps    = 5'({high_bits_i - 4'd1, 1'b0});
  assign low_steps     = 5'({low_bits_i - 4'd1, 1'b0});
  assign high_doubling = round_q - high_steps;
  assign low_works     = round_q < low_steps;
  assign done_o        = round_q > high_steps + 5'(low_bits_i);
  assign high_plane    = round_q < high_steps ? 4'd7 + high_bits_i - round_q[4:1] : 4'd8;
  assign low_plane     = low_bits_i - 4'd1 - round_q[4:1];
  always_comb begin
    if (sums_i) begin
      plane_o   = sum_plane_q;
      doubles_o = 1'b0;
    end else if (side_q) begin
      plane_o   = high_plane;
      doubles_o = round_q < high_steps ? !round_q[0] : high_doubling != 5'(low_bits_i);
    end else begin
      plane_o   = low_plane;
      doubles_o = !round_q[0];
    end
  end
  assign valid_o = busy_o;
  assign fire    = valid_o && ready_i;
  // every round has a group of the high side, after those of the low side
  assign last_plane = !planes_i || sum_plane_q == 4'd7 + high_bits_i;
  assign last_group = half_o == two_halves_i && (sums_i ? last_plane : side_q);
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      busy_o  <= 1'b0;
      round_q <= '0;
    end else begin
      if (start_i) busy_o <= 1'b1;
      else if (fire && last_group) busy_o <= 1'b0;
      if (first_i) round_q <= '0;
      else if (fire && last_group) round_q <= round_q + 5'd1;
    end
  end
  always_ff @(posedge clk_i) begin
    if (start_i) begin
      half_o      <= 1'b0;
      side_q      <= !low_works;
      sum_plane_q <= '0;
    end else if (fire) begin
      half_o <= half_o != two_halves_i;
      if (half_o == two_halves_i) begin
        side_q      <= 1'b1;
        sum_plane_q <= sum_plane_q + 4'd1 == low_bits_i ? 4'd8 : sum_plane_q + 4'd1;
      end
    end
  end
endmodule
