//! The machine's certificate authorities are loaded once per process, so each case runs this test program again.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test says so by failing")]

use std::fs::File;

use lamplighter_fakes::{
    Authority,
    process::{printed, rerun_with_files},
};
use lamplighter_tls::{Roots, RootsError};
use rustls::pki_types::{CertificateDer, pem::PemObject};

/// The variable with the program's task.
const TASK: &str = "LAMPLIGHTER_TLS_TEST";

fn authority() -> String {
    Authority::new().unwrap().pem()
}

/// Opens files until no more can be opened.
fn use_up_all_files() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[test]
#[ignore = "not a test of its own: the others run it"]
fn the_process_that_loads() {
    let Ok(task) = std::env::var(TASK) else { return };
    match task.as_str() {
        "starved" => {
            let files = use_up_all_files();
            assert!(files.len() > 10);
            let first = Roots::of_machine();
            drop(files);
            println!("first: {}", first.unwrap_err());
            println!("then: {}", Roots::of_machine().is_ok());
        }
        "kept" => {
            Roots::of_machine().unwrap();
            let files = use_up_all_files();
            let again = Roots::of_machine();
            drop(files);
            println!("again: {}", again.is_ok());
        }
        _ => println!("loaded: {:?}", Roots::of_machine().map_err(|error| matches!(error, RootsError::None(_)))),
    }
}

/// Runs a task in a process that may open few files and trusts these authorities, and returns its output.
fn run(task: &str, authorities: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authorities).unwrap();
    let mut process = rerun_with_files(64, "the_process_that_loads").unwrap();
    process.env(TASK, task).env("SSL_CERT_FILE", file.path()).env_remove("SSL_CERT_DIR");
    printed(process.output().unwrap()).unwrap()
}

#[test]
#[cfg(unix)]
fn authorities_unread_for_lack_of_descriptors_are_read_later() {
    let printed = run("starved", &authority());
    assert!(printed.contains("first: ") && printed.contains("too many files are open"), "{printed}");
    assert!(printed.contains("then: true"), "{printed}");
}

#[test]
#[cfg(unix)]
fn authorities_are_read_once() {
    assert!(run("kept", &authority()).contains("again: true"));
}

#[test]
#[cfg(unix)]
fn a_machine_without_authorities_is_an_error() {
    assert!(run("none", "").contains("loaded: Err(true)"));
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(run("none", nonsense).contains("loaded: Err(true)"));
    assert!(run("some", &format!("{nonsense}{}", authority())).contains("loaded: Ok("));
}

#[test]
fn pem_holds_every_authority_that_can_be_read() {
    let Ok(roots) = Roots::of_machine() else { return };
    let store = roots.client_config().is_ok();
    assert!(store);
    let pem = roots.to_pem();
    let read: Vec<_> = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().unwrap();
    let mut again = rustls::RootCertStore::empty();
    assert_eq!(again.add_parsable_certificates(read).1, 0);
    assert!(!again.is_empty());
}
