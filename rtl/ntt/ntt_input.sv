`include "assert.svh"
/// Takes batches apart: headers, the words that tables begin with, and columns, which go to a buffer.
///
/// s_*: words, valid/ready, one per cycle. tau_*: pending_o says that a table is to be made; its words are read two cycles after
/// tau_index_i; tau_done_i when they have been. full_o: a column is complete, until take_i; first_o: it is the first to use
/// the table announced last. A word that is not a field element, a malformed header or a batch of the wrong length raises fault_o
/// for a cycle.
module ntt_input
  import types_pkg::*;
#(
  parameter int unsigned LogLanes = 2,
  parameter int unsigned MaxLog   = 15
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic               enable_i,
  input  logic               s_valid_i,
  output logic               s_ready_o,
  input  word_t              s_i,
  output logic               pending_o,
  output logic [4:0]         tau_log_o,
  output logic               tau_inverse_o,
  input  logic               tau_read_i,
  input  logic [4:0]         tau_index_i,
  output logic [255:0]       tau_o,
  input  logic               tau_done_i,
  output logic               load_o,
  output logic [4:0]         load_log_o,
  output logic [MaxLog-1:0]  load_index_o,
  output logic [255:0]       load_data_o,
  output logic               full_o,
  output logic               first_o,
  output logic               reversed_o,
  output logic               last_o,
  input  logic               take_i,
  output logic               idle_o,
  output logic [7:0]         fault_o
);
  import tapeout_pkg::*;
  typedef enum logic [1:0] {Header, Table, Load} state_e;
  state_e state_q;
  logic [4:0] log_q, index_q;
  logic inverse_q, known_q, load_reversed_q, unload_reversed_q, first_q;
  logic [31:0] columns_q;
  logic [MaxLog-1:0] count_q;
  logic fire, last_word, last_tau;
  assign fire      = s_valid_i && s_ready_o;
  assign last_word = count_q == MaxLog'((32'd1 << log_q) - 32'd1);
  assign last_tau  = index_q + 5'd1 == log_q;
  always_comb begin
    unique case (state_q)
      Header:  s_ready_o = enable_i;
      // the table before this one has been made, and the first column that it is for has started
      Table:   s_ready_o = enable_i && !pending_o && !(full_o && first_o);
      default: s_ready_o = enable_i && !full_o;
    endcase
  end

  // ---------------------------------------------------------------- headers
  logic [4:0] header_log;
  logic header_inverse, header_table, header_good;
  assign header_log     = s_i.data[12:8];
  assign header_inverse = s_i.data[16];
  assign header_table   = s_i.data[19];
  assign header_good    = s_i.data[7:0] == NttMagic && s_i.data[15:13] == '0 && s_i.data[31:20] == '0
      && 32'(header_log) >= LogLanes + 2 && 32'(header_log) <= MaxLog && s_i.data[63:32] != '0 && s_i.data[255:64] == '0
      && (header_table || known_q && header_log == log_q && header_inverse == inverse_q);
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q   <= Header;
      known_q   <= 1'b0;
      first_q   <= 1'b0;
      index_q   <= '0;
      count_q   <= '0;
      pending_o <= 1'b0;
      full_o    <= 1'b0;
    end else begin
      if (take_i) full_o <= 1'b0;
      if (tau_done_i) pending_o <= 1'b0;
      if (fire) begin
        unique case (state_q)
          Header: begin
            state_q <= header_table ? Table : Load;
            known_q <= 1'b1;
          end
          Table: begin
            index_q <= last_tau ? '0 : index_q + 5'd1;
            if (last_tau) begin
              state_q   <= Load;
              pending_o <= 1'b1;
              first_q   <= 1'b1;
            end
          end
          default: begin
            count_q <= last_word ? '0 : count_q + 1'b1;
            if (last_word) begin
              full_o  <= 1'b1;
              first_q <= 1'b0;
              if (columns_q == 32'd1) state_q <= Header;
            end
          end
        endcase
      end
    end
  end
  always_ff @(posedge clk_i) begin
    if (fire && state_q == Header) begin
      log_q             <= header_log;
      inverse_q         <= header_inverse;
      load_reversed_q   <= header_inverse != s_i.data[17];
      unload_reversed_q <= header_inverse == s_i.data[18];
      columns_q         <= s_i.data[63:32];
    end
    if (fire && state_q == Table && last_tau) begin
      tau_log_o     <= log_q;
      tau_inverse_o <= inverse_q;
    end
    if (fire && state_q == Load && last_word) begin
      columns_q  <= columns_q - 32'd1;
      first_o    <= first_q;
      reversed_o <= unload_reversed_q;
      last_o     <= columns_q == 32'd1;
    end
  end
  ram_1r1w #(.Width(256), .Depth(32)) u_tau (
    .clk_i,
    .read_i         (tau_read_i),
    .read_address_i (tau_index_i),
    .read_data_o    (tau_o),
    .write_i        (fire && state_q == Table),
    .write_address_i(index_q),
    .write_data_i   (s_i.data)
  );

  // ---------------------------------------------------------------- columns
  logic [MaxLog-1:0] reversed;
  for (genvar i = 0; i < MaxLog; i++) begin : gen_reversed
    assign reversed[i] = count_q[MaxLog-1-i];
  end
  assign load_o       = fire && state_q == Load;
  assign load_log_o   = log_q;
  assign load_index_o = load_reversed_q ? reversed >> (5'(MaxLog) - log_q) : count_q;
  assign load_data_o  = s_i.data;
  assign idle_o       = state_q == Header && !pending_o && !full_o;

  // ---------------------------------------------------------------- faults, a cycle late
  logic too_large_q, bad_header_q, bad_length_q, last_expected;
  assign last_expected = state_q == Load && last_word && columns_q == 32'd1;
  assign fault_o = bad_header_q ? FaultHeader : bad_length_q ? FaultLength : too_large_q ? FaultValue : '0;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      too_large_q  <= 1'b0;
      bad_header_q <= 1'b0;
      bad_length_q <= 1'b0;
    end else begin
      too_large_q  <= fire && state_q != Header && s_i.data >= 256'(FrP);
      bad_header_q <= fire && state_q == Header && !header_good;
      bad_length_q <= fire && s_i.last != last_expected;
    end
  end
  `TAPEOUT_ASSERT(no_column_is_lost, !(load_o && full_o))
endmodule
