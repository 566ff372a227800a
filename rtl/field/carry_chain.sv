/// Columns of weight 2^51 to limbs of 51 bits and the carry out of the last: one limb per stage.
///
/// Latency Limbs, throughput one per cycle, no handshake. Columns are signed and below 2^62 in magnitude.
module carry_chain #(
  parameter int unsigned Limbs = 5
) (
  input  logic               clk_i,
  input  logic signed [63:0] col_i   [Limbs],
  output logic        [50:0] limb_o  [Limbs],
  output logic signed [63:0] carry_o
);
  for (genvar i = 0; i < Limbs; i++) begin : gen_stage
    logic [63:0] col;
    logic signed [63:0] total, carry_q;
    logic [50:0] limb_q;
    delay_line #(.Width(64), .Cycles(i)) u_col (.clk_i, .data_i(col_i[i]), .data_o(col));
    if (i == 0) begin : gen_first
      assign total = $signed(col);
    end else begin : gen_next
      assign total = $signed(col) + gen_stage[i-1].carry_q;
    end
    always_ff @(posedge clk_i) begin
      limb_q  <= total[50:0];
      carry_q <= total >>> 51;
    end
    delay_line #(.Width(51), .Cycles(Limbs - 1 - i)) u_limb (.clk_i, .data_i(limb_q), .data_o(limb_o[i]));
  end
  assign carry_o = gen_stage[Limbs-1].carry_q;
endmodule
