/// Brings a value below 64 p back below p + 2^251 by subtracting a multiple of p that its top bits select.
///
/// Latency 2, throughput one per cycle, no handshake. Fr = 0 selects BN254 Fq, 1 selects Fr.
module reduce_small #(
  parameter bit Fr = 1'b0
) (
  input  logic         clk_i,
  input  logic [259:0] v_i,
  output logic [255:0] y_o
);
  import tapeout_pkg::*;
  logic [5:0]   quotient_q;
  logic [259:0] v_q;
  always_ff @(posedge clk_i) begin
    quotient_q <= Fr ? FrQuotient[v_i[259:251]] : FqQuotient[v_i[259:251]];
    v_q        <= v_i;
    y_o        <= 256'(v_q - (Fr ? FrMultiple[quotient_q] : FqMultiple[quotient_q]));
  end
endmodule
