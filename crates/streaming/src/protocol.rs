//! Which framing both sides speak: a value of `Sec-WebSocket-Protocol`.

/// A subprotocol of remote command streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `v5.channel.k8s.io`: binary messages, and a close signal for one channel (half-close of standard input).
    V5,
    /// `v4.channel.k8s.io`: binary messages; the error channel carries a `metav1.Status`.
    V4,
    /// `v4.base64.channel.k8s.io`: as v4, in text messages of base64.
    V4Base64,
}

impl Protocol {
    /// All of them, the preferred one first.
    pub const ALL: [Self; 3] = [Self::V5, Self::V4, Self::V4Base64];

    /// Its name in `Sec-WebSocket-Protocol`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V5 => "v5.channel.k8s.io",
            Self::V4 => "v4.channel.k8s.io",
            Self::V4Base64 => "v4.base64.channel.k8s.io",
        }
    }

    /// The first protocol of the client's list (the header's value) that is spoken here.
    pub fn negotiate(offered: &str) -> Option<Self> {
        offered.split(',').map(str::trim).find_map(Self::parse)
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.name() == name)
    }

    /// Whether messages are text.
    pub fn is_base64(self) -> bool {
        self == Self::V4Base64
    }

    /// Whether one channel can be closed while the others stay open.
    pub fn can_half_close(self) -> bool {
        self == Self::V5
    }
}

#[cfg(test)]
mod tests {
    use super::Protocol;

    #[test]
    fn the_first_spoken_protocol_of_the_clients_list_is_taken() {
        let check =
            |offered, expected| assert_eq!(Protocol::negotiate(offered), expected, "{offered:?}");
        check("v5.channel.k8s.io", Some(Protocol::V5));
        check("v4.channel.k8s.io, v5.channel.k8s.io", Some(Protocol::V4));
        check(
            "channel.k8s.io,v4.base64.channel.k8s.io",
            Some(Protocol::V4Base64),
        );
        check("SPDY/3.1", None);
        check("", None);
    }
}
