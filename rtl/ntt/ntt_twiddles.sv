/// The table of twiddles: P entries a row, one row for each step of the widest stage and half as many for each one before it.
///
/// Stages of fewer than P blocks (low) have a row each, of repeated entries. Others: row 2^(s-p) + r has the entries
/// of the blocks r P and following of stage s. Reads take two cycles, throughput one per cycle, no handshake.
module ntt_twiddles #(
  parameter int unsigned LogLanes = 2,
  parameter int unsigned MaxLog   = 15,
  localparam int unsigned Lanes   = 1 << LogLanes,
  localparam int unsigned RowBits = MaxLog - LogLanes
) (
  input  logic               clk_i,
  input  logic               read_i,
  input  logic               read_low_i,
  input  logic [RowBits-1:0] read_row_i,
  output logic [255:0]       read_data_o [Lanes],
  input  logic               write_i,
  input  logic               write_low_i,
  input  logic [RowBits-1:0] write_row_i,
  input  logic [255:0]       write_data_i [Lanes]
);
  logic read_low;
  delay_line #(.Width(1), .Cycles(2)) u_low (.clk_i, .data_i(read_low_i), .data_o(read_low));
  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic [255:0] high, low;
    ram_1r1w #(.Width(256), .Depth(1 << RowBits), .Ultra(RowBits >= 13)) u_high (
      .clk_i,
      .read_i         (read_i && !read_low_i),
      .read_address_i (read_row_i),
      .read_data_o    (high),
      .write_i        (write_i && !write_low_i),
      .write_address_i(write_row_i),
      .write_data_i   (write_data_i[l])
    );
    ram_1r1w #(.Width(256), .Depth(4)) u_low (
      .clk_i,
      .read_i         (read_i && read_low_i),
      .read_address_i (read_row_i[1:0]),
      .read_data_o    (low),
      .write_i        (write_i && write_low_i),
      .write_address_i(write_row_i[1:0]),
      .write_data_i   (write_data_i[l])
    );
    assign read_data_o[l] = read_low ? low : high;
  end
endmodule
