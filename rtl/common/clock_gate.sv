/// The clock of a block that stands still while it has nothing to do.
///
/// clk_o follows clk_i in every cycle with need_i and in the Hold cycles after it, in which the block's pipelines
/// empty. need_i may depend on inputs of the same cycle: no cycle is lost. A latch keeps the enable while the clock is
/// high, which FPGA tools turn into a clock buffer with an enable. In simulation, what stands still costs no time.
module clock_gate #(
  parameter int unsigned Hold = 255
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic need_i,
  output logic clk_o
);
  localparam int unsigned CountBits = $clog2(Hold + 1);
  logic [CountBits-1:0] left_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) left_q <= CountBits'(Hold);
    else if (need_i) left_q <= CountBits'(Hold);
    else if (left_q != '0) left_q <= left_q - 1'b1;
  end
  logic enable;
  always_latch if (!clk_i) enable = need_i || left_q != '0;
  assign clk_o = clk_i && enable;
endmodule
