/// Stands in for rtl/field/mont_mul.sv in simulations of fidelity `fast`: same ports, same latency, same bits, computed by the
/// host's processor.
import "DPI-C" pure function void tapeout_mont_mul(
  input bit fr, input bit [255:0] a, input bit [255:0] b, output bit [255:0] y);

module mont_mul #(
  parameter bit Fr = 1'b0
) (
  input  logic         clk_i,
  input  logic [254:0] a_i,
  input  logic [254:0] b_i,
  output logic [255:0] y_o
);
  bit [255:0] product, product_q;
  always_ff @(posedge clk_i) begin
    tapeout_mont_mul(Fr, {1'b0, a_i}, {1'b0, b_i}, product);
    product_q <= product;
  end
  delay_line #(.Width(256), .Cycles(tapeout_pkg::MulLatency - 1)) u_delay (
    .clk_i, .data_i(product_q), .data_o(y_o));
endmodule
