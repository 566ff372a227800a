//! Memory that is read all over the place, in large pages where the system has them: a processor keeps track of two thousand
//! pages or so, which are 8 MiB of small ones, and looks up every further one in memory.

/// An empty list with room for `len` elements.
pub(super) fn with_capacity<T>(len: usize) -> Vec<T> {
    let list: Vec<T> = Vec::with_capacity(len);
    advise(&list);
    list
}

/// Asks for large pages where they fit into what the list has reserved.
#[cfg(target_os = "linux")]
fn advise<T>(list: &Vec<T>) {
    const LARGE: usize = 2 << 20;
    let start = list.as_ptr().cast::<u8>();
    let skipped = start.align_offset(LARGE);
    let bytes = (list.capacity() * size_of::<T>()).saturating_sub(skipped) / LARGE * LARGE;
    if bytes > 0 {
        // SAFETY: the range is within the list's own memory, and the advice changes nothing that it holds. Where there are no
        // large pages to be had the call fails, and small ones do.
        unsafe { libc::madvise(start.add(skipped).cast_mut().cast(), bytes, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise<T>(_: &Vec<T>) {}
