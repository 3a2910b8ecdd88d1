//! The socket under a connection to PostgreSQL. sqlx gives no way to it, so it is found among those of this process.

use std::{fs, io, net::TcpStream, os::fd::OwnedFd, time::Duration};

use rustix::{
    fs::{FileType, fstat},
    process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
};
use socket2::{SockRef, TcpKeepalive};
use sqlx::PgConnection;

/// Does something to the socket of a connection over TCP, where it can be done; all works without it too.
pub(crate) async fn with_socket(connection: &mut PgConnection, deed: fn(&TcpStream) -> io::Result<()>) {
    // Not known for a Unix socket.
    let port = sqlx::query_scalar::<_, Option<i32>>("SELECT pg_catalog.inet_client_port()").fetch_one(connection).await;
    if let Ok(Some(port)) = port
        && let Ok(port) = u16::try_from(port)
        && let Err(error) = of_port(port, deed)
    {
        tracing::debug!(%error, "The socket of a connection to PostgreSQL is as the system makes it");
    }
}

/// A question may take hours, and the host that is to answer it may be gone: notices that within two minutes.
pub(super) fn notice_when_gone(socket: &TcpStream) -> io::Result<()> {
    let (idle, pause) = (Duration::from_mins(1), Duration::from_secs(10));
    let often = TcpKeepalive::new().with_time(idle).with_interval(pause).with_retries(6);
    SockRef::from(socket).set_tcp_keepalive(&often)
}

/// Of the connection that comes from this port.
fn of_port(port: u16, deed: fn(&TcpStream) -> io::Result<()>) -> io::Result<()> {
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
            deed(&socket)?;
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_connection_is_found_by_its_port_and_asks_whether_the_other_side_lives() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let known = || SockRef::from(&near).keepalive().unwrap();
        assert!(!known());
        of_port(near.local_addr().unwrap().port(), notice_when_gone).unwrap();
        assert!(known());
        assert_eq!(SockRef::from(&near).tcp_keepalive_time().unwrap(), Duration::from_mins(1));
    }
}
