//! Azurite: one emulator for all tests of a process, with an account for each test.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use azure_core::http::{ClientOptions, Transport, Url};
use azure_storage_queue::{QueueClient, QueueClientOptions};
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac;

use super::{
    error::{Error, Result, io},
    install,
    queue::StorageQueue,
};
use crate::ministack::workspace::Workspace;

/// More than the tests of a process.
const ACCOUNTS: usize = 64;
/// The key of every account.
const KEY: &[u8] = b"known to all tests";
/// The rights of a shared access signature: everything, on queues and messages, until this moment, over HTTP too.
const SIGNED: [(&str, &str); 6] = [
    ("sv", "2022-11-02"),
    ("ss", "q"),
    ("srt", "sco"),
    ("sp", "rwdlacup"),
    ("se", "2100-01-01T00:00:00Z"),
    ("spr", "https,http"),
];

/// The script ends with its parent process, however that ends: the pipe is closed then.
const SCRIPT: &str = "process.stdin.on('end', () => process.exit(0)).resume(); require(process.argv[1]);";

/// The running emulator. It ends with this process.
struct Azurite {
    port: u16,
    _child: Child,
    _pipe: Option<ChildStdin>,
}

/// An empty storage account.
#[derive(Debug, Clone)]
pub struct Account {
    /// The address of its queue service, signed.
    pub address: String,
}

/// Returns a storage account of the caller's own. The first call starts the emulator, and installs it if necessary.
///
/// # Errors
/// When Node.js is missing, and when Azurite cannot be installed or started.
pub fn account() -> Result<Account> {
    static AZURITE: OnceLock<Result<Azurite>> = OnceLock::new();
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let azurite = AZURITE.get_or_init(Azurite::start).as_ref().map_err(Clone::clone)?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    if number >= ACCOUNTS {
        return Err(Error::Host(format!("there are {ACCOUNTS} accounts, and more tests")));
    }
    let name = name(number);
    let mut address = format!("http://127.0.0.1:{}/{name}?", azurite.port);
    for (parameter, value) in SIGNED {
        let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let _ = write!(address, "{parameter}={value}&");
    }
    let signature: String = url::form_urlencoded::byte_serialize(sign(&name).as_bytes()).collect();
    let _ = write!(address, "sig={signature}");
    Ok(Account { address })
}

fn name(number: usize) -> String {
    format!("account{number}")
}

/// Returns the signature of an account (Azure Storage REST API, "Create an account SAS").
fn sign(account: &str) -> String {
    let of = |name: &str| SIGNED.iter().find(|(each, _)| *each == name).map_or("", |(_, value)| *value);
    let text = format!(
        "{account}\n{}\n{}\n{}\n\n{}\n\n{}\n{}\n\n",
        of("sp"),
        of("ss"),
        of("srt"),
        of("se"),
        of("spr"),
        of("sv")
    );
    STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY), text.as_bytes()))
}

impl Azurite {
    fn start() -> Result<Self> {
        let target = &Workspace::get().map_err(|error| Error::Host(error.to_string()))?.target_directory;
        let folder = install::azurite(target)?;
        let program = folder.join("node_modules/azurite/dist/src/queue/main.js");
        let accounts: Vec<_> =
            (0..ACCOUNTS).map(|number| format!("{}:{}", name(number), STANDARD.encode(KEY))).collect();
        let mut child = Command::new("node")
            .args(["-e", SCRIPT])
            .arg(&program)
            .args(["--queueHost", "127.0.0.1", "--queuePort", "0", "--inMemoryPersistence", "--skipApiVersionCheck"])
            .args(["--disableTelemetry", "--silent"])
            .env("AZURITE_ACCOUNTS", accounts.join(";"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(io("starting", &program))?;
        let pipe = child.stdin.take();
        let mut output = String::new();
        let mut lines = child.stdout.take().map(BufReader::new);
        while let Some(stdout) = &mut lines
            && stdout.read_line(&mut output).is_ok_and(|bytes| bytes > 0)
        {
            let port = output.lines().last().and_then(|line| line.split_once("listens on http://127.0.0.1:"));
            if let Some(port) = port.and_then(|(_, port)| port.trim().parse().ok()) {
                // The rest of the output must be read, or the process would block.
                let mut rest = lines;
                std::thread::spawn(move || rest.as_mut().map(|rest| std::io::copy(rest, &mut std::io::sink())));
                return Ok(Self { port, _child: child, _pipe: pipe });
            }
        }
        Err(Error::Azurite { output })
    }
}

impl Account {
    /// Creates a queue in the account.
    ///
    /// # Errors
    /// When the service refuses it.
    pub async fn queue(&self, name: &str) -> Result<StorageQueue> {
        let refused = |reason: String| Error::Queue { what: format!("making queue {name}"), reason };
        let mut address = Url::parse(&self.address).map_err(|error| refused(error.to_string()))?;
        if let Ok(mut path) = address.path_segments_mut() {
            path.push(name);
        }
        let options = QueueClientOptions { client_options: client_options()?, ..QueueClientOptions::default() };
        let client = QueueClient::new(address, None, Some(options)).map_err(|error| refused(error.to_string()))?;
        client.create(None).await.map_err(|error| refused(error.to_string()))?;
        Ok(StorageQueue::new(name, client))
    }
}

fn client_options() -> Result<ClientOptions> {
    let failed = |reason: String| Error::Queue { what: "making an HTTP client".into(), reason };
    let tls = lamplighter_tls::Roots::of_machine().map_err(|error| failed(error.to_string()))?;
    let tls = tls.client_config().map_err(|error| failed(error.to_string()))?;
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).build();
    let client = client.map_err(|error| failed(error.to_string()))?;
    let transport = Some(Transport::new(std::sync::Arc::new(client)));
    Ok(ClientOptions { transport, ..ClientOptions::default() })
}
