//! Routes around the pages: files, headers, missing pages, health.

use reqwest::header;

use crate::stage::{Database, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn pages_carry_a_policy_and_their_status() {
    let stage = Stage::new(Database::Sqlite).await;
    let nobody = stage.browser();
    for path in ["/subscriptions", "/operations?page=2"] {
        let answer = nobody.page(path).await;
        assert_eq!(answer.status(), 303);
        let next: String = path.replace('/', "%2F").replace('?', "%3F").replace('=', "%3D");
        assert_eq!(answer.headers()[header::LOCATION], format!("/sign-in?next={next}"));
    }
    let browser = stage.administrator().await;
    assert_eq!(browser.page("/no-such-page").await.status(), 404);
    let page = nobody.page("/sign-in").await;
    assert_eq!(page.status(), 200);
    let header = |name: &str| page.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("x-frame-options"), "DENY");
    assert_eq!(header("cache-control"), "no-store");
    let policy = header("content-security-policy");
    let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    let body = page.text().await.unwrap();
    let scripts = body.matches("<script").count();
    assert!(scripts > 0);
    assert_eq!(body.matches(&format!("nonce=\"{nonce}\"")).count(), scripts, "each script may run");
    for path in ["/healthz", "/readyz"] {
        assert_eq!(nobody.get(path).await.text().await.unwrap(), "ok");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_fetches_each_thing_once() {
    let stage = Stage::new(Database::Sqlite).await;
    let browser = stage.administrator().await;
    let id = browser
        .add(
            "Acme",
            "acme",
            "",
            &[
                ("input[connection]", "odoo_http"),
                ("input[odoo_url]", "http://odoo.example.com"),
                ("input[master_password]", "secret"),
            ],
        )
        .await;
    let path = format!("/subscriptions/{}", id.0);
    // A word that only the answer about the thing has, as the page hands it to the browser.
    for (query, words) in [
        ("", &["retention_waits", "held_count"][..]),
        ("?tab=general", &["next_runs"][..]),
        ("?tab=operations", &["held_count"]),
        ("?wizard=create-backup", &["retention_waits", "held_count"]),
    ] {
        let page = browser.page(&format!("{path}{query}")).await.text().await.unwrap();
        for word in words {
            let fetched = page.split("__RESOLVED_RESOURCES[").skip(1).filter(|answer| answer.contains(word)).count();
            assert_eq!(fetched, 1, "{word} at {path}{query}");
        }
    }
    let missing = browser.page("/subscriptions/0193a5b0-0000-7000-8000-000000000000").await;
    assert_eq!(missing.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_packed_and_hashed_ones_are_kept() {
    let mut stage = Stage::new(Database::Sqlite).await;
    stage.stop().await;
    let site = stage.config.data.join("site");
    std::fs::create_dir_all(site.join("pkg")).unwrap();
    for (name, content) in [
        ("pkg/holdfast.3tbpmWQwkVVvSuwgcFCkzQ.js", "plain"),
        ("pkg/holdfast.3tbpmWQwkVVvSuwgcFCkzQ.js.br", "brotli"),
        ("favicon.svg", "<svg/>"),
    ] {
        std::fs::write(site.join(name), content).unwrap();
    }
    stage.config.site = site;
    stage.start().await;
    let browser = stage.browser();
    let path = "/pkg/holdfast.3tbpmWQwkVVvSuwgcFCkzQ.js";
    let plain = browser.get(path).await;
    assert_eq!(plain.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
    assert_eq!(plain.text().await.unwrap(), "plain");
    let packed =
        browser.request(reqwest::Method::GET, path).header(header::ACCEPT_ENCODING, "br, gzip").send().await.unwrap();
    assert_eq!(packed.headers()[header::CONTENT_ENCODING], "br");
    assert_eq!(packed.text().await.unwrap(), "brotli");
    let icon = browser.get("/favicon.svg").await;
    assert!(icon.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("must-revalidate"));
    assert_eq!(browser.get("/pkg/../../holdfast.sqlite").await.status(), 404);
}
