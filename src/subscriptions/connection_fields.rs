//! The part of a subscription's form that says how its database is reached.

use leptos::prelude::*;

use super::ConnectionView;
use crate::{
    components::{Choice, Field, LinesField, typed},
    error::AppError,
};

/// What the connection's fields hold at first.
#[derive(Debug, Default)]
pub struct Connection {
    postgres: bool,
    odoo_url: String,
    has_master_password: bool,
    redacted_url: String,
    filestore: String,
    addons: String,
}

impl From<ConnectionView> for Connection {
    fn from(view: ConnectionView) -> Self {
        match view {
            ConnectionView::OdooHttp { url, has_master_password } => {
                Self { odoo_url: url, has_master_password, ..Self::default() }
            }
            ConnectionView::Postgres { redacted_url, filestore, addons } => {
                Self { postgres: true, redacted_url, filestore, addons, ..Self::default() }
            }
        }
    }
}

/// How the database is reached.
pub fn connection_section(connection: Connection, failure: Signal<Option<AppError>>) -> AnyView {
    let Connection { postgres, odoo_url, has_master_password, redacted_url, filestore, addons } = connection;
    let password_hint = if has_master_password {
        "Empty keeps the stored one."
    } else {
        "admin_passwd in Odoo's configuration. It is stored encrypted and never shown."
    };
    let url_hint = if redacted_url.is_empty() {
        "postgres://user:password@host:5432/ or ?host=/folder/of/the/socket. Stored encrypted.".to_owned()
    } else {
        format!("Empty keeps the stored one: {redacted_url}")
    };
    let choice = |value: &'static str, otherwise: bool, name: &'static str, about: &'static str| {
        kind_choice(value, typed::chosen(failure, "input[connection]", value, otherwise), name, about)
    };
    view! {
        <section class="section" aria-labelledby="connection-title">
            <header>
                <h2 id="connection-title">"Connection"</h2>
                <p>"How the backup server reaches the database."</p>
            </header>
            <div class="choices" role="radiogroup" aria-labelledby="connection-title">
                {choice("odoo_http", !postgres, "Odoo over HTTP", "Any Odoo whose database manager is on. Nothing to install.")}
                {choice("postgres", postgres, "PostgreSQL and filestore", "Faster, checks every attachment, and works with the database manager off.")}
            </div>
            <div class="fields for-odoo">
                <Field label="Address of Odoo" name="input[odoo_url]" kind="url" value=odoo_url placeholder="https://odoo.example.com" failure />
                <Field label="Master password" name="input[master_password]" kind="password" hint=password_hint autocomplete="new-password" failure />
            </div>
            <div class="fields for-postgres">
                <Field label="Connection URL" name="input[postgres_url]" kind="password" hint=url_hint autocomplete="new-password" class="wide" failure />
                <Field label="Filestore folder" name="input[filestore]" value=filestore hint="The folder that holds 00 to ff, as the backup server sees it. Without it, only the database can be backed up (format dump)." placeholder="/var/lib/odoo/filestore/acme" failure />
                <LinesField label="Addons folders" name="input[addons]" value=addons hint="One a line; needed to neutralize a restored database. May stay empty." failure />
            </div>
        </section>
    }
    .into_any()
}

fn kind_choice(value: &'static str, checked: bool, name: &'static str, about: &'static str) -> AnyView {
    view! {
        <Choice name="input[connection]" value=value checked label=name about />
    }
    .into_any()
}
