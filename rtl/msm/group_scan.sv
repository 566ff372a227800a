/// Walks over the touched groups of a bank's slots (touched_map.sv), up to word last_i of the map, in ascending order.
///
/// start_i begins a walk; word_o asks the map, bits_i answers without delay. Groups come by valid/ready and are to be
/// cleared in the map when they are taken; those touched after the walk has read their word are left for the next
/// one. busy_o until the last has been taken.
module group_scan (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        start_i,
  input  logic [4:0]  last_i,
  output logic [4:0]  word_o,
  input  logic [31:0] bits_i,
  output logic        busy_o,
  output logic        group_valid_o,
  input  logic        group_ready_i,
  output logic [9:0]  group_o
);
  logic loaded_q;
  logic [31:0] bits_q;
  logic [4:0] lowest;
  assign lowest        = types_pkg::lowest_set(bits_q);
  assign group_valid_o = busy_o && loaded_q && bits_q != '0;
  assign group_o       = {word_o, lowest};
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      busy_o   <= 1'b0;
      loaded_q <= 1'b0;
    end else if (start_i) begin
      busy_o   <= 1'b1;
      loaded_q <= 1'b0;
    end else if (busy_o) begin
      loaded_q <= !loaded_q || bits_q != '0;
      if (loaded_q && bits_q == '0 && word_o == last_i) busy_o <= 1'b0;
    end
  end
  always_ff @(posedge clk_i) begin
    if (start_i) word_o <= '0;
    else if (busy_o && loaded_q && bits_q == '0) word_o <= word_o + 5'd1;
    if (!loaded_q) bits_q <= bits_i;
    else if (group_valid_o && group_ready_i) bits_q <= bits_q & (bits_q - 32'd1);
  end
endmodule
