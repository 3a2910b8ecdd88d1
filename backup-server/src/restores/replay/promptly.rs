//! Makes a connection send small messages at once.
//!
//! The rows of a small table and the word that they are all go as two short messages. By default the kernel keeps the
//! second until the first is acknowledged, and the other side waits up to 40 ms with that: longer than most tables of
//! Odoo take.

use sqlx::PgConnection;

use crate::sources::with_socket;

/// Does it where it can be done; otherwise all works as well, only slower.
pub(super) async fn send_promptly(connection: &mut PgConnection) {
    with_socket(connection, |socket| socket.set_nodelay(true)).await;
}
