//! Cycles of the NTT engine, to the cycle: `sim/tests/ntt` holds the simulated engine to them.

use super::{Batch, Config, PIPELINE};

/// Cycles from a column's last step to its first read for the host.
pub const UNLOAD_START: u32 = PIPELINE;
/// Cycles from a read for the host to its word on the stream, less one.
pub const OUTPUT_LATENCY: u32 = 5;
/// Words that the queue before the stream out has room for; no more are read before words leave.
const OUTPUT_QUEUE: usize = 16;

impl Config {
    /// Cycles between a stage's last step and the next stage's first one, until the row that it needs has been written: none
    /// from `4 P` times [`PIPELINE`] elements on.
    #[must_use]
    pub fn gap(&self, log_n: u32) -> u64 {
        u64::from(PIPELINE).saturating_sub(self.steps(log_n) / 2)
    }

    /// Cycles from a column's first step to the next column's first step when nothing is waited for.
    #[must_use]
    pub fn column_cycles(&self, log_n: u32) -> u64 {
        u64::from(log_n) * self.steps(log_n) + u64::from(log_n - 1) * self.gap(log_n)
    }

    /// Cycles that making a table takes: the first rows from the header's words, then all others by doubling.
    #[must_use]
    pub fn table_cycles(&self, log_n: u32) -> u64 {
        let wait = u64::from(PIPELINE);
        let levels = log_n - 1 - self.log_lanes;
        let level = |j: u32| (u64::from(levels - j) << j) + wait - 1;
        u64::from(log_n) + wait + (0..levels).map(level).sum::<u64>()
    }

    /// Butterflies of a column.
    #[must_use]
    pub fn butterflies(&self, log_n: u32) -> u64 {
        u64::from(log_n) << (log_n - 1)
    }

    /// Cycles from the first word of a batch with a table in to its last word out, when the host is always ready and
    /// the engine was idle: header, first column in, columns, last column out. Columns whose words take longer than
    /// their butterflies are bound by the words.
    #[must_use]
    pub fn batch_cycles(&self, log_n: u32, columns: u32) -> u64 {
        self.sequence_cycles(&[Batch::new(log_n, false, columns)], 1)
    }

    /// Cycles from the first word of a sequence of batches in to its last word out, when the engine was idle and the
    /// host gives and takes a word every `interval` cycles (at least 1, which is a host that is always ready).
    #[must_use]
    pub fn sequence_cycles(&self, batches: &[Batch], interval: u64) -> u64 {
        let mut engine = Timeline::new(interval);
        for batch in batches {
            engine.batch(self, batch);
        }
        engine.last_out
    }
}

/// When things have happened in the engine, in cycles from the first word in.
struct Timeline {
    interval: u64,
    /// The next word that the host can give.
    next_word: u64,
    /// The last table has been begun with, and all its words read.
    table_read: u64,
    /// The column before has been taken over by the steps, which makes room for the next one's words.
    taken: u64,
    /// The first column of the last table has been taken over.
    first_taken: u64,
    /// The last step of the column before.
    last_step: u64,
    /// The buffer of the column before that has been read.
    unloaded: u64,
    /// Cycles until the last word is out.
    last_out: u64,
}

impl Timeline {
    fn new(interval: u64) -> Self {
        Self {
            interval: interval.max(1),
            next_word: 0,
            table_read: 0,
            taken: 0,
            first_taken: 0,
            last_step: 0,
            unloaded: 0,
            last_out: 0,
        }
    }

    /// That many words in, not before a cycle: the cycle after the last one.
    fn words(&mut self, from: u64, count: u64) -> u64 {
        let first = self.next_word.max(from);
        let last = first + (count - 1) * self.interval;
        self.next_word = last + self.interval;
        last + 1
    }

    fn batch(&mut self, config: &Config, batch: &Batch) {
        let n = 1 << batch.log_n;
        self.words(0, 1);
        let mut made = 0;
        if batch.table {
            let pending = self.words(self.table_read.max(self.first_taken), batch.log_n.into());
            // a table is made when the pipeline is empty
            let drained = if self.last_step == 0 {
                0
            } else {
                self.last_step + u64::from(PIPELINE)
            };
            let begin = pending.max(drained);
            self.table_read = begin + u64::from(batch.log_n) + 1;
            made = begin + config.table_cycles(batch.log_n) + 1;
        }
        for column in 0..batch.columns {
            let full = self.words(self.taken, n);
            let take = full.max(made).max(self.last_step);
            self.taken = take + 1;
            if column == 0 && batch.table {
                self.first_taken = take + 1;
            }
            self.last_step = (take + config.column_cycles(batch.log_n)).max(self.unloaded);
            self.unload(n);
        }
    }

    /// A column's words out.
    fn unload(&mut self, n: u64) {
        let first_read = self.last_step + u64::from(UNLOAD_START);
        let queued = u64::from(OUTPUT_LATENCY) + 1;
        if self.interval == 1 {
            self.unloaded = first_read + n;
            self.last_out = first_read + n + queued;
            return;
        }
        // out[i] is the end of the cycle in which word i leaves
        let mut outs = std::collections::VecDeque::with_capacity(OUTPUT_QUEUE);
        let mut read = first_read;
        for i in 0..n {
            if i > 0 {
                read += 1;
            }
            if outs.len() == OUTPUT_QUEUE {
                read = read.max(outs.pop_front().unwrap_or(0));
            }
            let earliest = if self.last_out == 0 {
                0
            } else {
                self.last_out + self.interval
            };
            self.last_out = earliest.max(read + queued + 1);
            outs.push_back(self.last_out);
        }
        self.unloaded = read + 1;
    }
}
