//! The stand-in's restore, drop, duplicate and rename, beside what a real Odoo 18 does.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
};

use testbed::{
    Cluster,
    odoo::{Options, RenameFault, RestoreTrap, StandIn},
    restore_fixture,
};

use crate::protocol::{Answer, FORM, ask, rpc, start};

const REDIRECT: &str = include_str!("../../fixtures/http/rs_zip_copytrue.body");
const ZIP: &[u8] = include_bytes!("../../fixtures/tiny18.zip");

fn sql(database: &str, sql: &str) -> String {
    Cluster::shared().sql(database, sql).unwrap()
}

fn restore(odoo: &StandIn, file: &[u8], fields: &[(&str, &str)]) -> Option<Answer> {
    let mut body = Vec::new();
    let password = odoo.master_password();
    for (name, value) in [("master_pwd", password.as_str())].iter().chain(fields) {
        let head = format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend_from_slice(head.as_bytes());
    }
    let head = "--XX\r\nContent-Disposition: form-data; name=\"backup_file\"; filename=\"b.zip\"\r\n\
                Content-Type: application/octet-stream\r\n\r\n";
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(file);
    body.extend_from_slice(b"\r\n--XX--\r\n");
    let mut stream = TcpStream::connect(odoo.url().trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST /web/database/restore HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=XX\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A connection that is cut in the middle fails here or below.
    stream.write_all(&body).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    (!answer.is_empty()).then(|| Answer::parse(&answer))
}

fn post(odoo: &StandIn, path: &str, form: &str) -> Answer {
    ask(odoo, "POST", path, FORM, &format!("master_pwd={}&{form}", odoo.master_password()))
}

fn error(answer: &Answer) -> String {
    assert!(answer.head.starts_with("HTTP/1.1 200 OK"), "{}", answer.head);
    let page = answer.text();
    let (_, rest) = page.split_once(r#"<div class="alert alert-danger">"#).unwrap();
    rest.split_once("</div>").unwrap().0.to_owned()
}

fn assert_redirect(answer: &Answer) {
    assert!(answer.head.starts_with("HTTP/1.1 303 SEE OTHER\r\n"), "{}", answer.head);
    assert!(answer.head.contains("Location: /web/database/manager\r\n"), "{}", answer.head);
    assert_eq!(answer.text(), REDIRECT);
}

fn files(folder: PathBuf) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries.map(|entry| entry.unwrap().path()).map(|path| if path.is_dir() { files(path) } else { 1 }).sum()
}

const ATTACHED: &str = "SELECT count(DISTINCT store_fname) FROM ir_attachment WHERE store_fname IS NOT NULL";
const NEUTRALIZED: &str = "SELECT count(*) FROM ir_config_parameter WHERE key = 'database.is_neutralized'";
const UUID: &str = "SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'";

#[test]
fn a_zip_is_restored_with_its_files_and_the_second_time_refused() {
    let (folder, odoo) = start(Options::default());
    assert_redirect(&restore(&odoo, ZIP, &[("name", "rs_zip")]).unwrap());
    let attached: usize = sql("rs_zip", ATTACHED).parse().unwrap();
    assert!(attached > 0);
    assert_eq!(sql("rs_zip", NEUTRALIZED), "0");
    for name in sql("rs_zip", "SELECT DISTINCT store_fname FROM ir_attachment WHERE store_fname IS NOT NULL").lines() {
        assert!(folder.path().join("filestore/rs_zip").join(name).is_file(), "{name}");
    }
    let again = restore(&odoo, ZIP, &[("name", "rs_zip")]).unwrap();
    assert_eq!(error(&again), "Database restore error: Database already exists");
    assert_eq!(odoo.restore_posts(), 2);
    assert!(!odoo.restore_forms()[0].contains_key("copy"));
}

#[test]
fn any_text_neutralizes_and_an_empty_copy_is_an_error() {
    let (_folder, odoo) = start(Options::default());
    assert_redirect(&restore(&odoo, ZIP, &[("name", "rs_false"), ("neutralize_database", "false")]).unwrap());
    assert_eq!(sql("rs_false", NEUTRALIZED), "1");
    assert_eq!(sql("rs_false", "SELECT name FROM ir_mail_server WHERE active"), "neutralization - disable emails");
    assert_eq!(sql("rs_false", "SELECT count(*) FROM ir_cron WHERE active"), "1");
    assert_eq!(sql("rs_false", "SELECT active FROM ir_ui_view WHERE key = 'web.neutralize_banner'"), "t");
    let empty = restore(&odoo, ZIP, &[("name", "rs_empty_copy"), ("copy", "")]).unwrap();
    assert_eq!(error(&empty), "Database restore error: Use 0/1/yes/no/true/false/on/off");
    assert_redirect(&restore(&odoo, ZIP, &[("name", "rs_copy"), ("copy", "true")]).unwrap());
    assert_ne!(sql("rs_copy", UUID), sql("rs_false", UUID));
}

#[test]
fn a_failed_restore_leaves_an_empty_database_and_a_bad_row_a_redirect() {
    let (_folder, odoo) = start(Options::default());
    let junk = restore(&odoo, b"no backup", &[("name", "rs_junk")]).unwrap();
    assert_eq!(error(&junk), "Database restore error: Couldn't restore database".replace('\'', "&#39;"));
    assert_eq!(sql("rs_junk", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "0");
    let again = restore(&odoo, ZIP, &[("name", "rs_junk")]).unwrap();
    assert_eq!(error(&again), "Database restore error: Database already exists");
    odoo.set_restore_trap(RestoreTrap::HalfTheRows);
    assert_redirect(&restore(&odoo, ZIP, &[("name", "rs_half")]).unwrap());
    odoo.set_restore_trap(RestoreTrap::LosesARow);
    assert_redirect(&restore(&odoo, ZIP, &[("name", "rs_row")]).unwrap());
    odoo.set_restore_trap(RestoreTrap::None);
    assert_redirect(&restore(&odoo, ZIP, &[("name", "rs_whole")]).unwrap());
    let rows = |name: &str| -> u64 { sql(name, "SELECT count(*) FROM res_currency").parse().unwrap() };
    assert_eq!(rows("rs_row") + 1, rows("rs_whole"));
    let tables = |name: &str| sql(name, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
    assert_ne!(tables("rs_half"), "0");
}

#[test]
fn an_orphaned_folder_swallows_the_files() {
    let (folder, odoo) = start(Options::default());
    let store = folder.path().join("filestore/rs_orphan");
    fs::create_dir_all(&store).unwrap();
    assert_redirect(&restore(&odoo, ZIP, &[("name", "rs_orphan")]).unwrap());
    assert!(files(store.join("filestore")) > 0);
    assert_eq!(files(store.clone()), files(store.join("filestore")));
}

#[test]
fn a_lost_connection_leaves_nothing_before_the_end_and_half_a_database_after_it() {
    let (folder, odoo) = start(Options::default());
    odoo.set_restore_trap(RestoreTrap::CutUpload);
    assert!(restore(&odoo, ZIP, &[("name", "rs_cut")]).is_none());
    assert_eq!(rpc(&odoo, "db_exist", r#"["rs_cut"]"#)["result"], false);
    odoo.set_restore_trap(RestoreTrap::WorkerKilled);
    assert!(restore(&odoo, ZIP, &[("name", "rs_killed")]).is_none());
    assert_eq!(rpc(&odoo, "db_exist", r#"["rs_killed"]"#)["result"], true);
    assert_eq!(files(folder.path().join("filestore/rs_killed")), 0);
}

#[test]
fn rename_moves_the_filestore_unless_a_folder_is_in_the_way() {
    let (folder, odoo) = start(Options::default());
    let password = odoo.master_password();
    restore_fixture(Cluster::shared(), "rn_one", folder.path()).unwrap();
    let store = |name: &str| files(folder.path().join("filestore").join(name));
    let count = store("rn_one");
    let rename = |old: &str, new: &str| rpc(&odoo, "rename", &format!(r#"["{password}", "{old}", "{new}"]"#));
    assert_eq!(rename("rn_one", "rn_two")["result"], true);
    assert_eq!((store("rn_one"), store("rn_two")), (0, count));
    fs::create_dir_all(folder.path().join("filestore/rn_three")).unwrap();
    assert_eq!(rename("rn_two", "rn_three")["result"], true);
    assert_eq!((store("rn_two"), store("rn_three")), (count, 0));
    let unknown = rename("rn_two", "rn_four");
    assert!(unknown["error"]["data"]["message"].as_str().unwrap().starts_with("Couldn't rename database rn_two"));
    let denied = rpc(&odoo, "rename", r#"["wrong", "rn_three", "rn_four"]"#);
    assert_eq!(denied["error"]["data"]["name"], "odoo.exceptions.AccessDenied");
    odoo.configure(|options| options.rename_faults = [RenameFault::Refused, RenameFault::None].into());
    assert!(rename("rn_three", "rn_four")["error"].is_object());
    assert_eq!(rename("rn_three", "rn_four")["result"], true);
    assert_eq!(odoo.renames().len(), 5);
}

#[test]
fn drop_redirects_always_and_a_server_started_with_another_database_does_nothing() {
    let (folder, odoo) = start(Options::default());
    let password = odoo.master_password();
    restore_fixture(Cluster::shared(), "dr_one", folder.path()).unwrap();
    odoo.configure(|options| options.served = Some(vec!["other".to_owned()]));
    assert_redirect(&post(&odoo, "/web/database/drop", "name=dr_one"));
    assert_eq!(rpc(&odoo, "drop", &format!(r#"["{password}", "dr_one"]"#))["result"], false);
    assert_eq!(rpc(&odoo, "list", "[]")["result"], serde_json::json!(["other"]));
    assert_eq!(rpc(&odoo, "db_exist", r#"["dr_one"]"#)["result"], true);
    odoo.configure(|options| options.served = None);
    assert_redirect(&post(&odoo, "/web/database/drop", "name=dr_one"));
    assert_eq!(rpc(&odoo, "db_exist", r#"["dr_one"]"#)["result"], false);
    assert!(!folder.path().join("filestore/dr_one").exists());
    assert_redirect(&post(&odoo, "/web/database/drop", "name=dr_one"));
    let denied = ask(&odoo, "POST", "/web/database/drop", FORM, "master_pwd=wrong&name=dr_one");
    assert_eq!(error(&denied), "Database deletion error: Access Denied");
}

#[test]
fn duplicate_copies_the_files_and_gives_a_new_identity() {
    let (folder, odoo) = start(Options::default());
    restore_fixture(Cluster::shared(), "du_one", folder.path()).unwrap();
    assert_redirect(&post(&odoo, "/web/database/duplicate", "name=du_one&new_name=du_two"));
    let store = |name: &str| files(folder.path().join("filestore").join(name));
    assert!(store("du_one") > 0 && store("du_one") == store("du_two"));
    assert_ne!(sql("du_one", UUID), sql("du_two", UUID));
    let arguments = format!(r#"["{}", "du_one", "du_three", true]"#, odoo.master_password());
    assert_eq!(rpc(&odoo, "duplicate_database", &arguments)["result"], true);
    assert_eq!((sql("du_two", NEUTRALIZED), sql("du_three", NEUTRALIZED)), ("0".to_owned(), "1".to_owned()));
}

#[test]
fn a_disabled_manager_denies_all_of_it() {
    let (folder, odoo) = start(Options { list_db: false, ..Options::default() });
    restore_fixture(Cluster::shared(), "off_one", folder.path()).unwrap();
    let denied = restore(&odoo, ZIP, &[("name", "off_two")]).unwrap().text();
    assert!(denied.contains("Database restore error: Access Denied") && denied.contains("has been disabled"));
    let password = odoo.master_password();
    for (method, arguments) in [
        ("drop", format!(r#"["{password}", "off_one"]"#)),
        ("rename", format!(r#"["{password}", "off_one", "off_two"]"#)),
    ] {
        assert_eq!(rpc(&odoo, method, &arguments)["error"]["data"]["name"], "odoo.exceptions.AccessDenied");
    }
    assert_eq!(rpc(&odoo, "db_exist", r#"["off_one"]"#)["result"], true);
}
