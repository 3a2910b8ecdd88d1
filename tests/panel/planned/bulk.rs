//! Back up now for a selection of subscriptions.

use backup_api::JobState;
use holdfast::{
    backups::api::BackUpNow,
    error::AppError,
    operations::api::{ListActions, ListOperations},
    users::Role,
};

use crate::{
    backups::this_machine,
    stage::{Stage, odoo_database},
};

on_both_databases!(
    chosen_subscriptions_are_backed_up_and_the_others_told,
    one_that_cannot_be_begun_does_not_keep_the_others_from_it,
);

async fn chosen_subscriptions_are_backed_up_and_the_others_told(stage: Stage) {
    let browser = stage.administrator().await;
    let here = this_machine(&browser).await;
    let one = browser.add_direct("One", &odoo_database(), &here).await;
    let two = browser.add_direct("Two", &odoo_database(), &here).await;
    let nowhere = browser.add_direct("Nowhere", &odoo_database(), "").await;
    let [one_id, two_id, nowhere_id] = [one, two, nowhere].map(|id| id.0.to_string());

    let nothing = browser.call::<BackUpNow>(&[]).await.unwrap_err();
    assert!(matches!(nothing, AppError::Invalid { .. }), "{nothing:?}");
    let refused = browser.call::<BackUpNow>(&[("subscriptions[]", &nowhere_id)]).await.unwrap_err();
    assert!(matches!(&refused, AppError::Conflict(words) if words.contains("Nowhere")), "{refused:?}");
    let viewer = stage.signed_in(Role::Viewer).await;
    let forbidden = viewer.call::<BackUpNow>(&[("subscriptions[]", &one_id)]).await.unwrap_err();
    assert!(matches!(forbidden, AppError::Forbidden { .. }));

    // As the list's boxes are posted.
    let operator = stage.signed_in(Role::Operator).await;
    let form =
        [("subscriptions[]", one_id.as_str()), ("subscriptions[]", nowhere_id.as_str()), ("subscriptions[]", &two_id)];
    let started = operator.call::<BackUpNow>(&form).await.unwrap();
    assert_eq!((started.begun, started.refused.len()), (2, 1), "{started:?}");
    assert!(started.refused[0].starts_with("Nowhere: No backup server"), "{started:?}");
    let told = operator.call::<ListActions>(&[("search", "could not start")]).await.unwrap();
    assert_eq!(told.matching, 2);
    for id in [&one_id, &two_id] {
        let form = [("filter", "all"), ("subscription", id.as_str()), ("page", "0")];
        let operations = operator.call::<ListOperations>(&form).await.unwrap().operations;
        let [operation] = operations.as_slice() else { panic!("{operations:?}") };
        assert_eq!(operator.end_of(operation.id).await.state, JobState::Succeeded);
    }
}

async fn one_that_cannot_be_begun_does_not_keep_the_others_from_it(stage: Stage) {
    let browser = stage.administrator().await;
    let here = this_machine(&browser).await;
    let gone = uuid::Uuid::from_u128(1).to_string();
    let broken = browser.add_direct("Broken", &odoo_database(), &here).await;
    let last = browser.add_direct("Last", &odoo_database(), &here).await;
    let schedule = "UPDATE schedules SET plan = 'of a later version'
                    WHERE subscription_id = (SELECT id FROM subscriptions WHERE name = 'Broken')";
    stage.sql(schedule).await.unwrap();
    let [broken, last_id] = [broken, last].map(|id| id.0.to_string());
    let form = [("subscriptions[]", gone.as_str()), ("subscriptions[]", &broken), ("subscriptions[]", &last_id)];
    let started = browser.call::<BackUpNow>(&form).await.unwrap();
    assert_eq!((started.begun, started.refused.len()), (1, 2), "{started:?}");
    assert!(started.refused[0].starts_with("A subscription that is not there any more: "), "{started:?}");
    assert!(started.refused[1].starts_with("Broken: "), "{started:?}");
    assert_eq!(browser.call::<ListActions>(&[("search", "could not start")]).await.unwrap().matching, 2);
    assert!(browser.line_page(last).await.busy || !browser.lines(last).await.is_empty());
}
