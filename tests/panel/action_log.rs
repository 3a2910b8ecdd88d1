//! The action log only grows.

use holdfast::operations::api::ListActions;

use crate::stage::Stage;

on_both_databases!(the_database_refuses_to_change_the_log);

async fn the_database_refuses_to_change_the_log(stage: Stage) {
    let browser = stage.administrator().await;
    let before = browser.call::<ListActions>(&[]).await.unwrap().entries;
    assert!(!before.is_empty());
    for change in ["UPDATE actions SET who = 'Nobody'", "DELETE FROM actions"] {
        let refused = stage.sql(change).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    assert_eq!(browser.call::<ListActions>(&[]).await.unwrap().entries, before);
    let found = browser.call::<ListActions>(&[("search", "SIGNED IN")]).await.unwrap();
    assert_eq!(found.matching, 1);
    assert_eq!(found.entries[0].who, "Ada Example");
}
