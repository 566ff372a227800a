`include "assert.svh"
/// Issues the steps: those that make a table, and those of the stages of each column, one per cycle.
///
/// A step that is issued now reads now; what it writes can be read NttPipeline cycles later. Between stages of short
/// columns it waits for that (gap_o). A column starts in the cycle after the last step of the one before it, when it has
/// been loaded; the last step of a column waits for the buffer that holds the column before it to be unloaded (blocked_o).
module ntt_sequencer #(
  parameter int unsigned LogLanes = 2,
  parameter int unsigned MaxLog   = 15,
  localparam int unsigned StepBits = MaxLog - LogLanes - 1,
  localparam int unsigned RowBits  = MaxLog - LogLanes
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  // table words and columns that wait
  input  logic                pending_i,
  input  logic [4:0]          tau_log_i,
  input  logic                tau_inverse_i,
  output logic                tau_done_o,
  input  logic                full_i,
  input  logic                first_i,
  output logic                take_o,
  output logic [4:0]          log_o,
  output logic                inverse_o,
  // steps of the table: a word of the header times the first entries, or a row times a constant
  output logic                tau_o,
  output logic                grow_o,
  output logic [4:0]          tau_index_o,
  output logic [4:0]          grow_index_o,
  output logic                table_low_o,
  output logic [RowBits-1:0]  table_row_o,
  // steps of a column
  output logic                step_o,
  output logic [StepBits-1:0] step_index_o,
  output logic [StepBits-1:0] half_o,
  output logic                twiddle_low_o,
  output logic [RowBits-1:0]  twiddle_row_o,
  output logic                stage_end_o,
  output logic                finish_o,
  input  logic                unload_free_i,
  output logic                idle_o,
  output logic                gap_o,
  output logic                blocked_o
);
  import tapeout_pkg::*;
  localparam int unsigned P = LogLanes;
  typedef enum logic [2:0] {Idle, Tau, Settle, Grow, Run} state_e;
  state_e state_q;
  logic [4:0] stage_q, level_q, last_stage, log_steps;
  logic [6:0] wait_q, drain_q;
  logic [StepBits-1:0] step_q, last_step;
  logic [RowBits-1:0] row_q, level_rows;
  logic [6:0] gap;
  logic start, start_table, at_last_step, at_last_stage, last_level;

  assign log_steps     = log_o - 5'(P + 1);
  assign last_step     = StepBits'((32'd1 << log_steps) - 32'd1);
  assign half_o        = StepBits'((32'd1 << log_steps) >> 1);
  assign last_stage    = inverse_o ? '0 : log_o - 5'd1;
  assign at_last_step  = step_q == last_step;
  assign at_last_stage = stage_q == last_stage;
  // cycles until the next stage's first row has been written
  assign gap           = 32'(half_o) >= NttPipeline ? '0 : 7'(NttPipeline) - 7'(half_o);

  assign step_o       = state_q == Run && wait_q == '0 && !blocked_o;
  assign blocked_o    = state_q == Run && wait_q == '0 && at_last_step && at_last_stage && !unload_free_i;
  assign gap_o        = state_q == Run && wait_q != '0;
  assign step_index_o = step_q;
  assign stage_end_o  = step_o && at_last_step && !at_last_stage;
  assign finish_o     = step_o && at_last_step && at_last_stage;
  assign start        = full_i && (finish_o || state_q == Idle) && !(first_i && pending_i);
  assign start_table  = state_q == Idle && drain_q == '0 && pending_i && !(full_i && !first_i);
  assign take_o       = start;
  assign idle_o       = state_q == Idle && drain_q == '0;

  // the row of a table: stages of fewer than P blocks apart
  logic [4:0] above;
  assign above         = stage_q - 5'(P);
  assign twiddle_low_o = 32'(stage_q) < P;
  assign twiddle_row_o = twiddle_low_o ? RowBits'(stage_q)
      : RowBits'(32'd1 << above) | RowBits'(step_q) & RowBits'((32'd1 << above) - 32'd1);

  // making a table: level j doubles the rows of all stages above P + j
  assign tau_o        = state_q == Tau;
  assign tau_index_o  = stage_q;
  assign tau_done_o   = tau_o && stage_q == log_o - 5'd1;
  assign grow_o       = state_q == Grow && wait_q == '0;
  assign grow_index_o = level_q + 5'(P);
  assign level_rows   = RowBits'(32'd1 << level_q);
  assign last_level   = level_q == log_o - 5'(P + 2);
  assign table_low_o  = 32'(stage_q) < P;
  // the row that is written; what it grows from stands level_rows before it
  assign table_row_o  = table_low_o ? RowBits'(stage_q) : RowBits'(32'd1 << above) + (grow_o ? row_q + level_rows : '0);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q   <= Idle;
      wait_q    <= '0;
      drain_q   <= '0;
      step_q    <= '0;
      stage_q   <= '0;
      level_q   <= '0;
      row_q     <= '0;
      log_o     <= 5'(P + 2);
      inverse_o <= 1'b0;
    end else begin
      if (wait_q != '0) wait_q <= wait_q - 7'd1;
      if (step_o) drain_q <= 7'(NttPipeline - 1);
      else if (drain_q != '0) drain_q <= drain_q - 7'd1;
      if (step_o) step_q <= at_last_step ? '0 : step_q + 1'b1;
      if (stage_end_o) begin
        stage_q <= inverse_o ? stage_q - 5'd1 : stage_q + 5'd1;
        wait_q  <= gap;
      end
      if (start) begin
        state_q <= Run;
        stage_q <= inverse_o ? log_o - 5'd1 : '0;
      end else if (finish_o) begin
        state_q <= Idle;
      end else if (start_table) begin
        state_q   <= Tau;
        stage_q   <= '0;
        log_o     <= tau_log_i;
        inverse_o <= tau_inverse_i;
      end
      if (tau_o) begin
        stage_q <= stage_q + 5'd1;
        if (tau_done_o) begin
          state_q <= Grow;
          wait_q  <= 7'(NttPipeline - 1);
          level_q <= '0;
          stage_q <= 5'(P + 1);
        end
      end
      if (grow_o) begin
        row_q <= row_q + 1'b1;
        if (row_q == level_rows - 1'b1) begin
          row_q   <= '0;
          stage_q <= stage_q + 5'd1;
          if (stage_q == log_o - 5'd1) begin
            level_q <= level_q + 5'd1;
            stage_q <= level_q + 5'(P + 2);
            wait_q  <= 7'(NttPipeline - 1);
            if (last_level) state_q <= Settle;
          end
        end
      end
      if (state_q == Settle && wait_q == '0) state_q <= Idle;
    end
  end
  `TAPEOUT_ASSERT(tables_are_made_in_an_empty_pipeline, !(tau_o || grow_o) || drain_q == '0)
endmodule
