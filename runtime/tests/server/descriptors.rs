use std::{net::TcpStream, thread, time::Duration};

use rustix::process::{Resource, Rlimit, Signal, prlimit};

use crate::support::{Peer, Process, binary, until};

/// More connections than a server with few descriptors can take; the rest wait in the backlog.
fn crowd(server: &Process, size: usize) -> Vec<TcpStream> {
    (0..size).map(|_| TcpStream::connect(server.address()).unwrap()).collect()
}

fn limited(files: u32) -> Process {
    let program = env!("CARGO_BIN_EXE_runtime-server");
    let script = format!("ulimit -n {files}; exec {program} --ephemeral --listen 127.0.0.1:0 --limits open");
    let mut command = std::process::Command::new("sh");
    Process::run(command.args(["-c", &script]))
}

/// Says that it is out of descriptors once, uses no CPU meanwhile, and goes on when there are some.
fn survives_a_crowd(mut server: Process) {
    let crowd = crowd(&server, 200);
    server.until_logged("no more connections can be accepted for now");
    let before = server.cpu_seconds();
    thread::sleep(Duration::from_secs(2));
    let used = server.cpu_seconds() - before;
    assert!(used <= 0.1, "{used} s of CPU in 2 s without descriptors");
    server.read_log();
    assert_eq!(server.log.matches("no more connections can be accepted").count(), 1, "{}", server.log);
    drop(crowd);
    let mut peer = Peer::connect(server.address());
    peer.enter("ana");
    server.signal(Signal::TERM);
    assert!(peer.goodbye().is_some());
    drop(peer);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_server_with_few_descriptors_keeps_some_for_itself_and_recovers() {
    let mut server = limited(64);
    server.until_logged("there are fewer places");
    survives_a_crowd(server);
}

#[test]
fn descriptors_that_run_out_unforeseen_do_not_spin_and_accepting_resumes() {
    let server = Process::run(&mut binary(&["--ephemeral", "--listen", "127.0.0.1:0", "--limits", "open"]));
    prlimit(Some(server.pid()), Resource::Nofile, Rlimit { current: Some(40), maximum: Some(40) }).unwrap();
    survives_a_crowd(server);
}

#[test]
fn too_few_descriptors_for_anybody_are_told_so() {
    let program = env!("CARGO_BIN_EXE_runtime-server");
    let script = format!("ulimit -n 32; exec {program} --ephemeral --listen 127.0.0.1:0");
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("Only 32 files may be open at a time"), "{message}");
}

#[test]
fn places_of_peers_that_are_gone_are_given_again() {
    let server = limited(64);
    for _ in 0..20 {
        let crowd = crowd(&server, 20);
        drop(crowd);
    }
    let mut entered = 0;
    until("a place", || {
        Peer::connect(server.address()).enter(&format!("guest{entered}"));
        entered += 1;
        entered == 50
    });
}
