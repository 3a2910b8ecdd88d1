//! However the owner ends, PostgreSQL and its folder go with it.

use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use testbed::Cluster;

struct Demo {
    process: Child,
    socket: PathBuf,
    port: u16,
    _folder: tempfile::TempDir,
}

fn demo() -> Demo {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command.args(["demo", "--dir"]).arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let facts: serde_json::Value = serde_json::from_str(&line).unwrap();
    let url = url::Url::parse(facts["postgres_url"].as_str().unwrap()).unwrap();
    let filestore = Path::new(facts["filestore"].as_str().unwrap());
    assert!(std::fs::read_dir(filestore).unwrap().count() > 0);
    assert!(facts["odoo_url"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    let socket = PathBuf::from(facts["postgres_socket"].as_str().unwrap());
    Demo { process, socket, port: url.port().unwrap(), _folder: folder }
}

fn assert_gone(socket: &Path, port: u16) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while socket.exists() || TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(Instant::now() < deadline, "{} or port {port} is still there", socket.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_killed_owner_leaves_no_server_and_no_folder() {
    let mut demo = demo();
    demo.process.kill().unwrap();
    demo.process.wait().unwrap();
    assert_gone(&demo.socket, demo.port);
}

#[test]
fn closing_standard_input_ends_the_demo() {
    let mut demo = demo();
    drop(demo.process.stdin.take());
    assert!(demo.process.wait().unwrap().success());
    assert_gone(&demo.socket, demo.port);
}

#[test]
fn a_signal_ends_the_demo() {
    let mut demo = demo();
    assert!(Command::new("kill").arg(demo.process.id().to_string()).status().unwrap().success());
    assert!(demo.process.wait().unwrap().success());
    assert_gone(&demo.socket, demo.port);
}

#[test]
fn dropping_a_cluster_stops_it_also_while_panicking() {
    let cluster = Cluster::start().unwrap();
    let (socket, port) = (cluster.socket_folder().to_owned(), cluster.port());
    assert_eq!(cluster.sql("postgres", "SELECT 1").unwrap(), "1");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _owned = cluster;
        std::panic::resume_unwind(Box::new("as a failed test does"));
    }));
    assert!(panicked.is_err());
    assert_gone(&socket, port);
}
