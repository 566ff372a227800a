`include "assert.svh"
/// Passes in, digits out: reads pass headers and packed scalars from the host's stream, recodes the scalars to signed
/// digits and emits every non-zero digit with its bucket, one per cycle; zero digits take no cycle.
///
/// Stream: two header words, then the pass's words, the last one marked (hw/src/msm.rs, `Pass`). A pass starts when
/// its bank is free (bank_free_i) and the two banks take turns; start_o is high for a cycle then, and sent_o[b] from
/// the last digit of the pass in bank b until the bank is taken anew. Digits are valid/ready; request_* asks for a
/// base once per base that has a non-zero digit, in order, and the digit that is the last of its base says so. A
/// digit's slot is {magnitude, window}, with as many bits for the window as the pass's windows need (shape_o).
/// fault_o is latched until reset; nothing is taken or emitted from then on.
///
/// Recoding: (s + K) xor K with K the top bits of all windows, no carry across lane tops (hw/src/msm.rs, `recode`).
module digit_unit
  import types_pkg::*;
(
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        enable_i,
  input  logic [31:0] base_count_i,
  // the host's stream
  input  logic        s_valid_i,
  output logic        s_ready_o,
  input  word_t       s_i,
  // passes
  input  logic [1:0]  bank_free_i,
  output logic        start_o,
  output logic        bank_o,     // of the pass that starts
  output shape_t      shape_o,
  output logic [1:0]  sent_o,
  output logic        idle_o,     // between passes, nothing to emit
  output logic        starved_o,  // in a pass, no word to work on
  // bases that are needed
  output logic        request_valid_o,
  input  logic        request_ready_i,
  output logic [31:0] request_index_o,
  output logic        digit_valid_o,
  input  logic        digit_ready_i,
  output digit_t      digit_o,
  output logic [7:0]  fault_o
);
  import tapeout_pkg::*;
  localparam int unsigned Extended = 272;

  // ---------------------------------------------------------------- header
  typedef enum logic [1:0] {StHeader, StTops, StStart, StWords} state_e;
  state_e state_q;
  logic [3:0]   width_q;
  logic [2:0]   log_per_base_q, log_windows_q;
  logic [5:0]   bases_per_word_q, windows_q;
  logic [4:0]   first_field_q;
  logic [31:0]  words_q, base_q;
  logic [255:0] tops_q;
  logic         bank_q, planes_q;
  logic         s_fire, word_ready, word_fire;
  assign s_ready_o = enable_i && fault_o == '0
      && (state_q == StHeader || state_q == StTops || (state_q == StWords && word_ready));
  assign s_fire    = s_valid_i && s_ready_o;
  assign word_fire = s_fire && state_q == StWords;

  logic [7:0] h_magic;
  logic [4:0] h_width, h_first;
  logic [2:0] h_log;
  logic [5:0] h_bases, h_windows;
  logic [31:0] h_words;
  logic [10:0] h_fields;
  logic [15:0] h_bits, h_reach;
  logic [20:0] h_buckets;
  logic header_bad;
  assign h_magic    = s_i.data[7:0];
  assign h_width    = s_i.data[12:8];
  assign h_log      = s_i.data[15:13];
  assign h_bases    = s_i.data[21:16];
  assign h_first    = s_i.data[28:24];
  assign h_windows  = s_i.data[37:32];
  assign h_words    = s_i.data[95:64];
  assign h_fields   = 11'(h_bases) << h_log;
  assign h_bits     = 16'(h_fields) * 16'(h_width);
  assign h_reach    = (16'(h_first) + 16'(h_windows)) * 16'(h_width);
  assign h_buckets  = 21'(h_windows) << (h_width - 5'd1);
  assign header_bad = h_magic != HeaderMagic || 32'(h_width) < MinWidth || 32'(h_width) > MaxWidth || h_log > 3'd5
      || h_bases == '0 || 32'(h_fields) > Fields || (h_bases > 6'd1 && h_bits > 16'd256)
      || h_windows == '0 || 32'(h_windows) > Fields || 7'(h_first) + 7'(h_windows) > (7'd1 << h_log)
      || 32'(h_reach) > Extended || 32'(h_buckets) > (32'd1 << SlotBits) || h_words == '0
      || s_i.data[23] || s_i.data[31:29] != '0 || s_i.data[63:38] != '0 || s_i.data[255:128] != '0;

  function automatic logic [2:0] log_up(logic [5:0] count);
    logic [2:0] log;
    log = 3'd5;
    for (int i = 4; i >= 0; i--) if (count <= 6'd1 << i) log = i[2:0];
    return log;
  endfunction

  logic last_word, emission_fault;
  assign last_word = words_q == 32'd1;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) fault_o <= '0;
    else if (fault_o == '0) begin
      if (emission_fault) fault_o <= FaultBases;
      else if (s_fire && state_q == StHeader && header_bad) fault_o <= FaultHeader;
      else if (s_fire && s_i.last != (state_q == StWords && last_word)) fault_o <= FaultLength;
    end
  end

  assign start_o       = state_q == StStart && bank_free_i[bank_q] && fault_o == '0;
  assign bank_o        = bank_q;
  assign shape_o       = '{planes: planes_q, log_buckets: width_q - 4'd1, log_windows: log_windows_q,
                           windows: windows_q};
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      state_q <= StHeader;
      bank_q  <= 1'b0;
    end else begin
      unique case (state_q)
        StHeader: if (s_fire) state_q <= StTops;
        StTops:   if (s_fire) state_q <= StStart;
        StStart:  if (start_o) state_q <= StWords;
        StWords: begin
          if (s_fire && last_word) begin
            state_q <= StHeader;
            bank_q  <= !bank_q;
          end
        end
      endcase
    end
  end
  always_ff @(posedge clk_i) begin
    if (s_fire && state_q == StHeader) begin
      width_q          <= h_width[3:0];
      log_per_base_q   <= h_log;
      bases_per_word_q <= h_bases;
      first_field_q    <= h_first;
      windows_q        <= h_windows;
      planes_q         <= s_i.data[22];
      log_windows_q    <= log_up(h_windows);
      words_q          <= h_words;
      base_q           <= s_i.data[127:96];
    end
    if (s_fire && state_q == StTops) tops_q <= s_i.data;
    if (word_fire) begin
      words_q <= words_q - 32'd1;
      base_q  <= base_q + 32'(bases_per_word_q);
    end
  end

  // ---------------------------------------------------------------- recode and cut; what a word needs travels with it
  typedef struct packed {
    logic        bank;
    logic        last;     // of its pass
    logic [3:0]  width;
    logic [2:0]  log_per_base;
    logic [2:0]  log_windows;
    logic [4:0]  first_field;
    logic [31:0] base;
  } about_t;
  logic add_valid_q, cut_valid_q, emit_valid_q, add_ready, cut_ready, emit_ready;
  about_t add_about_q, cut_about_q, emit_about_q;

  function automatic logic [Extended-1:0] window_tops(logic [3:0] width);
    logic [Extended-1:0] tops;
    tops = '0;
    for (int unsigned w = MinWidth; w <= MaxWidth; w++) begin
      for (int unsigned i = w - 1; i < Extended; i += w) if (width == w[3:0]) tops[i] = 1'b1;
    end
    return tops;
  endfunction

  function automatic logic [Extended-1:0] recode(logic [255:0] word, logic [255:0] lane_tops, logic [Extended-1:0] k);
    logic [Extended-1:0] s, tops;
    s    = {{16{word[255]}}, word};
    tops = {16'b0, lane_tops};
    return (((s & ~tops) + (k & ~tops)) ^ ((s ^ k) & tops)) ^ k;
  endfunction

  // the fields that the pass takes, by their places among those of their base
  function automatic logic [Fields-1:0] taken_fields(logic [5:0] fields, logic [2:0] log_per_base, logic [4:0] first,
                                                     logic [5:0] windows);
    logic [Fields-1:0] taken;
    logic [4:0] place;
    for (int unsigned f = 0; f < Fields; f++) begin
      place    = f[4:0] & ~(5'h1f << log_per_base);
      taken[f] = f[5:0] < fields && place >= first && 6'(place) < 6'(first) + windows;
    end
    return taken;
  endfunction

  // what of the recoding and cutting is the same for all words of a pass
  logic [Extended-1:0] k_q, add_q;
  logic [Fields-1:0] taken_q, add_taken_q;
  always_ff @(posedge clk_i) begin
    if (state_q == StStart) begin
      k_q     <= window_tops(width_q);
      taken_q <= taken_fields(bases_per_word_q << log_per_base_q, log_per_base_q, first_field_q, windows_q);
    end
  end
  assign word_ready = !add_valid_q || add_ready;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) add_valid_q <= 1'b0;
    else if (word_ready) add_valid_q <= word_fire;
  end
  always_ff @(posedge clk_i) begin
    if (word_fire) begin
      add_q       <= recode(s_i.data, tops_q, k_q);
      add_taken_q <= taken_q;
      add_about_q <= '{bank: bank_q, last: last_word, width: width_q, log_per_base: log_per_base_q,
                       log_windows: log_windows_q, first_field: first_field_q, base: base_q};
    end
  end

  // field f of the word at the pass's width, sign-extended
  function automatic logic [MaxWidth-1:0] cut(logic [Extended-1:0] word, logic [3:0] width, int unsigned f);
    logic [Extended+MaxWidth-1:0] padded;
    logic [MaxWidth-1:0] field;
    padded = {{MaxWidth{1'b0}}, word};
    field  = '0;
    for (int unsigned w = MinWidth; w <= MaxWidth; w++) begin
      if (width == w[3:0] && f * w + w <= Extended) begin
        field = padded[f*w+:MaxWidth] & ~({MaxWidth{1'b1}} << w);
        if (padded[f*w+w-1]) field |= {MaxWidth{1'b1}} << w;
      end
    end
    return field;
  endfunction

  // packed: field f at MaxWidth * f
  logic [Fields-1:0][MaxWidth-1:0] cut_field_q, emit_field_q;
  logic [Fields-1:0] cut_mask_q, emit_mask_q;
  assign add_ready = !cut_valid_q || cut_ready;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) cut_valid_q <= 1'b0;
    else if (add_ready) cut_valid_q <= add_valid_q;
  end
  always_ff @(posedge clk_i) begin
    if (add_valid_q && add_ready) begin
      for (int unsigned f = 0; f < Fields; f++) begin
        cut_field_q[f] <= cut(add_q, add_about_q.width, f);
        cut_mask_q[f]  <= add_taken_q[f] && cut(add_q, add_about_q.width, f) != '0;
      end
      cut_about_q <= add_about_q;
    end
  end

  // ---------------------------------------------------------------- emit: the lowest field that is left
  logic [4:0] lowest, next;
  logic [Fields-1:0] rest;
  logic emit_go, out_free, fresh_q, first_of_base;
  logic [4:0] group, group_q, next_group;
  assign lowest        = lowest_set(emit_mask_q);
  assign rest          = emit_mask_q & (emit_mask_q - 1'b1);
  assign next          = lowest_set(rest);
  assign group         = lowest >> emit_about_q.log_per_base;
  assign next_group    = next >> emit_about_q.log_per_base;
  assign first_of_base = fresh_q || group != group_q;
  assign out_free      = (!digit_valid_o || digit_ready_i) && (!request_valid_o || request_ready_i);
  assign emit_go       = emit_valid_q && emit_mask_q != '0 && out_free && fault_o == '0;
  assign emit_ready    = !emit_valid_q || emit_mask_q == '0 || (emit_go && rest == '0);
  // a word without digits goes no further than here, unless it ends its pass
  assign cut_ready     = emit_ready || (cut_mask_q == '0 && !cut_about_q.last);
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      emit_valid_q <= 1'b0;
      emit_mask_q  <= '0;
      fresh_q      <= 1'b0;
    end else begin
      if (emit_ready) begin
        emit_valid_q <= cut_valid_q && (cut_mask_q != '0 || cut_about_q.last);
        emit_mask_q  <= cut_mask_q;
        fresh_q      <= 1'b1;
      end else if (emit_go) begin
        emit_mask_q <= rest;
        fresh_q     <= 1'b0;
      end
    end
  end
  always_ff @(posedge clk_i) begin
    if (emit_ready) begin
      emit_field_q <= cut_field_q;
      emit_about_q <= cut_about_q;
    end
    if (emit_go) group_q <= group;
  end

  // ---------------------------------------------------------------- the digit's bucket
  logic [MaxWidth-1:0] digit, magnitude;
  logic [4:0] window;
  logic [31:0] base;
  logic [SlotBits-1:0] bucket;
  logic [3:0] log_buckets;
  assign digit       = emit_field_q[lowest];
  assign magnitude   = digit[MaxWidth-1] ? -digit : digit;
  assign window      = (lowest & ~(5'h1f << emit_about_q.log_per_base)) - emit_about_q.first_field;
  assign base        = emit_about_q.base + 32'(group);
  assign log_buckets = emit_about_q.width - 4'd1;
  // the largest magnitude, 2^(c-1), shares its bits with zero, which no digit has
  assign bucket      = SlotBits'(magnitude) & ~({SlotBits{1'b1}} << log_buckets);
  assign emission_fault = emit_go && base >= base_count_i;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      digit_valid_o   <= 1'b0;
      request_valid_o <= 1'b0;
    end else begin
      if (digit_ready_i) digit_valid_o <= 1'b0;
      if (request_ready_i) request_valid_o <= 1'b0;
      if (emit_go && !emission_fault) begin
        digit_valid_o   <= 1'b1;
        request_valid_o <= first_of_base;
      end
    end
  end
  always_ff @(posedge clk_i) begin
    if (emit_go) begin
      digit_o <= '{bank: emit_about_q.bank, negative: digit[MaxWidth-1], last: rest == '0 || next_group != group,
                   slot: (bucket << emit_about_q.log_windows) | SlotBits'(window)};
      request_index_o <= base;
    end
  end

  // ---------------------------------------------------------------- ends of passes
  logic sent;
  assign sent = emit_valid_q && emit_ready && emit_about_q.last;
  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) sent_o <= '0;
    else begin
      if (sent) sent_o[emit_about_q.bank] <= 1'b1;
      if (start_o) sent_o[bank_q] <= 1'b0;
    end
  end
  logic empty;
  assign empty     = !add_valid_q && !cut_valid_q && !emit_valid_q;
  assign idle_o    = state_q == StHeader && empty && !digit_valid_o;
  assign starved_o = state_q != StHeader && state_q != StStart && empty;

  `TAPEOUT_ASSERT(bucket_in_range, !emit_go || magnitude != '0)
endmodule
