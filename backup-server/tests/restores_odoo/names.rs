//! The swap by renames: whatever becomes of one, the old database answers complete, or the new one does.

use backup_api::{BackupFormat, FailureCode, JobState, RestorePlan};
use testbed::odoo::RenameFault::{self, AnswerLost, FilesStay, None as Fine, NotDone, Refused};

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

/// The restored database has the name, and the files of the old one: with no time for an undo nothing of that one would
/// be left.
#[tokio::test]
async fn a_rename_that_leaves_the_files_behind_is_taken_back() {
    let stage = Stage::new("rn_files", BackupFormat::Zip).await;
    // One that the backup has and that was lost since: only the restored folder has it.
    let lost = stage.lose_a_file();
    prepare(&stage, &[FilesStay]);
    let job = stage.restore(&RestorePlan { undo_seconds: 0, ..stage.plan() }).await;
    let failure = job.failure.unwrap_or_else(|| panic!("{lost} is not there"));
    assert!(failure.code == FailureCode::Mismatch && failure.message.contains("left behind"), "{failure:?}");
    stage.assert_is_left_alone("the files stayed");
}
