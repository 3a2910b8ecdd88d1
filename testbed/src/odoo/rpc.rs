//! `/jsonrpc` and the other JSON answers.

use serde_json::{Value, json};

use super::{RenameFault, Shared, Style, databases};

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
    let options = shared.options();
    if let Some(names) = names.as_array_mut() {
        names.retain(|name| name.as_str().is_some_and(|name| !options.hides(name)));
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

/// A call of service `db`; `None` when the connection breaks before the answer.
pub(super) fn call(shared: &Shared, params: &Value) -> Option<Result<Value, Value>> {
    let method = params["method"].as_str().unwrap_or_default();
    let arguments = params["args"].as_array().cloned().unwrap_or_default();
    let argument = |at: usize| arguments.get(at).and_then(Value::as_str).unwrap_or_default();
    if params["service"] != "db" {
        return Some(Err(fault("builtins.NotImplementedError", "the stand-in has the service db only")));
    }
    let answer = match method {
        "list" => list(shared),
        "server_version" => Ok(version_info(shared.options().style)["server_version"].clone()),
        "db_exist" => told(databases::exists(shared, argument(0)).map(Value::from)),
        "list_countries" | "rename" | "drop" | "duplicate_database" => {
            let options = shared.options();
            if options.master_password != argument(0) || !options.list_db {
                return Some(Err(access_denied()));
            }
            match method {
                "rename" => return rename(shared, argument(1), argument(2)),
                "drop" => told(databases::drop_database(shared, argument(1)).map(Value::from)),
                "duplicate_database" => {
                    let neutralized = arguments.get(3).is_some_and(|value| value.as_bool() == Some(true));
                    told(databases::duplicate(shared, argument(1), argument(2), neutralized).map(|()| json!(true)))
                }
                _ => Ok(json!([["be", "Belgium"], ["fr", "France"]])),
            }
        }
        other => Err(fault("builtins.KeyError", other)),
    };
    Some(answer)
}

fn rename(shared: &Shared, old: &str, new: &str) -> Option<Result<Value, Value>> {
    let rename_fault = {
        let mut state = shared.state();
        state.renames.push((old.to_owned(), new.to_owned()));
        state.options.rename_faults.pop_front()
    };
    match rename_fault {
        Some(RenameFault::Refused) => {
            let message = format!("Couldn't rename database {old} to {new}: it is being accessed by other users");
            return Some(Err(fault("builtins.RuntimeError", &message)));
        }
        Some(RenameFault::NotDone) => return None,
        _ => {}
    }
    let moves_files = rename_fault != Some(RenameFault::FilesStay);
    let answer = told(databases::rename(shared, old, new, moves_files).map(|()| json!(true)));
    (rename_fault != Some(RenameFault::AnswerLost)).then_some(answer)
}

fn told(result: std::io::Result<Value>) -> Result<Value, Value> {
    result.map_err(|error| fault("builtins.RuntimeError", &error.to_string()))
}

/// Databases that Odoo would list: those that it was started with (`-d`), or those of its own role, without templates.
pub(super) fn databases(shared: &Shared) -> Result<Vec<String>, String> {
    if let Some(names) = shared.options().served {
        return Ok(names);
    }
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
