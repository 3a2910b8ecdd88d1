//! The addresses of the database manager.

use std::{io, net::TcpStream};

use super::{
    Shared, Style, backup,
    http::{Request, answer, answer_with},
    pages, rpc,
};

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

/// Answers the one request of a connection.
pub(super) fn serve(shared: &Shared, client: &TcpStream) -> io::Result<()> {
    let Some(request) = Request::read(client)? else { return Ok(()) };
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
        "/web/database/backup" if post => counted_backup(shared, client, &request),
        "/web/database/backup" => {
            let status = "405 METHOD NOT ALLOWED";
            answer_with(client, status, HTML, "Allow: OPTIONS, POST\r\n", pages::METHOD_NOT_ALLOWED)
        }
        "/web/database/manager" | "/web/database/selector" => {
            let options = shared.options();
            let page = pages::manager(options.list_db, options.master_password == "admin");
            answer(client, "200 OK", HTML, &page)
        }
        "/web/database/list" if post => json(client, &request, |_| rpc::shown(shared)),
        "/web/webclient/version_info" if post => {
            json(client, &request, |_| Ok(rpc::version_info(shared.options().style)))
        }
        "/jsonrpc" if post => json(client, &request, |call| rpc::call(shared, &call["params"])),
        _ => answer(client, "404 NOT FOUND", HTML, "<!doctype html>\n<title>404 Not Found</title>\n"),
    }
}

fn json(
    client: &TcpStream,
    request: &Request,
    result: impl FnOnce(&serde_json::Value) -> Result<serde_json::Value, serde_json::Value>,
) -> io::Result<()> {
    let Some(call) = request.json() else {
        return answer(client, "400 BAD REQUEST", HTML, "<!doctype html>\n<title>400 Bad Request</title>\n");
    };
    answer(client, "200 OK", JSON, &rpc::reply(&call["id"], result(&call)))
}

fn counted_backup(shared: &Shared, client: &TcpStream, request: &Request) -> io::Result<()> {
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

fn answer_backup(shared: &Shared, client: &TcpStream, request: &Request) -> io::Result<()> {
    let form = request.form();
    let (Some(password), Some(name)) = (form.get("master_pwd"), form.get("name")) else {
        return answer(client, "500 INTERNAL SERVER ERROR", HTML, pages::INTERNAL_ERROR);
    };
    {
        // Odoo's trap: as long as the password is the default, whatever is sent becomes the password.
        let mut state = shared.state();
        if state.options.master_password == "admin" && !password.is_empty() && password != "admin" {
            state.options.master_password.clone_from(password);
            state.password_changes += 1;
        }
    }
    let options = shared.options();
    let zip = form.get("backup_format").is_none_or(|format| format == "zip");
    let failed = |message: &str| match options.style {
        Style::V17 | Style::V18 => {
            let page = pages::error(options.list_db, &format!("Database backup error: {message}"));
            answer(client, "200 OK", HTML, &page)
        }
        Style::Development => answer(client, "422 UNPROCESSABLE ENTITY", HTML, &pages::unprocessable(message)),
    };
    if *password != options.master_password || !options.list_db {
        return failed("Access Denied");
    }
    match rpc::databases(shared) {
        Ok(names) if names.contains(name) && (options.style == Style::V17 || !options.hidden.contains(name)) => {}
        _ if options.style != Style::V17 => return failed(&format!("Database '{name}' is not known")),
        _ if zip => return failed(&format!("FATAL:  database \"{name}\" does not exist")),
        // 17 ignores that pg_dump failed: status 200 and no bytes. The answer below does just that.
        _ => {}
    }
    backup::answer(shared, client, &options, name, zip, &failed)
}
