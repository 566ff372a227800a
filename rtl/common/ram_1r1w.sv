/// Memory with one port that reads and one that writes.
///
/// Reads take two cycles: the memory's register and an output register. A read in the cycle of a write
/// to the same address gives the old word. No reset, no handshake. Ultra asks synthesis for UltraRAM.
module ram_1r1w #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 16,
  parameter bit          Ultra = 1'b0,
  localparam int unsigned AddressBits = $clog2(Depth)
) (
  input  logic                   clk_i,
  input  logic                   read_i,
  input  logic [AddressBits-1:0] read_address_i,
  output logic [Width-1:0]       read_data_o,
  input  logic                   write_i,
  input  logic [AddressBits-1:0] write_address_i,
  input  logic [Width-1:0]       write_data_i
);
  (* ram_style = Ultra ? "ultra" : "auto" *) logic [Width-1:0] mem_q [Depth];
  logic [Width-1:0] word_q;
  always_ff @(posedge clk_i) begin
    if (write_i) mem_q[write_address_i] <= write_data_i;
    if (read_i) word_q <= mem_q[read_address_i];
    read_data_o <= word_q;
  end
endmodule
