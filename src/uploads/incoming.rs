//! A request's body on its way through the panel: as it comes, or piece by piece.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::body::{Body, BodyDataStream, Bytes};
use backup_api::Upload;
use futures::{Stream, StreamExt};
use tokio::{sync::Mutex, time::timeout};

/// The most bytes of an upload that are held: what the backup server takes at a time.
#[expect(clippy::cast_possible_truncation, reason = "it is a mebibyte")]
pub const PIECE: usize = Upload::CHUNK_BYTES as usize;
/// A client that sends nothing of a chunk for so long is gone.
const STALL: Duration = Duration::from_mins(1);
/// A backup server that took all of a chunk and does not answer for so long is away.
const PATIENCE: Duration = Duration::from_secs(90);

/// A request's body.
#[derive(Clone)]
pub struct Incoming {
    arriving: Arc<Mutex<Arriving>>,
    seen: Arc<Seen>,
    patience: Duration,
}

struct Arriving {
    body: BodyDataStream,
    /// What came beyond the last piece.
    rest: Bytes,
    stall: Duration,
}

#[derive(Default)]
struct Seen {
    parts: AtomicU64,
    is_cut: AtomicBool,
}

/// The client is gone before all of it was here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut;

impl Incoming {
    /// Of this body.
    pub fn new(body: Body) -> Self {
        Self::within(body, STALL, PATIENCE)
    }

    fn within(body: Body, stall: Duration, patience: Duration) -> Self {
        let arriving = Arriving { body: body.into_data_stream(), rest: Bytes::new(), stall };
        Self { arriving: Arc::new(Mutex::new(arriving)), seen: Arc::default(), patience }
    }

    /// All of it, as it comes.
    pub fn parts(&self) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        let Self { arriving, seen, .. } = self.clone();
        async_stream::try_stream! {
            let mut arriving = arriving.lock_owned().await;
            loop {
                let part = arriving.next().await;
                seen.parts.fetch_add(1, Ordering::SeqCst);
                seen.is_cut.store(part.is_err(), Ordering::SeqCst);
                match part.map_err(|Cut| io::ErrorKind::UnexpectedEof)? {
                    Some(part) => yield part,
                    None => break,
                }
            }
        }
    }

    /// Whether the client was gone before all of it was passed on.
    pub fn is_cut(&self) -> bool {
        self.seen.is_cut.load(Ordering::SeqCst)
    }

    /// Ends when whoever takes it has not gone on for too long. A client that sends nothing ends it sooner.
    pub async fn stuck(&self) {
        loop {
            let before = self.seen.parts.load(Ordering::SeqCst);
            tokio::time::sleep(self.patience).await;
            if self.seen.parts.load(Ordering::SeqCst) == before {
                return;
            }
        }
    }

    /// The next piece: shorter than [`PIECE`] only at the end.
    pub async fn piece(&self) -> Result<Vec<u8>, Cut> {
        let (mut arriving, mut piece) = (self.arriving.lock().await, Vec::new());
        loop {
            let room = PIECE - piece.len();
            let taken = arriving.rest.len().min(room);
            piece.extend_from_slice(&arriving.rest.split_to(taken));
            if piece.len() == PIECE || arriving.is_at_end().await? {
                return Ok(piece);
            }
        }
    }

    /// Whether nothing more comes.
    pub async fn is_at_end(&self) -> Result<bool, Cut> {
        self.arriving.lock().await.is_at_end().await
    }

    /// Reads what a refused request still sends, if it is not much: else its client might never see the answer.
    pub async fn drain(&self) {
        // Whoever was passing it on may hold it for a while.
        let Ok(mut arriving) = timeout(self.patience, self.arriving.lock()).await else { return };
        let mut left = 2 * PIECE;
        while let Ok(Some(part)) = arriving.next().await {
            let Some(less) = left.checked_sub(part.len()) else { return };
            left = less;
        }
    }
}

impl Arriving {
    async fn next(&mut self) -> Result<Option<Bytes>, Cut> {
        timeout(self.stall, self.body.next()).await.map_err(|_| Cut)?.transpose().map_err(|_| Cut)
    }

    /// Whether nothing more comes; else there is something in `rest`.
    async fn is_at_end(&mut self) -> Result<bool, Cut> {
        while self.rest.is_empty() {
            let Some(part) = self.next().await? else { return Ok(true) };
            self.rest = part;
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    fn incoming(parts: Vec<io::Result<Bytes>>) -> Incoming {
        Incoming::new(Body::from_stream(futures::stream::iter(parts)))
    }

    fn broken() -> io::Result<Bytes> {
        Err(io::ErrorKind::ConnectionReset.into())
    }

    #[tokio::test]
    async fn it_is_cut_into_pieces() {
        let whole = vec![7; 2 * PIECE + 5];
        let incoming = incoming(whole.chunks(70_001).map(|part| Ok(Bytes::copy_from_slice(part))).collect());
        for length in [PIECE, PIECE, 5] {
            assert!(!incoming.is_at_end().await.unwrap());
            assert_eq!(incoming.piece().await.unwrap().len(), length);
        }
        assert!(incoming.is_at_end().await.unwrap());
        assert_eq!(incoming.piece().await, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn a_client_that_goes_is_told_from_a_server_that_goes() {
        let whole = incoming(vec![Ok(Bytes::from_static(b"ab")), Ok(Bytes::from_static(b"c"))]);
        assert_eq!(whole.parts().try_collect::<Vec<_>>().await.unwrap().concat(), b"abc");
        assert!(!whole.is_cut());
        let cut = incoming(vec![Ok(Bytes::from_static(b"ab")), broken()]);
        assert!(cut.parts().try_collect::<Vec<_>>().await.is_err() && cut.is_cut());
        let cut = incoming(vec![Ok(Bytes::from_static(b"ab")), broken()]);
        assert_eq!(cut.piece().await, Err(Cut), "half a piece is none");
        // Who stops taking it leaves the rest to be read.
        let left = incoming(vec![Ok(Bytes::from_static(b"ab")), Ok(Bytes::from_static(b"c"))]);
        assert_eq!(Box::pin(left.parts()).next().await.unwrap().unwrap(), "ab");
        left.drain().await;
        assert!(left.is_at_end().await.unwrap() && !left.is_cut());
    }

    #[tokio::test]
    async fn a_client_that_falls_silent_is_cut_and_a_server_that_takes_nothing_is_given_up() {
        let silent = Body::from_stream(futures::stream::pending::<io::Result<Bytes>>());
        let silent = Incoming::within(silent, Duration::from_millis(1), PATIENCE);
        let parts = async { silent.parts().try_collect::<Vec<_>>().await.is_err() };
        tokio::select! {
            is_cut = parts => assert!(is_cut && silent.is_cut()),
            () = silent.stuck() => panic!("the server is not at fault"),
        }
        let unread = Incoming::within(Body::from("ab"), STALL, Duration::from_millis(1));
        unread.stuck().await;
        assert!(!unread.is_cut());
    }
}
