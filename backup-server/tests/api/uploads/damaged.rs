//! The damaged files that were given with the task, by their SHA-256: each is refused with its own reason, or taken with
//! what it lacks. Some are here as they are, some packed, some as what differs from the good file.

use std::{
    io::{Cursor, Read},
    path::Path,
};

use backup_api::{FailureCode, JobState};
use sha2::{Digest, Sha256};

use super::{
    files::{Entries, tiny, zip_of},
    imports::{import, must_be_refused},
};
use crate::setting::{Served, log_of};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bad").join(name)).unwrap()
}

fn expect_sum(what: &str, bytes: &[u8], sum: &str) {
    assert_eq!(hex::encode(Sha256::digest(bytes)), sum, "{what} is not the file that was given");
}

/// The good file with the `dump.sql` of a damaged one, which is kept as a patch of the good one.
fn with_dump(patch: &str, sum: &str) -> Entries {
    let mut entries = tiny();
    let dump = &mut entries.iter_mut().find(|(name, _)| name == "dump.sql").unwrap().1;
    let patch = fixture(patch);
    let mut decoder = zstd::stream::read::Decoder::with_ref_prefix(Cursor::new(patch), dump).unwrap();
    decoder.window_log_max(27).unwrap();
    let mut changed = Vec::new();
    decoder.read_to_end(&mut changed).unwrap();
    drop(decoder);
    expect_sum("dump.sql", &changed, sum);
    *dump = changed;
    entries
}

#[tokio::test]
async fn each_given_file_that_is_no_backup_is_refused_with_its_own_reason() {
    let served = Served::start().await;
    let dump = zstd::decode_all(Cursor::new(fixture("tiny18_truncated_toc_ok.dump.zst"))).unwrap();
    let broken_row =
        with_dump("tiny18_broken_copy_row.sql.zst", "e0cb70af14bdd403d1a5cb508a607e79e35d9d6047ee90e4ddd89a580b48ffab");
    for (name, file, sum, words) in [
        (
            "tiny18_truncated.zip",
            fixture("tiny18_truncated.zip"),
            "e162670538b0370c02efc3be1bf1eb5e93036620783a7f401c1fe023aaded375",
            "no whole zip",
        ),
        (
            "tiny18_half_dumpsql.zip",
            fixture("tiny18_half_dumpsql.zip"),
            "031d478ed9e990df001e237261a91e06be20c826541ed36cd4c5017b612c7df4",
            "does not end with pg_dump's last line",
        ),
        (
            "tiny18_no_dumpsql.zip",
            fixture("tiny18_no_dumpsql.zip"),
            "e7477be40c94fe41bdf2765669b43adb10676ba7d7636c4c5c69260b8d23b00f",
            "no dump.sql at its top",
        ),
        (
            "tiny18_truncated.dump",
            dump[..600_000].to_vec(),
            "88671f38ab02698bd87db4215f248078c62b2dbb262b3b3acbc0a198c4e42239",
            "cut off or damaged",
        ),
        (
            "tiny18_truncated_toc_ok.dump",
            dump,
            "cea0ffd7f9637effd3d2ef8afcf82e75d64e1ce33031fc21a610ad0fcafd6ce6",
            "cut off or damaged",
        ),
    ] {
        expect_sum(name, &file, sum);
        must_be_refused(&served, name, name, &file, FailureCode::Incomplete, words).await;
    }
    let (name, words) = ("tiny18_broken_copy_row.zip", " values instead of ");
    must_be_refused(&served, name, name, &zip_of(&broken_row), FailureCode::Incomplete, words).await;
}

#[tokio::test]
async fn what_the_given_files_lack_is_told() {
    let served = Served::start().await;
    let whole = with_dump(
        "tiny18_no_manifest_no_filestore.sql.zst",
        "84bf066f58adb2715cb9412e21a275d731e7a6f570e35e178f033e5e7553a7db",
    );
    for (name, lacks, words) in [
        ("tiny18_no_manifest.zip", "manifest.json", "has no manifest.json"),
        ("tiny18_no_filestore.zip", "filestore/", "files that attachments refer to are not in the zip"),
    ] {
        let mut entries = whole.clone();
        entries.retain(|(entry, _)| !entry.starts_with(lacks));
        let job = import(&served, name, &zip_of(&entries)).await;
        assert_eq!(job.state, JobState::Succeeded, "{name}: {:?}", job.failure);
        let log = log_of(&served.client, job.id).await;
        assert!(log.contains("Warn") && log.contains(words), "{name}: {log}");
    }
}
