//! `lamp dashboard`.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    process::{Command, Stdio},
    time::Duration,
};

use clap::Args;
use lamplighter_dashboard::http::MachineToken;

use super::runtime;
use crate::{
    catalog::Catalog,
    error::{Error, reason},
    logging,
    output::{self, NAME, STRONG},
    place::{Place, Target, TargetKind},
    serving::{Served, Serving},
    signals, site,
};

/// Show the dashboard in a browser on this machine: what runs, what fails, and what to do about it.
///
/// It prints a link, which signs in once, as the user of this terminal. A stack is read and changed with your own AWS
/// credentials: what they allow is what the dashboard can do. It ends with Ctrl-C.
///
/// It listens on this machine alone. Where --bind names an address that others reach, only programs get in, by the tokens of
/// --token, and people do not: deploy the dashboard, or mount it in a service of your own, for them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp dashboard
  lamp dashboard --stack shop --open
  lamp dashboard --db jobs.db --port 7000 --read-only
  lamp dashboard --bind 10.0.0.5 --port 7000 --url https://jobs.example.com --token deploy:reader,retry:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
pub(crate) struct Dashboard {
    /// The port; 0 for any that is free.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    port: u16,
    /// The address to listen at.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Change nothing: every action is refused, on the pages and in the API, to every token too. A file is opened for reading only.
    #[arg(long)]
    read_only: bool,
    /// Open the link in the browser.
    #[arg(long)]
    open: bool,
    /// The URL by which others reach it, without a path; needed where --bind lets them.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Let a program in by a token, as NAME:RIGHTS:SHA256, where SHA256 is the digest of what it sends as a bearer token; may
    /// be given several times.
    #[arg(long = "token", value_name = "TOKEN", env = "LAMPLIGHTER_DASHBOARD_TOKENS", value_delimiter = ' ',
        hide_env_values = true, value_parser = token)]
    tokens: Vec<MachineToken>,
    #[command(flatten)]
    place: Place,
}

/// How often a file is looked at while a page is open. Pages over a stack ask by themselves, and seldom.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

fn token(text: &str) -> Result<MachineToken, String> {
    MachineToken::parse(text).map_err(|error| error.to_string())
}

impl Dashboard {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        logging::start(logging::QUIET)?;
        let mut signals = signals::listen("ended at once")?;
        let runtime = runtime()?;
        let outcome = runtime.block_on(async {
            let target = match self.read_only {
                true => self.place.read_only().await?,
                false => self.place.open().await?,
            };
            let serving = self.serving(catalog, &target).await?;
            self.tell(&serving)?;
            serving.run(signals.asked()).await
        });
        // Pages that are open keep their connections.
        runtime.shutdown_background();
        outcome.map(drop)
    }

    async fn serving(&self, catalog: &Catalog, target: &Target) -> Result<Serving, Error> {
        let served = Served {
            bind: self.bind,
            port: self.port,
            public_url: self.url.clone(),
            tokens: self.tokens.clone(),
            live: matches!(target.kind(), TargetKind::File(..)).then_some(LOOK_AGAIN),
            read_only: self.read_only,
        };
        Serving::open(site::of(catalog, target)?, site::viewer(self.read_only), served).await
    }

    fn tell(&self, serving: &Serving) -> Result<(), Error> {
        let url = serving.url();
        output::print(|out| writeln!(out, "{STRONG}Dashboard{STRONG:#}  {NAME}{url}{NAME:#}"))?;
        let how = match (serving.is_for_people(), self.read_only) {
            (true, false) => "the link signs in once; Ctrl-C ends it",
            (true, true) => "the link signs in once, to look and to change nothing; Ctrl-C ends it",
            (false, _) => "programs get in by their tokens; Ctrl-C ends it",
        };
        output::hint(how);
        if self.open && serving.is_for_people() {
            browse(&url).map_err(|error| {
                Error::failed(format_args!("cannot open a browser: {}; open the link yourself", reason(&error)))
            })?;
        }
        Ok(())
    }
}

/// Opens a browser, as the system does.
fn browse(url: &str) -> io::Result<()> {
    let mut command = if cfg!(windows) {
        let mut command = Command::new("rundll32");
        command.arg("url.dll,FileProtocolHandler");
        command
    } else if cfg!(target_os = "macos") {
        Command::new("open")
    } else {
        Command::new("xdg-open")
    };
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(drop)
}
