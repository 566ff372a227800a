`include "assert.svh"
/// Bucket reduction: turns the buckets of a bank into one sum per window, sum_d d * bucket[d], on the same adder.
///
/// It only moves points: it takes a point out of its slot and lets it arrive at others, where arrivals pair up. With k bits of bucket index
/// split in a high and a low half, per window:
///  1. bucket j arrives at row[j's high half] and column[j's low half]; bucket 0, which holds the digits of magnitude 2^k, at plane[k];
///  2. row i arrives at plane[b + bits of the low half] and column i at plane[b], for each bit b of i;
///  3. from the top, plane[b] arrives twice at plane[b-1]: a doubling and an addition;
///  4. plane[0] is the sum.
/// All windows go through each step together; between steps it waits until nothing of them is moving. Rows, columns and planes live in the
/// scratch bank, so the other bank fills meanwhile. freed_o is high for a cycle when the bank has been emptied.
///
/// Takes go one per cycle (take_*, answered two cycles later by taken_*), arrivals one per cycle (arrival_*), sums by valid/ready,
/// sum_last_o marking the pass's last.
module reducer #(
  localparam int unsigned SlotBits = tapeout_pkg::SlotBits,
  localparam int unsigned TagBits  = SlotBits + 2
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  // banks whose digits have all been absorbed, and what is in them
  input  logic [1:0]         settled_i,
  input  logic [3:0]         log_buckets_i [2],
  input  logic [5:0]         windows_i     [2],
  output logic [1:0]         freed_o,
  output logic               busy_o,
  input  logic               scratch_moving_i,
  output logic               take_valid_o,
  input  logic               take_ready_i,
  output logic [TagBits-1:0] take_tag_o,
  input  logic               taken_valid_i,
  input  logic               taken_hit_i,
  input  logic [767:0]       taken_point_i,
  output logic               arrival_valid_o,
  input  logic               arrival_ready_i,
  output logic [TagBits-1:0] arrival_tag_o,
  output logic [767:0]       arrival_point_o,
  output logic               sum_valid_o,
  input  logic               sum_ready_i,
  output logic [767:0]       sum_point_o,
  output logic               sum_last_o
);
  localparam int unsigned Depth = 8;
  localparam logic [1:0] Scratch = 2'd2, Row = 2'd0, Column = 2'd1, Plane = 2'd2;
  typedef enum logic [2:0] {StIdle, StBuckets, StRows, StColumns, StDouble, StSums, StSettle} state_e;
  state_e state_q, after_q;

  // ---------------------------------------------------------------- the walk: windows inside, indices outside
  logic        bank_q;
  logic [3:0]  log_q, low_bits, high_bits;
  logic [5:0]  windows_q;
  logic [4:0]  window_q;
  logic [11:0] index_q;
  logic        take_fire, last_window, last_index, walking, drained;
  logic [3:0]  under_way_q;
  logic [11:0] end_index;
  assign low_bits  = (log_q + 4'd1) >> 1;
  assign high_bits = log_q - low_bits;
  always_comb begin
    unique case (state_q)
      StBuckets: end_index = ~(12'hfff << log_q);
      StRows:    end_index = ~(12'hfff << high_bits);
      StColumns: end_index = ~(12'hfff << low_bits);
      default:   end_index = index_q;
    endcase
  end
  assign walking      = state_q != StIdle && state_q != StSettle;
  assign last_window  = 6'(window_q) + 6'd1 == windows_q;
  assign last_index   = index_q == end_index;
  assign take_valid_o = walking && under_way_q < 4'(Depth);
  assign take_fire    = take_valid_o && take_ready_i;
  logic [1:0] kind;
  always_comb begin
    unique case (state_q)
      StRows:    kind = Row;
      StColumns: kind = Column;
      default:   kind = Plane;
    endcase
  end
  assign take_tag_o = state_q == StBuckets
      ? {1'b0, bank_q, (SlotBits'(window_q) << log_q) | SlotBits'(index_q)}
      : {Scratch, 1'b0, window_q, kind, index_q[5:0]};

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StIdle;
      after_q <= StIdle;
      bank_q  <= 1'b0;
      freed_o <= '0;
    end else begin
      freed_o <= '0;
      unique case (state_q)
        StIdle: begin
          window_q <= '0;
          index_q  <= '0;
          if (settled_i[bank_q]) begin
            state_q   <= StBuckets;
            log_q     <= log_buckets_i[bank_q];
            windows_q <= windows_i[bank_q];
          end
        end
        StSettle: if (drained) begin
          state_q  <= after_q;
          window_q <= '0;
          if (after_q == StIdle) bank_q <= !bank_q;
        end
        default: if (take_fire) begin
          window_q <= window_q + 5'd1;
          if (last_window) begin
            window_q <= '0;
            index_q  <= index_q + 12'd1;
            if (last_index) begin
              unique case (state_q)
                StBuckets: begin
                  freed_o[bank_q] <= 1'b1;
                  state_q <= StSettle;
                  // index 0 of rows and columns has weight 0 and was never filled
                  after_q <= high_bits == '0 ? StColumns : StRows;
                  index_q <= 12'd1;
                end
                StRows: begin
                  state_q <= StColumns;
                  index_q <= 12'd1;
                end
                StColumns: begin
                  state_q <= StSettle;
                  after_q <= StDouble;
                  index_q <= 12'(log_q);
                end
                StDouble: begin
                  state_q <= StSettle;
                  after_q <= index_q == 12'd1 ? StSums : StDouble;
                  index_q <= index_q - 12'd1;
                end
                default: begin
                  state_q <= StSettle;
                  after_q <= StIdle;
                end
              endcase
            end
          end
        end
      endcase
    end
  end
  assign busy_o = state_q != StIdle;

  // ---------------------------------------------------------------- what is to become of a taken point
  typedef struct packed {
    logic       is_sum;
    logic       is_last;
    logic       from_bank;
    logic [4:0] window;
    logic [5:0] mask;    // one arrival for each bit
    logic [5:0] row;
    logic [5:0] column;
    logic [3:0] plane;   // of bit 0
    logic       same;    // every arrival at that plane
  } fate_t;
  fate_t fate, fate_1_q, fate_2_q, head_fate;
  logic [5:0] row, column;
  assign row    = 6'(index_q >> low_bits);
  assign column = 6'(index_q) & ~(6'h3f << low_bits);
  always_comb begin
    fate           = '0;
    fate.window    = window_q;
    fate.row       = row;
    fate.column    = column;
    unique case (state_q)
      StBuckets: begin
        fate.from_bank = 1'b1;
        fate.mask      = {3'b0, index_q == '0, column != '0, row != '0};
        fate.plane     = log_q;
      end
      StRows: begin
        fate.mask  = index_q[5:0];
        fate.plane = low_bits;
      end
      StColumns: begin
        fate.mask  = index_q[5:0];
      end
      StDouble: begin
        fate.mask  = 6'b11;
        fate.plane = 4'(index_q - 12'd1);
        fate.same  = 1'b1;
      end
      default: begin
        fate.is_sum  = 1'b1;
        fate.is_last = last_window;
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
  logic [767:0] head_point;
  logic head_hit;
  // an empty slot is the identity: nothing to move, but still a sum
  assign keep = taken_valid_i && (taken_hit_i || fate_2_q.is_sum);
  fifo #(.Width(FateBits + 769), .Depth(Depth)) u_taken (
    .clk_i, .rst_ni,
    .valid_i(keep),
    .ready_o(),
    .data_i ({fate_2_q, taken_hit_i, taken_point_i}),
    .valid_o(head_valid),
    .ready_i(head_pop),
    .data_o ({head_fate, head_hit, head_point}),
    .count_o()
  );
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) under_way_q <= '0;
    else under_way_q <= under_way_q + 4'(take_fire) - 4'(taken_valid_i && !keep) - 4'(head_pop);
  end
  assign drained = under_way_q == '0 && !scratch_moving_i;

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
  assign arrival_tag_o   = {Scratch, 1'b0, head_fate.window, target};
  assign arrival_point_o = head_point;
  assign arrival_fire    = arrival_valid_o && arrival_ready_i;
  assign sum_valid_o     = head_valid && head_fate.is_sum;
  assign sum_point_o     = head_hit ? head_point : {256'd0, 256'd1, 256'd0};
  assign sum_last_o      = head_fate.is_last;
  assign head_pop        = head_fate.is_sum ? sum_valid_o && sum_ready_i : arrival_fire && (left & (left - 6'd1)) == '0;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) done_q <= '0;
    else if (head_pop) done_q <= '0;
    else if (arrival_fire) done_q <= done_q | (6'd1 << bit_index);
  end
  `TAPEOUT_ASSERT(every_point_goes_somewhere, !rst_ni || !arrival_valid_o || left != '0)
endmodule
