//! The swap by renames: whatever becomes of one, the old database answers complete, or the new one does.

use backup_api::{BackupFormat, JobState};
use testbed::odoo::RenameFault::{self, AnswerLost, None as Fine, NotDone, Refused};

use crate::stage::Stage;

fn prepare(stage: &Stage, faults: &[RenameFault]) {
    stage.odoo.configure(|options| options.rename_faults = faults.iter().copied().collect());
}

#[tokio::test]
async fn a_rename_that_is_refused_or_lost_leaves_the_old_database() {
    let stage = Stage::new("rn_refused", BackupFormat::Zip).await;
    for faults in [&[Refused][..], &[NotDone], &[Fine, Refused], &[Fine, NotDone], &[AnswerLost, Refused, AnswerLost]] {
        prepare(&stage, faults);
        let job = stage.restore(&stage.plan()).await;
        let failure = job.failure.unwrap_or_else(|| panic!("{faults:?} must not succeed"));
        assert!(failure.message.contains("could not be renamed"), "{faults:?}: {failure:?}");
        stage.assert_untouched(&format!("{faults:?}"));
    }
}

#[tokio::test]
async fn a_rename_that_was_done_counts_though_its_answer_is_lost() {
    let stage = Stage::new("rn_lost", BackupFormat::Zip).await;
    prepare(&stage, &[AnswerLost, AnswerLost]);
    let job = stage.restore(&stage.plan()).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    assert!(stage.state("rn_lost") == stage.backed_up);
    prepare(&stage, &[AnswerLost, AnswerLost]);
    let undone = stage.undo(job.id).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
    stage.assert_untouched("undone");
}

#[tokio::test]
async fn when_the_way_back_fails_too_it_is_finished_as_soon_as_odoo_does_it() {
    let stage = Stage::new("rn_stuck", BackupFormat::Zip).await;
    prepare(&stage, &[Fine, Refused, Refused]);
    let job = stage.restore(&stage.plan()).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    assert!(stage.state("rn_stuck") == stage.backed_up);
}

#[tokio::test]
async fn an_undo_whose_renames_fail_can_be_asked_for_again() {
    let stage = Stage::new("rn_undo", BackupFormat::Zip).await;
    let job = stage.restore(&stage.plan()).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
    for faults in [&[Refused][..], &[Fine, Refused]] {
        prepare(&stage, faults);
        let undone = stage.undo(job.id).await;
        assert_eq!(undone.state, JobState::Failed, "{faults:?}");
        assert!(stage.state("rn_undo") == stage.backed_up, "{faults:?}");
    }
    let undone = stage.undo(job.id).await;
    assert_eq!(undone.state, JobState::Succeeded, "{:?}", undone.failure);
    stage.assert_untouched("undone");
}
