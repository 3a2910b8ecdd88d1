//! The addresses of the database manager.

use std::{io, net::TcpStream};

use super::{
    Options, Shared, Style,
    actions::{self, Action},
    backup,
    http::{Request, answer, answer_with},
    pages, rpc,
};

pub(super) const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

/// Answers the one request of a connection.
pub(super) fn serve(shared: &Shared, client: &TcpStream) -> io::Result<()> {
    let Some(mut request) = Request::read(client)? else { return Ok(()) };
    let post = request.method == "POST";
    if shared.options().blocked.contains(&request.path) {
        return answer(
            client,
            "404 Not Found",
            "text/html",
            "<html><head><title>404 Not Found</title></head></html>\r\n",
        );
    }
    match request.path.as_str() {
        "/web/database/backup" if post => counted_backup(shared, client, &mut request),
        "/web/database/restore" if post => actions::answer_restore(shared, client, &mut request),
        "/web/database/drop" if post => actions::answer_other(shared, client, &mut request, Action::Drop),
        "/web/database/duplicate" if post => actions::answer_other(shared, client, &mut request, Action::Duplicate),
        "/web/database/backup" => {
            let status = "405 METHOD NOT ALLOWED";
            answer_with(client, status, HTML, "Allow: OPTIONS, POST\r\n", pages::METHOD_NOT_ALLOWED)
        }
        "/web/database/manager" | "/web/database/selector" => {
            let options = shared.options();
            let page = pages::manager(options.list_db, options.master_password == "admin");
            answer(client, "200 OK", HTML, &page)
        }
        "/web/database/list" if post => json(client, &mut request, |_| rpc::shown(shared)),
        "/web/webclient/version_info" if post => {
            json(client, &mut request, |_| Ok(rpc::version_info(shared.options().style)))
        }
        "/jsonrpc" if post => {
            let Some(call) = request.json() else { return bad_request(client) };
            // `None`: the connection breaks before the answer.
            let Some(result) = rpc::call(shared, &call["params"]) else { return Ok(()) };
            answer(client, "200 OK", JSON, &rpc::reply(&call["id"], result))
        }
        _ => answer(client, "404 NOT FOUND", HTML, "<!doctype html>\n<title>404 Not Found</title>\n"),
    }
}

fn json(
    client: &TcpStream,
    request: &mut Request<'_>,
    result: impl FnOnce(&serde_json::Value) -> Result<serde_json::Value, serde_json::Value>,
) -> io::Result<()> {
    let Some(call) = request.json() else { return bad_request(client) };
    answer(client, "200 OK", JSON, &rpc::reply(&call["id"], result(&call)))
}

fn bad_request(client: &TcpStream) -> io::Result<()> {
    answer(client, "400 BAD REQUEST", HTML, "<!doctype html>\n<title>400 Bad Request</title>\n")
}

/// Odoo's trap: as long as the password is the default, whatever is sent becomes the password. Gives the set-up after it.
pub(super) fn take_insecure_password(shared: &Shared, password: &str) -> Options {
    let mut state = shared.state();
    if state.options.master_password == "admin" && !password.is_empty() && password != "admin" {
        password.clone_into(&mut state.options.master_password);
        state.password_changes += 1;
    }
    state.options.clone()
}

fn counted_backup(shared: &Shared, client: &TcpStream, request: &mut Request<'_>) -> io::Result<()> {
    {
        let mut state = shared.state();
        state.backup_posts += 1;
        state.open += 1;
    }
    let result = answer_backup(shared, client, request);
    shared.state().open -= 1;
    shared.changed.notify_all();
    result
}

fn answer_backup(shared: &Shared, client: &TcpStream, request: &mut Request<'_>) -> io::Result<()> {
    let form = request.form()?;
    let (Some(password), Some(name)) = (form.get("master_pwd"), form.get("name")) else {
        return answer(client, "500 INTERNAL SERVER ERROR", HTML, pages::INTERNAL_ERROR);
    };
    let options = take_insecure_password(shared, password);
    let zip = form.get("backup_format").is_none_or(|format| format == "zip");
    let failed = |message: &str| actions::failed(client, &options, Action::Backup, message);
    if *password != options.master_password || !options.list_db {
        return failed("Access Denied");
    }
    match rpc::databases(shared) {
        Ok(names) if names.contains(name) && (options.style == Style::V17 || !options.hides(name)) => {}
        _ if options.style != Style::V17 => return failed(&format!("Database '{name}' is not known")),
        _ if zip => return failed(&format!("FATAL:  database \"{name}\" does not exist")),
        // 17 ignores that pg_dump failed: status 200 and no bytes. The answer below does just that.
        _ => {}
    }
    backup::answer(shared, client, &options, name, zip, &failed)
}
