//! What sources over HTTP are reached with, and why no encrypted connection comes about, in words that say what to do.

use std::{error::Error, io};

use reqwest::{Client, ClientBuilder, redirect::Policy};
use rustls::CertificateError;
use url::Url;

use super::odoo::chain;

/// How the system comes to trust an authority. Its certificates are read anew for each source that is opened.
const TRUST_STORE: &str = "If its authority (CA) is your own, add the authority's certificate to those that the backup \
     server's machine trusts (Debian and Ubuntu: as /usr/local/share/ca-certificates/NAME.crt, then \
     update-ca-certificates) and try again; no restart is needed.";

/// Begins a client for one address. It trusts what the system trusts now.
pub(crate) fn client(url: &Url) -> ClientBuilder {
    crate::install_tls_provider();
    // A redirect could lead anywhere, with the master password in the form.
    let client = Client::builder().redirect(Policy::none()).no_proxy().http1_only();
    let client = client.user_agent(concat!("Holdfast/", env!("CARGO_PKG_VERSION")));
    // What is not encrypted needs none of the system's certificates, of which a small container has none.
    if url.scheme() == "http" { client.tls_certs_only([]) } else { client }
}

/// Why a connection over HTTP to `host` is not encrypted, if that is what failed.
pub(crate) fn refusal(error: &(dyn Error + 'static), host: &str) -> Option<String> {
    let refused = refused_certificate(error, host, TRUST_STORE);
    refused.or_else(|| {
        let hung_up = || Some(chain(error)).filter(|said| said.contains("tls handshake eof"));
        let said = cause(error).map(ToString::to_string).or_else(hung_up)?;
        Some(format!(
            "No encrypted connection to {host} comes about ({said}). If the server speaks http only, write http:// in the \
             address."
        ))
    })
}

/// Why the certificate of `host` is not accepted, if that is what failed; `trust` says how an authority comes to be
/// trusted.
pub(crate) fn refused_certificate(error: &(dyn Error + 'static), host: &str, trust: &str) -> Option<String> {
    let Some(rustls::Error::InvalidCertificate(why)) = cause(error) else { return None };
    Some(format!("The certificate of {host} is not accepted: {}", certificate(why, host, trust)))
}

/// Why there is no client to connect with: without any certificate to trust, none is made.
pub(crate) fn no_client(error: &reqwest::Error) -> String {
    format!(
        "The backup server cannot make encrypted connections: {}. Install the certificates of public authorities on \
         its machine (the package ca-certificates), and look at the files that SSL_CERT_FILE and SSL_CERT_DIR name, if \
         they are set for it.",
        chain(error)
    )
}

/// What TLS itself says, wherever among the causes it is.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An input or output error is not the source of what it wraps, but what it wraps has the sources.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|wrapped| wrapped as &'a (dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

fn certificate(why: &CertificateError, host: &str, trust: &str) -> String {
    use CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    match why {
        // An authority that was made anew under the same name has another signature.
        UnknownIssuer | BadSignature => format!(
            "no authority that is trusted here has issued it. {trust} If it is of a public authority, let the server send \
             the certificates in between as well (fullchain)."
        ),
        NotValidForName | NotValidForNameContext { .. } => format!(
            "it is for another name ({why}). Write the name that it is for in the address, or have one issued with {host} \
             as subjectAltName."
        ),
        Expired | ExpiredContext { .. } => {
            format!("it has expired ({why}). Have it renewed, and look whether the backup server's clock is right.")
        }
        NotValidYet | NotValidYetContext { .. } => {
            format!("it is not valid yet ({why}). Look whether the clocks of both machines are right.")
        }
        // What `openssl req -x509` makes is of an authority, and no authority may answer for a server itself.
        _ if format!("{why:?}").contains("CaUsedAsEndEntity") => format!(
            "it signs itself and is one of an authority (CA:TRUE), not one for a server. Issue one for the server by an \
             authority, or make it again with basicConstraints=CA:FALSE (openssl req -x509 … -addext \
             basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:{host}). {trust}"
        ),
        _ => format!("{why}. Have a valid one issued."),
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::UnixTime;

    use super::*;

    fn said_of(why: CertificateError) -> String {
        let error = io::Error::other(io::Error::other(rustls::Error::InvalidCertificate(why)));
        refusal(&error, "odoo.example.com").unwrap()
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_found_wherever_it_is_and_told_with_what_to_do() {
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let expired = CertificateError::ExpiredContext { time: at(2_000), not_after: at(1_000) };
        for (why, words) in [
            (CertificateError::UnknownIssuer, "update-ca-certificates"),
            (CertificateError::BadSignature, "update-ca-certificates"),
            (CertificateError::NotValidForName, "with odoo.example.com as subjectAltName"),
            (CertificateError::Expired, "Have it renewed"),
            (expired, "1000 seconds ago"),
            (CertificateError::NotValidYet, "clocks of both machines"),
            (CertificateError::Revoked, "Revoked"),
        ] {
            let said = said_of(why);
            assert!(said.starts_with("The certificate of odoo.example.com is not accepted: "), "{said}");
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn who_hangs_up_at_once_does_not_encrypt_and_other_errors_are_none_of_these() {
        let told = |error: io::Error| refusal(&error, "h");
        let hung_up = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
        assert!(told(hung_up).unwrap().contains("write http://"));
        assert!(told(io::Error::other(rustls::Error::HandshakeNotComplete)).unwrap().contains("write http://"));
        assert_eq!(told(io::ErrorKind::ConnectionRefused.into()), None);
    }
}
