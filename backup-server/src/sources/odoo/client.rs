//! Short questions to Odoo, asked only of addresses that may be dialled.

use std::{error::Error, time::Duration};

use backup_api::{Problem, ProblemCode};
use reqwest::{Client, Response, StatusCode, header::LOCATION, multipart};
use serde_json::{Value, json};
use url::Url;

use super::super::{AddressPolicy, tls, words};

/// More than any page of the database manager: 60 kB without databases, about 1 kB for each.
const MAX_PAGE: usize = 4 << 20;

/// One Odoo.
#[derive(Clone, Debug)]
pub(crate) struct Odoo {
    http: Client,
    base: Url,
    limit: Duration,
}

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// `AccessDenied`.
    Denied,
    /// Another error of Odoo's, in its words.
    Fault(String),
    /// What answered is not what was asked.
    Strange(String),
    /// No encrypted connection comes about: why and what to do, in sentences.
    NotEncrypted(String),
    /// Nothing answered.
    Unreachable(String),
}

impl Odoo {
    /// Resolves the address of an Odoo and checks it. Nothing is dialled yet.
    pub async fn at(address: &str, policy: &AddressPolicy, limit: Duration) -> Result<Self, Problem> {
        let base = parse_address(address).map_err(|what| words::stop(ProblemCode::InvalidAddress, what))?;
        let host = base.host_str().unwrap_or_default().to_owned();
        let port = base.port_or_known_default().unwrap_or(443);
        let addresses = policy.resolve(&host, port).await;
        let addresses = addresses.map_err(|error| words::stop(ProblemCode::Unreachable, error.to_string()))?;
        let http = tls::client(&base).resolve_to_addrs(&host, &addresses).connect_timeout(limit);
        let http = http.tcp_keepalive(Duration::from_secs(30)).build();
        let http = http.map_err(|error| words::stop(ProblemCode::NotEncrypted, tls::no_client(&error)))?;
        Ok(Self { http, base, limit })
    }

    /// The address of a page.
    fn address(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// Why a request got no answer.
    fn unreached(&self, error: &reqwest::Error) -> Unanswered {
        let host = self.base.host_str().unwrap_or_default();
        match tls::refusal(error, host) {
            Some(why) => Unanswered::NotEncrypted(why),
            None => Unanswered::Unreachable(chain(error)),
        }
    }

    /// A backup request, ready to be sent.
    pub fn backup(&self, password: &str, database: &str, format: &str) -> reqwest::RequestBuilder {
        let form = [("master_pwd", password), ("name", database), ("backup_format", format)];
        self.http.post(self.address("/web/database/backup")).form(&form)
    }

    /// A restore request, ready to be sent.
    pub fn restore(&self, form: multipart::Form) -> reqwest::RequestBuilder {
        self.http.post(self.address("/web/database/restore")).multipart(form)
    }

    /// The page of the database manager, with its status.
    pub async fn manager_page(&self) -> Result<(StatusCode, String), Unanswered> {
        let request = self.http.get(self.address("/web/database/manager")).timeout(self.limit);
        let response = request.send().await.map_err(|error| self.unreached(&error))?;
        let status = response.status();
        let page = read_page(response).await.map_err(|error| Unanswered::Unreachable(chain(&error)))?;
        Ok((status, page))
    }

    /// Odoo's version, such as `18.0`.
    pub async fn version(&self) -> Result<String, Unanswered> {
        let answer = self.ask("/web/webclient/version_info", json!({})).await?;
        let version = answer["server_serie"].as_str().or(answer["server_version"].as_str());
        version.map(str::to_owned).ok_or_else(|| Unanswered::Strange("it gives no version".to_owned()))
    }

    /// The databases that Odoo shows under this address: those that its `dbfilter` lets through.
    pub async fn shown_databases(&self) -> Result<Vec<String>, Unanswered> {
        self.ask("/web/database/list", json!({})).await.map(|answer| names(&answer))
    }

    /// All databases.
    pub async fn databases(&self) -> Result<Vec<String>, Unanswered> {
        self.db("list", json!([])).await.map(|answer| names(&answer))
    }

    /// Whether Odoo can connect to a database, listed or not. Without PostgreSQL it says no.
    pub async fn exists(&self, database: &str) -> Result<bool, Unanswered> {
        let answer = self.db("db_exist", json!([database])).await?;
        answer.as_bool().ok_or_else(|| Unanswered::Strange("it does not say whether a database exists".to_owned()))
    }

    /// Renames a database, ending its sessions, and moves its filestore, unless a folder is in the way.
    pub async fn rename(&self, password: &str, old: &str, new: &str, limit: Duration) -> Result<(), Unanswered> {
        self.db_within("rename", json!([password, old, new]), limit).await.map(drop)
    }

    /// Removes a database and its filestore; false when Odoo does not list it, and then it stays.
    pub async fn drop_database(&self, password: &str, database: &str, limit: Duration) -> Result<bool, Unanswered> {
        self.db_within("drop", json!([password, database]), limit).await.map(|answer| answer == Value::Bool(true))
    }

    /// Whether the master password is right, without the risk of changing it.
    pub async fn check_password(&self, password: &str) -> Result<(), Unanswered> {
        self.db("list_countries", json!([password])).await.map(drop)
    }

    async fn db(&self, method: &str, arguments: Value) -> Result<Value, Unanswered> {
        self.db_within(method, arguments, self.limit).await
    }

    async fn db_within(&self, method: &str, arguments: Value, limit: Duration) -> Result<Value, Unanswered> {
        self.ask_within("/jsonrpc", json!({"service": "db", "method": method, "args": arguments}), limit).await
    }

    async fn ask(&self, path: &str, params: Value) -> Result<Value, Unanswered> {
        self.ask_within(path, params, self.limit).await
    }

    async fn ask_within(&self, path: &str, params: Value, limit: Duration) -> Result<Value, Unanswered> {
        let call = json!({"jsonrpc": "2.0", "method": "call", "id": 1, "params": params});
        let request = self.http.post(self.address(path)).timeout(limit).json(&call);
        let response = request.send().await.map_err(|error| self.unreached(&error))?;
        let status = response.status();
        if status.is_redirection() {
            let to =
                response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("another address");
            return Err(Unanswered::Strange(format!("it redirects to {to}; enter that address if it is your Odoo")));
        }
        let page = read_page(response).await.map_err(|error| Unanswered::Unreachable(chain(&error)))?;
        let Ok(mut answer) = serde_json::from_str::<Value>(&page) else {
            return Err(Unanswered::Strange(format!("it answers {path} with HTTP status {status} and no JSON")));
        };
        if let Some(error) = answer.get("error") {
            let data = &error["data"];
            let name = data["name"].as_str().unwrap_or_default();
            let message = data["message"].as_str().or(error["message"].as_str()).unwrap_or("an error without words");
            return Err(match name {
                _ if name.ends_with("AccessDenied") => Unanswered::Denied,
                _ => Unanswered::Fault(message.to_owned()),
            });
        }
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(Unanswered::Strange(format!("it answers {path} with JSON that is not Odoo's"))),
        }
    }
}

/// Reads a page, but not without end.
pub(crate) async fn read_page(mut response: Response) -> reqwest::Result<String> {
    let mut page = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        page.extend_from_slice(&chunk);
        if page.len() > MAX_PAGE {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// What the client library calls its own steps.
const PLACES: [&str; 2] = ["client error (Connect)", "tcp connect error"];

/// An error with its causes: the outermost alone seldom says what happened.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut next = error.source().or(Some(error));
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Where in the program it failed is nothing to an administrator when what failed stands behind it.
        let is_place = cause.source().is_some() && PLACES.contains(&&*cause_text);
        if !is_place && !text.ends_with(&cause_text) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

fn names(answer: &Value) -> Vec<String> {
    answer.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Reads an address as people copy it from their browser.
fn parse_address(text: &str) -> Result<Url, String> {
    const EXAMPLE: &str = "Write it as https://odoo.example.com.";
    let mut url = Url::parse(text.trim()).map_err(|error| format!("Odoo's address is invalid: {error}. {EXAMPLE}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("Odoo's address must start with http:// or https://. {EXAMPLE}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("Odoo's address must not have a user or password in it. {EXAMPLE}"));
    }
    let path = url.path().to_owned();
    let cut = ["/web", "/odoo"]
        .iter()
        .filter_map(|page| path.find(&format!("{page}/")).or(path.strip_suffix(page).map(str::len)));
    let path = cut.min().map_or(path.as_str(), |end| &path[..end]).to_owned();
    url.set_path(path.trim_end_matches('/'));
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_people_copy_them() {
        for (given, base) in [
            ("https://odoo.example.com", "https://odoo.example.com/"),
            ("http://10.0.0.7:8069/", "http://10.0.0.7:8069/"),
            ("https://odoo.example.com/web/database/manager", "https://odoo.example.com/"),
            ("https://odoo.example.com/odoo?db=x#y", "https://odoo.example.com/"),
            ("https://example.com/erp/web", "https://example.com/erp"),
            ("https://example.com/webshop", "https://example.com/webshop"),
        ] {
            assert_eq!(parse_address(given).unwrap().as_str(), base);
        }
    }

    #[test]
    fn addresses_that_cannot_be_used_say_how_to_write_one() {
        for bad in ["", "odoo.example.com", "ftp://odoo.example.com", "file:///etc/passwd", "https://user:pw@host/"] {
            let message = parse_address(bad).unwrap_err();
            assert!(message.contains("https://odoo.example.com"), "{message}");
        }
    }
}
