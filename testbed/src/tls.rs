//! What hosts with an authority of their own have: its certificates, made by `openssl`, and a proxy that speaks TLS.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, TcpListener},
    path::PathBuf,
    process::Command,
    sync::Arc,
    thread,
};

use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::TcpStream,
    sync::oneshot::{self, Sender},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::cluster::run;

/// An authority that nobody knows. Its files are removed with it.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
}

/// A certificate (PEM) with its key.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// The key's file.
    pub key: PathBuf,
}

impl Authority {
    /// Makes one; an error where there is no `openssl` of version 3.
    pub fn new() -> io::Result<Self> {
        let authority = Self { folder: tempfile::tempdir()? };
        authority.make("authority", &["-subj", "/CN=An authority of our own", "-addext", "keyUsage=keyCertSign"])?;
        Ok(authority)
    }

    /// Its certificate, which clients must trust.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// A certificate for a host's name or address.
    pub fn issue(&self, host: &str) -> io::Result<Issued> {
        let (certificate, key) = (self.certificate(), self.folder.path().join("authority.key"));
        let by = [certificate.display().to_string(), key.display().to_string()];
        let more = ["-addext", "basicConstraints=critical,CA:FALSE", "-CA", &by[0], "-CAkey", &by[1]];
        self.make_for(host, &format!("issued for {}", host.replace(':', "-")), &more)
    }

    /// A certificate that signs itself, as `openssl req -x509` makes it: one of an authority.
    pub fn self_signed(&self, host: &str) -> io::Result<Issued> {
        self.make_for(host, "self-signed", &[])
    }

    fn make_for(&self, host: &str, name: &str, more: &[&str]) -> io::Result<Issued> {
        let kind = if host.parse::<IpAddr>().is_ok() { "IP" } else { "DNS" };
        let alternative = format!("subjectAltName={kind}:{host}");
        self.make(name, &[&["-subj", "/CN=a server", "-addext", &alternative], more].concat())
    }

    fn make(&self, name: &str, more: &[&str]) -> io::Result<Issued> {
        let file = |kind| self.folder.path().join(format!("{name}.{kind}"));
        let issued = Issued { certificate: file("pem"), key: file("key") };
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-days", "2"]).args(more).arg("-out").arg(&issued.certificate).arg("-keyout").arg(&issued.key);
        run(&mut openssl)?;
        Ok(issued)
    }
}

/// A reverse proxy with TLS before a server on 127.0.0.1. It ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    _running: Sender<()>,
}

impl Proxy {
    /// Starts one before the server at `port`.
    pub fn start(port: u16, issued: &Issued) -> io::Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(config(issued)?));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let own_port = listener.local_addr()?.port();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (running, ended) = oneshot::channel();
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = ended => Ok(()),
                    failed = accept(listener, &acceptor, port) => failed,
                }
            })
        });
        Ok(Self { port: own_port, _running: running })
    }

    /// Its address, as a client names the host.
    pub fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.port)
    }
}

fn config(issued: &Issued) -> io::Result<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(&issued.certificate).map_err(io::Error::other)?;
    let chain = chain.collect::<Result<_, _>>().map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(&issued.key).map_err(io::Error::other)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    config.with_no_client_auth().with_single_cert(chain, key).map_err(io::Error::other)
}

async fn accept(listener: TcpListener, acceptor: &TlsAcceptor, port: u16) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (client, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        // A client that does not like the certificate hangs up, which is its right.
        tokio::spawn(async move { relay(client, &acceptor, port).await });
    }
}

async fn relay(client: TcpStream, acceptor: &TlsAcceptor, port: u16) -> io::Result<()> {
    let mut client = acceptor.accept(client).await?;
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}
