//! Makes a connection send small messages at once.
//!
//! The rows of a small table and the word that they are all go as two short messages. By default the kernel keeps the
//! second until the first is acknowledged, and the other side waits up to 40 ms with that: longer than most tables of
//! Odoo take. sqlx gives no way to its socket, so it is found among those of this process.

use std::{fs, io, net::TcpStream, os::fd::OwnedFd};

use rustix::{
    fs::{FileType, fstat},
    process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
};
use sqlx::PgConnection;

/// Does it where it can be done; otherwise all works as well, only slower.
pub(super) async fn send_promptly(connection: &mut PgConnection) {
    // Not known for a Unix socket, which never waits.
    let port = sqlx::query_scalar::<_, Option<i32>>("SELECT pg_catalog.inet_client_port()").fetch_one(connection).await;
    if let Ok(Some(port)) = port
        && let Ok(port) = u16::try_from(port)
        && let Err(error) = of_port(port)
    {
        tracing::debug!(%error, "The connection to PostgreSQL sends small messages late");
    }
}

/// Of the connection that comes from this port.
fn of_port(port: u16) -> io::Result<()> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let is_socket = fs::read_link(entry.path()).is_ok_and(|path| path.to_string_lossy().starts_with("socket:"));
        let number = entry.file_name().to_string_lossy().parse().ok().filter(|_| is_socket);
        let Some(copy) = number.and_then(|number| pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).ok()) else {
            continue;
        };
        let Some(socket) = socket(copy) else { continue };
        if socket.local_addr().is_ok_and(|address| address.port() == port) {
            socket.set_nodelay(true)?;
        }
    }
    Ok(())
}

/// A copy of a descriptor as a socket. Should it be a file that got the number a moment ago, the copy stays open: closing
/// it would end the locks that this process holds on that file.
fn socket(copy: OwnedFd) -> Option<TcpStream> {
    let is_socket = fstat(&copy).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket);
    if is_socket {
        return Some(TcpStream::from(copy));
    }
    std::mem::forget(copy);
    None
}
