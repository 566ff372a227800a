`include "assert.svh"
/// Gives a column to the host, an element per word, canonical, in the order asked for.
///
/// start_i: the column's last step has just been issued; reads begin when it has been written. free_o: no column is being
/// read. o_*: valid/ready, marked as last at the end of a batch. Reads are only made for words that the queue has room for.
module ntt_output
  import types_pkg::*;
#(
  parameter int unsigned LogLanes = 2,
  parameter int unsigned MaxLog   = 15,
  localparam int unsigned RowBits = MaxLog - LogLanes - 1
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                start_i,
  input  logic [4:0]          log_i,
  input  logic                reversed_i,
  input  logic                last_i,
  output logic                free_o,
  output logic                idle_o,
  output logic                unload_o,
  output logic [RowBits-1:0]  unload_row_o,
  output logic                unload_half_o,
  output logic [LogLanes-1:0] unload_lane_o,
  input  logic [255:0]        unload_data_i,
  output logic                o_valid_o,
  input  logic                o_ready_i,
  output word_t               o_o
);
  import tapeout_pkg::*;
  localparam int unsigned Depth     = 16;
  localparam int unsigned ReadTotal = 5;  // cycles from a read to the queue
  localparam int unsigned TopBits   = $clog2(MaxLog);
  logic busy_q, reversed_q, last_q, last_read;
  logic [4:0] log_q, credit_q;
  logic [6:0] wait_q;
  logic [MaxLog-1:0] count_q, reversed, index;
  for (genvar i = 0; i < MaxLog; i++) begin : gen_reversed
    assign reversed[i] = count_q[MaxLog-1-i];
  end
  assign index         = reversed_q ? reversed >> (5'(MaxLog) - log_q) : count_q;
  assign unload_o      = busy_q && wait_q == '0 && credit_q != '0;
  assign unload_row_o  = index[MaxLog-1:LogLanes+1];
  assign unload_half_o = index[LogLanes] ^ index[TopBits'(log_q - 5'd1)];
  assign unload_lane_o = index[LogLanes-1:0];
  assign last_read     = count_q == MaxLog'((32'd1 << log_q) - 32'd1);
  assign free_o        = !busy_q;

  logic pop, canonical_valid, canonical_last, queue_valid;
  assign pop = o_valid_o && o_ready_i;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      busy_q   <= 1'b0;
      wait_q   <= '0;
      count_q  <= '0;
      credit_q <= 5'(Depth);
    end else begin
      credit_q <= credit_q - 5'(unload_o) + 5'(pop);
      if (start_i) begin
        busy_q  <= 1'b1;
        wait_q  <= 7'(NttPipeline - 1);
        count_q <= '0;
      end else begin
        if (wait_q != '0) wait_q <= wait_q - 7'd1;
        if (unload_o) begin
          count_q <= count_q + 1'b1;
          if (last_read) busy_q <= 1'b0;
        end
      end
    end
  end
  always_ff @(posedge clk_i) begin
    if (start_i) begin
      log_q      <= log_i;
      reversed_q <= reversed_i;
      last_q     <= last_i;
    end
  end

  // below 1.17 r: at most one subtraction
  logic [255:0] value_q, less_q, canonical_q;
  logic [ReadTotal-1:0] valid_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) valid_q <= '0;
    else valid_q <= {valid_q[ReadTotal-2:0], unload_o};
  end
  assign canonical_valid = valid_q[ReadTotal-1];
  delay_line #(.Width(1), .Cycles(ReadTotal)) u_last (.clk_i, .data_i(last_q && last_read), .data_o(canonical_last));
  always_ff @(posedge clk_i) begin
    value_q     <= unload_data_i;
    less_q      <= unload_data_i - 256'(FrP);
    canonical_q <= less_q[255] ? value_q : less_q;
  end
  logic queue_ready;
  fifo #(.Width(257), .Depth(Depth)) u_queue (
    .clk_i, .rst_ni,
    .valid_i(canonical_valid),
    .ready_o(queue_ready),
    .data_i ({canonical_last, canonical_q}),
    .valid_o(queue_valid),
    .ready_i(o_ready_i),
    .data_o (o_o),
    .count_o()
  );
  assign o_valid_o = queue_valid;
  assign idle_o    = !busy_q && credit_q == 5'(Depth);
  `TAPEOUT_ASSERT(the_queue_has_room, !canonical_valid || queue_ready)
  `TAPEOUT_ASSERT(a_column_is_not_overtaken, !start_i || free_o)
endmodule
