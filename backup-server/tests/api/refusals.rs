//! What is refused, and how: always JSON with a fitting status.

use backup_api::{ApiError, BackupFormat, BackupId, Client, CreateLink, ErrorCode, JobId, Secret};
use reqwest::{Method, StatusCode};
use uuid::Uuid;

use crate::setting::{Origin, REPOSITORY, Served, start};

async fn ask(served: &Served, method: Method, path: &str, body: Option<&str>) -> (StatusCode, ApiError) {
    let mut request = reqwest::Client::new().request(method, served.base.join(path).unwrap());
    request = request.bearer_auth(served.server.token().reveal());
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_owned());
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or_else(|error| panic!("{path} answered {status} without JSON: {error}")))
}

#[tokio::test]
async fn without_the_right_token_nothing_but_health_and_the_description_is_told() {
    let served = Served::start().await;
    let unknown = Client::new(&served.base, Secret::new("hfb_guess")).unwrap();
    let refusals = [
        unknown.server().await.map(drop).unwrap_err(),
        unknown.backups(REPOSITORY).await.map(drop).unwrap_err(),
        unknown.job(JobId(Uuid::nil())).await.map(drop).unwrap_err(),
        unknown.revoke_link(Uuid::nil()).await.unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(refusal.refusal().unwrap().code, ErrorCode::Unauthorized);
    }
    for (path, status) in [("/v1/server", 401), ("/healthz", 200), ("/readyz", 200), ("/v1/openapi.json", 200)] {
        let answer = reqwest::get(served.base.join(path).unwrap()).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers().contains_key("www-authenticate"), status == 401);
        answer.json::<serde_json::Value>().await.unwrap();
    }
}

#[tokio::test]
async fn every_refusal_is_json_with_its_status() {
    let served = Served::start().await;
    let backups = format!("/v1/repositories/{REPOSITORY}/backups");
    let huge = format!("{{\"job\": \"{}\"}}", "x".repeat(70_000));
    let secret = "{\"kind\": \"odoo_http\", \"url\": \"http://x\", \"database\": \"acme\", \"master_password\": 8472}";
    let cases = [
        (Method::GET, "/v1/nothing", None, 404, ErrorCode::NotFound),
        (Method::PUT, "/v1/server", None, 405, ErrorCode::Invalid),
        (Method::GET, "/v1/jobs/not-an-id", None, 400, ErrorCode::Invalid),
        (Method::GET, "/v1/jobs/00000000-0000-0000-0000-000000000001", None, 404, ErrorCode::NotFound),
        (Method::GET, "/v1/jobs/00000000-0000-0000-0000-000000000001/events", None, 404, ErrorCode::NotFound),
        (Method::POST, backups.as_str(), Some("{"), 400, ErrorCode::Invalid),
        (Method::POST, backups.as_str(), Some("{}"), 400, ErrorCode::Invalid),
        (Method::POST, backups.as_str(), Some(huge.as_str()), 413, ErrorCode::Invalid),
        (Method::POST, backups.as_str(), None, 415, ErrorCode::Invalid),
        (Method::POST, "/v1/sources/test", Some(secret), 400, ErrorCode::Invalid),
        (Method::DELETE, "/v1/links/00000000-0000-0000-0000-000000000001", None, 404, ErrorCode::NotFound),
    ];
    for (method, path, body, status, code) in cases {
        let (given, error) = ask(&served, method, path, body).await;
        assert_eq!((given.as_u16(), error.code), (status, code), "{path}: {}", error.message);
        assert!(error.message.ends_with('.') && !error.message.contains("8472"), "{path}: {}", error.message);
    }
}

#[tokio::test]
async fn backups_that_are_not_there_are_not_found() {
    let served = Served::start().await;
    let none = BackupId(Uuid::from_u128(9));
    assert_eq!(served.client.backups(REPOSITORY).await.unwrap(), []);
    let refusals = [
        served.client.backup(REPOSITORY, none).await.map(drop).unwrap_err(),
        served.client.delete_backup(REPOSITORY, none).await.unwrap_err(),
        served.client.create_link(REPOSITORY, none, &CreateLink::default()).await.map(drop).unwrap_err(),
        served.client.recovery_kit(REPOSITORY).await.map(drop).unwrap_err(),
    ];
    for refusal in refusals {
        assert_eq!(refusal.refusal().unwrap().code, ErrorCode::NotFound, "{refusal}");
    }
}

#[tokio::test]
async fn a_database_name_that_could_be_a_path_is_refused_in_words() {
    let served = Served::start().await;
    let body = "{\"kind\": \"odoo_http\", \"url\": \"http://x\", \"database\": \"../etc\", \"master_password\": \"p\"}";
    let (status, error) = ask(&served, Method::POST, "/v1/sources/test", Some(body)).await;
    assert_eq!(status, 400);
    assert!(error.message.starts_with("A database name starts with a letter or digit"), "{}", error.message);
}

#[tokio::test]
async fn a_deleted_backup_is_gone_and_another_stays() {
    let origin = Origin::new("delete_one");
    let served = Served::start().await;
    let first = served.made(REPOSITORY, &origin.direct(), BackupFormat::Zip).await;
    let second = served.made(REPOSITORY, &origin.direct(), BackupFormat::Zip).await;
    served.client.delete_backup(REPOSITORY, first.id).await.unwrap();
    assert_eq!(served.client.backups(REPOSITORY).await.unwrap(), std::slice::from_ref(&second));
    let mut again = start(&origin.direct(), BackupFormat::Zip);
    again.backup = second.id;
    let refusal = served.client.start_backup(REPOSITORY, &again).await.unwrap_err();
    assert_eq!(refusal.refusal().unwrap().code, ErrorCode::Conflict, "an identity is used once");
}
