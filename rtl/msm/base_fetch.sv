/// Fetches bases from external memory over AXI4, one read of 64 bytes per base, in the order of the requests.
///
/// Requests (request_*) and bases (base_*) are valid/ready. As many reads are under way as the buffer has room for,
/// so nothing that memory answers is ever held back. clear_i forgets all requests; answers still under way are
/// dropped when they come. error_o is high for a cycle when memory answers with an error.
module base_fetch
  import types_pkg::*;
#(
  localparam int unsigned Depth = tapeout_pkg::BaseFifoDepth
) (
  input  logic           clk_i,
  input  logic           rst_ni,
  input  logic           clear_i,
  input  logic [31:0]    origin_i,  // of base 0, in units of 64 bytes
  input  logic           request_valid_i,
  output logic           request_ready_o,
  input  logic [31:0]    request_index_i,
  output logic           base_valid_o,
  input  logic           base_ready_i,
  output logic [511:0]   base_o,
  output logic           error_o,
  output memory_ask_t    m_o,
  input  memory_answer_t m_i
);
  localparam int unsigned CountBits = $clog2(Depth) + 1;
  // under way and to be kept, to be dropped, and buffered or under way
  logic [CountBits-1:0] wanted_q, stale_q, held_q;
  logic arvalid_q;
  logic [37:0] araddr_q;
  logic request_fire, keep, drop, pop, buffer_rst_n;
  assign request_ready_o = !clear_i && held_q != CountBits'(Depth) && (!arvalid_q || m_i.arready);
  assign request_fire    = request_valid_i && request_ready_o;
  assign m_o             = '{arvalid: arvalid_q, rready: 1'b1, araddr: araddr_q};
  assign drop            = m_i.rvalid && stale_q != '0;
  assign keep            = m_i.rvalid && stale_q == '0 && !clear_i;
  assign pop             = base_valid_o && base_ready_i;
  assign error_o         = keep && m_i.rresp != 2'b00;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      arvalid_q   <= 1'b0;
      wanted_q    <= '0;
      stale_q     <= '0;
      held_q      <= '0;
    end else begin
      // an address once shown must stay until it is taken, cleared or not
      arvalid_q <= request_fire || (arvalid_q && !m_i.arready);
      if (clear_i) begin
        wanted_q <= '0;
        stale_q  <= stale_q + wanted_q - CountBits'(m_i.rvalid);
        held_q   <= '0;
      end else begin
        wanted_q <= wanted_q + CountBits'(request_fire) - CountBits'(keep);
        stale_q  <= stale_q - CountBits'(drop);
        held_q   <= held_q + CountBits'(request_fire) - CountBits'(pop);
      end
    end
  end
  always_ff @(posedge clk_i) if (request_fire) araddr_q <= {origin_i + request_index_i, 6'b0};
  assign buffer_rst_n = rst_ni && !clear_i;
  fifo #(.Width(512), .Depth(Depth)) u_buffer (
    .clk_i, .rst_ni(buffer_rst_n),
    .valid_i(keep),
    .ready_o(),
    .data_i (m_i.rdata),
    .valid_o(base_valid_o),
    .ready_i(base_ready_i),
    .data_o (base_o),
    .count_o()
  );
endmodule
