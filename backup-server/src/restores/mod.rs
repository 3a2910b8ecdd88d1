//! Restores: a backup becomes a database again, beside the present one, which is replaced only when all is verified.

pub mod replay;
