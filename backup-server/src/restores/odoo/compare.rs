//! Compares what Odoo gives back with what the backup holds.
//!
//! The restored database is visible to Odoo at once, and Odoo may already run its scheduled actions there: rows may have
//! come, sequences gone on, and short-lived records been removed. None of that is a loss; it is told as a note. A row or
//! table that the backup holds and that is not there is one.

use backup_api::{Failure, FailureCode};

use super::{
    super::{
        replay::{Contents, Counted, TableName},
        task::failure,
    },
    facts::Facts,
};

/// Tables whose rows Odoo itself removes while it runs.
const FLEETING: [&str; 9] = [
    "bus_bus",
    "bus_presence",
    "ir_cron_progress",
    "ir_cron_trigger",
    "ir_logging",
    "ir_profile",
    "mail_mail",
    "mail_presence",
    "res_users_log",
];
/// Tables that lose rows with a sent mail that was not to be kept: at most as many as there were mails waiting.
const WITH_MAIL: [&str; 3] = ["mail_message", "mail_notification", "mail_mail_res_partner_rel"];
/// Tables from which neutralizing removes rows, such as the keys of push messages.
const NEUTRALIZED: [&str; 3] = ["ir_config_parameter", "mail_push", "mail_push_device"];
/// Differences that a message names.
const NAMED: usize = 5;

/// What was compared.
pub(super) struct Compared {
    /// Tables and rows of the backup that are there.
    pub counted: Counted,
    /// What Odoo changed by itself meanwhile.
    pub notes: Vec<String>,
}

/// Compares; an error names what is lost.
pub(super) fn compare(
    expected: &Contents,
    found: &Contents,
    facts: &Facts,
    neutralized: bool,
) -> Result<Compared, Failure> {
    let (mut lost, mut changed) = (Vec::new(), Vec::new());
    for (table, rows) in expected.tables.iter().chain(&expected.added) {
        let held = if expected.tables.contains_key(table) { &found.tables } else { &found.added };
        match held.get(table).copied() {
            Some(now) if now == *rows => {}
            Some(now) if now > *rows => changed.push(table.to_string()),
            Some(now) if rows - now <= removable(table, expected, facts, neutralized) => {
                changed.push(table.to_string());
            }
            Some(now) => lost.push(format!("{table} has {now} rows instead of {rows}")),
            None => lost.push(format!("table {table} is missing")),
        }
    }
    for (sequence, (value, _)) in &expected.sequences {
        match found.sequences.get(sequence) {
            Some((now, _)) if now >= value => {}
            Some((now, _)) => lost.push(format!("{sequence} is at {now} instead of {value}")),
            None => lost.push(format!("sequence {sequence} is missing")),
        }
    }
    let missing = expected.extensions.difference(&found.extensions);
    lost.extend(missing.map(|extension| format!("extension {extension} is missing")));
    if !lost.is_empty() {
        return Err(differ(&lost));
    }
    let counted = Counted { tables: expected.tables.len() as u64, rows: expected.rows() };
    Ok(Compared { counted, notes: notes(&changed) })
}

/// How many rows Odoo itself may have removed from a table since the restore.
fn removable(table: &TableName, expected: &Contents, facts: &Facts, neutralized: bool) -> u64 {
    let name = table.name.as_str();
    if table.schema != "public" {
        return 0;
    }
    // The tables between a transient model and others are named after one of both.
    let is_transient = facts
        .transient
        .iter()
        .any(|transient| name == transient || (name.ends_with("_rel") && name.contains(transient.as_str())));
    if is_transient || FLEETING.contains(&name) || (neutralized && NEUTRALIZED.contains(&name)) {
        return u64::MAX;
    }
    if WITH_MAIL.contains(&name) {
        return expected.tables.get(&TableName::new("public", "mail_mail")).copied().unwrap_or_default();
    }
    0
}

fn notes(changed: &[String]) -> Vec<String> {
    if changed.is_empty() {
        return Vec::new();
    }
    let named =
        changed.iter().take(NAMED).map(|name| name.trim_start_matches("public.")).collect::<Vec<_>>().join(", ");
    let more = if changed.len() > NAMED { format!(" and {} more", changed.len() - NAMED) } else { String::new() };
    vec![format!(
        "Odoo itself changed {} table(s) of the restored database before it was compared, as it neutralized it or ran its \
         scheduled actions ({named}{more}); no other row of the backup is missing.",
        changed.len()
    )]
}

fn differ(lost: &[String]) -> Failure {
    let named = lost.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    let more = if lost.len() > NAMED { format!("; and {} more", lost.len() - NAMED) } else { String::new() };
    let message = format!(
        "Odoo said that it restored the backup, but what it gives back is not what the backup holds: {named}{more}. It \
         was not put into use. Odoo passes over errors of the database: its log and PostgreSQL's say which, often a lack \
         of space or an older PostgreSQL."
    );
    failure(FailureCode::Mismatch, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(tables: &[(&str, u64)]) -> Contents {
        let tables = tables.iter().map(|(name, rows)| (TableName::new("public", *name), *rows)).collect();
        Contents { tables, ..Contents::default() }
    }

    #[test]
    fn a_missing_row_or_table_is_a_loss_and_named() {
        let backup = contents(&[("res_partner", 3), ("sale_order", 2)]);
        let facts = Facts::default();
        let whole = compare(&backup, &backup.clone(), &facts, false).unwrap();
        assert_eq!((whole.counted.tables, whole.counted.rows, whole.notes.len()), (2, 5, 0));
        for (found, words) in [
            (contents(&[("res_partner", 2), ("sale_order", 2)]), "res_partner has 2 rows instead of 3"),
            (contents(&[("sale_order", 2)]), "table public.res_partner is missing"),
        ] {
            let refused = compare(&backup, &found, &facts, true).err().unwrap();
            assert!(refused.code == FailureCode::Mismatch && refused.message.contains(words), "{}", refused.message);
        }
    }

    #[test]
    fn what_a_running_odoo_changes_is_a_note() {
        let before = [("bus_bus", 9), ("mail_mail", 2), ("mail_message", 7), ("wizard", 4), ("ir_mail_server", 1)];
        let after = [("bus_bus", 0), ("mail_mail", 1), ("mail_message", 6), ("wizard", 0), ("ir_mail_server", 2)];
        let mut facts = Facts::default();
        facts.transient.insert("wizard".to_owned());
        let compared = compare(&contents(&before), &contents(&after), &facts, true).unwrap();
        assert!(compared.notes[0].contains("5 table(s)"), "{:?}", compared.notes);
        let too_many = [("bus_bus", 0), ("mail_mail", 1), ("mail_message", 4), ("wizard", 0), ("ir_mail_server", 2)];
        assert!(compare(&contents(&before), &contents(&too_many), &facts, true).is_err());
    }

    #[test]
    fn a_sequence_may_go_on_but_not_back() {
        let at = |value: i64| Contents {
            sequences: [(TableName::new("public", "s"), (value, true))].into(),
            ..Contents::default()
        };
        let facts = Facts::default();
        assert!(compare(&at(5), &at(6), &facts, false).is_ok());
        assert!(compare(&at(5), &at(4), &facts, false).is_err());
        assert!(compare(&at(5), &Contents::default(), &facts, false).is_err());
    }
}
