/// Remembers which groups of 16 slots of a bank have been stored to since the group was cleared, so that a walk over
/// the bank looks at no other: 32 groups a word.
///
/// Two stores and a clear per cycle; a store wins over a clear of its group. word_i selects what bits_o shows,
/// without delay.
module touched_map #(
  parameter int unsigned SlotBits = 14
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                a_store_i,
  input  logic [SlotBits-5:0] a_group_i,
  input  logic                b_store_i,
  input  logic [SlotBits-5:0] b_group_i,
  input  logic                clear_i,
  input  logic [SlotBits-5:0] clear_group_i,
  input  logic [SlotBits-10:0] word_i,
  output logic [31:0]         bits_o
);
  localparam int unsigned WordBits = SlotBits - 9;
  typedef logic [WordBits-1:0] word_t;
  logic [31:0] touched_q [1 << WordBits];
  word_t a_word, b_word, c_word;
  logic [31:0] a_bit, b_bit, c_bit;
  assign a_word = a_group_i[SlotBits-5:5];
  assign b_word = b_group_i[SlotBits-5:5];
  assign c_word = clear_group_i[SlotBits-5:5];
  assign a_bit  = 32'd1 << a_group_i[4:0];
  assign b_bit  = 32'd1 << b_group_i[4:0];
  assign c_bit  = 32'd1 << clear_group_i[4:0];
  assign bits_o = touched_q[word_i];
  // one assignment for each word that changes, whatever changes in it
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      touched_q <= '{default: '0};
    end else begin
      if (clear_i) begin
        touched_q[c_word] <= (touched_q[c_word] & ~c_bit) | (a_store_i && a_word == c_word ? a_bit : '0)
            | (b_store_i && b_word == c_word ? b_bit : '0);
      end
      if (a_store_i && !(clear_i && a_word == c_word)) begin
        touched_q[a_word] <= touched_q[a_word] | a_bit | (b_store_i && b_word == a_word ? b_bit : '0);
      end
      if (b_store_i && !(clear_i && b_word == c_word) && !(a_store_i && a_word == b_word)) begin
        touched_q[b_word] <= touched_q[b_word] | b_bit;
      end
    end
  end
endmodule
