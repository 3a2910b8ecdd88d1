//! `/jsonrpc` and the other JSON answers.

use serde_json::{Value, json};

use super::{Shared, Style};

/// `/web/webclient/version_info`.
pub(super) fn version_info(style: Style) -> Value {
    let (version, info) = match style {
        Style::V17 => ("17.0", json!([17, 0, 0, "final", 0, ""])),
        Style::V18 => ("18.0", json!([18, 0, 0, "final", 0, ""])),
        Style::Development => ("19.1a1", json!([19, 1, 0, "alpha", 1, ""])),
    };
    let serie = version.trim_end_matches("a1");
    json!({"server_version": version, "server_version_info": info, "server_serie": serie, "protocol_version": 1})
}

/// The answer to a JSON-RPC call, result or error: both have status 200.
pub(super) fn reply(id: &Value, result: Result<Value, Value>) -> String {
    let answer = match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
    };
    answer.to_string()
}

/// `/web/database/list`, which obeys `dbfilter`.
pub(super) fn shown(shared: &Shared) -> Result<Value, Value> {
    let mut names = list(shared)?;
    let hidden = shared.options().hidden;
    if let Some(names) = names.as_array_mut() {
        names.retain(|name| !hidden.iter().any(|hidden| name == hidden.as_str()));
    }
    Ok(names)
}

/// Method `list` of service `db`, which does not.
fn list(shared: &Shared) -> Result<Value, Value> {
    if !shared.options().list_db {
        return Err(access_denied());
    }
    databases(shared).map(|names| json!(names)).map_err(|message| fault("builtins.Exception", &message))
}

/// A call of service `db`.
pub(super) fn call(shared: &Shared, params: &Value) -> Result<Value, Value> {
    let method = params["method"].as_str().unwrap_or_default();
    let arguments = params["args"].as_array().cloned().unwrap_or_default();
    let argument = |at: usize| arguments.get(at).and_then(Value::as_str).unwrap_or_default();
    if params["service"] != "db" {
        return Err(fault("builtins.NotImplementedError", "the stand-in has the service db only"));
    }
    match method {
        "list" => list(shared),
        "server_version" => Ok(version_info(shared.options().style)["server_version"].clone()),
        "db_exist" => databases(shared)
            .map(|names| json!(names.iter().any(|name| name == argument(0))))
            .map_err(|message| fault("builtins.Exception", &message)),
        "list_countries" => {
            let options = shared.options();
            if options.master_password != argument(0) || !options.list_db {
                return Err(access_denied());
            }
            Ok(json!([["be", "Belgium"], ["fr", "France"]]))
        }
        other => Err(fault("builtins.KeyError", other)),
    }
}

/// Databases that Odoo would list: those of its own role, without templates.
pub(super) fn databases(shared: &Shared) -> Result<Vec<String>, String> {
    let sql = "SELECT datname FROM pg_database WHERE NOT datistemplate AND datallowconn \
               AND datdba = (SELECT usesysid FROM pg_user WHERE usename = current_user) ORDER BY datname";
    let rows = shared.clients.sql_as("odoo", "postgres", sql).map_err(|error| error.to_string())?;
    Ok(rows.lines().filter(|name| !name.starts_with("testbed_")).map(str::to_owned).collect())
}

fn access_denied() -> Value {
    fault("odoo.exceptions.AccessDenied", "Access Denied")
}

fn fault(name: &str, message: &str) -> Value {
    json!({
        "code": 200,
        "message": "Odoo Server Error",
        "data": {
            "name": name,
            "debug": format!("Traceback (most recent call last):\n{name}: {message}\n"),
            "message": message,
            "arguments": [message],
            "context": {},
        },
    })
}
