//! The wizard's source “From a URL”: a plain form; the backup server fetches the file.

use leptos::prelude::*;

use super::{
    ImportSetting, NAME_CHARS,
    api::ImportUrl,
    wizard::{sources_view, will_view, wishes_view},
};
use crate::{
    components::{ActionFailure, DialogEnd, Field, notice::failure_of},
    subscriptions::SubscriptionId,
};

/// The form.
pub fn view(id: SubscriptionId, setting: &ImportSetting, close: String) -> AnyView {
    let import = ServerAction::<ImportUrl>::new();
    let failure = failure_of(import);
    let will =
        format!("{} fetches the file itself, as large as it is; this page may be closed meanwhile.", setting.server);
    view! {
        <ActionForm action=import>
            <input type="hidden" name="subscription" value=id.0.to_string() />
            <div class="dialog-body">
                {sources_view(id, true)}
                <ActionFailure action=import fields=&["url", "file_name"] />
                <Field
                    label="Address of the file"
                    name="url"
                    kind="url"
                    placeholder="https://files.example.com/acme.zip"
                    hint="A direct link, http or https. It may hold a user and a password; only its host and the file's name are shown and kept."
                    required=true
                    max=4_000
                    failure
                    autofocus=true
                />
                <Field
                    label="File name"
                    name="file_name"
                    placeholder="acme.zip"
                    hint="Empty: as the server or the address says. Its end, .zip or .dump, tells what the file holds."
                    max=u32::try_from(NAME_CHARS).unwrap_or(u32::MAX)
                    failure
                />
                {wishes_view(failure)}
                {will_view(will)}
            </div>
            <DialogEnd close deed="Fetch the file" doing="Starting …" pending=import.pending() />
        </ActionForm>
    }
    .into_any()
}
