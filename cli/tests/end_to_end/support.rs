//! A house with a server, and programs that run in it.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Duration,
};

use palabre_core::{
    config::{FilesConfig, Registration, ServerConfig},
    limits::Limits,
    password::Stretching,
};
use palabre_runtime::{
    clock::Clock,
    listen::ListenAddress,
    server::{Data, IdentitySource, Protection, RunningServer, ServerOptions},
    server_key::ServerKey,
    storage::SqliteOptions,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server, and a home for those who connect to it.
pub(crate) struct House {
    home: TempDir,
    address: SocketAddr,
    config: ServerConfig,
    protection: Protection,
    registration: Registration,
    server: Option<RunningServer>,
}

impl House {
    /// With a server that takes as many posts as it is sent.
    pub(crate) fn new() -> Self {
        Self::with_limits(Limits::open())
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        Self::configured(ServerConfig { limits, ..open() })
    }

    fn configured(config: ServerConfig) -> Self {
        let home = tempfile::tempdir().unwrap();
        let protection = Protection::Tls(IdentitySource::Kept { directory: home.path().join("data") });
        Self::furnished(home, config, protection)
    }

    /// With a server that makes accounts by invitation.
    pub(crate) fn by_invitation() -> Self {
        Self::registering(Registration::Invite)
    }

    /// With a server that makes no accounts.
    pub(crate) fn closed() -> Self {
        Self::registering(Registration::Closed)
    }

    fn registering(registration: Registration) -> Self {
        let mut house = Self::new();
        house.stop_server();
        house.registration = registration;
        house.start_server();
        house
    }

    /// A code for one account, made beside the server.
    pub(crate) fn invite(&self) -> String {
        palabre_runtime::accounts::invite(&self.path("data"), 1, 24).unwrap()
    }

    /// With a server that lets no guests in.
    pub(crate) fn for_accounts() -> Self {
        Self::configured(ServerConfig { guests: false, ..open() })
    }

    /// With a server that takes files.
    pub(crate) fn with_files(limits: Limits, files: FilesConfig) -> Self {
        let mut house = Self::with_limits(limits);
        house.stop_server();
        house.config.files = files;
        house.start_server();
        house
    }

    /// With a server that does not encrypt.
    pub(crate) fn in_plaintext() -> Self {
        Self::furnished(tempfile::tempdir().unwrap(), open(), Protection::Plaintext)
    }

    fn furnished(home: TempDir, config: ServerConfig, protection: Protection) -> Self {
        let address = ([127, 0, 0, 1], 0).into();
        let registration = Registration::Open;
        let mut house = Self { home, address, config, protection, registration, server: None };
        house.start_server();
        house
    }

    /// Starts the server, or starts it again where it was.
    pub(crate) fn start_server(&mut self) {
        let options = ServerOptions {
            listen: vec![ListenAddress::Address(self.address)],
            data: Data::Sqlite(SqliteOptions::new(self.home.path().join("data"))),
            config: self.config.clone(),
            stretching: Stretching::LEAST,
            registration: self.registration,
            protection: self.protection.clone(),
            ..ServerOptions::ephemeral()
        };
        let clock = Clock::start();
        // Somebody's connection may have been given its port meanwhile.
        let server = loop {
            match options.clone().start() {
                Ok(server) => break server,
                Err(error) if self.address.port() != 0 && clock.now().monotonic.as_micros() < 10_000_000 => {
                    assert!(error.to_string().contains("in use"), "{error}");
                    thread::sleep(Duration::from_millis(50));
                }
                Err(error) => panic!("the server does not start: {error}"),
            }
        };
        self.address = server.addresses()[0];
        self.server = Some(server);
    }

    /// Stops the server as a crash would: connections are cut.
    pub(crate) fn stop_server(&mut self) {
        let server = self.server.take().unwrap();
        server.remote().stop_now();
        let _ = server.join();
    }

    /// The key that the server shows.
    pub(crate) fn key(&self) -> ServerKey {
        self.server.as_ref().unwrap().key().unwrap()
    }

    /// Has the server show another key from its next start on.
    pub(crate) fn lose_key(&mut self) {
        self.protection = Protection::Tls(IdentitySource::Ephemeral);
    }

    /// Has the server show a certificate of the operator's from its next start on.
    pub(crate) fn show(&mut self, certificate: PathBuf, key: PathBuf) {
        self.protection = Protection::Tls(IdentitySource::Files { certificate, key });
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// A file of the home.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn server_name(&self) -> String {
        self.address.to_string()
    }

    /// The folder in which the sessions of this server are saved.
    pub(crate) fn sessions(&self) -> PathBuf {
        self.home.path().join("state/palabre/sessions").join(self.address.to_string())
    }

    /// The program, ready to run.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cli"));
        self.furnish(&mut command);
        command.args(arguments);
        command
    }

    /// The program on a terminal.
    pub(crate) fn command_on_a_terminal(&self, arguments: &str) -> Command {
        let mut command = Command::new("script");
        self.furnish(&mut command);
        let typed = format!("stty rows 24 cols 80; exec {} {arguments}", env!("CARGO_BIN_EXE_cli"));
        command.args(["-qec", &typed, "/dev/null"]).env("TERM", "xterm").env("NO_COLOR", "1");
        command
    }

    pub(crate) fn furnish(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.home.path())
            .env("XDG_STATE_HOME", self.home.path().join("state"))
            .env("XDG_CONFIG_HOME", self.home.path().join("config"))
            .env("PALABRE_SERVER", self.address.to_string())
            .env("USER", "ana")
            .env("TZ", "UTC")
            .stdin(Stdio::null());
    }

    /// Runs the program to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Finished {
        Running::start(self.command(arguments)).finish()
    }

    /// Runs the program with this input to its end.
    pub(crate) fn run_with<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: &str,
    ) -> Finished {
        let mut running = Running::start(self.command(arguments));
        running.write(input);
        running.finish()
    }

    /// Starts the program.
    pub(crate) fn start<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Running {
        Running::start(self.command(arguments))
    }

    /// What was said in a room, as texts.
    pub(crate) fn texts(&self, room: &str) -> Vec<String> {
        let history = self.run(["history", room, "-n", "100000", "--json"]);
        history.records().iter().map(|record| record["text"].as_str().unwrap().to_owned()).collect()
    }
}

/// A server that takes as many posts as it is sent.
fn open() -> ServerConfig {
    ServerConfig { limits: Limits::open(), ..ServerConfig::default() }
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Finished {
    /// The standard output, which must be JSON Lines of version 1.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        assert_eq!(self.code, 0, "{self:?}");
        self.output.lines().map(record).collect()
    }
}

/// A line of `--json`.
pub(crate) fn record(line: &str) -> serde_json::Value {
    let record: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(record["v"], 1, "{line}");
    record
}

/// A program that runs.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    errors: Receiver<String>,
    seen_errors: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = lines_of(child.stdout.take().unwrap());
        let errors = lines_of(child.stderr.take().unwrap());
        Self { input: child.stdin.take(), output, errors, seen_errors: String::new(), child }
    }

    /// Writes to its standard input.
    pub(crate) fn write(&mut self, text: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(text.as_bytes()).and_then(|()| input.flush()).unwrap();
    }

    /// The next line of standard output.
    pub(crate) fn line(&mut self) -> String {
        match self.output.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => panic!("no line: {error}; standard error: {}", self.drain_errors()),
        }
    }

    /// Reads standard output up to a line that contains this.
    pub(crate) fn line_with(&mut self, part: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Reads standard error up to a line that contains this.
    pub(crate) fn error_with(&mut self, part: &str) -> String {
        loop {
            match self.errors.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => self.seen_errors.push_str(&format!("{line}\n")),
                Err(error) => panic!("no error with {part}: {error}; before: {}", self.seen_errors),
            }
        }
    }

    fn drain_errors(&mut self) -> String {
        self.errors.try_iter().for_each(|line| self.seen_errors.push_str(&format!("{line}\n")));
        self.seen_errors.clone()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Nobody reads its standard output any more.
    pub(crate) fn close_output(&mut self) {
        let (_, nothing) = mpsc::channel();
        self.output = nothing;
    }

    /// Ends its standard input, and waits for its end.
    pub(crate) fn finish(mut self) -> Finished {
        drop(self.input.take());
        let code = self.wait();
        let output = self.output.iter().map(|line| line + "\n").collect();
        self.errors.iter().for_each(|line| self.seen_errors.push_str(&format!("{line}\n")));
        Finished { code, output, errors: std::mem::take(&mut self.seen_errors) }
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> i32 {
        let clock = Clock::start();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            if clock.now().monotonic.as_micros() > PATIENCE.as_micros() as u64 {
                let errors = self.drain_errors();
                let _ = self.child.kill();
                panic!("the program does not end; standard error: {errors}");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a stream, read on a thread of its own; it is closed when nobody takes them any more.
fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(stream.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
            if sender.send(text).is_err() {
                return;
            }
            line.clear();
        }
    });
    lines
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let (_sender, never) = mpsc::channel::<()>();
    let clock = Clock::start();
    while !is_so() {
        assert!(clock.now().monotonic.as_micros() < PATIENCE.as_micros() as u64, "gave up waiting: {what}");
        assert_eq!(never.recv_timeout(Duration::from_millis(10)), Err(RecvTimeoutError::Timeout));
    }
}
