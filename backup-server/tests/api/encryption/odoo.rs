//! Odoo behind a proxy with TLS.

use std::fs;

use backup_api::{BackupFormat, Client, DatabaseName, JobState, RestoreMode, RestorePlan, Source};
use testbed::{odoo::StandIn, tls::Authority};

use super::{must_be_refused, trusting};
use crate::setting::{Origin, REPOSITORY, Restored, row_counts, run, start, until};

/// The same Odoo at another address.
fn at(url: String, origin: &Origin, odoo: &StandIn) -> Source {
    let Source::OdooHttp { database, master_password, .. } = origin.through(odoo) else { unreachable!() };
    Source::OdooHttp { url, database, master_password }
}

async fn assert_comes_back_whole(client: &Client, origin: &Origin, source: &Source) {
    for format in [BackupFormat::Dump, BackupFormat::Zip] {
        let request = start(source, format);
        let job = run(client, REPOSITORY, &request).await;
        assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
        let copy = Restored(format!("{}_{}", origin.database.name, format.as_str()));
        let plan = RestorePlan {
            target: source.clone(),
            mode: RestoreMode::Copy { database: DatabaseName::parse(&copy.0).unwrap() },
            neutralize: false,
            safety_backup: None,
            undo_seconds: 0,
        };
        let restore = crate::restores::setting::request(&plan);
        client.start_restore(REPOSITORY, request.backup, &restore).await.unwrap();
        let restored = until(client, restore.job, |job| job.state.is_final()).await;
        assert_eq!(restored.state, JobState::Succeeded, "{:?}", restored.failure);
        assert_eq!(row_counts(&copy.0), row_counts(&origin.database.name));
    }
}

/// As on Debian after `update-ca-certificates`, which writes the file that is read here in its place.
#[tokio::test]
async fn an_authority_of_ones_own_counts_once_the_system_trusts_it_without_a_restart() {
    let origin = Origin::new("tls_odoo");
    let odoo = origin.odoo();
    let [authority, other] = [Authority::new().unwrap(), Authority::new().unwrap()];
    let proxy = odoo.behind_tls(&authority.issue("127.0.0.1").unwrap()).unwrap();
    let source = at(proxy.url("127.0.0.1"), &origin, &odoo);
    let roots = origin.folder.path().join("roots.pem");
    fs::copy(other.certificate(), &roots).unwrap();
    let process = trusting(&roots, &origin.folder.path().join("data"));

    let words = ["The certificate of 127.0.0.1 is not accepted", "update-ca-certificates", "no restart is needed"];
    must_be_refused(&process.client, &source, &words).await;
    assert_eq!((odoo.backup_posts(), process.client.backups(REPOSITORY).await.unwrap().len()), (0, 0));

    let both = [fs::read(&roots).unwrap(), fs::read(authority.certificate()).unwrap()].concat();
    fs::write(&roots, both).unwrap();
    let report = process.client.test_source(&source).await.unwrap();
    assert_eq!((report.problems, report.odoo_version.as_deref()), (Vec::new(), Some("18.0")));
    assert_comes_back_whole(&process.client, &origin, &source).await;
    assert_eq!(odoo.restore_posts(), 2, "both were restored by this Odoo");
}

#[tokio::test]
async fn certificates_that_fit_not_and_servers_without_any_say_what_to_do() {
    let origin = Origin::new("tls_refused");
    let odoo = origin.odoo();
    let authority = Authority::new().unwrap();
    let signs_itself = authority.self_signed("127.0.0.1").unwrap();
    let roots = origin.folder.path().join("roots.pem");
    let trusted = [authority.certificate(), signs_itself.certificate.clone()].map(|file| fs::read(file).unwrap());
    fs::write(&roots, trusted.concat()).unwrap();
    let process = trusting(&roots, &origin.folder.path().join("data"));

    let named = odoo.behind_tls(&authority.issue("odoo.example.com").unwrap()).unwrap();
    let source = at(named.url("127.0.0.1"), &origin, &odoo);
    must_be_refused(&process.client, &source, &["for another name", "odoo.example.com", "Write the name"]).await;

    let proxy = odoo.behind_tls(&signs_itself).unwrap();
    let source = at(proxy.url("127.0.0.1"), &origin, &odoo);
    must_be_refused(&process.client, &source, &["signs itself", "CA:FALSE", "update-ca-certificates"]).await;

    let source = at(odoo.url().replace("http://", "https://"), &origin, &odoo);
    must_be_refused(&process.client, &source, &["No encrypted connection", "write http://"]).await;
    assert_eq!(odoo.backup_posts(), 0);
}

#[tokio::test]
async fn a_machine_that_trusts_nobody_reaches_only_what_does_not_encrypt() {
    let origin = Origin::new("tls_nobody");
    let odoo = origin.odoo();
    let authority = Authority::new().unwrap();
    let process = trusting(&origin.folder.path().join("nowhere.pem"), &origin.folder.path().join("data"));
    let proxy = odoo.behind_tls(&authority.issue("127.0.0.1").unwrap()).unwrap();
    let source = at(proxy.url("127.0.0.1"), &origin, &odoo);
    must_be_refused(&process.client, &source, &["the package ca-certificates", "SSL_CERT_FILE"]).await;
    let job = run(&process.client, REPOSITORY, &start(&origin.through(&odoo), BackupFormat::Zip)).await;
    assert_eq!(job.state, JobState::Succeeded, "{:?}", job.failure);
}
