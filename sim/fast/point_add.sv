/// Stands in for rtl/curve/point_add.sv in simulations of fidelity `fast`: same ports, same latency, same bits, computed by the
/// host's processor (sim/src/adder.rs).
import "DPI-C" pure function void tapeout_point_add(input bit [1535:0] pair, output bit [767:0] sum);

module point_add #(
  parameter int unsigned TagBits = 16
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               valid_i,
  input  logic [TagBits-1:0] tag_i,
  input  logic [255:0]       x1_i,
  input  logic [255:0]       y1_i,
  input  logic [255:0]       z1_i,
  input  logic [255:0]       x2_i,
  input  logic [255:0]       y2_i,
  input  logic [255:0]       z2_i,
  output logic               valid_o,
  output logic [TagBits-1:0] tag_o,
  output logic [255:0]       x_o,
  output logic [255:0]       y_o,
  output logic [255:0]       z_o
);
  import tapeout_pkg::AddLatency;
  bit [767:0] sum, sum_q;
  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      tapeout_point_add({z2_i, y2_i, x2_i, z1_i, y1_i, x1_i}, sum);
      sum_q <= sum;
    end
  end
  delay_line #(.Width(768), .Cycles(AddLatency - 1)) u_sum (.clk_i, .data_i(sum_q), .data_o({z_o, y_o, x_o}));
  delay_line #(.Width(TagBits), .Cycles(AddLatency)) u_tag (.clk_i, .data_i(tag_i), .data_o(tag_o));
  logic [AddLatency-1:0] valid_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[AddLatency-2:0], valid_i};
  end
  assign valid_o = valid_q[AddLatency-1];
endmodule
