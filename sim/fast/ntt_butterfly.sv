/// Stands in for rtl/ntt/ntt_butterfly.sv in simulations of fidelity `fast`: same ports, same latency, same bits, computed by the
/// host's processor (sim/src/butterfly.rs).
import "DPI-C" pure function void tapeout_ntt_butterfly(input bit inverse, input bit [767:0] operands, output bit [511:0] results);

module ntt_butterfly (
  input  logic         clk_i,
  input  logic         inverse_i,
  input  logic [255:0] a_i,
  input  logic [255:0] b_i,
  input  logic [255:0] t_i,
  output logic [255:0] u_o,
  output logic [255:0] v_o
);
  import tapeout_pkg::NttButterflyLatency;
  bit [511:0] results, results_q;
  always_ff @(posedge clk_i) begin
    tapeout_ntt_butterfly(inverse_i, {t_i, b_i, a_i}, results);
    results_q <= results;
  end
  delay_line #(.Width(512), .Cycles(NttButterflyLatency - 1)) u_results (.clk_i, .data_i(results_q), .data_o({v_o, u_o}));
endmodule
