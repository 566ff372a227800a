/// Delays a word by a fixed number of cycles.
///
/// Latency Cycles, throughput one word per cycle, no handshake, no reset. Long lines are ring buffers in memory
/// (distributed or block RAM), which also simulate far faster than shift registers; short ones are registers.
module delay_line #(
  parameter int unsigned Width  = 1,
  parameter int unsigned Cycles = 1
) (
  input  logic             clk_i,
  input  logic [Width-1:0] data_i,
  output logic [Width-1:0] data_o
);
  if (Cycles == 0) begin : gen_wire
    assign data_o = data_i;
  end else if (Cycles <= 3) begin : gen_registers
    for (genvar i = 0; i < Cycles; i++) begin : gen_stage
      logic [Width-1:0] stage_q;
      if (i == 0) begin : gen_first
        always_ff @(posedge clk_i) stage_q <= data_i;
      end else begin : gen_next
        always_ff @(posedge clk_i) stage_q <= gen_stage[i-1].stage_q;
      end
    end
    assign data_o = gen_stage[Cycles-1].stage_q;
  end else begin : gen_ring
    // a power of two of entries, so that the pointer wraps by itself; the read pointer trails by Cycles - 1 and the
    // output register makes up the last cycle
    localparam int unsigned PtrBits = $clog2(Cycles);
    logic [Width-1:0] ring_q [1 << PtrBits];
    logic [PtrBits-1:0] ptr_q = '0;
    always_ff @(posedge clk_i) begin
      ring_q[ptr_q] <= data_i;
      data_o        <= ring_q[ptr_q - PtrBits'(Cycles - 1)];
      ptr_q         <= ptr_q + 1'b1;
    end
  end
endmodule
