/// Four buffers of a column each, in 2 P banks of one read and one write port.
///
/// A row of a buffer has two halves of P elements. Steps read and write one row of each half, elements go in and out one at
/// a time; the engine gives every buffer at most one reader and one writer. Reads take two cycles for steps and three for
/// single elements, throughput one each per cycle, no handshake. Banks that fill UltraRAM (4,096 rows) are in UltraRAM.
module ntt_memory #(
  parameter int unsigned LogLanes = 2,
  parameter int unsigned MaxLog   = 15,
  localparam int unsigned Lanes   = 1 << LogLanes,
  localparam int unsigned RowBits = MaxLog - LogLanes - 1
) (
  input  logic                clk_i,
  // steps
  input  logic                read_i,
  input  logic [1:0]          read_buffer_i,
  input  logic [RowBits-1:0]  read_row_i [2],
  output logic [255:0]        read_data_o [2][Lanes],
  input  logic                write_i,
  input  logic [1:0]          write_buffer_i,
  input  logic [RowBits-1:0]  write_row_i [2],
  input  logic [255:0]        write_data_i [2][Lanes],
  // elements
  input  logic                load_i,
  input  logic [1:0]          load_buffer_i,
  input  logic [RowBits-1:0]  load_row_i,
  input  logic                load_half_i,
  input  logic [LogLanes-1:0] load_lane_i,
  input  logic [255:0]        load_data_i,
  input  logic                unload_i,
  input  logic [1:0]          unload_buffer_i,
  input  logic [RowBits-1:0]  unload_row_i,
  input  logic                unload_half_i,
  input  logic [LogLanes-1:0] unload_lane_i,
  output logic [255:0]        unload_data_o
);
  logic [255:0] data [4][2][Lanes];
  for (genvar b = 0; b < 4; b++) begin : gen_buffer
    logic reads, unloads, writes, loads;
    assign reads   = read_i && read_buffer_i == 2'(b);
    assign unloads = unload_i && unload_buffer_i == 2'(b);
    assign writes  = write_i && write_buffer_i == 2'(b);
    assign loads   = load_i && load_buffer_i == 2'(b);
    for (genvar h = 0; h < 2; h++) begin : gen_half
      for (genvar l = 0; l < Lanes; l++) begin : gen_lane
        ram_1r1w #(.Width(256), .Depth(1 << RowBits), .Ultra(RowBits >= 12)) u_bank (
          .clk_i,
          .read_i         (reads || unloads && unload_half_i == 1'(h) && unload_lane_i == LogLanes'(l)),
          .read_address_i (unloads ? unload_row_i : read_row_i[h]),
          .read_data_o    (data[b][h][l]),
          .write_i        (writes || loads && load_half_i == 1'(h) && load_lane_i == LogLanes'(l)),
          .write_address_i(loads ? load_row_i : write_row_i[h]),
          .write_data_i   (loads ? load_data_i : write_data_i[h][l])
        );
      end
    end
  end

  logic [1:0] read_buffer, unload_buffer;
  logic unload_half;
  logic [LogLanes-1:0] unload_lane;
  delay_line #(.Width(2), .Cycles(2)) u_read (.clk_i, .data_i(read_buffer_i), .data_o(read_buffer));
  assign read_data_o = data[read_buffer];
  delay_line #(.Width(3 + LogLanes), .Cycles(2)) u_unload (
    .clk_i,
    .data_i({unload_buffer_i, unload_half_i, unload_lane_i}),
    .data_o({unload_buffer, unload_half, unload_lane})
  );
  always_ff @(posedge clk_i) unload_data_o <= data[unload_buffer][unload_half][unload_lane];
endmodule
