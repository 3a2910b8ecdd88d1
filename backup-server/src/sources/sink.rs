//! Where the bytes of an arriving file go: into the staging folder, in large pieces, never onto a full disk.

use std::io::SeekFrom;

use backup_api::Failure;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufWriter},
};

use super::{Staging, staging::StagedFile};
use crate::disk::SPACE_STEP;

/// Odoo sends pieces of 261 bytes on average; the disk gets larger ones.
const BUFFER: usize = 1 << 20;
/// How much is kept to tell a web page from a file.
const HEAD: usize = 64 * 1024;

/// Takes an arriving file.
pub(crate) struct Sink {
    staging: Staging,
    writer: BufWriter<File>,
    bytes: u64,
    checked: u64,
    head: Vec<u8>,
}

impl Sink {
    /// Into a new file, when there is room for a beginning.
    pub fn open(staging: &Staging) -> Result<(StagedFile, Self), Failure> {
        staging.check_space(SPACE_STEP)?;
        let (staged, file) = staging.create()?;
        let writer = BufWriter::with_capacity(BUFFER, File::from_std(file));
        Ok((staged, Self { staging: staging.clone(), writer, bytes: 0, checked: 0, head: Vec::new() }))
    }

    /// Behind so many bytes of a file; what else is in it is cut off.
    pub async fn behind(staging: &Staging, file: std::fs::File, bytes: u64) -> Result<Self, Failure> {
        staging.check_space(SPACE_STEP)?;
        let (mut file, mut head) = (File::from_std(file), Vec::new());
        let ready = async {
            file.set_len(bytes).await?;
            file.seek(SeekFrom::Start(0)).await?;
            (&mut file).take(HEAD as u64).read_to_end(&mut head).await?;
            file.seek(SeekFrom::Start(bytes)).await
        };
        ready.await.map_err(|error| staging.failure(&error))?;
        let writer = BufWriter::with_capacity(BUFFER, file);
        Ok(Self { staging: staging.clone(), writer, bytes, checked: bytes, head })
    }

    /// Makes certain that all that was taken is on disk.
    pub async fn sync(&mut self) -> Result<(), Failure> {
        self.writer.flush().await.map_err(|error| self.staging.failure(&error))?;
        // Waits until the last write has reached the file.
        self.writer.get_mut().sync_data().await.map_err(|error| self.staging.failure(&error))
    }

    /// Takes the next piece.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), Failure> {
        let wanted = HEAD.saturating_sub(self.head.len()).min(piece.len());
        self.head.extend_from_slice(&piece[..wanted]);
        self.writer.write_all(piece).await.map_err(|error| self.staging.failure(&error))?;
        self.bytes += piece.len() as u64;
        if self.bytes - self.checked >= SPACE_STEP {
            self.checked = self.bytes;
            self.staging.check_space(SPACE_STEP)?;
        }
        Ok(())
    }

    /// Bytes that were taken.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What it begins with, as far as that has come.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Forgets all of it: the file comes from its beginning once more.
    pub async fn begin_again(&mut self) -> Result<(), Failure> {
        let emptied = async {
            self.writer.flush().await?;
            let file = self.writer.get_mut();
            file.set_len(0).await?;
            file.seek(SeekFrom::Start(0)).await
        };
        emptied.await.map_err(|error| self.staging.failure(&error))?;
        (self.bytes, self.checked) = (0, 0);
        self.head.clear();
        Ok(())
    }

    /// After the last piece: its bytes and what it begins with.
    pub async fn finish(mut self) -> Result<(u64, Vec<u8>), Failure> {
        self.sync().await?;
        Ok((self.bytes, self.head))
    }
}
