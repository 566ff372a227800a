//! Sums of groups of points, by trees of batched affine additions.

use std::sync::Mutex;

use rayon::prelude::*;

use super::engine::{Engine, Points, RESULT};
use super::pages;
use super::queue::Queue;

#[cfg(test)]
mod tests;

/// How much of a batch is computed at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Portions {
    /// Items are taken together until their scalars are more than this.
    pub(super) wave: usize,
    /// Sets of no more buckets than this are filled by one task: at its end the queue empties in ever smaller parts.
    pub(super) buckets: usize,
    /// How many pairs are queued before they are added.
    pub(super) queue: usize,
    /// How many points one task sums, at most. Buffers take some two hundred bytes for each.
    task: usize,
    /// Whether buffers are kept from call to call.
    pub(super) keeps: bool,
}

impl Portions {
    /// Enough for long batches of additions, few enough that digits and buckets of a batch of small items stay within a few MiB, and
    /// a task's results so far, 64 bytes each, within the second-level cache.
    pub(super) const LARGE: Self = Self {
        wave: 1 << 13,
        buckets: 1 << 13,
        queue: 1 << 11,
        task: 1 << 14,
        keeps: true,
    };

    /// Item by item.
    pub(super) const SMALL: Self = Self {
        wave: 0,
        buckets: 1 << 11,
        queue: 1 << 8,
        task: 1 << 10,
        keeps: false,
    };
}

/// Fewer points than this are not worth waking another thread for.
pub(super) const SPLIT: usize = 1 << 10;

/// Sums groups of points on all threads.
pub(super) struct Summer<E: Engine> {
    pub(super) engine: E,
    pub(super) portions: Portions,
    /// Buffers that no task uses just now. They are kept, some 3 MiB for each thread and more after MSMs with many buckets: fresh
    /// memory costs as much as adding some thousand points.
    idle: Mutex<Vec<Workspace<E>>>,
}

/// Buffers of one task.
pub(super) struct Workspace<E: Engine> {
    pub(super) scratch: E::Scratch,
    pub(super) queue: Queue<E>,
    results: Vec<E::Point>,
    a: Vec<u32>,
    b: Vec<u32>,
    /// The groups that are not summed yet, in order.
    open: Vec<Open>,
    /// The references of the open groups, one group behind the other, before a level and after it.
    references: [Vec<u32>; 2],
    /// The first reference that is left of each group.
    left: Vec<u32>,
}

/// A group with references left.
#[derive(Clone, Copy)]
struct Open {
    group: u32,
    len: u32,
}

/// How many pairs are made at a time, whether a group has as many or not: most groups are small, and a loop that ends when
/// they do ends where the processor does not expect it. What is too much is overwritten by the next group.
const PAIRS: usize = 8;

/// A list of groups of references: group `g` is `references[offsets[g]..offsets[g + 1]]`.
pub(super) struct Groups {
    pub(super) references: Vec<u32>,
    pub(super) offsets: Vec<usize>,
}

impl Groups {
    pub(super) fn new() -> Self {
        Groups {
            references: Vec::new(),
            offsets: vec![0],
        }
    }

    /// Adds the groups of another list behind these.
    pub(super) fn append(&mut self, other: Groups) {
        let before = self.references.len();
        if before == 0 && self.offsets.len() == 1 {
            *self = other;
            return;
        }
        self.references.extend(other.references);
        self.offsets
            .extend(other.offsets[1..].iter().map(|offset| offset + before));
    }

    /// Ends the group that was being filled.
    pub(super) fn close(&mut self) {
        self.offsets.push(self.references.len());
    }
}

/// The part of the references that one task sums, and where it stands among the groups.
struct Task<'a, P> {
    references: &'a mut [u32],
    /// Where the first of `references` stands among all.
    start: usize,
    /// The group of the first references, if an earlier task has its beginning.
    continued: Option<usize>,
    /// The groups that begin here.
    offsets: &'a [usize],
    out: &'a mut [P],
}

impl<E: Engine> Summer<E> {
    pub(super) fn new(engine: E, portions: Portions) -> Self {
        Summer {
            engine,
            portions,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// The sum of each group; references are to `bases`. The order of the references is lost.
    pub(super) fn sums(&self, bases: &[E::Point], groups: &mut Groups) -> Vec<E::Point> {
        let Groups { references, offsets } = groups;
        let mut out = vec![E::INFINITY; offsets.len() - 1];
        let tasks = cut(references, offsets, &mut out, self.portions.task);
        // What a task has of a group that an earlier one began.
        let run = |task: Task<'_, E::Point>| {
            let mut workspace = self.take();
            let group = task.continued;
            let partial = workspace.run(self.engine, bases, task);
            self.give(workspace);
            group.zip(partial)
        };
        let partials: Vec<(usize, E::Point)> = if tasks.len() == 1 {
            tasks.into_iter().filter_map(run).collect()
        } else {
            tasks.into_par_iter().filter_map(run).collect()
        };
        if !partials.is_empty() {
            self.merge(partials, &mut out);
        }
        out
    }

    /// Adds to each sum the partial ones of its group; `partials` are in the groups' order.
    fn merge(&self, partials: Vec<(usize, E::Point)>, out: &mut [E::Point]) {
        let (mut points, mut groups) = (Vec::new(), Groups::new());
        let runs: Vec<&[(usize, E::Point)]> = partials.chunk_by(|a, b| a.0 == b.0).collect();
        for run in &runs {
            let parts = run.iter().map(|(_, point)| *point).chain([out[run[0].0]]);
            for point in parts {
                groups.references.push(points.len() as u32);
                points.push(point);
            }
            groups.close();
        }
        let sums = self.sums(&points, &mut groups);
        for (run, sum) in runs.iter().zip(sums) {
            out[run[0].0] = sum;
        }
    }

    /// Frees the buffers, unless they are to be kept.
    pub(super) fn release(&self) {
        if !self.portions.keeps {
            self.idle
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .clear();
        }
    }

    pub(super) fn take(&self) -> Workspace<E> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .pop();
        idle.unwrap_or_else(|| Workspace {
            scratch: self.engine.scratch(),
            queue: Queue::new(),
            results: Vec::new(),
            a: Vec::new(),
            b: Vec::new(),
            open: Vec::new(),
            references: [Vec::new(), Vec::new()],
            left: Vec::new(),
        })
    }

    pub(super) fn give(&self, workspace: Workspace<E>) {
        self.idle
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(workspace);
    }
}

/// Cuts the references into tasks of equal length, wherever that falls in the groups.
fn cut<'a, P>(
    mut references: &'a mut [u32],
    offsets: &'a [usize],
    mut out: &'a mut [P],
    task: usize,
) -> Vec<Task<'a, P>> {
    let total = references.len();
    let threads = rayon::current_num_threads();
    let count = if total <= SPLIT {
        1
    } else {
        total.div_ceil(task).next_multiple_of(threads)
    };
    let mut tasks = Vec::with_capacity(count);
    // Groups before this one have begun in an earlier task.
    let mut first = 0;
    for k in 0..count {
        let (start, end) = (total * k / count, total * (k + 1) / count);
        let (mine, rest) = std::mem::take(&mut references).split_at_mut(end - start);
        references = rest;
        // The last group that begins before `end`.
        let last = if k + 1 == count {
            offsets.len() - 1
        } else {
            offsets.partition_point(|&o| o < end)
        };
        let last = last.clamp(first, offsets.len() - 1);
        let (mine_out, rest) = std::mem::take(&mut out).split_at_mut(last - first);
        out = rest;
        let continued = (first > 0 && offsets[first] > start).then(|| first - 1);
        tasks.push(Task {
            references: mine,
            start,
            continued,
            offsets: &offsets[first..=last],
            out: mine_out,
        });
        first = last;
    }
    tasks
}

impl<E: Engine> Workspace<E> {
    /// Sums the groups that begin in the task into its `out`, and returns what it has of the group that continues.
    fn run(&mut self, engine: E, bases: &[E::Point], task: Task<'_, E::Point>) -> Option<E::Point> {
        let Task {
            references,
            start,
            continued,
            offsets,
            out,
        } = task;
        let end = start + references.len();
        // The groups' bounds, cut to this task and counted from its start.
        let lead = continued.map(|_| start);
        let bounds: Vec<usize> = lead
            .into_iter()
            .chain(offsets.iter().copied())
            .map(|o| o.min(end) - start)
            .collect();
        let count = references.len();
        self.open.clear();
        self.left.clear();
        self.left.resize(bounds.len(), 0);
        for (group, w) in bounds.windows(2).enumerate().filter(|(_, w)| w[1] > w[0]) {
            let (group, len) = (group as u32, (w[1] - w[0]) as u32);
            self.open.push(Open { group, len });
        }
        grow(&mut self.results, count, E::INFINITY);
        grow(&mut self.a, count / 2 + PAIRS, 0);
        grow(&mut self.b, count / 2 + PAIRS, 0);
        let [now, then] = &mut self.references;
        grow(now, count + 2 * PAIRS, 0);
        grow(then, count + 2 * PAIRS, 0);
        now[..count].copy_from_slice(references);
        let mut done = 0;
        while !self.open.is_empty() {
            let pairs = pair(
                &mut self.open,
                now,
                then,
                &mut self.left,
                [&mut self.a, &mut self.b],
                done,
            );
            std::mem::swap(now, then);
            let (results, fresh) = self.results.split_at_mut(done);
            let (a, b) = (&self.a[..pairs], &self.b[..pairs]);
            engine.add(&mut self.scratch, Points { bases, results }, a, b, &mut fresh[..pairs]);
            done += pairs;
        }
        let points = Points::<E> {
            bases,
            results: &self.results,
        };
        let mut sums = bounds.windows(2).zip(&self.left).map(|(w, &left)| match w[1] - w[0] {
            0 => E::INFINITY,
            _ => points.get(left),
        });
        let partial = lead.and_then(|_| sums.next());
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = sum;
        }
        partial
    }
}

/// Makes `buffer` at least `len` long; what it held may be lost.
pub(super) fn grow<T: Clone>(buffer: &mut Vec<T>, len: usize, value: T) {
    if buffer.len() < len {
        if buffer.capacity() < len {
            *buffer = pages::with_capacity(len);
        }
        buffer.resize(len, value);
    }
}

/// Pairs the references of each open group, for sums that are to become the results from number `done` on, and returns how
/// many pairs there are. What is left of the groups, those sums and an odd reference each, goes from the first list of
/// references to the second; groups of which one is left are closed.
fn pair(
    open: &mut Vec<Open>,
    now: &[u32],
    then: &mut [u32],
    left: &mut [u32],
    [a, b]: [&mut [u32]; 2],
    done: usize,
) -> usize {
    let (mut pairs, mut from, mut to, mut kept) = (0, 0, 0, 0);
    for k in 0..open.len() {
        let Open { group, len } = open[k];
        let (len, half) = (len as usize, len as usize / 2);
        for i in (0..half.max(1)).step_by(PAIRS) {
            let from = &now[from + 2 * i..][..2 * PAIRS];
            let (a, b) = (&mut a[pairs + i..][..PAIRS], &mut b[pairs + i..][..PAIRS]);
            let then = &mut then[to + i..][..PAIRS];
            for j in 0..PAIRS {
                (a[j], b[j]) = (from[2 * j], from[2 * j + 1]);
                then[j] = RESULT | (done + pairs + i + j) as u32;
            }
        }
        // Where there is no odd one this is the next group's place.
        then[to + half] = now[from + len - 1];
        left[group as usize] = then[to];
        let rest = half + len % 2;
        open[kept] = Open {
            group,
            len: rest as u32,
        };
        let more = usize::from(rest > 1);
        kept += more;
        to += more * rest;
        from += len;
        pairs += half;
    }
    open.truncate(kept);
    pairs
}
