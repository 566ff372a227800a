`include "assert.svh"
/// The NTT engine: batches of columns in, transformed columns out (see README.md beside this file).
///
/// s_*: headers, table words and elements, valid/ready. o_*: elements, valid/ready, marked as last at the end of a batch. rst_ni
/// and clear_i (a cycle or longer) reset everything. fault_o stays until clear_i. events_o feeds the performance counters.
module ntt_engine
  import types_pkg::*;
#(
  parameter int unsigned LogLanes = tapeout_pkg::NttLogLanes,
  parameter int unsigned MaxLog   = tapeout_pkg::NttMaxLog
) (
  input  logic         clk_i,
  input  logic         rst_ni,
  input  logic         clear_i,
  input  logic [31:0]  watchdog_i,
  output logic         ready_o,
  output logic         busy_o,
  output logic [7:0]   fault_o,
  output logic [7:0]   events_o,
  input  logic         s_valid_i,
  output logic         s_ready_o,
  input  word_t        s_i,
  output logic         o_valid_o,
  input  logic         o_ready_i,
  output word_t        o_o
);
  import tapeout_pkg::*;
  localparam int unsigned Lanes     = 1 << LogLanes;
  localparam int unsigned RowBits   = MaxLog - LogLanes - 1;
  localparam int unsigned TableBits = MaxLog - LogLanes;
  localparam int unsigned TopBits   = $clog2(MaxLog);
  localparam int unsigned Roots     = $size(NttGrowth) / 2;
  localparam int unsigned Firsts    = $size(NttFirst) / 2;
  // of elements, exclusive: those of butterflies' results
  localparam logic [255:0] Bound    = 256'(FrP) + (256'd1 << QuotientShift);

  // what hw::ntt::Config::check refuses
  if (LogLanes < 1 || LogLanes > $clog2(Firsts)) $error("ntt_engine: too few or too many butterflies");
  if (MaxLog < LogLanes + 2 || MaxLog > Roots + 1) $error("ntt_engine: too short, or without constants");

  logic run_nq, run_n;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) run_nq <= 1'b0;
    else run_nq <= !clear_i;
  end
  assign run_n = run_nq;

  // ---------------------------------------------------------------- words in, steps
  logic pending, tau_inverse, tau_done, load, full, first, reversed, last, take, input_idle;
  logic [4:0] tau_log, load_log, log_n;
  logic [MaxLog-1:0] load_index;
  logic [255:0] load_data, tau;
  logic [7:0] input_fault;
  logic inverse, tau_step, grow_step, table_low, column_step, twiddle_low, stage_end, finish, unload_free;
  logic sequencer_idle, gap, blocked;
  logic [4:0] tau_index, grow_index;
  logic [TableBits-1:0] table_row, twiddle_row;
  logic [RowBits-1:0] step, half;
  ntt_input #(.LogLanes(LogLanes), .MaxLog(MaxLog)) u_input (
    .clk_i, .rst_ni(run_n),
    .enable_i     (fault_o == '0),
    .s_valid_i, .s_ready_o, .s_i,
    .pending_o    (pending),
    .tau_log_o    (tau_log),
    .tau_inverse_o(tau_inverse),
    .tau_read_i   (tau_step),
    .tau_index_i  (tau_index),
    .tau_o        (tau),
    .tau_done_i   (tau_done),
    .load_o       (load),
    .load_log_o   (load_log),
    .load_index_o (load_index),
    .load_data_o  (load_data),
    .full_o       (full),
    .first_o      (first),
    .reversed_o   (reversed),
    .last_o       (last),
    .take_i       (take),
    .idle_o       (input_idle),
    .fault_o      (input_fault)
  );
  ntt_sequencer #(.LogLanes(LogLanes), .MaxLog(MaxLog)) u_sequencer (
    .clk_i, .rst_ni(run_n),
    .pending_i    (pending),
    .tau_log_i    (tau_log),
    .tau_inverse_i(tau_inverse),
    .tau_done_o   (tau_done),
    .full_i       (full),
    .first_i      (first),
    .take_o       (take),
    .log_o        (log_n),
    .inverse_o    (inverse),
    .tau_o        (tau_step),
    .grow_o       (grow_step),
    .tau_index_o  (tau_index),
    .grow_index_o (grow_index),
    .table_low_o  (table_low),
    .table_row_o  (table_row),
    .step_o       (column_step),
    .step_index_o (step),
    .half_o       (half),
    .twiddle_low_o(twiddle_low),
    .twiddle_row_o(twiddle_row),
    .stage_end_o  (stage_end),
    .finish_o     (finish),
    .unload_free_i(unload_free),
    .idle_o       (sequencer_idle),
    .gap_o        (gap),
    .blocked_o    (blocked)
  );

  // the buffers' roles: loaded, read and written by steps, unloaded; and what is known of the column that is computed
  logic [1:0] load_buffer_q, source_q, target_q, unload_buffer_q;
  logic reversed_q, last_q;
  always_ff @(posedge clk_i or negedge run_n) begin
    if (!run_n) begin
      load_buffer_q   <= 2'd0;
      source_q        <= 2'd1;
      target_q        <= 2'd2;
      unload_buffer_q <= 2'd3;
    end else begin
      if (stage_end) begin
        source_q <= target_q;
        target_q <= source_q;
      end
      if (finish) begin
        target_q        <= unload_buffer_q;
        unload_buffer_q <= target_q;
      end
      if (take) begin
        source_q      <= load_buffer_q;
        load_buffer_q <= source_q;
      end
    end
  end
  always_ff @(posedge clk_i) begin
    if (take) begin
      reversed_q <= reversed;
      last_q     <= last;
    end
  end

  // ---------------------------------------------------------------- memory
  // a step has half a row from each half of the column (split), or a row (joined); halves are swapped in the column's upper half
  logic [RowBits-1:0] split_row [2], read_row [2];
  logic odd, upper;
  assign odd   = step[0];
  assign upper = (step & half) != '0;
  for (genvar h = 0; h < 2; h++) begin : gen_row
    assign split_row[h] = step >> 1 | (odd == 1'(h) ? '0 : half);
    assign read_row[h]  = inverse ? step : split_row[h];
  end
  // the same step two cycles on, when its operands come, and when its results come and are written
  localparam int unsigned Results = NttPipeline - 1;
  logic reading_odd, reading_upper, done_odd, done_upper;
  logic [1:0] target;
  logic [RowBits-1:0] write_row [2];
  logic [Results-1:0] step_q;
  delay_line #(.Width(2), .Cycles(2)) u_reading (.clk_i, .data_i({odd, upper}), .data_o({reading_odd, reading_upper}));
  delay_line #(.Width(2), .Cycles(Results - 1)) u_done (.clk_i, .data_i({odd, upper}), .data_o({done_odd, done_upper}));
  delay_line #(.Width(2), .Cycles(Results)) u_target (.clk_i, .data_i(target_q), .data_o(target));
  for (genvar h = 0; h < 2; h++) begin : gen_write_row
    delay_line #(.Width(RowBits), .Cycles(Results)) u_row (
      .clk_i, .data_i(inverse ? split_row[h] : step), .data_o(write_row[h])
    );
  end
  always_ff @(posedge clk_i or negedge run_n) begin
    if (!run_n) step_q <= '0;
    else step_q <= {step_q[Results-2:0], column_step};
  end
  logic [255:0] read_data [2][Lanes], write_data_q [2][Lanes], unload_data;
  logic unload, unload_half;
  logic [RowBits-1:0] unload_row;
  logic [LogLanes-1:0] unload_lane;
  ntt_memory #(.LogLanes(LogLanes), .MaxLog(MaxLog)) u_memory (
    .clk_i,
    .read_i         (column_step),
    .read_buffer_i  (source_q),
    .read_row_i     (read_row),
    .read_data_o    (read_data),
    .write_i        (step_q[Results-1]),
    .write_buffer_i (target),
    .write_row_i    (write_row),
    .write_data_i   (write_data_q),
    .load_i         (load),
    .load_buffer_i  (load_buffer_q),
    .load_row_i     (load_index[MaxLog-1:LogLanes+1]),
    .load_half_i    (load_index[LogLanes] ^ load_index[TopBits'(load_log - 5'd1)]),
    .load_lane_i    (load_index[LogLanes-1:0]),
    .load_data_i    (load_data),
    .unload_i       (unload),
    .unload_buffer_i(unload_buffer_q),
    .unload_row_i   (unload_row),
    .unload_half_i  (unload_half),
    .unload_lane_i  (unload_lane),
    .unload_data_o  (unload_data)
  );

  // ---------------------------------------------------------------- twiddles
  logic reading_tau, reading_low, write_low;
  logic [4:0] reading_tau_index, reading_grow_index;
  logic [TableBits-1:0] write_table_row;
  delay_line #(.Width(12), .Cycles(2)) u_entry (
    .clk_i,
    .data_i({tau_step, table_low, tau_index, grow_index}),
    .data_o({reading_tau, reading_low, reading_tau_index, reading_grow_index})
  );
  delay_line #(.Width(TableBits + 1), .Cycles(Results)) u_entry_out (
    .clk_i, .data_i({table_low, table_row}), .data_o({write_low, write_table_row})
  );
  logic [Results-1:0] entry_q;
  always_ff @(posedge clk_i or negedge run_n) begin
    if (!run_n) entry_q <= '0;
    else entry_q <= {entry_q[Results-2:0], tau_step || grow_step};
  end
  logic [255:0] twiddle [Lanes], table_data_q [Lanes];
  // what a row grows from: the same row without its highest bit below that of the stage
  logic [TableBits-1:0] grow_row;
  assign grow_row = table_row - TableBits'(32'd1 << (grow_index - 5'(LogLanes)));
  ntt_twiddles #(.LogLanes(LogLanes), .MaxLog(MaxLog)) u_twiddles (
    .clk_i,
    .read_i      (column_step || grow_step),
    .read_low_i  (column_step && twiddle_low),
    .read_row_i  (column_step ? twiddle_row : grow_row),
    .read_data_o (twiddle),
    .write_i     (entry_q[Results-1]),
    .write_low_i (write_low),
    .write_row_i (write_table_row),
    .write_data_i(table_data_q)
  );

  // ---------------------------------------------------------------- butterflies
  logic table_step, making_q, mode;
  assign table_step = entry_q[1];
  // a table is made by forward butterflies, with nothing else in the pipeline
  always_ff @(posedge clk_i or negedge run_n) begin
    if (!run_n) making_q <= 1'b0;
    else if (tau_step) making_q <= 1'b1;
    else if (take) making_q <= 1'b0;
  end
  assign mode = inverse && !making_q;
  logic [255:0] growth, u [Lanes], v [Lanes];
  assign growth = 256'(NttGrowth[(inverse ? Roots : 0) + 32'(reading_grow_index)]);
  for (genvar q = 0; q < Lanes; q++) begin : gen_lane
    // elements of a step by lane, as read
    logic [255:0] split_a, split_b, joined_a, joined_b, constant, a_q, b_q, t_q;
    localparam int unsigned JoinedHalf = 2 * q / Lanes;
    localparam int unsigned JoinedLane = 2 * q % Lanes;
    assign split_a  = read_data[reading_odd][q];
    assign split_b  = read_data[!reading_odd][q];
    assign joined_a = read_data[1'(JoinedHalf) ^ reading_upper][JoinedLane];
    assign joined_b = read_data[1'(JoinedHalf) ^ reading_upper][JoinedLane+1];
    // stages of fewer than P blocks repeat their first entries
    logic [LogLanes-1:0] block;
    assign block    = LogLanes'(q) & (reading_low ? LogLanes'((32'd1 << reading_tau_index) - 32'd1) : '1);
    assign constant = reading_tau
        ? 256'(NttFirst[(inverse ? Firsts : 0) + 32'(block)]) : growth;
    always_ff @(posedge clk_i) begin
      a_q <= table_step ? '0 : inverse ? joined_a : split_a;
      b_q <= table_step ? constant : inverse ? joined_b : split_b;
      t_q <= table_step && reading_tau ? tau : twiddle[q];
    end
    // after a fault, what is computed may come from words that are no field elements
    `TAPEOUT_ASSERT(operands_in_range, !(step_q[2] || entry_q[2]) || fault_o != '0
        || (a_q < Bound && b_q < Bound && t_q < Bound), run_n)
    ntt_butterfly u_butterfly (.clk_i, .inverse_i(mode), .a_i(a_q), .b_i(b_q), .t_i(t_q), .u_o(u[q]), .v_o(v[q]));
    always_ff @(posedge clk_i) table_data_q[q] <= u[q];
  end
  for (genvar h = 0; h < 2; h++) begin : gen_result
    for (genvar l = 0; l < Lanes; l++) begin : gen_lane
      // place l of half h of a row belongs to this butterfly, of the row's first or second half
      localparam int unsigned FromFirst  = l / 2;
      localparam int unsigned FromSecond = (Lanes + l) / 2;
      logic [255:0] joined_first, joined_second;
      assign joined_first  = l % 2 == 0 ? u[FromFirst] : v[FromFirst];
      assign joined_second = l % 2 == 0 ? u[FromSecond] : v[FromSecond];
      always_ff @(posedge clk_i) begin
        if (inverse) write_data_q[h][l] <= done_odd == 1'(h) ? u[l] : v[l];
        else write_data_q[h][l] <= done_upper == 1'(h) ? joined_first : joined_second;
      end
    end
  end

  // ---------------------------------------------------------------- words out
  logic output_idle;
  ntt_output #(.LogLanes(LogLanes), .MaxLog(MaxLog)) u_output (
    .clk_i, .rst_ni(run_n),
    .start_i      (finish),
    .log_i        (log_n),
    .reversed_i   (reversed_q),
    .last_i       (last_q),
    .free_o       (unload_free),
    .idle_o       (output_idle),
    .unload_o     (unload),
    .unload_row_o (unload_row),
    .unload_half_o(unload_half),
    .unload_lane_o(unload_lane),
    .unload_data_i(unload_data),
    .o_valid_o, .o_ready_i, .o_o
  );

  // ---------------------------------------------------------------- status, faults, watchdog, events
  logic s_fire, o_fire, progress;
  logic [31:0] quiet_q;
  assign s_fire   = s_valid_i && s_ready_o;
  assign o_fire   = o_valid_o && o_ready_i;
  assign ready_o  = run_n && fault_o == '0;
  assign busy_o   = !input_idle || !sequencer_idle || !output_idle;
  assign progress = s_fire || o_fire || column_step || !sequencer_idle && !blocked || !busy_o;
  always_ff @(posedge clk_i or negedge run_n) begin
    if (!run_n) begin
      quiet_q <= '0;
      fault_o <= '0;
    end else begin
      quiet_q <= progress ? '0 : quiet_q + 32'd1;
      if (fault_o == '0) begin
        if (input_fault != '0) fault_o <= input_fault;
        else if (quiet_q >= watchdog_i) fault_o <= FaultWatchdog;
      end
    end
  end
  always_comb begin
    events_o    = '0;
    events_o[0] = busy_o || s_fire;
    events_o[1] = column_step;
    events_o[2] = tau_step || grow_step;
    events_o[3] = busy_o && sequencer_idle;
    events_o[4] = gap;
    events_o[5] = blocked;
    events_o[6] = s_fire;
    events_o[7] = o_fire;
  end
endmodule
