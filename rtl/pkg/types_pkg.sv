/// What the blocks of a card hand each other: one type per bundle of signals that more than one port list has; and a
/// function that two of them need.
///
/// Handshakes (valid, ready) stay signals of their own. The wide part of a bundle stands at its low end.
package types_pkg;
  import tapeout_pkg::*;

  /// A coordinate modulo p, below p + 2^251.
  typedef logic [255:0] coordinate_t;

  /// A point in homogeneous coordinates; infinity is (0 : y : 0).
  typedef struct packed {
    coordinate_t z;
    coordinate_t y;
    coordinate_t x;
  } point_t;

  /// Banks of buckets: 0 and 1 hold passes, 2 is the reduction's scratch.
  typedef logic [1:0] bank_t;
  localparam int unsigned Banks = 3;
  localparam bank_t Scratch = 2'd2;
  /// The scratch bank has half as many slots as the others.
  localparam int unsigned ScratchBits = SlotBits - 1;
  typedef logic [SlotBits-1:0] slot_t;

  /// A bucket: its bank and its slot there.
  typedef struct packed {
    bank_t bank;
    slot_t slot;
  } tag_t;

  /// A point and the bucket that it is on its way to.
  typedef struct packed {
    tag_t   tag;
    point_t point;
  } arrival_t;

  /// Two points of the same bucket, to be added.
  typedef struct packed {
    tag_t   tag;
    point_t second;
    point_t first;
  } pair_t;

  /// The answer to a take: whether the bucket had a point, and the point.
  typedef struct packed {
    logic   hit;
    point_t point;
  } taken_t;

  /// A look into a bank's map of touched groups of 16 slots, 32 groups a word, and the group whose mark is removed.
  typedef struct packed {
    bank_t      bank;
    logic [4:0] word;
    logic       clear;
    logic [9:0] group;
  } scan_t;

  /// A digit that is not zero: where its base goes, with which sign, and whether it is the last that needs the base.
  typedef struct packed {
    logic  bank;
    logic  negative;
    logic  last;
    slot_t slot;
  } digit_t;

  /// The shape of a pass: whether it gives the sum of each bit plane, log2 of its buckets per window, log2 of its
  /// windows rounded up, and its windows.
  typedef struct packed {
    logic       planes;
    logic [3:0] log_buckets;
    logic [2:0] log_windows;
    logic [5:0] windows;
  } shape_t;

  /// A word of a stream of 256 bits, and whether it ends its packet.
  typedef struct packed {
    logic         last;
    logic [255:0] data;
  } word_t;

  /// AXI4 read channels of external memory, one beat of 64 bytes per burst: what the master drives, and what memory
  /// answers.
  typedef struct packed {
    logic        arvalid;
    logic        rready;
    logic [37:0] araddr;
  } memory_ask_t;
  typedef struct packed {
    logic         arready;
    logic         rvalid;
    logic [1:0]   rresp;
    logic [511:0] rdata;
  } memory_answer_t;

  /// The place of a word's lowest bit that is set, by halves; of a word of zeros the last one.
  function automatic logic [4:0] lowest_set(logic [31:0] word);
    logic [4:0] place;
    logic [31:0] left;
    left = word;
    for (int i = 4; i >= 0; i--) begin
      place[i] = (left & ((32'd1 << (1 << i)) - 32'd1)) == '0;
      if (place[i]) left = left >> (1 << i);
    end
    return place;
  endfunction
endpackage
