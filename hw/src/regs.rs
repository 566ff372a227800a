//! The register table of a card: the one place where an address or a field's meaning is written.
//!
//! The SystemVerilog package, the driver and `docs/registers.md` all take it from here, and every card carries the
//! table's [`hash`] in its first register.

/// Who may write a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads only; writes are ignored.
    ReadOnly,
    /// Reads give the value last written.
    ReadWrite,
    /// Each written one bit triggers an action; reads give zero.
    Trigger,
}

impl Access {
    /// The abbreviation in the documentation.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadOnly => "ro",
            Self::ReadWrite => "rw",
            Self::Trigger => "wo",
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which register.
    pub reg: Reg,
    /// Its name.
    pub name: &'static str,
    /// Who may write it.
    pub access: Access,
    /// Its value after reset.
    pub reset: u32,
    /// What it means.
    pub text: &'static str,
}

macro_rules! table {
    ($($reg:ident $name:literal $access:ident $reset:literal $text:literal;)*) => {
        /// A 32-bit register on the card's AXI4-Lite port; its address is four times its place in [`REGS`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reg {
            $(#[doc = $text] $reg,)*
        }

        /// The table, in the order of addresses.
        pub const REGS: &[Row] = &[
            $(Row { reg: Reg::$reg, name: $name, access: Access::$access, reset: $reset, text: $text },)*
        ];
    };
}

table! {
    Id "ID" ReadOnly 0 "Hash of this table (FNV-1a over its text); a driver refuses a card that has another";
    Capability "CAPABILITY" ReadOnly 0 "Bits 7:0 largest window width; 15:8 log2 of bucket slots per bank; 23:16 windows per pass; 31:24 adder latency";
    Control "CONTROL" Trigger 0 "Bit 0 resets the MSM engine and clears its error; bit 1 clears its counters; bits 2 and 3 do the same for the NTT engine";
    Status "STATUS" ReadOnly 0 "Bit 0 ready for a pass; bit 1 busy; bits 15:8 error, see below";
    Watchdog "WATCHDOG" ReadWrite 1_000_000 "Cycles without progress in a busy engine until it stops with error `watchdog`";
    BaseAddress "BASE_ADDRESS" ReadWrite 0 "Address of base 0 in external memory, in units of 64 bytes";
    BaseCount "BASE_COUNT" ReadWrite 0 "Number of resident bases; a pass that would read beyond stops with error `bases`";
    CyclesLo "CYCLES_LO" ReadOnly 0 "Cycles in which the engine was busy, low word; reading it takes the snapshot that all counters are read from";
    CyclesHi "CYCLES_HI" ReadOnly 0 "High word";
    AddsLo "ADDS_LO" ReadOnly 0 "Additions issued, low word";
    AddsHi "ADDS_HI" ReadOnly 0 "High word";
    ReductionAddsLo "REDUCTION_ADDS_LO" ReadOnly 0 "Additions issued by bucket reduction, low word; part of ADDS";
    ReductionAddsHi "REDUCTION_ADDS_HI" ReadOnly 0 "High word";
    DigitsLo "DIGITS_LO" ReadOnly 0 "Non-zero digits absorbed by the buckets, low word";
    DigitsHi "DIGITS_HI" ReadOnly 0 "High word";
    StreamCyclesLo "STREAM_CYCLES_LO" ReadOnly 0 "Cycles in which a pass had digits left to absorb, low word";
    StreamCyclesHi "STREAM_CYCLES_HI" ReadOnly 0 "High word";
    BubbleHostLo "BUBBLE_HOST_LO" ReadOnly 0 "Idle cycles of the adder while words from the host were awaited, low word";
    BubbleHostHi "BUBBLE_HOST_HI" ReadOnly 0 "High word";
    BubbleMemoryLo "BUBBLE_MEMORY_LO" ReadOnly 0 "Idle cycles of the adder while bases were awaited, low word";
    BubbleMemoryHi "BUBBLE_MEMORY_HI" ReadOnly 0 "High word";
    BubbleDrainLo "BUBBLE_DRAIN_LO" ReadOnly 0 "Idle cycles of the adder while nothing was left but sums in flight, low word";
    BubbleDrainHi "BUBBLE_DRAIN_HI" ReadOnly 0 "High word";
    StallQueueLo "STALL_QUEUE_LO" ReadOnly 0 "Cycles in which a point waited because the adder's queue was full, low word";
    StallQueueHi "STALL_QUEUE_HI" ReadOnly 0 "High word";
    StallOutputLo "STALL_OUTPUT_LO" ReadOnly 0 "Cycles in which a window sum waited for the host, low word";
    StallOutputHi "STALL_OUTPUT_HI" ReadOnly 0 "High word";
    BytesInLo "BYTES_IN_LO" ReadOnly 0 "Bytes received from the host's stream, low word";
    BytesInHi "BYTES_IN_HI" ReadOnly 0 "High word";
    BytesOutLo "BYTES_OUT_LO" ReadOnly 0 "Bytes sent on the host's stream, low word";
    BytesOutHi "BYTES_OUT_HI" ReadOnly 0 "High word";
    BytesMemoryLo "BYTES_MEMORY_LO" ReadOnly 0 "Bytes read from external memory, low word";
    BytesMemoryHi "BYTES_MEMORY_HI" ReadOnly 0 "High word";
    NttCapability "NTT_CAPABILITY" ReadOnly 0 "NTT engine: bits 7:0 log2 of the longest column; 15:8 log2 of the number of butterflies";
    NttStatus "NTT_STATUS" ReadOnly 0 "NTT engine: as STATUS";
    NttCyclesLo "NTT_CYCLES_LO" ReadOnly 0 "Cycles in which the NTT engine was busy, low word; reading it takes the snapshot that all its counters are read from";
    NttCyclesHi "NTT_CYCLES_HI" ReadOnly 0 "High word";
    NttButterfliesLo "NTT_BUTTERFLIES_LO" ReadOnly 0 "Butterflies of columns, low word";
    NttButterfliesHi "NTT_BUTTERFLIES_HI" ReadOnly 0 "High word";
    NttTableLo "NTT_TABLE_LO" ReadOnly 0 "Cycles in which a table's row was computed, low word";
    NttTableHi "NTT_TABLE_HI" ReadOnly 0 "High word";
    NttBubbleHostLo "NTT_BUBBLE_HOST_LO" ReadOnly 0 "Idle cycles of the butterflies without a whole column to work on, low word";
    NttBubbleHostHi "NTT_BUBBLE_HOST_HI" ReadOnly 0 "High word";
    NttBubbleStageLo "NTT_BUBBLE_STAGE_LO" ReadOnly 0 "Idle cycles of the butterflies between stages of short columns, low word";
    NttBubbleStageHi "NTT_BUBBLE_STAGE_HI" ReadOnly 0 "High word";
    NttStallOutputLo "NTT_STALL_OUTPUT_LO" ReadOnly 0 "Cycles in which a column waited for the host to take the one before it, low word";
    NttStallOutputHi "NTT_STALL_OUTPUT_HI" ReadOnly 0 "High word";
    NttBytesInLo "NTT_BYTES_IN_LO" ReadOnly 0 "Bytes received from the host's stream of columns, low word";
    NttBytesInHi "NTT_BYTES_IN_HI" ReadOnly 0 "High word";
    NttBytesOutLo "NTT_BYTES_OUT_LO" ReadOnly 0 "Bytes sent on the host's stream of columns, low word";
    NttBytesOutHi "NTT_BYTES_OUT_HI" ReadOnly 0 "High word";
}

/// The 64-bit counters of the MSM engine, by the register of their low word; the high word follows it.
pub const COUNTERS: &[Reg] = &[
    Reg::CyclesLo,
    Reg::AddsLo,
    Reg::ReductionAddsLo,
    Reg::DigitsLo,
    Reg::StreamCyclesLo,
    Reg::BubbleHostLo,
    Reg::BubbleMemoryLo,
    Reg::BubbleDrainLo,
    Reg::StallQueueLo,
    Reg::StallOutputLo,
    Reg::BytesInLo,
    Reg::BytesOutLo,
    Reg::BytesMemoryLo,
];

/// The 64-bit counters of the NTT engine, as [`COUNTERS`].
pub const NTT_COUNTERS: &[Reg] = &[
    Reg::NttCyclesLo,
    Reg::NttButterfliesLo,
    Reg::NttTableLo,
    Reg::NttBubbleHostLo,
    Reg::NttBubbleStageLo,
    Reg::NttStallOutputLo,
    Reg::NttBytesInLo,
    Reg::NttBytesOutLo,
];

impl Reg {
    /// Its byte address.
    #[must_use]
    pub fn address(self) -> u32 {
        self as u32 * 4
    }
}

/// Bits of [`Reg::Control`], [`Reg::Status`] and [`Reg::NttStatus`].
pub mod bits {
    /// Control: resets the MSM engine and clears its error.
    pub const RESET: u32 = 1;
    /// Control: clears the MSM engine's counters.
    pub const CLEAR: u32 = 2;
    /// Control: resets the NTT engine and clears its error.
    pub const NTT_RESET: u32 = 4;
    /// Control: clears the NTT engine's counters.
    pub const NTT_CLEAR: u32 = 8;
    /// Status: ready for a pass or a batch.
    pub const READY: u32 = 1;
    /// Status: a pass or a batch is in the engine.
    pub const BUSY: u32 = 2;
}

/// Why an engine stopped; bits 15:8 of [`Reg::Status`] and [`Reg::NttStatus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A header with impossible fields.
    #[error("the header of a pass or batch is malformed")]
    Header = 1,
    /// The stream's last word came too early or too late.
    #[error("the pass or batch has another number of words than its header says")]
    Length = 2,
    /// A pass reads beyond the resident bases.
    #[error("the pass reads beyond the resident bases")]
    Bases = 3,
    /// The memory answered with an error.
    #[error("external memory answered with an error")]
    Memory = 4,
    /// No progress for too long.
    #[error("no progress within the watchdog's limit")]
    Watchdog = 5,
    /// A word of a column that is not a field element.
    #[error("a word is not below the field's modulus")]
    Value = 6,
}

/// All faults.
pub const FAULTS: &[(Fault, &str)] = &[
    (Fault::Header, "header"),
    (Fault::Length, "length"),
    (Fault::Bases, "bases"),
    (Fault::Memory, "memory"),
    (Fault::Watchdog, "watchdog"),
    (Fault::Value, "value"),
];

impl Fault {
    /// The fault in a value of [`Reg::Status`], if any.
    #[must_use]
    pub fn of_status(status: u32) -> Option<Self> {
        FAULTS
            .iter()
            .map(|&(fault, _)| fault)
            .find(|&fault| fault as u32 == status >> 8 & 0xff)
    }
}

/// The hash that identifies this table: FNV-1a (32 bits) over the names, accesses, resets and meanings of all rows,
/// and the faults.
#[must_use]
pub fn hash() -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    let mut feed = |text: &str| {
        for byte in text.bytes().chain([0]) {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    };
    for row in REGS {
        feed(row.name);
        feed(row.access.name());
        feed(&row.reset.to_string());
        feed(row.text);
    }
    FAULTS
        .iter()
        .for_each(|(fault, name)| feed(&format!("{name}={}", *fault as u32)));
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_stand_at_their_place() {
        for (i, row) in REGS.iter().enumerate() {
            assert_eq!(row.reg.address() as usize, 4 * i);
        }
        for counter in COUNTERS.iter().chain(NTT_COUNTERS) {
            let row = &REGS[*counter as usize];
            assert!(row.name.ends_with("_LO") && REGS[*counter as usize + 1].name.ends_with("_HI"));
        }
    }

    #[test]
    fn faults_are_read_from_the_status() {
        for &(fault, _) in FAULTS {
            assert_eq!(Fault::of_status((fault as u32) << 8 | bits::BUSY), Some(fault));
        }
        assert_eq!(Fault::of_status(bits::READY), None);
        assert_eq!(Fault::of_status(0xff00), None);
    }
}
