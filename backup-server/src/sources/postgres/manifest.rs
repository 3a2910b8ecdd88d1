//! `manifest.json`, written as Odoo writes it.

use std::collections::BTreeMap;

use serde::Serialize;
use sqlx::PgConnection;

/// What Odoo says of a database.
#[derive(Debug, Serialize)]
pub(super) struct WrittenManifest {
    odoo_dump: &'static str,
    db_name: String,
    version: String,
    version_info: (serde_json::Value, u32, u32, &'static str, u32, &'static str),
    /// Such as `18.0`.
    pub major_version: String,
    pg_version: String,
    modules: BTreeMap<String, Option<String>>,
}

impl WrittenManifest {
    /// Reads the installed modules; `None` when they have no `base`, so that it is no Odoo database.
    pub async fn read(
        connection: &mut PgConnection,
        database: &str,
        postgres_major: u32,
    ) -> sqlx::Result<Option<Self>> {
        let exists = sqlx::query_scalar::<_, bool>(
            "SELECT to_regclass('ir_module_module') IS NOT NULL AND to_regclass('ir_attachment') IS NOT NULL",
        );
        if !exists.fetch_one(&mut *connection).await? {
            return Ok(None);
        }
        let sql = "SELECT name::text, latest_version::text FROM ir_module_module WHERE state = 'installed'";
        let modules: BTreeMap<String, Option<String>> =
            sqlx::query_as(sql).fetch_all(connection).await?.into_iter().collect();
        let base = modules.get("base").and_then(Option::as_deref).and_then(major_version);
        Ok(base.map(|major_version| Self {
            odoo_dump: "1",
            db_name: database.to_owned(),
            version: major_version.clone(),
            version_info: version_info(&major_version),
            major_version,
            // What Odoo makes of PostgreSQL 10 and later: the minor version is always 0.
            pg_version: format!("{postgres_major}.0"),
            modules,
        }))
    }

    /// As a file.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut json = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        self.serialize(&mut serde_json::Serializer::with_formatter(&mut json, formatter))?;
        Ok(json)
    }
}

/// `18.0` of `18.0.1.3`, `saas~17.4` of `saas~17.4.1.3`.
pub(crate) fn major_version(base: &str) -> Option<String> {
    let mut parts = base.split('.');
    let (major, minor) = (parts.next()?, parts.next()?);
    let digits = major.strip_prefix("saas~").unwrap_or(major);
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (number(digits) && number(minor)).then(|| format!("{major}.{minor}"))
}

fn version_info(major_version: &str) -> (serde_json::Value, u32, u32, &'static str, u32, &'static str) {
    let (major, minor) = major_version.split_once('.').unwrap_or((major_version, "0"));
    let major = major.parse::<u32>().map_or_else(|_| major.into(), serde_json::Value::from);
    (major, minor.parse().unwrap_or(0), 0, "final", 0, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_module_base() {
        assert_eq!(major_version("18.0.1.3").as_deref(), Some("18.0"));
        assert_eq!(major_version("saas~17.4.1.3").as_deref(), Some("saas~17.4"));
        assert_eq!(major_version("1"), None);
        assert_eq!(major_version("x.y.z"), None);
        assert_eq!(serde_json::to_string(&version_info("18.0")).unwrap(), r#"[18,0,0,"final",0,""]"#);
        assert_eq!(serde_json::to_string(&version_info("saas~17.4")).unwrap(), r#"["saas~17",4,0,"final",0,""]"#);
    }
}
