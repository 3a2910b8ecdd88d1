//! Errors that take nothing from a restored database, and why; all others fail the restore.

/// What a statement may fail with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Harmless {
    /// With nothing.
    Nothing,
    /// With nothing; it begins or ends a transaction.
    Boundary,
    /// A setting for the session, which an older PostgreSQL may not know.
    Setting(String),
    /// A comment on an extension, which only its owner may change.
    ExtensionComment(String),
    /// A comment on a schema: `public` belongs to a superuser before PostgreSQL 15.
    SchemaComment,
    /// Rights for others: the roles of the origin need not exist here.
    Rights,
    /// The schema that every database has.
    PublicSchema,
    /// An extension; `plpgsql` is in every database.
    Extension(String),
}

impl Harmless {
    /// The note for an error of PostgreSQL, when it is a harmless one. An empty note is not worth showing.
    pub fn note(&self, sqlstate: &str, message: &str) -> Option<String> {
        match (self, sqlstate) {
            // It would have limited this session; a newer pg_restore brings it along.
            (Self::Setting(name), "42704") if name.ends_with("_timeout") => Some(String::new()),
            (Self::Setting(name), "42704") => Some(format!(
                "The setting “{name}” was left out: this PostgreSQL does not know it, and no data depends on it."
            )),
            (Self::ExtensionComment(name), "42501") => Some(format!(
                "The comment on the extension “{name}” was left out: only a superuser may change it, and the extension \
                 brings its own."
            )),
            (Self::SchemaComment, "42501") => {
                Some("The comment on a schema was left out: only the schema's owner may change it.".to_owned())
            }
            (Self::Rights, "42704" | "42501") => {
                Some(format!("Rights were left out: {message}. The database's owner has all rights."))
            }
            (Self::PublicSchema, "42P06") => Some(String::new()),
            (Self::Extension(name), "42710" | "42501") if name == "plpgsql" => Some(String::new()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_is_harmless() {
        let comment = Harmless::ExtensionComment("pg_trgm".to_owned());
        assert!(comment.note("42501", "must be owner of extension pg_trgm").unwrap().contains("pg_trgm"));
        assert_eq!(comment.note("42704", "extension does not exist"), None);
        let rights = Harmless::Rights.note("42704", "role \"bob\" does not exist").unwrap();
        assert!(rights.contains("role \"bob\" does not exist"), "{rights}");
        assert_eq!(Harmless::Rights.note("42P01", "relation does not exist"), None);
        assert_eq!(Harmless::Nothing.note("42501", "permission denied"), None);
        assert_eq!(Harmless::Extension("pg_trgm".to_owned()).note("42501", "permission denied"), None);
        assert_eq!(Harmless::Extension("plpgsql".to_owned()).note("42710", "exists"), Some(String::new()));
        let setting = |name: &str| Harmless::Setting(name.to_owned()).note("42704", "").unwrap();
        assert_eq!(setting("transaction_timeout"), "");
        assert!(setting("default_table_access_method").contains("default_table_access_method"));
    }
}
