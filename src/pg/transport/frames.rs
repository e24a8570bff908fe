//! Where one message of the protocol ends and the next one begins.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

/// Follows a stream of messages, in pieces of any size.
#[derive(Debug, Default)]
pub(super) struct Frames {
    header: [u8; 5],
    /// How many bytes of the header are known.
    known: usize,
    /// How many bytes of the message are still to come, once its header is known.
    rest: u64,
    /// Whether the first message is still to come, which has no type.
    is_startup: bool,
}

/// A length that no message has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLength;

/// The type of the first message, which has none.
pub(super) const STARTUP: u8 = 0;

impl Frames {
    /// Follows what a client sends, from its first byte on.
    pub(super) fn of_client() -> Self {
        Self { is_startup: true, known: 1, ..Self::default() }
    }

    /// Follows one more piece. Calls `ended` with the type of each message that ends in it, and returns where in the
    /// piece the last of them ends.
    pub(super) fn follow(&mut self, piece: &[u8], mut ended: impl FnMut(u8)) -> Result<Option<usize>, BadLength> {
        let mut boundary = None;
        let mut at = 0;
        while at < piece.len() {
            if self.known < 5 {
                let taken = (5 - self.known).min(piece.len() - at);
                self.header[self.known..self.known + taken].copy_from_slice(&piece[at..at + taken]);
                self.known += taken;
                at += taken;
                if self.known < 5 {
                    break;
                }
                let [_, length @ ..] = self.header;
                self.rest = u64::from(u32::from_be_bytes(length)).checked_sub(4).ok_or(BadLength)?;
            }
            let taken = usize::try_from(self.rest).unwrap_or(usize::MAX).min(piece.len() - at);
            at += taken;
            self.rest -= taken as u64;
            if self.rest == 0 {
                ended(if self.is_startup { STARTUP } else { self.header[0] });
                self.is_startup = false;
                self.known = 0;
                boundary = Some(at);
            }
        }
        Ok(boundary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_in_pieces_of_any_size() {
        let mut stream = vec![0, 0, 0, 9, 0, 3, 0, 0, 0];
        stream.extend([b'Q', 0, 0, 0, 6, b'x', 0, b'S', 0, 0, 0, 4, b'd', 0, 0, 1, 4]);
        stream.extend([7; 256]);
        for size in 1..stream.len() {
            let mut frames = Frames::of_client();
            let mut types = Vec::new();
            let mut ends = Vec::new();
            for (number, piece) in stream.chunks(size).enumerate() {
                let end = frames.follow(piece, |kind| types.push(kind)).expect("good lengths");
                ends.extend(end.map(|end| number * size + end));
            }
            assert_eq!(types, [STARTUP, b'Q', b'S', b'd'], "{size}");
            assert_eq!(ends.last(), Some(&stream.len()), "{size}");
            assert!(ends.iter().all(|end| [9, 16, 21, stream.len()].contains(end)), "{size}: {ends:?}");
        }
    }

    #[test]
    fn an_impossible_length_is_an_error() {
        assert_eq!(Frames::default().follow(&[b'Z', 0, 0, 0, 3], |_| ()), Err(BadLength));
    }
}
