//! Passes a chunk on to the backup server: as it comes where its length is known, else piece by piece.

use axum::http::StatusCode;

use super::{
    begin,
    incoming::{Incoming, PIECE},
    refusal::Refusal,
    store::Begun,
};
use crate::{backup_servers::clients::Server, server::Panel};

/// Where a chunk goes.
pub struct Relay<'a> {
    /// Of which panel.
    pub panel: &'a Panel,
    /// The upload.
    pub begun: &'a Begun,
    /// Its backup server.
    pub server: &'a Server,
    /// tus' `Upload-Checksum`, which is about all of the request.
    pub checksum: Option<&'a str>,
    /// It may come before those in front of it.
    pub ahead: bool,
}

impl Relay<'_> {
    /// Passes on all of a request of `length` bytes, at most [`PIECE`]; gives the offset after it.
    pub async fn whole(&self, offset: u64, body: &Incoming, length: usize) -> Result<u64, Refusal> {
        // It is never closed.
        let _room = self.panel.chunks.acquire().await.ok();
        let (client, id) = (&self.server.client, self.begun.id);
        let parts = reqwest::Body::wrap_stream(body.parts());
        let sent = client.append_arriving(id, offset, self.checksum, self.ahead, parts, length as u64);
        let answer = tokio::select! {
            answer = sent => answer,
            () = body.stuck() => return Err(Refusal::away(self.server)),
        };
        if body.is_cut() {
            // The backup server kept nothing of it.
            return Err(Refusal::cut());
        }
        begin::told(self.panel, self.begun, self.server, answer).await
    }

    /// Passes on a request of any length in pieces, each when it has arrived whole. Clients that send a file as one go on,
    /// if they are cut off, after the last piece.
    pub async fn pieces(&self, mut offset: u64, body: &Incoming) -> Result<u64, Refusal> {
        let (client, id) = (&self.server.client, self.begun.id);
        loop {
            let _room = self.panel.chunks.acquire().await.ok();
            let piece = body.piece().await?;
            let is_last = piece.len() < PIECE || body.is_at_end().await?;
            if !is_last && (self.checksum.is_some() || self.ahead) {
                let words = format!("A chunk with a checksum, or ahead of others, has at most {PIECE} bytes.");
                return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, words));
            }
            let answer = if self.ahead {
                client.append_ahead(id, offset, self.checksum, piece).await
            } else {
                client.append(id, offset, self.checksum, piece).await
            };
            offset = begin::told(self.panel, self.begun, self.server, answer).await?;
            if is_last {
                return Ok(offset);
            }
        }
    }
}
