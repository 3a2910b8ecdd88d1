//! Made-up attachments and a dump.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use rand::{Rng, RngCore, rngs::StdRng};
use sha1::{Digest, Sha1};

use crate::Outcome;

/// Makes the files, always the same.
pub struct Made {
    pub folder: PathBuf,
    pub random: StdRng,
    pub kilobytes: u64,
}

impl Made {
    /// Most attachments are pictures and the like, which do not compress; a quarter are texts.
    pub fn attachments(&mut self, bytes: u64) -> Outcome<u64> {
        let (mut made, mut files) = (0, 0);
        while made < bytes {
            let size = self.random.random_range(100..self.kilobytes * 2000);
            let mut content = vec![0; usize::try_from(size)?];
            self.random.fill_bytes(&mut content);
            if self.random.random_bool(0.25) {
                for byte in &mut content {
                    *byte = b"etaoin shrdlu cm"[usize::from(*byte % 16)];
                }
            }
            let name = hex::encode(Sha1::digest(&content));
            let path = self.folder.join("filestore").join(&name[..2]);
            fs::create_dir_all(&path)?;
            fs::write(path.join(name), content)?;
            (made, files) = (made + size, files + 1);
        }
        Ok(files)
    }

    fn rows(&mut self, to: &mut impl Write, bytes: u64) -> io::Result<()> {
        let mut made = 0;
        while made < bytes {
            let number: u64 = self.random.random_range(0..1_000_000_000);
            let row = format!(
                "{number}\t2026-{:02}-{:02} 10:{:02}:07.{number}\tCustomer {}\tS{number:09}\t{}.{:02}\tsale\t\\N\tt\n",
                number % 12 + 1,
                number % 28 + 1,
                number % 60,
                number % 5000,
                number % 100_000,
                number % 100
            );
            to.write_all(row.as_bytes())?;
            made += row.len() as u64;
        }
        Ok(())
    }

    pub fn dump(&mut self, bytes: u64) -> Outcome<()> {
        let mut file = BufWriter::new(File::create(self.folder.join("dump.sql"))?);
        self.rows(&mut file, bytes)?;
        Ok(file.flush()?)
    }

    /// Changes the newest rows and adds as many.
    pub fn change_dump(&mut self, bytes: u64) -> Outcome<()> {
        let path = self.folder.join("dump.sql");
        let mut file = File::options().write(true).open(&path)?;
        let kept = file.metadata()?.len().saturating_sub(bytes);
        file.set_len(kept)?;
        io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
        let mut file = BufWriter::new(file);
        self.rows(&mut file, 2 * bytes)?;
        Ok(file.flush()?)
    }
}
