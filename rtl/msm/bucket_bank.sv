`include "assert.svh"
/// A bank of buckets with two ports; a bucket holds one point or none.
///
/// Port a and port b each take one arrival per cycle. An arrival at an empty bucket is stored; at a full one the
/// bucket's point is taken out, to be paired with the arrival (pair). Two arrivals at the same bucket in the same
/// cycle pair with each other (meet) and leave the bucket alone. Port a can also take: it empties the bucket without
/// an arrival; where an arrival comes to the bucket in the same cycle, the take finds nothing. Results stand two
/// cycles after the request, the points that arrive a cycle after it; throughput is one request per port and cycle,
/// nothing is ever held back.
///
/// scan_*: the groups of 16 buckets that have been stored to (touched_map.sv).
///
/// One access per arrival, so a true dual-port RAM holds the points. Whether a bucket is full is the exclusive or of
/// two bits, each toggled by one port alone: four small RAMs with one write and one read port, read in the first
/// cycle and toggled in the second, with the toggle of the cycle before bypassed. After reset the bank clears those
/// bits: ready_o.
module bucket_bank
  import types_pkg::*;
#(
  parameter int unsigned SlotBits = 14
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  output logic                ready_o,
  input  logic                a_valid_i,
  input  logic                a_take_i,
  input  logic [SlotBits-1:0] a_slot_i,
  input  logic                b_valid_i,
  input  logic [SlotBits-1:0] b_slot_i,
  // the walk over the bank
  input  logic [SlotBits-10:0] scan_word_i,
  output logic [31:0]         scan_bits_o,
  input  logic                scan_clear_i,
  input  logic [SlotBits-5:0] scan_group_i,
  // second cycle: the points of the arrivals
  input  point_t              a_point_i,
  input  point_t              b_point_i,
  // second cycle: what the arrivals come to
  output logic                a_store_o,
  output logic                b_store_o,
  output logic                meet_o,
  // third cycle: the bucket's point, where there was one
  output logic                a_hit_o,
  output point_t              a_point_o,
  output logic                b_hit_o,
  output point_t              b_point_o
);
  localparam int unsigned Slots = 1 << SlotBits;
  (* ram_style = "ultra" *) point_t point_q [Slots];
  // full = even ^ odd; port a toggles even, port b toggles odd; one copy for each reader
  logic even_a_q [Slots], even_b_q [Slots], odd_a_q [Slots], odd_b_q [Slots];

  // ---------------------------------------------------------------- clearing
  logic [SlotBits:0] clear_q;
  logic clearing;
  assign clearing = !clear_q[SlotBits];
  assign ready_o  = !clearing;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) clear_q <= '0;
    else if (clearing) clear_q <= clear_q + 1'b1;
  end

  // ---------------------------------------------------------------- first cycle: read the bits
  logic a_valid_q, a_take_q, b_valid_q;
  logic [SlotBits-1:0] a_slot_q, b_slot_q;
  logic a_even_q, a_odd_q, b_even_q, b_odd_q;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      a_valid_q <= 1'b0;
      b_valid_q <= 1'b0;
    end else begin
      a_valid_q <= a_valid_i;
      b_valid_q <= b_valid_i;
    end
  end
  always_ff @(posedge clk_i) begin
    a_take_q <= a_take_i;
    a_slot_q <= a_slot_i;
    b_slot_q <= b_slot_i;
    a_even_q <= even_a_q[a_slot_i];
    a_odd_q  <= odd_a_q[a_slot_i];
    b_even_q <= even_b_q[b_slot_i];
    b_odd_q  <= odd_b_q[b_slot_i];
  end

  // ---------------------------------------------------------------- second cycle: decide, toggle, access the points
  logic a_even, a_odd, b_even, b_odd, a_full, b_full, a_toggle, b_toggle, same, a_found;
  logic a_toggled_q, b_toggled_q;
  logic [SlotBits-1:0] a_last_q, b_last_q;
  assign a_even   = a_even_q ^ (a_toggled_q && a_last_q == a_slot_q);
  assign a_odd    = a_odd_q ^ (b_toggled_q && b_last_q == a_slot_q);
  assign b_even   = b_even_q ^ (a_toggled_q && a_last_q == b_slot_q);
  assign b_odd    = b_odd_q ^ (b_toggled_q && b_last_q == b_slot_q);
  assign a_full   = a_even ^ a_odd;
  assign b_full   = b_even ^ b_odd;
  assign same      = a_valid_q && b_valid_q && a_slot_q == b_slot_q;
  assign meet_o    = same && !a_take_q;
  assign a_found   = a_valid_q && !same && a_full;
  assign a_toggle  = a_take_q ? a_found : a_valid_q && !same;
  assign b_toggle = b_valid_q && !meet_o;
  assign a_store_o = a_valid_q && !a_take_q && !meet_o && !a_full;
  assign b_store_o = b_valid_q && !meet_o && !b_full;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      a_toggled_q <= 1'b0;
      b_toggled_q <= 1'b0;
      a_hit_o     <= 1'b0;
      b_hit_o     <= 1'b0;
    end else begin
      a_toggled_q <= a_toggle;
      b_toggled_q <= b_toggle;
      a_hit_o     <= a_found;
      b_hit_o     <= b_valid_q && !meet_o && b_full;
    end
  end
  // the bits' write ports also clear
  logic even_we, odd_we, even_d, odd_d;
  logic [SlotBits-1:0] even_slot, odd_slot;
  assign even_we   = clearing || a_toggle;
  assign odd_we    = clearing || b_toggle;
  assign even_slot = clearing ? clear_q[SlotBits-1:0] : a_slot_q;
  assign odd_slot  = clearing ? clear_q[SlotBits-1:0] : b_slot_q;
  assign even_d    = !clearing && !a_even;
  assign odd_d     = !clearing && !b_odd;
  always_ff @(posedge clk_i) begin
    a_last_q <= a_slot_q;
    b_last_q <= b_slot_q;
    if (even_we) begin
      even_a_q[even_slot] <= even_d;
      even_b_q[even_slot] <= even_d;
    end
    if (odd_we) begin
      odd_a_q[odd_slot] <= odd_d;
      odd_b_q[odd_slot] <= odd_d;
    end
  end
  always_ff @(posedge clk_i) begin
    if (a_store_o) point_q[a_slot_q] <= a_point_i;
    else if (a_valid_q && a_full) a_point_o <= point_q[a_slot_q];
    if (b_store_o) point_q[b_slot_q] <= b_point_i;
    else if (b_valid_q && b_full) b_point_o <= point_q[b_slot_q];
  end

  touched_map #(.SlotBits(SlotBits)) u_touched (
    .clk_i, .rst_ni,
    .a_store_i    (a_store_o),
    .a_group_i    (a_slot_q[SlotBits-1:4]),
    .b_store_i    (b_store_o),
    .b_group_i    (b_slot_q[SlotBits-1:4]),
    .clear_i      (scan_clear_i),
    .clear_group_i(scan_group_i),
    .word_i       (scan_word_i),
    .bits_o       (scan_bits_o)
  );

  `TAPEOUT_ASSERT(no_access_while_clearing, !(clearing && (a_valid_i || b_valid_i)))
endmodule
