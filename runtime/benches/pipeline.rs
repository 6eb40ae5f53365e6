//! What a transfer is measured against (`docs/PERFORMANCE.md`): two threads, one connection, and nothing between them but what a file
//! needs: the same TLS, the same hash at both ends, the same checkpoints, one sync at the end.
//!
//! `cargo bench -p palabre-runtime --bench pipeline -- FILE DIRECTORY` sends FILE into DIRECTORY, in plaintext and under TLS, with
//! checkpoints as of an upload and without as of a download, and prints MiB/s.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench prints what it measured, reads the clock, and says by panicking that it cannot go on"
)]

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Instant,
};

use rustls::{ClientConnection, ServerConnection, StreamOwned, pki_types::ServerName};

#[path = "../tests/server/tls.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests need more of it")]
mod tls;

/// As `Limits::checkpoint_bytes`.
const CHECKPOINT_BYTES: u64 = 32 << 20;
/// As a `Data` frame at most.
const CHUNK_BYTES: usize = 64 << 10;

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let (Some(source), Some(folder)) = (arguments.next(), arguments.next()) else {
        println!("usage: pipeline FILE DIRECTORY");
        return;
    };
    let (source, target) = (PathBuf::from(source), Path::new(&folder).join("pipeline.part"));
    for (name, encrypted) in [("plaintext", false), ("TLS", true)] {
        for (way, checkpoints) in [("up", true), ("down", false)] {
            let rate = run(&source, &target, encrypted, checkpoints);
            println!("pipeline {name} {way} {rate:.0} MiB/s");
        }
    }
    fs::remove_file(target).unwrap();
}

/// Sends the file once; MiB/s from the first byte to the last sync.
fn run(source: &Path, target: &Path, encrypted: bool, checkpoints: bool) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let pair = tls::pair();
    let begun = Instant::now();
    let source = source.to_path_buf();
    let sender = thread::spawn(move || {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        let mut stream: Box<dyn Stream> = if encrypted {
            let name = ServerName::try_from("localhost").unwrap();
            let connection = ClientConnection::new(Arc::new(tls::client_config()), name).unwrap();
            Box::new(StreamOwned::new(connection, socket))
        } else {
            Box::new(socket)
        };
        send(&source, &mut *stream)
    });
    let (socket, _) = listener.accept().unwrap();
    socket.set_nodelay(true).unwrap();
    let mut stream: Box<dyn Stream> = if encrypted {
        let config = tls::server_config(&pair, &[tls::PALABRE]);
        Box::new(StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), socket))
    } else {
        Box::new(socket)
    };
    let (size, received) = receive(&mut *stream, target, checkpoints);
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(sender.join().unwrap(), received, "both ends have the same content");
    size as f64 / f64::from(1 << 20) / seconds
}

fn send(source: &Path, stream: &mut dyn Stream) -> blake3::Hash {
    let mut file = File::open(source).unwrap();
    let size = file.metadata().unwrap().len();
    stream.write_all(&size.to_be_bytes()).unwrap();
    let (mut hasher, mut chunk) = (blake3::Hasher::new(), vec![0; CHUNK_BYTES]);
    loop {
        let count = file.read(&mut chunk).unwrap();
        if count == 0 {
            break;
        }
        hasher.update(&chunk[..count]);
        stream.write_all(&chunk[..count]).unwrap();
    }
    stream.flush().unwrap();
    // The other end says when it has everything.
    let _ = stream.read(&mut chunk);
    hasher.finalize()
}

fn receive(stream: &mut dyn Stream, target: &Path, checkpoints: bool) -> (u64, blake3::Hash) {
    let mut size = [0; 8];
    stream.read_exact(&mut size).unwrap();
    let size = u64::from_be_bytes(size);
    let mut file = File::create(target).unwrap();
    let (mut hasher, mut chunk) = (blake3::Hasher::new(), vec![0; CHUNK_BYTES]);
    let (mut received, mut synced) = (0, 0);
    while received < size {
        let count = match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => panic!("{error}"),
        };
        hasher.update(&chunk[..count]);
        file.write_all(&chunk[..count]).unwrap();
        received += count as u64;
        if checkpoints && received - synced >= CHECKPOINT_BYTES {
            file.sync_data().unwrap();
            synced = received;
        }
    }
    file.sync_all().unwrap();
    let _ = stream.write_all(b"done").and_then(|()| stream.flush());
    (received, hasher.finalize())
}
