//! A stand-in for Odoo's database manager: what a client sees is what a real Odoo 17 or 18 answers, traps included.
//!
//! Databases are those of the cluster's role `odoo`, dumps are made by the real `pg_dump`, filestores lie in
//! `<data_dir>/filestore/<name>`. Pages are recorded ones. Each connection serves one request, as Werkzeug does.

mod actions;
mod backup;
mod databases;
mod http;
mod manager;
mod pages;
mod restore;
mod rpc;
mod upload;

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use crate::{
    Clients, Cluster,
    tls::{Issued, Proxy},
};

/// Whose habits the stand-in has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Odoo 17.
    V17,
    /// Odoo 18.
    #[default]
    V18,
    /// The development version: errors have an error status, a zip its own content type.
    Development,
}

/// What goes wrong with the next backups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trap {
    /// Nothing.
    #[default]
    None,
    /// The manager page with this message and status 200.
    ErrorPage(String),
    /// `pg_dump` ends with status 1: a page for a zip, a cut body with a clean end for a dump.
    DumpFails,
    /// `pg_dump` is not installed.
    PgDumpNotFound,
    /// The connection is lost in the middle of a chunked body.
    CutMidBody,
    /// An HTTP/1.0 worker is killed mid-stream: the body just ends.
    WorkerKilled,
    /// A well-formed answer with half of the file.
    Truncated,
    /// A whole zip whose `dump.sql` is half as long as it should be.
    HalfDumpSql,
    /// A whole file of which one byte of the data is wrong. (Not in the first half: the table of contents of a custom
    /// dump, plain text of that length, has no checksum, and `pg_restore` takes what it says.)
    FlippedByte,
    /// Status 200 and no bytes.
    Empty,
    /// The connection closes without an answer, as after `limit_time_real`.
    NoAnswer,
    /// No byte before [`StandIn::release`].
    Stall,
    /// Half of the body, then nothing before [`StandIn::release`].
    StallMidBody,
    /// A 302 to this address.
    Redirect(String),
    /// This file, whatever was asked for.
    Sends(PathBuf),
}

/// What goes wrong with the next restores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RestoreTrap {
    /// Nothing.
    #[default]
    None,
    /// The manager page with this message and status 200; nothing was made.
    ErrorPage(String),
    /// The connection is lost in the middle of the upload.
    CutUpload,
    /// A redirect to the manager, after half of `dump.sql`.
    HalfTheRows,
    /// A redirect to the manager, after a `dump.sql` that lacks one row.
    LosesARow,
    /// A redirect to the manager, but one file of the filestore is gone.
    LosesAFile,
    /// A redirect to the manager, but the wish to neutralize was passed over.
    NotNeutralized,
    /// `limit_time_real` ends the worker in the middle of `dump.sql`: no answer, a half-restored database, no filestore.
    WorkerKilled,
    /// Nothing happens before [`StandIn::release`].
    Stall,
    /// The same, and whether anybody still waits for the answer is all the same to it.
    GoesOn,
    /// A 302 to this address.
    Redirect(String),
}

/// What goes wrong with one rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameFault {
    /// Nothing.
    None,
    /// An error that says that the database is in use.
    Refused,
    /// Done, but the connection breaks before the answer.
    AnswerLost,
    /// Not done, and the connection breaks before the answer.
    NotDone,
    /// The database is renamed, its folder of files stays where it is.
    FilesStay,
}

/// How the stand-in is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port on 127.0.0.1; 0 for a free one.
    pub port: u16,
    /// Whose habits it has.
    pub style: Style,
    /// `admin_passwd`; `admin` is the insecure default, which the first POST changes.
    pub master_password: String,
    /// `list_db`: whether the database manager is enabled.
    pub list_db: bool,
    /// `workers > 0`: answers are HTTP/1.0 and end with the connection.
    pub workers: bool,
    /// Databases that `dbfilter` hides under this address.
    pub hidden: Vec<String>,
    /// Paths that a reverse proxy before Odoo answers with 404.
    pub blocked: Vec<String>,
    /// A `dbfilter` such as `^%d$`, which lets only this name through.
    pub filter: Option<String>,
    /// The databases that the server was started with (`-d`): it lists no others, and drops no others.
    pub served: Option<Vec<String>>,
    /// What goes wrong with backups.
    pub trap: Trap,
    /// What goes wrong with restores.
    pub restore_trap: RestoreTrap,
    /// What goes wrong with the next renames, one each.
    pub rename_faults: VecDeque<RenameFault>,
}

impl Options {
    /// Whether `dbfilter` hides a database.
    fn hides(&self, name: &str) -> bool {
        self.hidden.iter().any(|hidden| hidden == name) || self.filter.as_deref().is_some_and(|only| name != only)
    }
}

impl Default for Options {
    fn default() -> Self {
        let master_password = "a-master-password".to_owned();
        Self {
            port: 0,
            style: Style::V18,
            master_password,
            list_db: true,
            workers: false,
            hidden: Vec::new(),
            blocked: Vec::new(),
            filter: None,
            served: None,
            trap: Trap::None,
            restore_trap: RestoreTrap::None,
            rename_faults: VecDeque::new(),
        }
    }
}

/// A running stand-in. It ends when dropped.
#[derive(Debug)]
pub struct StandIn {
    port: u16,
    shared: Arc<Shared>,
}

/// What connections share.
#[derive(Debug)]
struct Shared {
    clients: Clients,
    data_dir: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    options: Options,
    released: bool,
    stopped: bool,
    password_changes: usize,
    backup_posts: usize,
    restore_posts: usize,
    restore_forms: Vec<HashMap<String, String>>,
    renames: Vec<(String, String)>,
    /// Backup requests being answered.
    open: usize,
}

impl StandIn {
    /// Starts one over the cluster's databases and the filestores in `<data_dir>/filestore`.
    pub fn start(cluster: &Cluster, data_dir: &Path, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        let port = listener.local_addr()?.port();
        let state = State {
            options,
            released: false,
            stopped: false,
            password_changes: 0,
            backup_posts: 0,
            restore_posts: 0,
            restore_forms: Vec::new(),
            renames: Vec::new(),
            open: 0,
        };
        let shared = Arc::new(Shared {
            clients: cluster.clients().clone(),
            data_dir: data_dir.to_owned(),
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { port, shared })
    }

    /// Its address, such as `http://127.0.0.1:8069`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts a reverse proxy with TLS before it, as most Odoo hosts have.
    pub fn behind_tls(&self, issued: &Issued) -> io::Result<Proxy> {
        Proxy::start(self.port, issued)
    }

    /// The master password as it is now.
    pub fn master_password(&self) -> String {
        self.shared.state().options.master_password.clone()
    }

    /// Changes the set-up from the next request on.
    pub fn configure(&self, change: impl FnOnce(&mut Options)) {
        change(&mut self.shared.state().options);
    }

    /// Sets the trap of the next backups.
    pub fn set_trap(&self, trap: Trap) {
        let mut state = self.shared.state();
        state.options.trap = trap;
        state.released = false;
    }

    /// Lets stalled answers go on.
    pub fn release(&self) {
        self.shared.state().released = true;
        self.shared.changed.notify_all();
    }

    /// How often a request has changed the master password. Any number but 0 is a client's fault.
    pub fn password_changes(&self) -> usize {
        self.shared.state().password_changes
    }

    /// How many backups were asked for.
    pub fn backup_posts(&self) -> usize {
        self.shared.state().backup_posts
    }

    /// Sets the trap of the next restores.
    pub fn set_restore_trap(&self, trap: RestoreTrap) {
        let mut state = self.shared.state();
        state.options.restore_trap = trap;
        state.released = false;
    }

    /// How many restores were asked for.
    pub fn restore_posts(&self) -> usize {
        self.shared.state().restore_posts
    }

    /// The fields of each restore request that arrived whole, without the file.
    pub fn restore_forms(&self) -> Vec<HashMap<String, String>> {
        self.shared.state().restore_forms.clone()
    }

    /// The renames that were asked for: old and new names.
    pub fn renames(&self) -> Vec<(String, String)> {
        self.shared.state().renames.clone()
    }

    /// Waits until no backup is being answered, which a client that hangs up brings about; false after `limit`.
    pub fn wait_until_idle(&self, limit: Duration) -> bool {
        let state = self.shared.state();
        let waited = self.shared.changed.wait_timeout_while(state, limit, |state| state.open > 0);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.open == 0
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.shared.state().stopped = true;
        self.shared.changed.notify_all();
        // Wakes the accepting thread, which then sees the flag.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn options(&self) -> Options {
        self.state().options.clone()
    }

    /// Waits for [`StandIn::release`]; an error when the client hangs up or the stand-in stops first.
    /// Waits for [`StandIn::release`].
    fn wait_for_release(&self) -> io::Result<()> {
        let state = self.changed.wait_while(self.state(), |state| !state.released && !state.stopped);
        if state.unwrap_or_else(PoisonError::into_inner).stopped {
            Err(io::ErrorKind::BrokenPipe.into())
        } else {
            Ok(())
        }
    }

    fn stall(&self, client: &TcpStream) -> io::Result<()> {
        client.set_nonblocking(true)?;
        loop {
            let state = self.state();
            if state.released {
                return client.set_nonblocking(false);
            }
            let gone = match client.peek(&mut [0]) {
                Ok(read) => read == 0,
                Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            };
            if state.stopped || gone {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let waited = self.changed.wait_timeout(state, Duration::from_millis(20));
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.state().stopped {
            return;
        }
        let Ok(client) = client else { continue };
        // Answers are written in pieces; each would wait for the client's acknowledgement of the one before.
        let _ = client.set_nodelay(true);
        let shared = Arc::clone(shared);
        // A client that hangs up early is no fault of the stand-in.
        thread::spawn(move || drop(manager::serve(&shared, &client)));
    }
}
