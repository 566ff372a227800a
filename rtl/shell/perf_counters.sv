/// 64-bit event counters with a snapshot: snapshot_i copies all of them in the same cycle, so that a reader gets both
/// words of counters that belong together.
///
/// Counter i counts Step[i] for each cycle with events_i[i]. clear_i zeroes the counters, not the snapshot.
module perf_counters #(
  parameter int unsigned Count        = 1,
  parameter int unsigned Step [Count] = '{default: 1}
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             clear_i,
  input  logic             snapshot_i,
  input  logic [Count-1:0] events_i,
  output logic [63:0]      snapshot_o [Count]
);
  for (genvar i = 0; i < Count; i++) begin : gen_counter
    logic [63:0] count_q, snapshot_q;
    always_ff @(posedge clk_i or negedge rst_ni) begin
      if (!rst_ni) count_q <= '0;
      else if (clear_i) count_q <= '0;
      else if (events_i[i]) count_q <= count_q + 64'(Step[i]);
    end
    always_ff @(posedge clk_i) if (snapshot_i) snapshot_q <= count_q;
    assign snapshot_o[i] = snapshot_q;
  end
endmodule
