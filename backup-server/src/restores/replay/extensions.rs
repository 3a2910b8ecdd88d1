//! Which extensions a dump may create.

/// What is done with an extension that a dump names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// Created. Some of them need a superuser, unless they are there already.
    Allowed,
    /// Left out: it watches the server, and no data depends on it.
    LeftOut,
    /// Not known to be safe: it may read files, run programs or connect elsewhere.
    Refused,
}

/// Extensions that hold types, functions and indexes only.
const ALLOWED: [&str; 21] = [
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dict_int",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "isn",
    "lo",
    "ltree",
    "pg_trgm",
    "pgcrypto",
    "plpgsql",
    "postgis",
    "seg",
    "tablefunc",
    "unaccent",
    "uuid-ossp",
    "vector",
];

/// Extensions for watching a server.
const LEFT_OUT: [&str; 8] = [
    "pg_buffercache",
    "pg_prewarm",
    "pg_qualstats",
    "pg_stat_kcache",
    "pg_stat_statements",
    "pg_visibility",
    "pgrowlocks",
    "pgstattuple",
];

impl Extension {
    /// What is done with the one of this name.
    pub fn of(name: &str) -> Self {
        if ALLOWED.contains(&name) {
            Self::Allowed
        } else if LEFT_OUT.contains(&name) {
            Self::LeftOut
        } else {
            Self::Refused
        }
    }

    /// The names of all that may be created.
    pub fn allowed() -> impl Iterator<Item = &'static str> {
        ALLOWED.into_iter()
    }
}
