//! Servers to talk to, and raw peers to talk with.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use palabre_core::{
    ids::{Nonce, RoomId},
    storage::EventKind,
    wire::{FRAME_BYTES_MAX, FrameDecoder, Guest, Hello, Join, Post, Resume, ToClient, ToServer, Token},
};
use palabre_runtime::{
    clock::Clock,
    server::{Protection, RunningServer, ServerOptions},
    server_key::ServerKey,
};
use rustix::process::{Pid, Signal, kill_process};
use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};

use crate::tls;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server in this process that keeps nothing.
pub(crate) fn server() -> RunningServer {
    ServerOptions::ephemeral().start().unwrap()
}

/// The same without encryption.
pub(crate) fn plaintext_server() -> RunningServer {
    ServerOptions { protection: Protection::Plaintext, ..ServerOptions::ephemeral() }.start().unwrap()
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let clock = Clock::start();
    while !is_so() {
        assert!(clock.monotonic().as_micros() < PATIENCE.as_micros() as u64, "gave up waiting: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A peer that says exactly what it is told to.
pub(crate) struct Peer {
    pub(crate) stream: Stream,
    decoder: FrameDecoder,
}

/// What a peer talks over.
pub(crate) enum Stream {
    Plaintext(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plaintext(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// Says that nothing more comes.
    pub(crate) fn end(&mut self) {
        if let Self::Tls(stream) = self {
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        }
        self.socket().shutdown(Shutdown::Write).unwrap();
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plaintext(socket) => socket.read(bytes),
            Self::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plaintext(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plaintext(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

impl Peer {
    /// A peer that speaks TLS, and to any server.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::on(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn on(socket: TcpStream) -> Self {
        let name = ServerName::try_from("palabre.invalid").unwrap();
        let connection = ClientConnection::new(Arc::new(tls::client_config()), name).unwrap();
        Self::over(Stream::Tls(Box::new(StreamOwned::new(connection, socket))))
    }

    /// A peer that does not encrypt.
    pub(crate) fn plaintext(address: SocketAddr) -> Self {
        Self::over(Stream::Plaintext(TcpStream::connect(address).unwrap()))
    }

    pub(crate) fn over(stream: Stream) -> Self {
        stream.socket().set_read_timeout(Some(PATIENCE)).unwrap();
        stream.socket().set_nodelay(true).unwrap();
        Self { stream, decoder: FrameDecoder::new(FRAME_BYTES_MAX) }
    }

    pub(crate) fn say<'a>(&mut self, message: impl Into<ToServer<'a>>) {
        self.stream.write_all(&frame(message)).and_then(|()| self.stream.flush()).unwrap();
    }

    /// Reads until a message is what is looked for. `None` when the server ends the connection before.
    pub(crate) fn find<R>(&mut self, mut look: impl FnMut(&ToClient<'_>) -> Option<R>) -> Option<R> {
        loop {
            while let Some(frame) = self.decoder.next_frame().unwrap() {
                if let Some(found) = ToClient::decode(frame).unwrap().as_ref().and_then(&mut look) {
                    return Some(found);
                }
            }
            let mut bytes = [0; 16 << 10];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.decoder.push(&bytes[..count]),
                // Closed under TLS without its farewell, as a process that is killed closes.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return None,
                Err(error) => panic!("the server was waited for in vain: {error}"),
            }
        }
    }

    /// As [`find`](Self::find), of a server that may have had enough of us.
    pub(crate) fn heard<R>(&mut self, mut look: impl FnMut(&ToClient<'_>) -> Option<R>) -> Option<R> {
        loop {
            while let Ok(Some(frame)) = self.decoder.next_frame() {
                if let Some(found) = ToClient::decode(frame).ok()?.as_ref().and_then(&mut look) {
                    return Some(found);
                }
            }
            let mut bytes = [0; 16 << 10];
            match self.stream.read(&mut bytes) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.decoder.push(&bytes[..count]),
            }
        }
    }

    /// Enters as a new guest; the token to come back with.
    pub(crate) fn enter(&mut self, nick: &str) -> Token {
        self.say(hello());
        self.say(Guest { id: 1, nick });
        self.ready()
    }

    /// Enters as a guest who was here before.
    pub(crate) fn resume(&mut self, token: Token) -> Token {
        self.say(hello());
        self.say(Resume { id: 1, token });
        self.ready()
    }

    fn ready(&mut self) -> Token {
        let ready = |message: &ToClient<'_>| match message {
            ToClient::Ready(ready) => Some(Ok(ready.token)),
            ToClient::Refused(refused) => Some(Err(refused.text.to_owned())),
            _ => None,
        };
        self.find(ready).expect("the server ended the connection").unwrap()
    }

    /// Joins a room.
    pub(crate) fn join(&mut self, name: &str) -> RoomId {
        self.say(Join { id: 2, name, after: None });
        let joined = |message: &ToClient<'_>| match message {
            ToClient::Joined(joined) => Some(joined.room.room),
            _ => None,
        };
        self.find(joined).unwrap()
    }

    /// Says something in a room, and waits until it is stored.
    pub(crate) fn post(&mut self, room: RoomId, nonce: u64, text: &str) {
        self.say(post(room, nonce, text));
        let posted = |message: &ToClient<'_>| matches!(message, ToClient::Posted(_)).then_some(());
        self.find(posted).unwrap();
    }

    /// The reason of the server's goodbye.
    pub(crate) fn goodbye(&mut self) -> Option<u8> {
        self.find(|message| match message {
            ToClient::Goodbye(goodbye) => Some(goodbye.reason),
            _ => None,
        })
    }

    /// The code of the server's complaint.
    pub(crate) fn error(&mut self) -> Option<u16> {
        self.find(|message| match message {
            ToClient::Error(error) => Some(error.code),
            _ => None,
        })
    }
}

pub(crate) fn hello() -> Hello<'static> {
    Hello { first: 1, last: 1, client: "test", features: 0, session: None }
}

pub(crate) fn post(room: RoomId, nonce: u64, text: &str) -> Post<'_> {
    Post { id: 3, room, nonce: Nonce::new(nonce), kind: EventKind::Posted.number(), text, to: None }
}

pub(crate) fn frame<'a>(message: impl Into<ToServer<'a>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.into().encode(&mut bytes);
    bytes
}

/// The binary, running.
pub(crate) struct Process {
    child: Child,
    pub(crate) ready_line: String,
    /// The second line; empty without encryption.
    pub(crate) key_line: String,
    stderr: mpsc::Receiver<String>,
    pub(crate) log: String,
}

impl Process {
    /// Starts the binary on a port that is free and waits until it can be reached.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::run(&mut binary(arguments))
    }

    /// The same, with its data in a directory.
    pub(crate) fn start_in(data: &Path) -> Self {
        Self::start(&["--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()])
    }

    pub(crate) fn run(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = collect(child.stderr.take().unwrap());
        let (mut ready_line, mut key_line) = (String::new(), String::new());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut ready_line).unwrap();
        if !ready_line.is_empty() && !ready_line.contains("--plaintext") {
            stdout.read_line(&mut key_line).unwrap();
        }
        let mut process = Self { child, ready_line, key_line, stderr, log: String::new() };
        if process.ready_line.is_empty() {
            let status = process.child.wait().unwrap();
            process.read_log();
            panic!("the server did not start ({status}): {}", process.log);
        }
        process
    }

    /// Where it says that it listens first.
    pub(crate) fn address(&self) -> SocketAddr {
        let rest = self.ready_line.strip_prefix("Listening on ").unwrap();
        rest.split([' ', ';']).next().unwrap().parse().unwrap()
    }

    /// The key it says that it has.
    pub(crate) fn key(&self) -> ServerKey {
        let rest = self.key_line.strip_prefix("Its key is ").unwrap();
        rest.split([' ', ';']).next().unwrap().parse().unwrap()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let mut status = None;
        until("the end of the server", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        self.wait().code()
    }

    /// Takes what was logged so far.
    pub(crate) fn read_log(&mut self) {
        self.log.extend(self.stderr.try_iter());
    }

    pub(crate) fn until_logged(&mut self, text: &str) {
        until(text, || {
            self.read_log();
            self.log.contains(text)
        });
    }

    /// Bytes of memory it has in RAM.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix("kB").unwrap().trim().parse::<u64>().unwrap() * 1_024
    }

    /// Seconds of CPU it has used so far.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u32 = fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap();
        f64::from(ticks) / 100.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stderr: ChildStderr) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = sender.send(format!("{line}\n"));
        }
    });
    lines
}

pub(crate) fn binary(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runtime-server"));
    command.args(arguments);
    command
}

/// Runs the binary to its end: its exit code and what it wrote on stderr.
pub(crate) fn failing(arguments: &[&str]) -> (Option<i32>, String) {
    let output = binary(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}
