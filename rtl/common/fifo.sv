`include "assert.svh"
/// First-in first-out buffer with valid/ready on both sides; the head shows as soon as it is written and its cycle is
/// over.
///
/// Latency 1, throughput one word per cycle. Depth is a power of two; the memory is read asynchronously (distributed
/// RAM).
module fifo #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 16,
  localparam int unsigned CountBits = $clog2(Depth) + 1
) (
  input  logic                 clk_i,
  input  logic                 rst_ni,
  input  logic                 valid_i,
  output logic                 ready_o,
  input  logic [Width-1:0]     data_i,
  output logic                 valid_o,
  input  logic                 ready_i,
  output logic [Width-1:0]     data_o,
  output logic [CountBits-1:0] count_o
);
  localparam int unsigned PtrBits = $clog2(Depth);
  logic [Width-1:0] mem_q [Depth];
  logic [PtrBits-1:0] head_q, tail_q;
  logic [CountBits-1:0] count_q;
  logic push, pop;
  assign ready_o = count_q != CountBits'(Depth);
  assign valid_o = count_q != '0;
  assign data_o  = mem_q[head_q];
  assign count_o = count_q;
  assign push    = valid_i && ready_o;
  assign pop     = valid_o && ready_i;
  always_ff @(posedge clk_i) if (push) mem_q[tail_q] <= data_i;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      head_q  <= '0;
      tail_q  <= '0;
      count_q <= '0;
    end else begin
      if (push) tail_q <= tail_q + 1'b1;
      if (pop) head_q <= head_q + 1'b1;
      count_q <= count_q + CountBits'(push) - CountBits'(pop);
    end
  end
  `TAPEOUT_ASSERT(depth_is_a_power_of_two, (Depth & (Depth - 1)) == 0)
endmodule
