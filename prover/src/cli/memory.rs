//! How the C library manages this process's memory.

/// Has the C library keep little of what is freed: large buffers are pages of their own, which go back to the operating system at once, and
/// all threads share what it keeps. To be called before there are threads. Takes a little time with every large buffer.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn keep_little() {
    /// What is a large buffer, and what is kept at the heap's end.
    const LARGE: libc::c_int = 1 << 16;
    for (parameter, value) in [
        (libc::M_ARENA_MAX, 1),
        (libc::M_MMAP_THRESHOLD, LARGE),
        (libc::M_TRIM_THRESHOLD, LARGE),
        (libc::M_TOP_PAD, 0),
    ] {
        // SAFETY: these are parameters of the allocator and values that it allows; where it does not know them it changes nothing.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// Gives back all that is free, wherever it is in the heap.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_back() {
    // SAFETY: changes nothing that is in use, and may be called at any time, by any thread.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn keep_little() {}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}
