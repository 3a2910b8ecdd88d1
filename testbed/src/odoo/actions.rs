//! The actions of the database manager that change something: restore, drop, duplicate.

use std::{collections::HashMap, io, net::TcpStream};

use super::{
    Options, RestoreTrap, Shared, Style, databases,
    http::{self, Request},
    manager::{HTML, take_insecure_password},
    pages, restore,
    upload::Form,
};

/// What an action is called on error pages.
#[derive(Clone, Copy)]
pub(super) enum Action {
    Backup,
    Restore,
    Drop,
    Duplicate,
}

impl Action {
    const fn noun(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Drop => "deletion",
            Self::Duplicate => "duplication",
        }
    }

    const fn verb(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Drop => "delete",
            Self::Duplicate => "duplicate",
        }
    }
}

/// Answers with an error page.
pub(super) fn failed(client: &TcpStream, options: &Options, action: Action, message: &str) -> io::Result<()> {
    match options.style {
        Style::V17 | Style::V18 => {
            let page = pages::error(options.list_db, &format!("Database {} error: {message}", action.noun()));
            http::answer(client, "200 OK", HTML, &page)
        }
        Style::Development => {
            let page = pages::unprocessable(action.verb(), message);
            http::answer(client, "422 UNPROCESSABLE ENTITY", HTML, &page)
        }
    }
}

/// `/web/database/restore`.
pub(super) fn answer_restore(shared: &Shared, client: &TcpStream, request: &mut Request<'_>) -> io::Result<()> {
    shared.state().restore_posts += 1;
    if shared.options().restore_trap == RestoreTrap::CutUpload {
        let half = request.length() / 2;
        io::copy(&mut io::Read::take(request.body(), half), &mut io::sink())?;
        return Ok(());
    }
    let form = Form::read(request)?;
    shared.state().restore_forms.push(form.fields.clone());
    let Some(password) = form.fields.get("master_pwd").filter(|_| form.file.is_some()) else {
        return http::answer(client, "500 INTERNAL SERVER ERROR", HTML, pages::INTERNAL_ERROR);
    };
    let options = take_insecure_password(shared, password);
    let failed = |message: &str| failed(client, &options, Action::Restore, message);
    if *password != options.master_password || !options.list_db {
        return failed("Access Denied");
    }
    restore::answer(shared, client, &options, form, &failed)
}

/// `/web/database/drop` and `/web/database/duplicate`.
pub(super) fn answer_other(
    shared: &Shared,
    client: &TcpStream,
    request: &mut Request<'_>,
    action: Action,
) -> io::Result<()> {
    let form = request.form()?;
    let (Some(password), Some(name)) = (form.get("master_pwd"), form.get("name")) else {
        return http::answer(client, "500 INTERNAL SERVER ERROR", HTML, pages::INTERNAL_ERROR);
    };
    let options = take_insecure_password(shared, password);
    if *password != options.master_password || !options.list_db {
        return failed(client, &options, action, "Access Denied");
    }
    match act(shared, &form, name, action) {
        Ok(()) => http::see_other(client),
        Err(error) => failed(client, &options, action, &error.to_string()),
    }
}

fn act(shared: &Shared, form: &HashMap<String, String>, name: &str, action: Action) -> io::Result<()> {
    if let Action::Drop = action {
        // Nobody looks at what the drop answers.
        return databases::drop_database(shared, name).map(drop);
    }
    let new = form.get("new_name").map_or("", String::as_str);
    let neutralized = form.get("neutralize_database").is_some_and(|text| !text.is_empty());
    databases::duplicate(shared, name, new, neutralized)
}
