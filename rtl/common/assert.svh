// Named assertions, on in every simulation while the module is out of reset, and absent in synthesis. A module without a
// reset of its own says RESET_N.
`ifndef TAPEOUT_ASSERT_SVH
`define TAPEOUT_ASSERT_SVH
`ifdef SYNTHESIS
`define TAPEOUT_ASSERT(NAME, CONDITION, RESET_N = rst_ni)
`else
`define TAPEOUT_ASSERT(NAME, CONDITION, RESET_N = rst_ni) \
  always_ff @(posedge clk_i) begin \
    NAME : assert (!(RESET_N) || (CONDITION)) else $error("assertion failed"); \
  end
`endif
`endif
