// Named assertions, on in every simulation and absent in synthesis.
`ifndef TAPEOUT_ASSERT_SVH
`define TAPEOUT_ASSERT_SVH
`ifdef SYNTHESIS
`define TAPEOUT_ASSERT(NAME, CONDITION)
`else
`define TAPEOUT_ASSERT(NAME, CONDITION) \
  always_ff @(posedge clk_i) begin \
    NAME : assert (CONDITION) else $error("assertion failed"); \
  end
`endif
`endif
