/// Stands in for rtl/curve/point_add.sv in simulations of fidelity `fast`: same ports, same latency, same bits,
/// computed by the host's processor (sim/src/adder.rs).
import "DPI-C" pure function void tapeout_point_add(input bit [1535:0] pair, output bit [767:0] sum);

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
  import tapeout_pkg::AddLatency;
  bit [767:0] sum, sum_q;
  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      tapeout_point_add({second_i, first_i}, sum);
      sum_q <= sum;
    end
  end
  delay_line #(.Width(768), .Cycles(AddLatency - 1)) u_sum (.clk_i, .data_i(sum_q), .data_o(sum_o));
  delay_line #(.Width(TagBits), .Cycles(AddLatency)) u_tag (.clk_i, .data_i(tag_i), .data_o(tag_o));
  logic [AddLatency-1:0] valid_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[AddLatency-2:0], valid_i};
  end
  assign valid_o = valid_q[AddLatency-1];
endmodule
