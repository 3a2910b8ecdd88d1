//! Operations survive a restart of the panel, and a backup server that does not answer.

use backup_api::{JobState, LogLevel, Phase};
use holdfast::{
    backups::LineResult,
    error::AppError,
    operations::api::{CancelOperation, OperationLog},
    subscriptions::SubscriptionId,
};
use testbed::{
    Cluster,
    odoo::{Options, StandIn, Trap},
};

use crate::{
    backups::{create, this_machine},
    browser::{Browser, reason},
    double::Remote,
    stage::{Stage, odoo_database},
};

on_both_databases!(
    a_backup_on_another_machine_goes_on_while_the_panel_restarts,
    a_backup_of_the_panels_own_process_is_interrupted_by_its_restart,
    a_server_that_does_not_answer_is_tried_again_until_it_does,
    what_never_left_the_panel_is_cancelled_at_once,
);

async fn through_odoo(browser: &Browser, odoo: &StandIn, server: &str) -> SubscriptionId {
    let database = odoo_database();
    let url = odoo.url();
    let connection = [
        ("input[connection]", "odoo_http"),
        ("input[odoo_url]", &url),
        ("input[master_password]", "a-master-password"),
    ];
    browser.add("Tiny", &database.name, server, &connection).await
}

fn stalling() -> StandIn {
    let cluster = Cluster::shared();
    let odoo = StandIn::start(cluster, &cluster.data_dir(), Options::default()).unwrap();
    odoo.set_trap(Trap::Stall);
    odoo
}

async fn a_backup_on_another_machine_goes_on_while_the_panel_restarts(mut stage: Stage) {
    let browser = stage.administrator().await;
    let (odoo, remote) = (stalling(), Remote::real(&stage.turned).await);
    let id = through_odoo(&browser, &odoo, &remote.register(&browser, "Far").await).await;
    let operation = create(&browser, id, "zip").await.unwrap();
    browser.watch(operation, |seen| seen.phase == Phase::WaitingForOdoo).await;
    stage.stop().await;
    stage.start().await;
    browser.watch(operation, |seen| seen.phase == Phase::WaitingForOdoo).await;
    odoo.release();
    let ended = browser.end_of(operation).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    stage.turned.forward(chrono::TimeDelta::minutes(2));
    let lines = browser.lines(id).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((lines[0].result.clone(), lines[0].operation), (LineResult::Good, Some(operation)));
}

async fn a_backup_of_the_panels_own_process_is_interrupted_by_its_restart(mut stage: Stage) {
    let browser = stage.administrator().await;
    let odoo = stalling();
    let id = through_odoo(&browser, &odoo, &this_machine(&browser).await).await;
    let operation = create(&browser, id, "zip").await.unwrap();
    browser.watch(operation, |seen| seen.phase == Phase::WaitingForOdoo).await;
    stage.stop().await;
    stage.start().await;
    let ended = browser.end_of(operation).await;
    assert_eq!(ended.state, JobState::Interrupted, "{ended:?}");
    let lines = browser.lines(id).await;
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].result, LineResult::Failed { reason: reason(&ended).to_owned() });
    odoo.set_trap(Trap::None);
    let ended = browser.end_of(create(&browser, id, "zip").await.unwrap()).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
}

async fn a_server_that_does_not_answer_is_tried_again_until_it_does(stage: Stage) {
    let browser = stage.administrator().await;
    let (odoo, mut remote) = (stalling(), Remote::real(&stage.turned).await);
    odoo.set_trap(Trap::None);
    let id = through_odoo(&browser, &odoo, &remote.register(&browser, "Far").await).await;
    let first = create(&browser, id, "zip").await.unwrap();
    assert_eq!(browser.end_of(first).await.state, JobState::Succeeded);
    remote.shut().await;
    stage.turned.forward(chrono::TimeDelta::minutes(2));
    let page = browser.line_page(id).await;
    assert_eq!(page.lines[0].result, LineResult::Good, "no answer is not “missing”");
    assert!(page.server_unreachable.unwrap().contains("Far"));
    let gone = browser.call::<holdfast::backups::api::DeleteLine>(&[("line", &page.lines[0].id.0.to_string())]).await;
    assert!(matches!(gone, Err(AppError::ServerUnreachable { .. })), "{gone:?}");

    let second = create(&browser, id, "zip").await.unwrap();
    let told = tokio::time::timeout(std::time::Duration::from_secs(30), async {
        loop {
            let log = browser.call::<OperationLog>(&[("id", &second.0.to_string())]).await.unwrap();
            if let Some(line) = log.into_iter().find(|line| line.level == LogLevel::Warn) {
                return line.message;
            }
        }
    });
    let told = told.await.unwrap();
    assert!(told.contains("Far") && told.contains("keeps trying"), "{told}");
    remote.open().await;
    let ended = browser.end_of(second).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    assert_eq!(browser.lines(id).await.len(), 2);
}

async fn what_never_left_the_panel_is_cancelled_at_once(stage: Stage) {
    let browser = stage.administrator().await;
    let (odoo, mut remote) = (stalling(), Remote::real(&stage.turned).await);
    let id = through_odoo(&browser, &odoo, &remote.register(&browser, "Far").await).await;
    remote.shut().await;
    let operation = create(&browser, id, "zip").await.unwrap();
    browser.call::<CancelOperation>(&[("id", &operation.0.to_string())]).await.unwrap();
    assert_eq!(browser.end_of(operation).await.state, JobState::Cancelled);
    assert!(browser.lines(id).await.is_empty());
    assert_eq!(odoo.backup_posts(), 0);
}
