//! The fields of the wizard that restores a backup: its options, the name of a copy, the name that confirms it.

use backup_api::BackupFormat;
use leptos::prelude::*;

use super::{
    asked::{COPY, INTO, NEUTRALIZE, SAFETY_BACKUP, TYPED_NAME},
    wizard::Wizard,
};
use crate::components::{
    FieldError,
    field::{field_error, id_of},
    notice::failure_of,
};

/// What may be chosen, and the name of a copy.
pub(super) fn options_view(wizard: Wizard) -> AnyView {
    let asked = wizard.asked.get_untracked();
    let (neutralize, format) = wizard.found.with_untracked(|found| (found.neutralize.clone().err(), found.line.format));
    let filestore = match format {
        BackupFormat::Zip => "Its filestore gets the same name.",
        BackupFormat::Dump => "This backup holds no attachments, so the new database has none.",
    };
    view! {
        <fieldset class="options">
            <legend>"Options"</legend>
            {option_view(
                SAFETY_BACKUP,
                "for-replace",
                asked.safety_backup,
                "Safety backup of the present database first",
                Ok("It becomes a backup line. If it fails, the restore ends there and the database stays as it is.".to_owned()),
            )}
            {option_view(
                NEUTRALIZE,
                "",
                asked.neutralize,
                "Neutralize the database",
                neutralize.map_or_else(
                    || Ok("No mail, no scheduled actions, no payments: for tests, not for production.".to_owned()),
                    Err,
                ),
            )}
            {option_view(
                COPY,
                "",
                asked.copy,
                "Restore into another database instead",
                Ok("A copy under a new name; the present database is not touched.".to_owned()),
            )}
            // A name that is not shown must not be sent.
            {into_view(wizard, if asked.copy { asked.into } else { String::new() }, filestore)}
        </fieldset>
    }
    .into_any()
}

fn into_view(wizard: Wizard, value: String, filestore: &'static str) -> AnyView {
    let (failure, id) = (failure_of(wizard.restore), id_of(INTO));
    let error = Memo::new(move |_| field_error(failure, INTO));
    view! {
        <div class="field for-copy">
            <label for=id.clone()>"Name of the new database"</label>
            <input
                id=id
                name=INTO
                value=value
                node_ref=wizard.into
                autocomplete="off"
                autocapitalize="none"
                spellcheck="false"
                placeholder="acme_test"
                aria-describedby="into-about"
                aria-invalid=move || error.with(Option::is_some).then_some("true")
            />
            <div id="into-about">
                <FieldError error />
                <span class="hint">
                    "Letters, digits, “_”, “-” and “.”; no database may have it yet. "
                    {filestore}
                </span>
            </div>
        </div>
    }
    .into_any()
}

/// The name that confirms it.
pub(super) fn typed_view(wizard: Wizard) -> AnyView {
    let failure = failure_of(wizard.restore);
    let error = Memo::new(move |_| field_error(failure, TYPED_NAME));
    let value = wizard.asked.with_untracked(|asked| asked.typed_name.clone());
    let hint = move || {
        let target = wizard.found.with(|found| wizard.asked.with(|asked| asked.target(found)));
        if target.is_empty() {
            return "The name that you entered above.".to_owned();
        }
        format!("Its name is “{target}”.")
    };
    view! {
        <div class="field">
            <label for=TYPED_NAME>"Type the database's name to confirm"</label>
            <input
                id=TYPED_NAME
                name=TYPED_NAME
                value=value
                autocomplete="off"
                autocapitalize="none"
                spellcheck="false"
                aria-describedby="typed-about"
                aria-invalid=move || error.with(Option::is_some).then_some("true")
            />
            <div id="typed-about">
                <FieldError error />
                <span class="hint">{hint}</span>
            </div>
        </div>
    }
    .into_any()
}

/// A checkbox with its explanation, or with the reason why it cannot be chosen.
fn option_view(
    name: &'static str,
    class: &'static str,
    checked: bool,
    label: &'static str,
    hint: Result<String, String>,
) -> AnyView {
    let (disabled, hint) = (hint.is_err(), hint.unwrap_or_else(|reason| reason));
    view! {
        <label class=format!("check {class}") class:disabled=disabled>
            <input type="checkbox" name=name value="true" checked=checked && !disabled disabled=disabled />
            <span>
                {label}
                <span class="hint">{hint}</span>
            </span>
        </label>
    }
    .into_any()
}
