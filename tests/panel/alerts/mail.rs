//! E-mail to a real mail server: plain, with STARTTLS and a password, to several, and refused in each way.

use backup_api::FailureCode;
use chrono::TimeDelta;
use holdfast::alerts::DeliveryState;

use super::{scene::Scene, sink::Sink};
use crate::stage::Stage;

on_both_databases!(
    a_mail_says_what_happened_to_each_recipient,
    with_tls_and_a_password,
    a_wrong_recipient_keeps_it_from_nobody_else,
);

const FROM: (&str, &str) = ("input[from]", "Holdfast <holdfast@example.com>");
const KIND: (&str, &str) = ("input[kind]", "email");
const HOST: (&str, &str) = ("input[host]", "localhost");

async fn a_mail_says_what_happened_to_each_recipient(stage: Stage) {
    let scene = Scene::without_channel(stage).await;
    let sink = Sink::start().await;
    let port = sink.port.to_string();
    let form = [
        KIND,
        HOST,
        FROM,
        ("input[port]", port.as_str()),
        ("input[security]", "none"),
        ("input[recipients]", "ada@example.com\nbob@example.com"),
    ];
    let id = scene.channel("Team", &form).await;
    let tested = scene.test(&id).await;
    assert_eq!(
        (tested.state, tested.answer.as_str()),
        (DeliveryState::Delivered, "The mail server took it: 250 2.0.0 kept as 42")
    );
    let letters = sink.take();
    let to: Vec<_> = letters.iter().flat_map(|letter| letter.to.clone()).collect();
    assert_eq!(to, ["ada@example.com", "bob@example.com"]);
    let subscription = scene.add("Müller & Söhne").await;
    scene.keeper.fails(&scene.browser, subscription, FailureCode::Source, "No answer. Check the host.").await;
    assert!(scene.told().await.is_empty(), "nothing by webhook");
    let letters = sink.take();
    let [letter, _] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!((letter.from.as_str(), letter.tls), ("holdfast@example.com", false));
    let message = scene.log().await[0].id.0;
    for expected in [
        "Auto-Submitted: auto-generated",
        "Subject: [Holdfast] ",
        &format!("Message-ID: <{message}@example.com>"),
        "No answer. Check the host.",
        "Date: ",
    ] {
        assert!(letter.data.contains(expected), "{expected} in {}", letter.data);
    }
}

async fn with_tls_and_a_password(stage: Stage) {
    let sink = Sink::start().await;
    sink.wants("ada", "mail-password-1");
    let port = sink.port.to_string();
    let form = [
        KIND,
        HOST,
        FROM,
        ("input[port]", port.as_str()),
        ("input[security]", "start_tls"),
        ("input[user]", "ada"),
        ("input[password]", "mail-password-1"),
        ("input[recipients]", "ada@example.com"),
    ];
    // Its certificate is nobody's that the system knows.
    let mut scene = Scene::without_channel(stage).await;
    let id = scene.channel("Team", &form).await;
    let tested = scene.test(&id).await;
    assert_eq!(tested.state, DeliveryState::GivenUp);
    assert!(tested.answer.starts_with("No connection with TLS") && tested.answer.contains("ertificate"), "{tested:?}");
    assert!(sink.take().is_empty());

    scene.stage.stop().await;
    scene.stage.config.mail_ca = Some(sink.certificate());
    scene.start().await;
    let tested = scene.test(&id).await;
    assert_eq!(tested.state, DeliveryState::Delivered, "{tested:?}");
    let [letter] = <[_; 1]>::try_from(sink.take()).unwrap();
    assert_eq!((letter.tls, letter.user.as_deref()), (true, Some("ada")));

    // Somebody changed the password; the server even repeats the one that was sent.
    sink.wants("ada", "another");
    let tested = scene.test(&id).await;
    assert_eq!(tested.state, DeliveryState::GivenUp);
    assert!(tested.answer.starts_with("The mail server does not let this user in"), "{tested:?}");
    assert!(!tested.answer.contains("mail-password-1"), "{tested:?}");
}

async fn a_wrong_recipient_keeps_it_from_nobody_else(stage: Stage) {
    let scene = Scene::without_channel(stage).await;
    let sink = Sink::start().await;
    sink.replies("later@example.com", &["451 4.7.1 greylisted"]);
    sink.replies("gone@example.com", &["550 5.1.1 no such user", "550 5.1.1 no such user"]);
    let port = sink.port.to_string();
    let form = [
        KIND,
        HOST,
        FROM,
        ("input[port]", port.as_str()),
        ("input[security]", "none"),
        ("input[recipients]", "gone@example.com, later@example.com, ada@example.com"),
    ];
    scene.channel("Team", &form).await;
    let id = scene.add("Acme").await;
    scene.keeper.fails(&scene.browser, id, FailureCode::Source, "A reason.").await;
    scene.told().await;
    let reached = || sink.take().into_iter().flat_map(|letter| letter.to).collect::<Vec<_>>();
    assert_eq!(reached(), ["ada@example.com"]);
    let message = scene.log().await.remove(0);
    assert_eq!(message.state, DeliveryState::Waiting);
    assert!(message.answer.contains("put later@example.com off"), "{message:?}");
    scene.stage.turned.forward(TimeDelta::minutes(2));
    let settled = async {
        while scene.log().await[0].state != DeliveryState::GivenUp {
            scene.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), settled).await.expect("it was not tried again");
    assert_eq!(reached(), ["later@example.com"], "and nobody twice");
    let message = scene.log().await.remove(0);
    assert!(message.answer.contains("refused gone@example.com (550)"), "{message:?}");
    let page = scene.browser.page("/operations").await.text().await.unwrap();
    assert!(page.contains("Alerts through “Team” do not arrive."));
}
