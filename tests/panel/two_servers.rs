//! A subscription whose backups lie on two servers: each has its recovery kit, and kept ones are found again on both.

use backup_api::JobState;
use holdfast::{
    backups::{LineResult, Trigger, api::DownloadLink},
    operations::api::ListActions,
    subscriptions::{
        SubscriptionId,
        api::{DeleteSubscription, SaveSubscription},
    },
};
use testbed::TinyDatabase;

use crate::{
    backups::{create, this_machine},
    browser::{Browser, KEPT},
    double::Remote,
    stage::{Stage, odoo_database},
};

on_both_databases!(each_server_has_its_recovery_kit, kept_backups_are_found_again_on_every_server);

/// A subscription with a zip on “Far” and a dump on “This machine”, to which it was moved.
struct Moved {
    browser: Browser,
    database: TinyDatabase,
    remote: Remote,
    far: String,
    here: String,
    id: SubscriptionId,
}

impl Moved {
    async fn of(stage: &Stage) -> Self {
        let browser = stage.administrator().await;
        let database = odoo_database();
        let remote = Remote::real(&stage.turned).await;
        let (far, here) = (remote.register(&browser, "Far").await, this_machine(&browser).await);
        let id = browser.add_direct("Tiny", &database, &far).await;
        let moved = Self { browser, database, remote, far, here, id };
        moved.back_up("zip").await;
        let line = moved.browser.lines(id).await[0].id.0.to_string();
        let url = moved.browser.call::<DownloadLink>(&[("line", &line)]).await.unwrap();
        assert!(url.starts_with(&moved.remote.url()), "{url}");
        moved.save(id, "Tiny", &moved.here).await;
        moved.back_up("dump").await;
        stage.turned.forward(chrono::TimeDelta::minutes(2));
        // The lines stay with their server when the subscription moves to another.
        let servers: Vec<String> = moved.browser.lines(id).await.into_iter().map(|line| line.server).collect();
        assert_eq!(servers, ["This machine", "Far"]);
        moved
    }

    async fn back_up(&self, format: &str) {
        let ended = self.browser.end_of(create(&self.browser, self.id, format).await.unwrap()).await;
        assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    }

    async fn save(&self, id: SubscriptionId, name: &str, server: &str) {
        let id = id.0.to_string();
        let mut form = vec![
            ("input[id]", id.as_str()),
            ("input[name]", name),
            ("input[database]", &self.database.name),
            ("input[server]", server),
            ("input[connection]", "postgres"),
        ];
        form.extend(KEPT);
        self.browser.call::<SaveSubscription>(&form).await.unwrap();
    }

    async fn kits(&self) -> String {
        self.browser.dialog(&format!("/subscriptions/{}?tab=general&wizard=recovery-kit", self.id.0)).await
    }

    async fn delete(&self, id: SubscriptionId, with_backups: &str) {
        let id = id.0.to_string();
        let form = [("id", id.as_str()), ("typed_name", "Tiny"), ("delete_backups", with_backups)];
        self.browser.call::<DeleteSubscription>(&form).await.unwrap();
    }
}

/// The folders of the repositories that the dialog names.
fn locations(kits: &str) -> Vec<String> {
    let codes = kits.split("<code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned());
    codes.filter(|code| code.contains("/repositories/")).collect()
}

async fn each_server_has_its_recovery_kit(stage: Stage) {
    let mut moved = Moved::of(&stage).await;
    let near = stage.config.data.join("backup-server").to_string_lossy().into_owned();
    let passwords = |kits: &str| kits.matches("Show the password</summary>").count();
    let kits = moved.kits().await;
    assert_eq!(passwords(&kits), 2, "{kits}");
    let places = locations(&kits);
    assert!(places.len() == 2 && places[0].starts_with(&near) && !places[1].starts_with(&near), "{places:?}");
    let named = (kits.find("This machine").unwrap(), kits.find("Far").unwrap());
    assert!(named.0 < named.1, "the present server comes first: {kits}");

    moved.save(moved.id, "Tiny", "").await;
    assert_eq!(passwords(&moved.kits().await), 2, "without a server as well");

    moved.remote.shut().await;
    let kits = moved.kits().await;
    assert_eq!(passwords(&kits), 1, "{kits}");
    assert!(kits.contains("“Far” does not answer") && kits.contains(&near), "{kits}");
    let log = moved.browser.call::<ListActions>(&[("search", "recovery kit")]).await.unwrap();
    let told: Vec<String> = log.entries.into_iter().map(|entry| entry.what).collect();
    let both = |first: &str, second: &str| {
        format!("Showed the recovery kit with the repository's password of “{first}” and “{second}”")
    };
    assert_eq!(
        told,
        [
            "Showed the recovery kit with the repository's password of “This machine”".to_owned(),
            both("Far", "This machine"),
            both("This machine", "Far"),
        ]
    );
}

async fn kept_backups_are_found_again_on_every_server(stage: Stage) {
    let moved = Moved::of(&stage).await;
    let (browser, id) = (&moved.browser, moved.id);
    let uuid = browser.subscription(id).await.backup_uuid;
    let unnamed = browser.call::<DeleteSubscription>(&[("id", &id.0.to_string())]).await.unwrap_err();
    assert!(unnamed.for_field("typed_name").is_some(), "{unnamed:?}");
    let folders = locations(&moved.kits().await);
    moved.delete(id, "false").await;

    let again = browser.add_direct("Tiny", &moved.database, &moved.far).await;
    let lines = browser.lines(again).await;
    let servers: Vec<&str> = lines.iter().map(|line| line.server.as_str()).collect();
    assert_eq!(servers, ["This machine", "Far"]);
    for line in &lines {
        assert_eq!((line.trigger, line.result.clone()), (Trigger::Found, LineResult::Good));
        assert_eq!(line.comment, "Before the update");
    }
    let now = browser.subscription(again).await;
    assert_eq!((now.backup_uuid, now.backup_count), (uuid, 2));

    // The name is free again; the repository is not.
    moved.save(again, "Renamed", &moved.far).await;
    let other = browser.add_direct("Tiny", &moved.database, &moved.here).await;
    assert_ne!(browser.subscription(other).await.backup_uuid, uuid);
    moved.delete(other, "false").await;
    moved.save(again, "Tiny", &moved.far).await;

    let stored = || -> Vec<usize> {
        folders.iter().map(|folder| std::fs::read_dir(format!("{folder}/snapshots")).unwrap().count()).collect()
    };
    assert_eq!(stored(), [1, 1]);
    moved.delete(again, "true").await;
    assert_eq!(stored(), [0, 0], "deleted on both");
    let anew = browser.add_direct("Tiny", &moved.database, &moved.here).await;
    assert_ne!(browser.subscription(anew).await.backup_uuid, uuid);
    assert!(browser.lines(anew).await.is_empty());
}
