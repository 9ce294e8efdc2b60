//! Reruns a test in a process of its own. What belongs to a process, such as its environment and the files that it may
//! open, is tested this way: the same test program runs once more, with one test that is otherwise ignored.

use std::{
    ffi::OsString,
    io,
    process::{Command, Output, Stdio},
};

/// Returns a command that runs one ignored test of this program.
///
/// # Errors
/// When this program cannot be found.
pub fn rerun(test: &str) -> io::Result<Command> {
    Ok(command(std::env::current_exe()?.into_os_string(), [], test))
}

/// Returns a command that runs one ignored test of this program in a process that may open this many files and sockets.
///
/// # Errors
/// When this program cannot be found.
pub fn rerun_with_files(files: u32, test: &str) -> io::Result<Command> {
    let limited = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
    let arguments = ["-c".into(), limited.into(), std::env::current_exe()?.into_os_string()];
    Ok(command("sh".into(), arguments, test))
}

fn command<const N: usize>(program: OsString, arguments: [OsString; N], test: &str) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).args(["--exact", test, "--ignored", "--nocapture"]).stdin(Stdio::null());
    command
}

/// Returns the output of a process that has succeeded.
///
/// # Errors
/// When it has failed; the error is all of its output.
pub fn printed(output: Output) -> Result<String, String> {
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(printed),
        false => Err(format!("{printed}{}", String::from_utf8_lossy(&output.stderr))),
    }
}
