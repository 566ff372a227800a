/// A card with an MSM engine and an NTT engine, which can run at once: AXI4-Lite registers, for each engine an AXI4-Stream
/// in and one out, AXI4 reads of bases.
///
/// Registers are those of docs/registers.md, generated from hw/src/regs.rs. A read or write takes one cycle once both
/// of its channels' handshakes are done; unknown addresses read as zero and ignore writes.
module card (
  input  logic         clk_i,
  input  logic         rst_ni,
  // AXI4-Lite
  input  logic         c_awvalid_i,
  output logic         c_awready_o,
  input  logic [7:0]   c_awaddr_i,
  input  logic         c_wvalid_i,
  output logic         c_wready_o,
  input  logic [31:0]  c_wdata_i,
  output logic         c_bvalid_o,
  input  logic         c_bready_i,
  output logic [1:0]   c_bresp_o,
  input  logic         c_arvalid_i,
  output logic         c_arready_o,
  input  logic [7:0]   c_araddr_i,
  output logic         c_rvalid_o,
  input  logic         c_rready_i,
  output logic [31:0]  c_rdata_o,
  output logic [1:0]   c_rresp_o,
  // MSM: AXI4-Stream in
  input  logic         s_tvalid_i,
  output logic         s_tready_o,
  input  logic [255:0] s_tdata_i,
  input  logic         s_tlast_i,
  // MSM: AXI4-Stream out
  output logic         o_tvalid_o,
  input  logic         o_tready_i,
  output logic [255:0] o_tdata_o,
  output logic         o_tlast_o,
  // MSM: AXI4, read channels; what is constant of a burst of one beat of 64 bytes
  output logic         m_arvalid_o,
  input  logic         m_arready_i,
  output logic [37:0]  m_araddr_o,
  output logic [7:0]   m_arlen_o,
  output logic [2:0]   m_arsize_o,
  output logic [1:0]   m_arburst_o,
  input  logic         m_rvalid_i,
  output logic         m_rready_o,
  input  logic [511:0] m_rdata_i,
  input  logic [1:0]   m_rresp_i,
  // NTT: AXI4-Stream in
  input  logic         n_tvalid_i,
  output logic         n_tready_o,
  input  logic [255:0] n_tdata_i,
  input  logic         n_tlast_i,
  // NTT: AXI4-Stream out
  output logic         t_tvalid_o,
  input  logic         t_tready_i,
  output logic [255:0] t_tdata_o,
  output logic         t_tlast_o
);
  import tapeout_pkg::*;
  import types_pkg::*;
  localparam int unsigned CounterStep [Counters] = '{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 32, 32, 64};
  localparam int unsigned NttCounterStep [NttCounters] = '{1, 1 << NttLogLanes, 1, 1, 1, 1, 32, 32};

  assign m_arlen_o   = 8'd0;
  assign m_arsize_o  = 3'd6;
  assign m_arburst_o = 2'b01;

  // ---------------------------------------------------------------- writes
  logic write_fire, reset_q, clear_counters_q, ntt_reset_q, ntt_clear_counters_q;
  logic [31:0] watchdog_q, origin_q, count_q;
  assign write_fire  = c_awvalid_i && c_wvalid_i && !c_bvalid_o;
  assign c_awready_o = write_fire;
  assign c_wready_o  = write_fire;
  assign c_bresp_o   = 2'b00;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      c_bvalid_o       <= 1'b0;
      reset_q          <= 1'b0;
      clear_counters_q <= 1'b0;
      ntt_reset_q      <= 1'b0;
      ntt_clear_counters_q <= 1'b0;
      watchdog_q       <= WatchdogReset;
      origin_q         <= '0;
      count_q          <= '0;
    end else begin
      c_bvalid_o       <= write_fire || (c_bvalid_o && !c_bready_i);
      reset_q          <= write_fire && c_awaddr_i == RegControl && c_wdata_i[0];
      clear_counters_q <= write_fire && c_awaddr_i == RegControl && c_wdata_i[1];
      ntt_reset_q      <= write_fire && c_awaddr_i == RegControl && c_wdata_i[2];
      ntt_clear_counters_q <= write_fire && c_awaddr_i == RegControl && c_wdata_i[3];
      if (write_fire && c_awaddr_i == RegWatchdog) watchdog_q <= c_wdata_i;
      if (write_fire && c_awaddr_i == RegBaseAddress) origin_q <= c_wdata_i;
      if (write_fire && c_awaddr_i == RegBaseCount) count_q <= c_wdata_i;
    end
  end

  // ---------------------------------------------------------------- engine and counters
  logic ready, busy;
  logic [7:0] fault;
  logic [Counters-1:0] events;
  word_t pass_word, sum_word;
  memory_ask_t memory_ask;
  memory_answer_t memory_answer;
  assign pass_word     = '{last: s_tlast_i, data: s_tdata_i};
  assign memory_answer = '{arready: m_arready_i, rvalid: m_rvalid_i, rresp: m_rresp_i, rdata: m_rdata_i};
  assign {m_arvalid_o, m_rready_o, m_araddr_o} = memory_ask;
  assign {o_tlast_o, o_tdata_o} = sum_word;
  logic msm_clk;
  clock_gate u_msm_clock (
    .clk_i, .rst_ni,
    .need_i(!ready || busy || reset_q || s_tvalid_i || m_arvalid_o || m_rvalid_i),
    .clk_o (msm_clk)
  );
  msm_engine u_engine (
    .clk_i        (msm_clk), .rst_ni,
    .clear_i      (reset_q),
    .base_origin_i(origin_q),
    .base_count_i (count_q),
    .watchdog_i   (watchdog_q),
    .ready_o      (ready),
    .busy_o       (busy),
    .fault_o      (fault),
    .events_o     (events),
    .s_valid_i    (s_tvalid_i),
    .s_ready_o    (s_tready_o),
    .s_i          (pass_word),
    .m_o          (memory_ask),
    .m_i          (memory_answer),
    .o_valid_o    (o_tvalid_o),
    .o_ready_i    (o_tready_i),
    .o_o          (sum_word)
  );
  logic read_fire, snapshot_q;
  logic [63:0] counter [Counters];
  perf_counters #(.Count(Counters), .Step(CounterStep)) u_counters (
    .clk_i, .rst_ni,
    .clear_i   (clear_counters_q),
    .snapshot_i(read_fire && c_araddr_i == RegCyclesLo),
    .events_i  (events),
    .snapshot_o(counter)
  );

  logic ntt_ready, ntt_busy;
  logic [7:0] ntt_fault;
  logic [NttCounters-1:0] ntt_events;
  word_t column_word, transform_word;
  assign column_word = '{last: n_tlast_i, data: n_tdata_i};
  assign {t_tlast_o, t_tdata_o} = transform_word;
  logic ntt_clk;
  clock_gate u_ntt_clock (
    .clk_i, .rst_ni,
    .need_i(!ntt_ready || ntt_busy || ntt_reset_q || n_tvalid_i),
    .clk_o (ntt_clk)
  );
  ntt_engine u_ntt_engine (
    .clk_i     (ntt_clk), .rst_ni,
    .clear_i   (ntt_reset_q),
    .watchdog_i(watchdog_q),
    .ready_o   (ntt_ready),
    .busy_o    (ntt_busy),
    .fault_o   (ntt_fault),
    .events_o  (ntt_events),
    .s_valid_i (n_tvalid_i),
    .s_ready_o (n_tready_o),
    .s_i       (column_word),
    .o_valid_o (t_tvalid_o),
    .o_ready_i (t_tready_i),
    .o_o       (transform_word)
  );
  logic [63:0] ntt_counter [NttCounters];
  perf_counters #(.Count(NttCounters), .Step(NttCounterStep)) u_ntt_counters (
    .clk_i, .rst_ni,
    .clear_i   (ntt_clear_counters_q),
    .snapshot_i(read_fire && c_araddr_i == RegNttCyclesLo),
    .events_i  (ntt_events),
    .snapshot_o(ntt_counter)
  );

  // ---------------------------------------------------------------- reads: address, a cycle for the snapshot, data
  logic [7:0] address_q;
  logic [31:0] data;
  assign read_fire   = c_arvalid_i && !snapshot_q && !c_rvalid_o;
  assign c_arready_o = read_fire;
  assign c_rresp_o   = 2'b00;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      snapshot_q <= 1'b0;
      c_rvalid_o <= 1'b0;
    end else begin
      snapshot_q <= read_fire;
      c_rvalid_o <= snapshot_q || (c_rvalid_o && !c_rready_i);
    end
  end
  always_ff @(posedge clk_i) begin
    if (read_fire) address_q <= c_araddr_i;
    if (snapshot_q) c_rdata_o <= data;
  end
  localparam int unsigned CapabilityValue = MaxWidth | SlotBits << 8 | Fields << 16 | AddLatency << 24;
  localparam int unsigned NttCapabilityValue = NttMaxLog | NttLogLanes << 8;
  always_comb begin
    data = '0;
    unique case (address_q)
      RegId:          data = TableHash;
      RegCapability:  data = CapabilityValue;
      RegStatus:      data = {16'b0, fault, 6'b0, busy, ready};
      RegWatchdog:    data = watchdog_q;
      RegBaseAddress: data = origin_q;
      RegBaseCount:   data = count_q;
      RegNttCapability: data = NttCapabilityValue;
      RegNttStatus:   data = {16'b0, ntt_fault, 6'b0, ntt_busy, ntt_ready};
      default: begin
        for (int unsigned i = 0; i < Counters; i++) begin
          if (address_q == RegCyclesLo + 8'(8 * i)) data = counter[i][31:0];
          if (address_q == RegCyclesLo + 8'(8 * i + 4)) data = counter[i][63:32];
        end
        for (int unsigned i = 0; i < NttCounters; i++) begin
          if (address_q == RegNttCyclesLo + 8'(8 * i)) data = ntt_counter[i][31:0];
          if (address_q == RegNttCyclesLo + 8'(8 * i + 4)) data = ntt_counter[i][63:32];
        end
      end
    endcase
  end
endmodule
