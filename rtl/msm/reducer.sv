`include "assert.svh"
/// Bucket reduction: turns the buckets of a bank into one sum per window, sum_d d * bucket[d], on the same adder.
///
/// It only moves points: it takes a point out of its slot and lets it arrive at others, where arrivals pair up. With
/// k bits of bucket index split in high and low halves of h and l bits, per window:
///  1. bucket j arrives at row[j's high half] and column[j's low half]; bucket 0, which holds the digits of magnitude
///     2^k, twice at high plane h-1;
///  2. row i arrives at the high plane b and column i at the low plane b, for each bit b of i;
///  3. from the top, a plane is doubled and then joins the one below it, high and low planes side by side; high plane
///     0 is doubled l times and joins low plane 0, which is the sum then (reduce_rounds.sv). A pass that asks for its
///     planes ends before this step: their sums are what it gives, lowest weight first, for each all windows.
/// All windows go through each step together; between steps it waits until nothing in the scratch bank is moving.
/// Rows, columns and planes live there, so the other bank fills meanwhile.
///
/// Step 1 begins as soon as all digits have arrived at the buckets. Sums still under way then come to slots that have
/// been visited, so the walk is repeated when they have settled; as it looks at touched slots only, that takes next
/// to nothing. freed_o is high for a cycle when the bank has been emptied.
///
/// Takes go one per cycle (take_*, answered two cycles later by taken_*), arrivals one per cycle (arrival_*), sums by
/// valid/ready, sum_last_o marking the pass's last. scan_*: the map of touched groups of slots.
module reducer
  import types_pkg::*;
(
  input  logic             clk_i,
  input  logic             rst_ni,
  // banks whose digits have all arrived, and what is in them
  input  logic [1:0]       absorbed_i,
  input  shape_t           shape_i [2],
  output logic [1:0]       freed_o,
  output logic             busy_o,
  input  logic [Banks-1:0] moving_i,
  output scan_t            scan_o,
  input  logic [31:0]      scan_bits_i,
  output logic             take_valid_o,
  input  logic             take_ready_i,
  output tag_t             take_o,
  input  logic             taken_valid_i,
  input  taken_t           taken_i,
  output logic             arrival_valid_o,
  input  logic             arrival_ready_i,
  output arrival_t         arrival_o,
  output logic             sum_valid_o,
  input  logic             sum_ready_i,
  output point_t           sum_o,
  output logic             sum_last_o
);
  localparam int unsigned Depth = 8;
  localparam logic [1:0] Row = 2'd0, Column = 2'd1, Plane = 2'd2;
  // the last word of the map that has rows or columns: 4 words of 512 slots for each kind
  localparam logic [4:0] LastLine = 5'd7;
  typedef enum logic [2:0] {StIdle, StBuckets, StRest, StLines, StRound, StSums, StSettle} state_e;
  state_e state_q, after_q;

  // ---------------------------------------------------------------- steps
  logic        bank_q, complete_q, quiet_q;
  shape_t      shape_q;
  logic [3:0]  low_bits, high_bits;
  logic        drained, step_done, scan_start, scan_busy, scan_valid, scan_ready;
  logic [4:0]  scan_last, scan_word;
  logic        round_start, round_busy, round_valid, rounds_done, round_doubles;
  logic [3:0]  round_plane;
  logic [9:0]  scan_group;
  logic [14:0] slots;
  // without rounds to come, what arrives last settles sooner in short rows
  assign low_bits  = (shape_q.log_buckets + 4'(!shape_q.planes)) >> 1;
  assign high_bits = shape_q.log_buckets - low_bits;
  assign slots     = 15'd1 << (shape_q.log_buckets + 4'(shape_q.log_windows));
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q     <= StIdle;
      after_q     <= StIdle;
      bank_q      <= 1'b0;
      freed_o     <= '0;
      scan_start  <= 1'b0;
      round_start <= 1'b0;
      quiet_q     <= 1'b0;
    end else begin
      freed_o     <= '0;
      scan_start  <= 1'b0;
      round_start <= 1'b0;
      // what was stored last shows in the map a cycle later
      quiet_q     <= drained;
      unique case (state_q)
        StIdle: if (absorbed_i[bank_q]) begin
          state_q    <= StBuckets;
          scan_start <= 1'b1;
        end
        StBuckets: if (step_done) begin
          if (complete_q) begin
            freed_o[bank_q] <= 1'b1;
            state_q <= StSettle;
            after_q <= StLines;
          end else begin
            state_q <= StRest;
          end
        end
        StRest: if (!moving_i[{1'b0, bank_q}]) begin
          state_q    <= StBuckets;
          scan_start <= 1'b1;
        end
        StLines: if (step_done) begin
          state_q <= StSettle;
          after_q <= shape_q.planes ? StSums : StRound;
        end
        StRound: if (step_done) begin
          state_q <= StSettle;
          after_q <= rounds_done ? StSums : StRound;
        end
        StSums: if (step_done) begin
          state_q <= StSettle;
          after_q <= StIdle;
        end
        default: if (drained && quiet_q) begin
          state_q     <= after_q;
          scan_start  <= after_q == StLines;
          round_start <= after_q == StRound || after_q == StSums;
          if (after_q == StIdle) bank_q <= !bank_q;
        end
      endcase
    end
  end
  always_ff @(posedge clk_i) begin
    if (state_q == StIdle) shape_q <= shape_i[bank_q];
    // a walk that begins when nothing moves in the bank is its last
    if (scan_start) complete_q <= !moving_i[{1'b0, bank_q}];
  end
  assign busy_o = state_q != StIdle;

  // ---------------------------------------------------------------- groups of slots to visit
  logic group_valid, group_ready;
  logic [9:0] group;
  assign scan_last    = state_q == StBuckets ? 5'((slots - 15'd1) >> 9) : LastLine;
  assign scan_o       = '{bank: state_q == StBuckets ? {1'b0, bank_q} : Scratch, word: scan_word,
                          clear: scan_valid && scan_ready, group: scan_group};
  group_scan u_scan (
    .clk_i, .rst_ni,
    .start_i      (scan_start),
    .last_i       (scan_last),
    .word_o       (scan_word),
    .bits_i       (scan_bits_i),
    .busy_o       (scan_busy),
    .group_valid_o(scan_valid),
    .group_ready_i(scan_ready),
    .group_o      (scan_group)
  );
  logic round_half;
  reduce_rounds u_rounds (
    .clk_i, .rst_ni,
    .first_i      (state_q == StIdle),
    .start_i      (round_start),
    .sums_i       (state_q == StSums),
    .planes_i     (shape_q.planes),
    .low_bits_i   (low_bits),
    .high_bits_i  (high_bits),
    .two_halves_i (shape_q.windows > 6'd16),
    .busy_o       (round_busy),
    .done_o       (rounds_done),
    .valid_o      (round_valid),
    .ready_i      (group_ready),
    .plane_o      (round_plane),
    .half_o       (round_half),
    .doubles_o    (round_doubles)
  );
  assign group_valid = scan_valid || round_valid;
  assign group       = round_valid ? {1'b0, Plane, 2'b0, round_plane, round_half} : scan_group;
  assign scan_ready  = group_ready && !round_valid;

  // ---------------------------------------------------------------- slots of a group that have a window
  logic slot_valid_q, doubles_q, in_bank, take_fire, last_slot, whole_group;
  logic [9:0] group_q;
  logic [3:0] sub_q, last_sub;
  logic [13:0] slot;
  logic [4:0]  window;
  logic [11:0] index;
  logic [3:0]  under_way_q;
  logic [5:0]  windows_here;
  assign in_bank = state_q == StBuckets;
  assign slot    = {group_q, sub_q};
  // in the bank: {index, window} with as many bits for the window as the pass needs; in the scratch bank {kind,
  // index, window}
  assign window  = in_bank ? slot[4:0] & ~(5'h1f << shape_q.log_windows) : slot[4:0];
  assign index   = in_bank ? 12'(slot >> shape_q.log_windows) : {6'b0, slot[10:5]};
  assign windows_here = shape_q.windows - (window[4] ? 6'd16 : 6'd0);
  assign whole_group  = (in_bank && shape_q.log_windows < 3'd4) || windows_here > 6'd15;
  assign last_sub     = whole_group ? 4'd15 : 4'(windows_here - 6'd1);
  assign last_slot    = sub_q == last_sub;
  assign take_valid_o = slot_valid_q && under_way_q < 4'(Depth);
  assign take_o       = '{bank: in_bank ? {1'b0, bank_q} : Scratch, slot: slot};
  assign take_fire    = take_valid_o && take_ready_i;
  assign group_ready  = !slot_valid_q || (take_fire && last_slot);
  assign step_done    = !scan_start && !scan_busy && !round_start && !round_busy && !slot_valid_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) slot_valid_q <= 1'b0;
    else if (group_ready) slot_valid_q <= group_valid;
  end
  always_ff @(posedge clk_i) begin
    if (group_ready) begin
      group_q   <= group;
      doubles_q <= round_doubles;
      sub_q     <= '0;
    end else if (take_fire) begin
      sub_q <= sub_q + 4'd1;
    end
  end

  // ---------------------------------------------------------------- what is to become of a taken point
  typedef struct packed {
    logic       is_sum;
    logic       is_last;
    logic       from_bank;
    logic [4:0] window;
    logic [5:0] mask;    // one arrival for each bit
    logic [5:0] row;
    logic [5:0] column;
    logic [3:0] plane;   // of bit 0; high planes from 8 on
    logic       same;    // every arrival at that plane
  } fate_t;
  fate_t fate, fate_1_q, fate_2_q, head_fate;
  logic [5:0] row, column;
  assign row    = 6'(index >> low_bits);
  assign column = 6'(index) & ~(6'h3f << low_bits);
  always_comb begin
    fate        = '0;
    fate.window = window;
    fate.row    = row;
    fate.column = column;
    unique case (state_q)
      StBuckets: begin
        fate.from_bank = 1'b1;
        fate.mask      = {2'b0, {2{index == '0}}, column != '0, row != '0};
        fate.plane     = 4'd7 + high_bits;
      end
      StLines: begin
        fate.mask  = index[5:0];
        fate.plane = slot[12:11] == Row ? 4'd8 : 4'd0;
      end
      StRound: begin
        fate.mask  = {4'b0, doubles_q, 1'b1};
        // high plane 0 joins low plane 0
        fate.plane = doubles_q ? index[3:0] : index[3:0] == 4'd8 ? 4'd0 : index[3:0] - 4'd1;
        fate.same  = 1'b1;
      end
      default: begin
        fate.is_sum  = 1'b1;
        fate.is_last = 6'(window) + 6'd1 == shape_q.windows
            && (!shape_q.planes || index[3:0] == 4'd7 + high_bits);
      end
    endcase
  end
  always_ff @(posedge clk_i) begin
    fate_1_q <= fate;
    fate_2_q <= fate_1_q;
  end

  // ---------------------------------------------------------------- taken points wait for their turn
  localparam int unsigned FateBits = $bits(fate_t);
  logic head_valid, head_pop, keep;
  taken_t head;
  // an empty slot is the identity: nothing to move, but still a sum
  assign keep = taken_valid_i && (taken_i.hit || fate_2_q.is_sum);
  fifo #(.Width(FateBits + $bits(taken_t)), .Depth(Depth)) u_taken (
    .clk_i, .rst_ni,
    .valid_i(keep),
    .ready_o(),
    .data_i ({fate_2_q, taken_i}),
    .valid_o(head_valid),
    .ready_i(head_pop),
    .data_o ({head_fate, head}),
    .count_o()
  );
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) under_way_q <= '0;
    else under_way_q <= under_way_q + 4'(take_fire) - 4'(taken_valid_i && !keep) - 4'(head_pop);
  end
  assign drained = under_way_q == '0 && !moving_i[Scratch];

  logic [5:0] done_q, left;
  logic [2:0] bit_index;
  logic arrival_fire;
  assign left = head_fate.mask & ~done_q;
  always_comb begin
    bit_index = '0;
    for (int i = 5; i >= 0; i--) if (left[i]) bit_index = i[2:0];
  end
  logic [7:0] target;
  always_comb begin
    if (head_fate.from_bank) begin
      unique case (bit_index)
        3'd0:    target = {Row, head_fate.row};
        3'd1:    target = {Column, head_fate.column};
        default: target = {Plane, 2'b0, head_fate.plane};
      endcase
    end else begin
      target = {Plane, 2'b0, head_fate.plane + (head_fate.same ? 4'd0 : 4'(bit_index))};
    end
  end
  assign arrival_valid_o = head_valid && !head_fate.is_sum;
  assign arrival_o       = '{tag: '{bank: Scratch, slot: {1'b0, target, head_fate.window}}, point: head.point};
  assign arrival_fire    = arrival_valid_o && arrival_ready_i;
  assign sum_valid_o     = head_valid && head_fate.is_sum;
  assign sum_o           = head.hit ? head.point : '{z: 256'd0, y: 256'd1, x: 256'd0};
  assign sum_last_o      = head_fate.is_last;
  assign head_pop        = head_fate.is_sum ? sum_valid_o && sum_ready_i : arrival_fire && (left & (left - 6'd1)) == '0;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) done_q <= '0;
    else if (head_pop) done_q <= '0;
    else if (arrival_fire) done_q <= done_q | (6'd1 << bit_index);
  end
  `TAPEOUT_ASSERT(every_point_goes_somewhere, !arrival_valid_o || left != '0)
endmodule
