`include "assert.svh"
/// Pairing buckets: turns arrivals into pairs for the adder, one pair per cycle for any distribution of arrivals.
///
/// Arrivals come from the stream and the reducer (arrival_*, valid/ready) and from the adder itself (sum_*, never
/// held back). Each names a bank and a slot; two points of the same slot become a pair whose sum comes back to that
/// slot, so no hazard can exist. Pairs of sums go to the adder at once, pairs of arrivals when no other wants to,
/// through a queue. take_* empties a slot: its point, if any, stands on taken_* two cycles after take_ready_o, unless
/// a sum comes to the slot in the same cycle. scan_*: which groups of 16 slots of a bank have been stored to
/// (touched_map.sv).
///
/// moving_o[b] is zero when no point of bank b is on its way: announce_i[b] counts a point when it is promised to the
/// bank, and it is forgotten when it is stored or becomes one with another. Throughput: one arrival, one sum, one
/// pair per cycle.
module bucket_unit
  import types_pkg::*;
(
  input  logic             clk_i,
  input  logic             rst_ni,
  output logic             ready_o,
  input  logic             arrival_valid_i,
  output logic             arrival_ready_o,
  input  arrival_t         arrival_i,
  input  logic             sum_valid_i,
  input  arrival_t         sum_i,
  input  logic             take_valid_i,
  output logic             take_ready_o,
  input  tag_t             take_i,
  output logic             taken_valid_o,
  output taken_t           taken_o,
  input  scan_t            scan_i,
  output logic [31:0]      scan_bits_o,
  output logic             pair_valid_o,
  output pair_t            pair_o,
  input  logic [Banks-1:0] announce_i,
  output logic [Banks-1:0] moving_o
);
  import tapeout_pkg::QueueDepth;
  import tapeout_pkg::SlotBits;
  localparam int unsigned CountBits = $clog2(QueueDepth) + 1;

  // ---------------------------------------------------------------- requests
  logic arrival_fire, take_fire;
  logic [CountBits-1:0] queued;
  logic banks_ready;
  // two more arrivals can be on their way to the queue
  assign arrival_ready_o = banks_ready && queued <= CountBits'(QueueDepth - 4);
  assign arrival_fire    = arrival_valid_i && arrival_ready_o;
  assign take_ready_o    = banks_ready && !(arrival_valid_i && arrival_i.tag.bank == take_i.bank);
  assign take_fire       = take_valid_i && take_ready_o;

  // ---------------------------------------------------------------- banks
  logic [Banks-1:0] ready, a_store, b_store, meet, a_hit, b_hit;
  point_t a_point [Banks], b_point [Banks];
  arrival_t arrival_1_q, sum_1_q;
  logic [31:0] scan_bits [Banks];
  for (genvar b = 0; b < Banks; b++) begin : gen_bank
    localparam int unsigned Bits = b == Banks - 1 ? ScratchBits : SlotBits;
    logic arrives, takes;
    assign arrives = arrival_fire && arrival_i.tag.bank == bank_t'(b);
    assign takes   = take_fire && take_i.bank == bank_t'(b);
    bucket_bank #(.SlotBits(Bits)) u_bank (
      .clk_i, .rst_ni,
      .ready_o  (ready[b]),
      .a_valid_i(arrives || takes),
      .a_take_i (!arrives),
      .a_slot_i (arrives ? arrival_i.tag.slot[Bits-1:0] : take_i.slot[Bits-1:0]),
      .b_valid_i(sum_valid_i && sum_i.tag.bank == bank_t'(b)),
      .b_slot_i (sum_i.tag.slot[Bits-1:0]),
      .scan_word_i (scan_i.word[Bits-10:0]),
      .scan_bits_o (scan_bits[b]),
      .scan_clear_i(scan_i.clear && scan_i.bank == bank_t'(b)),
      .scan_group_i(scan_i.group[Bits-5:0]),
      .a_point_i(arrival_1_q.point),
      .b_point_i(sum_1_q.point),
      .a_store_o(a_store[b]),
      .b_store_o(b_store[b]),
      .meet_o   (meet[b]),
      .a_hit_o  (a_hit[b]),
      .a_point_o(a_point[b]),
      .b_hit_o  (b_hit[b]),
      .b_point_o(b_point[b])
    );
  end
  assign banks_ready = &ready;
  assign ready_o     = banks_ready;
  assign scan_bits_o = scan_bits[scan_i.bank];

  // ---------------------------------------------------------------- the third cycle's side of the requests
  logic arrived_1_q, take_1_q, summed_1_q, arrived_2_q, take_2_q, summed_2_q, meet_q;
  bank_t take_bank_1_q, take_bank_2_q;
  arrival_t arrival_2_q, sum_2_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      {arrived_1_q, take_1_q, summed_1_q} <= '0;
      {arrived_2_q, take_2_q, summed_2_q, meet_q} <= '0;
    end else begin
      {arrived_1_q, take_1_q, summed_1_q} <= {arrival_fire, take_fire, sum_valid_i};
      {arrived_2_q, take_2_q, summed_2_q} <= {arrived_1_q, take_1_q, summed_1_q};
      meet_q <= |meet;
    end
  end
  always_ff @(posedge clk_i) begin
    take_bank_1_q <= take_i.bank;
    take_bank_2_q <= take_bank_1_q;
    if (arrival_fire) arrival_1_q <= arrival_i;
    if (sum_valid_i) sum_1_q <= sum_i;
    if (arrived_1_q) arrival_2_q <= arrival_1_q;
    if (summed_1_q) sum_2_q <= sum_1_q;
  end
  assign taken_valid_o = take_2_q;
  assign taken_o       = '{hit: a_hit[take_bank_2_q], point: a_point[take_bank_2_q]};

  // ---------------------------------------------------------------- pairs
  logic arrival_pairs, sum_pairs, queue_valid, queue_ready;
  pair_t arrival_pair, sum_pair, queue_head;
  assign arrival_pairs = arrived_2_q && a_hit[arrival_2_q.tag.bank];
  assign sum_pairs     = summed_2_q && (meet_q || b_hit[sum_2_q.tag.bank]);
  assign arrival_pair  = '{tag: arrival_2_q.tag, second: a_point[arrival_2_q.tag.bank], first: arrival_2_q.point};
  assign sum_pair      = '{tag: sum_2_q.tag, second: meet_q ? arrival_2_q.point : b_point[sum_2_q.tag.bank],
                           first: sum_2_q.point};
  fifo #(.Width($bits(pair_t)), .Depth(QueueDepth)) u_queue (
    .clk_i, .rst_ni,
    .valid_i(arrival_pairs),
    .ready_o(queue_ready),
    .data_i (arrival_pair),
    .valid_o(queue_valid),
    .ready_i(!sum_pairs),
    .data_o (queue_head),
    .count_o(queued)
  );
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) pair_valid_o <= 1'b0;
    else pair_valid_o <= sum_pairs || queue_valid;
  end
  always_ff @(posedge clk_i) begin
    if (sum_pairs) pair_o <= sum_pair;
    else if (queue_valid) pair_o <= queue_head;
  end

  // ---------------------------------------------------------------- what is on its way
  for (genvar b = 0; b < Banks; b++) begin : gen_moving
    logic [11:0] moving_q;
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) moving_q <= '0;
      else moving_q <= moving_q + 12'(announce_i[b]) - 12'(a_store[b]) - 12'(b_store[b]) - 12'(meet[b]);
    end
    assign moving_o[b] = moving_q != '0;
    `TAPEOUT_ASSERT(moving_in_range, moving_q < 12'hf00)
  end
  `TAPEOUT_ASSERT(queue_takes_every_pair, !arrival_pairs || queue_ready)
endmodule
