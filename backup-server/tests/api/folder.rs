//! One data folder, one server.

use backup_server::{BackupServer, Config, StartError};

use crate::setting::Served;

#[tokio::test]
async fn a_second_server_keeps_off_the_data_folder_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let first = Served::start_in(folder.path(), |_| {}).await;
    let refused = BackupServer::start(Config::new(folder.path())).await.err().unwrap();
    assert!(matches!(refused, StartError::InUse(_)), "{refused}");
    first.server.shutdown().await;
    Served::start_in(folder.path(), |_| {}).await;
}
