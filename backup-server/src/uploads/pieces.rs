//! A chunk in memory, in the pieces in which it came: nothing is copied between the network and the disk.

use std::{
    fs::File,
    io::{self, IoSlice},
};

use bytes::{Bytes, BytesMut};

/// Pieces below this are joined: a slow line delivers crumbs, and each would cost a descriptor.
const SMALL: usize = 16 * 1024;

/// The pieces of a chunk.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    whole: Vec<Bytes>,
    /// Crumbs at the end.
    crumbs: BytesMut,
    bytes: usize,
}

impl Pieces {
    /// Adds what came next.
    pub fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        if piece.len() < SMALL {
            return self.crumbs.extend_from_slice(&piece);
        }
        if !self.crumbs.is_empty() {
            self.whole.push(self.crumbs.split().freeze());
        }
        self.whole.push(piece);
    }

    /// Bytes of all.
    pub const fn len(&self) -> usize {
        self.bytes
    }

    /// The first bytes, at most so many.
    pub fn head(&self, most: usize) -> Vec<u8> {
        self.slices().flatten().copied().take(most).collect()
    }

    /// Writes all of it to its place in a file.
    pub fn write_at(&self, file: &File, mut offset: u64) -> io::Result<()> {
        let mut slices: Vec<IoSlice> = self.slices().map(IoSlice::new).collect();
        let mut left = &mut slices[..];
        while !left.is_empty() {
            match rustix::io::pwritev(file, left, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    offset += written as u64;
                    IoSlice::advance_slices(&mut left, written);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let whole = self.whole.iter().map(|piece| &piece[..]);
        whole.chain(Some(&self.crumbs[..]).filter(|crumbs| !crumbs.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_and_small_pieces_are_written_in_their_order() {
        let whole: Vec<u8> = (0..200_000_u32).map(|at| at.to_le_bytes()[at as usize % 3]).collect();
        for lengths in [&[200_000][..], &[1, 2, 60_000, 5, 100_000], &[7; 3], &[60_000, 1], &[]] {
            let mut pieces = Pieces::default();
            let mut rest = &whole[..];
            for length in lengths {
                let (piece, more) = rest.split_at(*length);
                pieces.push(Bytes::copy_from_slice(piece));
                rest = more;
            }
            let sent = &whole[..lengths.iter().sum()];
            assert_eq!((pieces.len(), pieces.head(9)), (sent.len(), sent[..sent.len().min(9)].to_vec()));
            let file = tempfile::NamedTempFile::new().unwrap();
            pieces.write_at(file.as_file(), 3).unwrap();
            let written = std::fs::read(file.path()).unwrap();
            assert!(sent.is_empty() || written[3..] == *sent, "{lengths:?}");
        }
    }

    #[test]
    fn crumbs_are_joined() {
        let mut pieces = Pieces::default();
        for _ in 0..100_000 {
            pieces.push(Bytes::from_static(b"x"));
        }
        pieces.push(Bytes::from(vec![b'y'; SMALL]));
        assert_eq!((pieces.whole.len(), pieces.len()), (2, 100_000 + SMALL));
    }
}
