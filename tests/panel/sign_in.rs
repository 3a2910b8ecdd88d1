//! Set-up link, sign-in, sessions, origin.

use chrono::TimeDelta;
use holdfast::{
    error::AppError,
    operations::api::ListActions,
    users::{
        Role,
        api::{CurrentUser, SetUp, SetUpIsOpen, SignIn, SignOut},
        set_up,
    },
};
use leptos::server_fn::ServerFn;
use reqwest::{Method, header};

use crate::stage::{PASSWORD, Stage};

on_both_databases!(
    the_set_up_link_works_once_and_for_a_day,
    a_session_ends_when_idle_when_old_and_on_sign_out,
    guessing_becomes_slow_and_is_written_down,
    another_sites_request_is_refused,
    a_plain_form_signs_in_and_goes_on_only_to_local_paths,
);

async fn the_set_up_link_works_once_and_for_a_day(stage: Stage) {
    let panel = &stage.running().panel;
    let replaced = set_up::fresh_link(panel).await.unwrap().unwrap();
    let token = set_up::fresh_link(panel).await.unwrap().unwrap();
    let browser = stage.browser();
    let open = async |token: &str| browser.call::<SetUpIsOpen>(&[("token", token)]).await.unwrap();
    assert!(!open(&replaced).await, "a new link replaces the one before");
    assert!(open(&token).await);
    let form =
        |password| [("token", token.as_str()), ("name", "Ada"), ("email", "Ada@Example.com"), ("password", password)];
    let short = browser.call::<SetUp>(&form("too short")).await.unwrap_err();
    assert!(short.for_field("password").is_some(), "{short:?}");
    browser.call::<SetUp>(&form(PASSWORD)).await.unwrap();
    let user = browser.call::<CurrentUser>(&[]).await.unwrap().unwrap();
    assert_eq!((user.email.as_str(), user.role), ("ada@example.com", Role::Administrator));
    assert!(!open(&token).await);
    assert!(stage.browser().call::<SetUp>(&form(PASSWORD)).await.is_err());
    assert_eq!(set_up::fresh_link(panel).await.unwrap(), None, "there is an administrator");

    let recovery = set_up::recovery_link(panel).await.unwrap();
    stage.turned.forward(TimeDelta::hours(24));
    assert!(!open(&recovery).await, "a link ends after a day");
    let recovery = set_up::recovery_link(panel).await.unwrap();
    let form = [
        ("token", recovery.as_str()),
        ("name", "Ada"),
        ("email", "ada@example.com"),
        ("password", "a new long password"),
    ];
    stage.browser().call::<SetUp>(&form).await.unwrap();
    assert_eq!(browser.call::<CurrentUser>(&[]).await.unwrap(), None, "a new password ends the sessions before it");
    assert!(stage.browser().sign_in("ada@example.com", PASSWORD).await.is_err());
    stage.browser().sign_in("ADA@example.com", "a new long password").await.unwrap();
}

async fn a_session_ends_when_idle_when_old_and_on_sign_out(stage: Stage) {
    let browser = stage.administrator().await;
    let signed_in = async || browser.call::<CurrentUser>(&[]).await.unwrap().is_some();
    stage.turned.forward(TimeDelta::hours(11));
    assert!(signed_in().await);
    stage.turned.forward(TimeDelta::hours(11));
    assert!(signed_in().await, "each use counts");
    stage.turned.forward(TimeDelta::hours(12));
    assert!(!signed_in().await, "idle for twelve hours");

    let browser = stage.administrator().await;
    let signed_in = async || browser.call::<CurrentUser>(&[]).await.unwrap().is_some();
    for _ in 0..15 {
        stage.turned.forward(TimeDelta::hours(11));
        assert!(signed_in().await);
    }
    stage.turned.forward(TimeDelta::hours(4));
    assert!(!signed_in().await, "seven days at most, however busy");

    let browser = stage.administrator().await;
    let token = browser.cookie.lock().unwrap().clone();
    browser.call::<SignOut>(&[]).await.unwrap();
    assert_eq!(browser.call::<SignOut>(&[]).await, Err(AppError::SignedOut));
    *browser.cookie.lock().unwrap() = token;
    assert_eq!(browser.call::<CurrentUser>(&[]).await.unwrap(), None, "the token itself has ended");
}

async fn guessing_becomes_slow_and_is_written_down(stage: Stage) {
    let administrator = stage.administrator().await;
    let email = administrator.call::<CurrentUser>(&[]).await.unwrap().unwrap().email;
    let guesser = stage.browser();
    let unknown = guesser.sign_in("nobody@example.com", "a wrong password").await.unwrap_err();
    for _ in 0..4 {
        let wrong = guesser.sign_in(&email, "a wrong password").await.unwrap_err();
        assert_eq!(wrong, unknown, "nothing tells whether the address exists");
    }
    let slowed = guesser.sign_in(&email, PASSWORD).await.unwrap_err();
    assert!(slowed.to_string().contains("Wait"), "{slowed}");
    stage.turned.forward(TimeDelta::minutes(16));
    guesser.sign_in(&email, PASSWORD).await.unwrap();
    let log = administrator.call::<ListActions>(&[("search", "wrong address")]).await.unwrap();
    assert_eq!(log.matching, 5);
}

async fn another_sites_request_is_refused(stage: Stage) {
    let browser = stage.administrator().await;
    let post = || browser.request(Method::POST, SignOut::PATH).form(&[("", "")]);
    for headers in [
        vec![],
        vec![(header::ORIGIN.as_str(), "https://evil.example".to_owned())],
        vec![("sec-fetch-site", "cross-site".to_owned()), (header::ORIGIN.as_str(), browser.url.clone())],
        vec![("sec-fetch-site", "same-site".to_owned())],
    ] {
        let mut request = post();
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        assert_eq!(request.send().await.unwrap().status(), 403, "{headers:?}");
    }
    assert!(browser.call::<CurrentUser>(&[]).await.unwrap().is_some());
    let own = post().header("sec-fetch-site", "same-origin").send().await.unwrap();
    assert_eq!(own.status(), 200);
}

async fn a_plain_form_signs_in_and_goes_on_only_to_local_paths(stage: Stage) {
    let administrator = stage.administrator().await;
    let email = administrator.call::<CurrentUser>(&[]).await.unwrap().unwrap().email;
    let browser = stage.browser();
    let form = async |next: &str, password: &str, proto: &str| {
        let request = browser
            .request(Method::POST, SignIn::PATH)
            .header(header::ACCEPT, "text/html")
            .header(header::ORIGIN, &browser.url)
            .header(header::REFERER, format!("{}/sign-in", browser.url))
            .header("x-forwarded-proto", proto)
            .form(&[("email", email.as_str()), ("password", password), ("next", next)]);
        let answer = request.send().await.unwrap();
        let text = |name| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        (answer.status().as_u16(), text(header::LOCATION), text(header::SET_COOKIE))
    };
    let (status, location, cookie) = form("/subscriptions?state=danger", PASSWORD, "http").await;
    assert_eq!((status, location.as_str()), (302, "/subscriptions?state=danger"));
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && !cookie.contains("Secure"), "{cookie}");
    let (_, location, cookie) = form("https://evil.example/", PASSWORD, "https").await;
    assert_eq!(location, "/");
    assert!(cookie.contains("; Secure"), "{cookie}");
    let (status, location, cookie) = form("/", "a wrong password", "http").await;
    assert_eq!((status, cookie.as_str()), (302, ""));
    assert!(location.contains("/sign-in?") && location.contains("__err="), "{location}");
}
