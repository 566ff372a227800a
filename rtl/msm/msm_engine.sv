`include "assert.svh"
/// The MSM engine: passes of packed scalars in, one point per window out (see README.md beside this file).
///
/// s_*: headers and words of passes, 256 bits, valid/ready. m_*: AXI4 reads of bases. o_*: window sums, three words
/// (x, y, z) each, valid/ready, the last one of a pass marked. rst_ni resets everything; clear_i, for a cycle or
/// longer, everything but the record of memory reads under way. ready_o after the buckets have been cleared. fault_o
/// stays until clear_i. events_o feeds the performance counters.
module msm_engine
  import types_pkg::*;
(
  input  logic           clk_i,
  input  logic           rst_ni,
  input  logic           clear_i,
  input  logic [31:0]    base_origin_i,
  input  logic [31:0]    base_count_i,
  input  logic [31:0]    watchdog_i,
  output logic           ready_o,
  output logic           busy_o,
  output logic [7:0]     fault_o,
  output logic [12:0]    events_o,
  input  logic           s_valid_i,
  output logic           s_ready_o,
  input  word_t          s_i,
  output memory_ask_t    m_o,
  input  memory_answer_t m_i,
  output logic           o_valid_o,
  input  logic           o_ready_i,
  output word_t          o_o
);
  import tapeout_pkg::*;
  // 2^256 mod p: the 1 of coordinates that come in Montgomery form with R = 2^256, as they do
  localparam logic [255:0] UnitZ = 256'((257'h1 << 256) % 257'(FqP));

  logic run_nq, run_n;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) run_nq <= 1'b0;
    else run_nq <= !clear_i;
  end
  assign run_n = run_nq;

  // ---------------------------------------------------------------- digits and their bases
  logic buckets_ready, start, start_bank, front_idle, starved;
  logic [1:0] occupied_q, freed, sent, absorbed;
  shape_t start_shape;
  logic request_valid, request_ready;
  logic [31:0] request_index;
  logic digit_valid, digit_ready;
  digit_t new_digit, digit;
  logic [7:0] digit_fault;
  digit_unit u_digits (
    .clk_i, .rst_ni(run_n),
    .enable_i        (buckets_ready && fault_o == '0),
    .base_count_i,
    .s_valid_i, .s_ready_o, .s_i,
    .bank_free_i     (~occupied_q),
    .start_o         (start),
    .bank_o          (start_bank),
    .shape_o         (start_shape),
    .sent_o          (sent),
    .idle_o          (front_idle),
    .starved_o       (starved),
    .request_valid_o (request_valid),
    .request_ready_i (request_ready),
    .request_index_o (request_index),
    .digit_valid_o   (digit_valid),
    .digit_ready_i   (digit_ready),
    .digit_o         (new_digit),
    .fault_o         (digit_fault)
  );
  logic base_valid, base_pop, memory_error;
  logic [511:0] base;
  base_fetch u_bases (
    .clk_i, .rst_ni,
    .clear_i        (!run_n),
    .origin_i       (base_origin_i),
    .request_valid_i(request_valid),
    .request_ready_o(request_ready),
    .request_index_i(request_index),
    .base_valid_o   (base_valid),
    .base_ready_i   (base_pop),
    .base_o         (base),
    .error_o        (memory_error),
    .m_o, .m_i
  );
  logic waiting_valid, join_fire;
  fifo #(.Width($bits(digit_t)), .Depth(DigitFifoDepth)) u_waiting (
    .clk_i, .rst_ni(run_n),
    .valid_i(digit_valid),
    .ready_o(digit_ready),
    .data_i (new_digit),
    .valid_o(waiting_valid),
    .ready_i(join_fire),
    .data_o (digit),
    .count_o()
  );

  // a digit meets its base and becomes a point: the base or its opposite; (0, 0) stands for infinity
  logic stream_valid_q, stream_pop, infinite;
  arrival_t stream_q;
  coordinate_t base_x, base_y;
  assign {base_y, base_x} = base;
  assign infinite  = base == '0;
  assign join_fire = waiting_valid && base_valid && (!stream_valid_q || stream_pop);
  assign base_pop  = join_fire && digit.last;
  always_ff @(posedge clk_i or negedge run_n) begin
    if (!run_n) stream_valid_q <= 1'b0;
    else if (join_fire) stream_valid_q <= 1'b1;
    else if (stream_pop) stream_valid_q <= 1'b0;
  end
  always_ff @(posedge clk_i) begin
    if (join_fire) begin
      stream_q.tag     <= '{bank: {1'b0, digit.bank}, slot: digit.slot};
      stream_q.point.x <= base_x;
      stream_q.point.y <= infinite ? UnitZ : digit.negative ? 256'(FqP) - base_y : base_y;
      stream_q.point.z <= infinite ? '0 : UnitZ;
    end
  end

  // ---------------------------------------------------------------- buckets, adder, reduction
  logic move_valid, move_ready, arrival_valid, arrival_ready;
  logic take_valid, take_ready, taken_valid, pair_valid, sum_valid;
  arrival_t move, arrival, sum;
  tag_t take;
  taken_t taken;
  pair_t pair;
  scan_t scan;
  logic [31:0] scan_bits;
  logic [Banks-1:0] announce, moving;
  // what the reducer moves goes first: it frees a bank
  assign arrival_valid = move_valid || stream_valid_q;
  assign arrival       = move_valid ? move : stream_q;
  assign move_ready    = arrival_ready;
  assign stream_pop    = stream_valid_q && !move_valid && arrival_ready;
  for (genvar b = 0; b < 2; b++) begin : gen_announce
    assign announce[b] = digit_valid && digit_ready && new_digit.bank == 1'(b);
  end
  assign announce[Scratch] = move_valid && move_ready;
  bucket_unit u_buckets (
    .clk_i, .rst_ni(run_n),
    .ready_o        (buckets_ready),
    .arrival_valid_i(arrival_valid),
    .arrival_ready_o(arrival_ready),
    .arrival_i      (arrival),
    .sum_valid_i    (sum_valid),
    .sum_i          (sum),
    .take_valid_i   (take_valid),
    .take_ready_o   (take_ready),
    .take_i         (take),
    .taken_valid_o  (taken_valid),
    .taken_o        (taken),
    .scan_i         (scan),
    .scan_bits_o    (scan_bits),
    .pair_valid_o   (pair_valid),
    .pair_o         (pair),
    .announce_i     (announce),
    .moving_o       (moving)
  );
  point_add #(.TagBits($bits(tag_t))) u_adder (
    .clk_i, .rst_ni(run_n),
    .valid_i (pair_valid),
    .tag_i   (pair.tag),
    .first_i (pair.first),
    .second_i(pair.second),
    .valid_o (sum_valid),
    .tag_o   (sum.tag),
    .sum_o   (sum.point)
  );

  // banks: taken by a pass when it starts, absorbed when its digits have all arrived, free when the reducer has
  // emptied them
  shape_t shape_q [2];
  for (genvar b = 0; b < 2; b++) begin : gen_bank
    always_ff @(posedge clk_i or negedge run_n) begin
      if (!run_n) occupied_q[b] <= 1'b0;
      else if (start && start_bank == 1'(b)) occupied_q[b] <= 1'b1;
      else if (freed[b]) occupied_q[b] <= 1'b0;
    end
    always_ff @(posedge clk_i) if (start && start_bank == 1'(b)) shape_q[b] <= start_shape;
    // digits on their way to the buckets
    logic [10:0] waiting_q;
    always_ff @(posedge clk_i or negedge run_n) begin
      if (!run_n) waiting_q <= '0;
      else waiting_q <= waiting_q + 11'(announce[b]) - 11'(stream_pop && stream_q.tag.bank[0] == 1'(b));
    end
    assign absorbed[b] = occupied_q[b] && sent[b] && waiting_q == '0 && !digit_valid;
  end
  logic reducer_busy, total_valid, total_ready, total_last;
  point_t total;
  reducer u_reducer (
    .clk_i, .rst_ni(run_n),
    .absorbed_i     (absorbed),
    .shape_i        (shape_q),
    .freed_o        (freed),
    .busy_o         (reducer_busy),
    .moving_i       (moving),
    .scan_o         (scan),
    .scan_bits_i    (scan_bits),
    .take_valid_o   (take_valid),
    .take_ready_i   (take_ready),
    .take_o         (take),
    .taken_valid_i  (taken_valid),
    .taken_i        (taken),
    .arrival_valid_o(move_valid),
    .arrival_ready_i(move_ready),
    .arrival_o      (move),
    .sum_valid_o    (total_valid),
    .sum_ready_i    (total_ready),
    .sum_o          (total),
    .sum_last_o     (total_last)
  );

  // ---------------------------------------------------------------- window sums to the host, a coordinate at a time
  logic [1:0] word_q;
  point_t out_q;
  logic out_valid_q, out_last_q, out_fire;
  assign o_valid_o   = out_valid_q;
  assign o_o         = '{last: out_last_q && word_q == 2'd2, data: out_q.x};
  assign out_fire    = out_valid_q && o_ready_i;
  assign total_ready = !out_valid_q || (out_fire && word_q == 2'd2);
  always_ff @(posedge clk_i or negedge run_n) begin
    if (!run_n) begin
      out_valid_q <= 1'b0;
      word_q      <= '0;
    end else if (total_valid && total_ready) begin
      out_valid_q <= 1'b1;
      word_q      <= '0;
    end else if (out_fire) begin
      word_q      <= word_q + 2'd1;
      out_valid_q <= word_q != 2'd2;
    end
  end
  always_ff @(posedge clk_i) begin
    if (total_valid && total_ready) begin
      out_q      <= total;
      out_last_q <= total_last;
    end else if (out_fire) begin
      out_q <= '{z: '0, y: out_q.z, x: out_q.y};
    end
  end

  // ---------------------------------------------------------------- status, faults, watchdog, events
  logic progress, s_fire;
  logic [31:0] quiet_q;
  assign s_fire   = s_valid_i && s_ready_o;
  assign ready_o  = run_n && buckets_ready && fault_o == '0;
  assign busy_o   = !front_idle || occupied_q != '0 || reducer_busy || out_valid_q;
  assign progress = s_fire || arrival_valid && arrival_ready || pair_valid || take_valid && take_ready || m_i.rvalid
      || out_fire || !busy_o;
  always_ff @(posedge clk_i or negedge run_n) begin
    if (!run_n) begin
      quiet_q <= '0;
      fault_o <= '0;
    end else begin
      quiet_q <= progress ? '0 : quiet_q + 32'd1;
      if (fault_o == '0) begin
        if (digit_fault != '0) fault_o <= digit_fault;
        else if (memory_error) fault_o <= FaultMemory;
        else if (quiet_q >= watchdog_i) fault_o <= FaultWatchdog;
      end
    end
  end
  logic idle_adder, stream_left;
  assign idle_adder  = busy_o && !pair_valid && !(arrival_valid && arrival_ready);
  assign stream_left = !front_idle || waiting_valid || stream_valid_q;
  always_comb begin
    events_o     = '0;
    events_o[0]  = busy_o;
    events_o[1]  = pair_valid;
    events_o[2]  = pair_valid && pair.tag.bank == Scratch;
    events_o[3]  = stream_pop;
    events_o[4]  = stream_left;
    events_o[5]  = idle_adder && !waiting_valid && starved;
    events_o[6]  = idle_adder && waiting_valid && !base_valid;
    events_o[7]  = idle_adder && !(waiting_valid ? !base_valid : starved);
    events_o[8]  = arrival_valid && !arrival_ready;
    events_o[9]  = o_valid_o && !o_ready_i;
    events_o[10] = s_fire;
    events_o[11] = out_fire;
    events_o[12] = m_i.rvalid;
  end
  `TAPEOUT_ASSERT(one_bubble_has_one_cause, 2'(events_o[5]) + 2'(events_o[6]) + 2'(events_o[7]) <= 2'd1)
endmodule
