//! What a proof is bound to beside its statement.

use tapeout_prover::statement::{Context, NO_CONTEXT};

/// The context of a proof.
#[derive(clap::Args)]
pub(crate) struct ContextArgs {
    /// Bind the proof to 32 bytes, in hexadecimal: whoever verifies it must name the same
    #[arg(long, value_name = "HEX", value_parser = parse)]
    context: Option<Context>,
}

impl ContextArgs {
    pub(crate) fn bytes(&self) -> Context {
        self.context.unwrap_or(NO_CONTEXT)
    }

    /// The context, if the caller named one.
    pub(crate) fn given(&self) -> Option<Context> {
        self.context
    }
}

/// 32 bytes in hexadecimal.
pub(crate) fn parse(text: &str) -> Result<[u8; 32], String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let wrong = || format!("'{text}' is not 32 bytes: expected 64 hexadecimal digits");
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut context = NO_CONTEXT;
    for (byte, at) in context.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(context)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_context_is_64_digits() {
        let digits = "00ff".repeat(16);
        let context = parse(&digits).unwrap();
        assert_eq!(context[..2], [0, 0xff]);
        assert_eq!(parse(&format!("0x{digits}")).unwrap(), context);
        for wrong in [
            "",
            "0x",
            &digits[1..],
            &format!("{digits}0"),
            &format!("+f{}", &digits[2..]),
            &"é".repeat(32),
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
