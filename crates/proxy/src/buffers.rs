//! Buffers from a per-core free list: a connection holds one only while bytes are in it.

use std::cell::RefCell;

/// The size of the buffer a head is read into, and of most of what follows.
pub const SMALL: usize = 16 * 1024;
/// The size used while a large body passes: fewer system calls a byte.
pub const LARGE: usize = 64 * 1024;

/// How many buffers of a size a core keeps for the next connection that needs one.
const KEPT: usize = 64;

/// A buffer with the bytes that were read and not yet used, between `start` and `end`.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// Whether no storage is attached.
    pub fn is_bare(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The unused bytes.
    pub fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// How many bytes are unused.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether all bytes were used.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Marks `count` bytes as used.
    pub fn consume(&mut self, count: usize) {
        self.start += count.min(self.len());
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room to read into; moves what is left to the front when the end is reached.
    pub fn room(&mut self) -> &mut [u8] {
        if self.end == self.bytes.len() && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.bytes[self.end..]
    }

    /// Marks `count` bytes of the room as filled.
    pub fn fill(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// Makes the storage at least `size` bytes, keeping what is in it.
    pub fn grow(&mut self, size: usize) {
        if self.bytes.len() < size {
            self.bytes.resize(size, 0);
        }
    }
}

/// The free lists of one core.
#[derive(Debug, Default)]
pub struct Buffers {
    small: RefCell<Vec<Vec<u8>>>,
    large: RefCell<Vec<Vec<u8>>>,
    text: RefCell<Vec<Vec<u8>>>,
}

impl Buffers {
    /// Attaches storage of at least `size` bytes to a bare buffer.
    pub fn attach(&self, buffer: &mut Buffer, size: usize) {
        if !buffer.is_bare() {
            return;
        }
        let size = if size <= SMALL { SMALL } else { size.max(LARGE) };
        let kept = match size {
            SMALL => self.small.borrow_mut().pop(),
            LARGE => self.large.borrow_mut().pop(),
            _ => None,
        };
        buffer.bytes = kept.unwrap_or_else(|| vec![0; size]);
        (buffer.start, buffer.end) = (0, 0);
    }

    /// Takes the storage of an empty buffer back.
    pub fn detach(&self, buffer: &mut Buffer) {
        if !buffer.is_empty() || buffer.is_bare() {
            return;
        }
        self.put(std::mem::take(&mut buffer.bytes));
    }

    /// Takes the storage back whatever is in it.
    pub fn discard(&self, buffer: &mut Buffer) {
        (buffer.start, buffer.end) = (0, 0);
        self.detach(buffer);
    }

    fn put(&self, bytes: Vec<u8>) {
        let list = match bytes.len() {
            SMALL => &self.small,
            LARGE => &self.large,
            _ => return,
        };
        let mut list = list.borrow_mut();
        if list.len() < KEPT {
            list.push(bytes);
        }
    }

    /// An empty vector to write a head into.
    pub fn text(&self) -> Vec<u8> {
        self.text.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(2048))
    }

    /// Takes such a vector back.
    pub fn put_text(&self, mut text: Vec<u8>) {
        if text.capacity() == 0 || text.capacity() > 2 * LARGE {
            return;
        }
        text.clear();
        let mut list = self.text.borrow_mut();
        if list.len() < KEPT {
            list.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_goes_round() {
        let buffers = Buffers::default();
        let mut buffer = Buffer::default();
        buffers.attach(&mut buffer, 100);
        assert_eq!(buffer.room().len(), SMALL);
        buffer.room()[..3].copy_from_slice(b"abc");
        buffer.fill(3);
        buffer.consume(1);
        assert_eq!(buffer.filled(), b"bc");
        buffers.detach(&mut buffer);
        assert!(!buffer.is_bare(), "what is not empty keeps its storage");
        buffer.consume(2);
        buffers.detach(&mut buffer);
        assert!(buffer.is_bare());
        assert_eq!(buffers.small.borrow().len(), 1);
    }

    #[test]
    fn the_rest_moves_to_the_front_when_the_end_is_reached() {
        let buffers = Buffers::default();
        let mut buffer = Buffer::default();
        buffers.attach(&mut buffer, SMALL);
        buffer.room().fill(b'x');
        buffer.fill(SMALL);
        assert!(buffer.room().is_empty(), "full, and nothing used");
        buffer.consume(SMALL - 2);
        assert_eq!(buffer.room().len(), SMALL - 2);
        assert_eq!(buffer.filled(), b"xx");
    }
}
