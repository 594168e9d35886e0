//! Short strings that are not UTF-8.

/// Stands for each byte that belongs to no character.
pub(super) const SUBSTITUTE: u8 = b'?';

/// Whether `bytes` are UTF-8. AMQP 0-9-1, section 4.2.5.3, asks it of short strings; RabbitMQ does not look.
pub(super) fn is_valid(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok()
}

/// The places of the bytes that belong to no character.
pub(super) fn invalid(bytes: &[u8]) -> Vec<usize> {
    let mut places = Vec::new();
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        let begin = at + chunk.valid().len();
        at = begin + chunk.invalid().len();
        places.extend(begin..at);
    }
    places
}

/// Makes `bytes` UTF-8.
pub(super) fn substitute(bytes: &mut [u8]) {
    for place in invalid(bytes) {
        bytes[place] = SUBSTITUTE;
    }
}
