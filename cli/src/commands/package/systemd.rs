//! `lamp package systemd`.

use clap::Args;

use super::{plain, this_program};
use crate::{catalog::Catalog, error::Error, output};

/// Print a systemd unit
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp package systemd -- --stack shop > /etc/systemd/system/shop-workers.service")]
pub(super) struct Systemd {
    /// The path of this program on that machine; by default its path here
    #[arg(long, value_name = "PATH")]
    program: Option<String>,
    /// The arguments of `lamp work`
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

impl Systemd {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        let program = match self.program {
            Some(program) => program,
            None => this_program()?.display().to_string(),
        };
        // systemd expands these itself (systemd.service(5), "COMMAND LINES").
        let escape = |text: &str| text.replace('%', "%%").replace('\\', r"\\");
        let program = escape(&plain(&[program])?[0]);
        let arguments = plain(&self.arguments)?.iter().map(|one| format!(" {}", escape(one))).collect::<String>();
        let app = catalog.app().name;
        output::print(|out| out.write_all(unit(app, &program, &arguments).as_bytes()))
    }
}

/// Returns the unit. `Type=notify` waits until the worker reaches its queues; the watchdog restarts it when its loops
/// no longer turn; during the drain, the worker itself extends the stop timeout (systemd.service(5)).
fn unit(app: &str, program: &str, arguments: &str) -> String {
    format!(
        "[Unit]\n\
         Description=Jobs of {app}\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         \n\
         [Service]\n\
         Type=notify\n\
         NotifyAccess=main\n\
         ExecStart={program} work{arguments}\n\
         KillMode=mixed\n\
         Restart=always\n\
         RestartSec=1\n\
         WatchdogSec=60\n\
         DynamicUser=yes\n\
         StateDirectory={app}\n\
         WorkingDirectory=%S/{app}\n\
         ProtectSystem=strict\n\
         ProtectHome=yes\n\
         PrivateTmp=yes\n\
         NoNewPrivileges=yes\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}
