//! Which names belong into an Odoo backup.

use crate::repositories::attachment_sha1;

/// What an entry of a zip is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `dump.sql`
    Dump,
    /// `manifest.json`
    Manifest,
    /// `filestore/xx/<sha1>`, with the SHA-1.
    Attachment([u8; 20]),
    /// Odoo's markers of files to be collected, and folders: left out without a word.
    Marker,
    /// Not from Odoo: left out and reported.
    Foreign,
    /// Would leave the folder that it is unpacked into: the whole zip is refused.
    Hostile,
}

impl Role {
    pub(super) fn of(name: &str) -> Self {
        let leaves = |part: &str| matches!(part, "." | "..");
        if name.starts_with('/') || name.contains(['\\', '\0', ':']) || name.split('/').any(leaves) {
            return Self::Hostile;
        }
        match name {
            "dump.sql" => Self::Dump,
            "manifest.json" => Self::Manifest,
            name if name.ends_with('/') || name.starts_with("filestore/checklist/") => Self::Marker,
            name => attachment_sha1(name).map_or(Self::Foreign, Self::Attachment),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_odoos_names_are_taken() {
        let sha1 = "a".repeat(40);
        assert_eq!(Role::of("dump.sql"), Role::Dump);
        assert_eq!(Role::of(&format!("filestore/aa/{sha1}")), Role::Attachment([0xaa; 20]));
        for marker in ["filestore/", "filestore/aa/", "filestore/checklist/aa/aaaa"] {
            assert_eq!(Role::of(marker), Role::Marker, "{marker}");
        }
        let short = &sha1[1..];
        for foreign in [
            "Dump.sql".to_owned(),
            "a/dump.sql".to_owned(),
            format!("filestore/ab/{sha1}"),
            format!("filestore/aa/{short}"),
            format!("filestore/aa/{}", sha1.to_uppercase()),
            format!("filestore/aaa/{sha1}"),
            format!("filestore/aa/x/{sha1}"),
            "readme.txt".to_owned(),
        ] {
            assert_eq!(Role::of(&foreign), Role::Foreign, "{foreign}");
        }
        for hostile in ["../dump.sql", "/etc/passwd", "filestore/../../x", "a\\b", "C:dump.sql", "filestore/./x", "x\0"]
        {
            assert_eq!(Role::of(hostile), Role::Hostile, "{hostile}");
        }
    }
}
