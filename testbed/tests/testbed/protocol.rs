//! The stand-in, byte by byte, beside what a real Odoo 18 answered.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use testbed::{
    Cluster,
    odoo::{Options, StandIn, Style},
    restore_fixture,
};

const WRONG_PASSWORD: &str = include_str!("../../fixtures/http/bk_wrongpw.body");
const DISABLED: &str = include_str!("../../fixtures/http/nl_backup.body");
const INSECURE: &str = include_str!("../../fixtures/http/ins_mgr.body");
const NOT_ALLOWED: &str = include_str!("../../fixtures/http/bk_get.body");
const MISSING_FIELD: &str = include_str!("../../fixtures/http/bk_nopw.body");
pub const FORM: &str = "application/x-www-form-urlencoded";

pub struct Answer {
    pub head: String,
    body: Vec<u8>,
}

impl Answer {
    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        Self { head: String::from_utf8_lossy(&bytes[..end]).into_owned(), body: bytes[end + 4..].to_vec() }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub fn ask(odoo: &StandIn, method: &str, path: &str, content_type: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(odoo.url().trim_start_matches("http://")).unwrap();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    Answer::parse(&answer)
}

fn backup(odoo: &StandIn, password: &str, name: &str, format: &str) -> Answer {
    let form = format!("master_pwd={password}&name={name}&backup_format={format}");
    ask(odoo, "POST", "/web/database/backup", FORM, &form)
}

pub fn rpc(odoo: &StandIn, method: &str, arguments: &str) -> serde_json::Value {
    let params = format!(r#"{{"service": "db", "method": "{method}", "args": {arguments}}}"#);
    let call = format!(r#"{{"jsonrpc": "2.0", "method": "call", "id": 7, "params": {params}}}"#);
    let answer = ask(odoo, "POST", "/jsonrpc", "application/json", &call);
    assert!(answer.head.starts_with("HTTP/1.1 200 OK"), "{}", answer.head);
    serde_json::from_slice(&answer.body).unwrap()
}

pub fn start(options: Options) -> (tempfile::TempDir, StandIn) {
    let folder = tempfile::tempdir().unwrap();
    let odoo = StandIn::start(Cluster::shared(), folder.path(), options).unwrap();
    (folder, odoo)
}

/// The pieces of a chunked body.
fn chunks(mut body: &[u8]) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            assert_eq!(&body[end..], b"\r\n\r\n");
            return chunks;
        }
        let start = end + 2;
        chunks.push(body[start..start + length].to_vec());
        body = &body[start + length + 2..];
    }
}

#[test]
fn errors_are_the_recorded_pages() {
    let (_folder, odoo) = start(Options::default());
    let wrong = backup(&odoo, "wrong", "x", "zip");
    assert!(wrong.head.starts_with("HTTP/1.1 200 OK\r\n") && wrong.head.contains("Content-Type: text/html"));
    assert_eq!(wrong.text(), WRONG_PASSWORD);
    let unknown = backup(&odoo, &odoo.master_password(), "doesnotexist", "zip").text();
    let recorded = WRONG_PASSWORD.replace("Access Denied", "Database &#39;doesnotexist&#39; is not known");
    assert_eq!(unknown, recorded);
    let get = ask(&odoo, "GET", "/web/database/backup", FORM, "");
    assert!(get.head.starts_with("HTTP/1.1 405 METHOD NOT ALLOWED") && get.head.contains("Allow: OPTIONS, POST"));
    assert_eq!(get.text(), NOT_ALLOWED);
    let missing = ask(&odoo, "POST", "/web/database/backup", FORM, "name=x");
    assert!(missing.head.starts_with("HTTP/1.1 500 INTERNAL SERVER ERROR"));
    assert_eq!(missing.text(), MISSING_FIELD);
    let json = ask(&odoo, "POST", "/web/database/backup", "application/json", "{}");
    assert!(json.head.starts_with("HTTP/1.1 500"));
}

#[test]
fn a_disabled_manager_denies_with_the_right_password_too() {
    let (_folder, odoo) = start(Options { list_db: false, ..Options::default() });
    assert_eq!(backup(&odoo, &odoo.master_password(), "x", "zip").text(), DISABLED);
    assert_eq!(rpc(&odoo, "list", "[]")["error"]["data"]["name"], "odoo.exceptions.AccessDenied");
}

#[test]
fn the_default_password_is_warned_of_and_changed_by_any_form() {
    let (_folder, odoo) = start(Options { master_password: "admin".to_owned(), ..Options::default() });
    assert_eq!(ask(&odoo, "GET", "/web/database/manager", FORM, "").text(), INSECURE);
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"master_pwd\"\r\n\r\nchanged\r\n\
                     --b\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nx\r\n--b--\r\n";
    ask(&odoo, "POST", "/web/database/backup", "multipart/form-data; boundary=b", multipart);
    assert_eq!((odoo.master_password().as_str(), odoo.password_changes()), ("changed", 1));
    assert!(!ask(&odoo, "GET", "/web/database/manager", FORM, "").text().contains("is not protected"));
}

#[test]
fn rpc_answers_200_whatever_happens() {
    let (_folder, odoo) = start(Options::default());
    let password = odoo.master_password();
    assert_eq!(rpc(&odoo, "list_countries", r#"["wrong"]"#)["error"]["data"]["message"], "Access Denied");
    assert!(rpc(&odoo, "list_countries", &format!(r#"["{password}"]"#))["result"].is_array());
    assert_eq!(rpc(&odoo, "server_version", "[]")["result"], "18.0");
    assert_eq!(rpc(&odoo, "db_exist", r#"["no_such"]"#)["result"], false);
    let version = ask(&odoo, "POST", "/web/webclient/version_info", "application/json", "{}").text();
    let version: serde_json::Value = serde_json::from_str(&version).unwrap();
    assert_eq!(version["result"]["server_version_info"], serde_json::json!([18, 0, 0, "final", 0, ""]));
}

#[test]
fn a_zip_comes_in_small_chunks_without_a_length_in_odoos_order() {
    let (folder, odoo) = start(Options::default());
    restore_fixture(Cluster::shared(), "protocol_zip", folder.path()).unwrap();
    let answer = backup(&odoo, &odoo.master_password(), "protocol_zip", "zip");
    assert!(answer.head.contains("Content-Type: application/octet-stream; charset=binary"), "{}", answer.head);
    assert!(answer.head.contains("attachment; filename*=UTF-8''protocol_zip_"), "{}", answer.head);
    assert!(!answer.head.contains("Content-Length"), "{}", answer.head);
    let chunks = chunks(&answer.body);
    let bytes: usize = chunks.iter().map(Vec::len).sum();
    assert!(bytes / chunks.len() < 600, "{} chunks of {bytes} bytes", chunks.len());
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(chunks.concat())).unwrap();
    let names: Vec<String> = (0..zip.len()).map(|at| zip.by_index(at).unwrap().name().unwrap().into_owned()).collect();
    assert_eq!(names[..2], ["dump.sql", "manifest.json"]);
    assert!(names[2..].iter().all(|name| name.starts_with("filestore/")));
    assert!(names.iter().any(|name| name.starts_with("filestore/checklist/")));
}

#[test]
fn with_workers_the_end_of_the_connection_is_the_end_of_the_body() {
    let (folder, odoo) = start(Options { workers: true, ..Options::default() });
    restore_fixture(Cluster::shared(), "protocol_workers", folder.path()).unwrap();
    let answer = backup(&odoo, &odoo.master_password(), "protocol_workers", "dump");
    assert!(answer.head.starts_with("HTTP/1.0 200 OK") && !answer.head.contains("chunked"), "{}", answer.head);
    assert!(answer.body.starts_with(b"PGDMP"));
}

#[test]
fn an_unknown_database_on_17_gives_an_empty_dump() {
    let (_folder, odoo) = start(Options { style: Style::V17, workers: true, ..Options::default() });
    let answer = backup(&odoo, &odoo.master_password(), "no_such", "dump");
    assert!(answer.head.starts_with("HTTP/1.0 200 OK") && answer.body.is_empty());
}
