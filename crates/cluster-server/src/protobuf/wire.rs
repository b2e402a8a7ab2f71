//! The wire format of protocol buffers: fields one after the other.

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A field says it is longer than what is left.
    #[error("the message ends in the middle of a field")]
    Truncated,
    /// A number of more than ten bytes.
    #[error("a number of the message is too long")]
    Overlong,
    /// A wire type that is not in use.
    #[error("the message has a field of the unknown wire type {0}")]
    WireType(u8),
    /// A field whose wire type is not that of its type.
    #[error("a field of the message is not of its type")]
    Mismatch,
}

/// The content of one field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Payload<'a> {
    Varint(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

impl<'a> Payload<'a> {
    pub(super) fn bytes(&self) -> Result<&'a [u8], WireError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::Mismatch),
        }
    }

    /// A signed number: negative ones are sent as their two's complement.
    pub(super) fn integer(&self) -> Result<i64, WireError> {
        match self {
            Self::Varint(value) => Ok(value.cast_signed()),
            _ => Err(WireError::Mismatch),
        }
    }

    pub(super) fn double(&self) -> Result<f64, WireError> {
        match self {
            Self::Fixed(bits) => Ok(f64::from_bits(*bits)),
            _ => Err(WireError::Mismatch),
        }
    }
}

/// The fields of a message, in the order in which they stand. Ends after the first error.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let mut out = 0_u64;
        for shift in (0..70).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(WireError::Truncated)?;
            self.rest = rest;
            out |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(out);
            }
        }
        Err(WireError::Overlong)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], WireError> {
        let length = usize::try_from(length).map_err(|_| WireError::Truncated)?;
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed(&mut self, length: u64) -> Result<u64, WireError> {
        Ok(self
            .take(length)?
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn field(&mut self) -> Result<(u64, Payload<'a>), WireError> {
        let tag = self.varint()?;
        let payload = match tag & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => Payload::Fixed(self.fixed(8)?),
            2 => {
                let length = self.varint()?;
                Payload::Bytes(self.take(length)?)
            }
            5 => Payload::Fixed(self.fixed(4)?),
            #[expect(clippy::cast_possible_truncation, reason = "three bits")]
            other => return Err(WireError::WireType(other as u8)),
        };
        Ok((tag >> 3, payload))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Payload<'a>), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}
