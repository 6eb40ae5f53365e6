//! A server and a client as a WebAssembly module. It may import nothing: no clock, no randomness, no file, no socket.
#![no_std]

extern crate alloc;

use alloc::vec::Vec;

use palabre_core::{
    channel::Channel,
    client::{Client, ClientConfig, ClientOutput},
    config::ServerConfig,
    ids::Incarnation,
    name::Nick,
    output::{Output, Source},
    password::Stretching,
    server::Server,
    storage::{Recovered, RecoveredFiles},
    time::{Monotonic, Now, WallTime},
};

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// Lets a client say hello to a server; how many bytes passed between them.
#[unsafe(no_mangle)]
pub extern "C" fn converse(seed: u8, millis: u64) -> usize {
    let now = Now { monotonic: Monotonic::from_millis(millis), wall: WallTime::from_millis(millis) };
    let incarnation = Incarnation::new(1);
    let files = RecoveredFiles::default();
    let recovered = Recovered {
        incarnation,
        rooms: Vec::new(),
        guests: Vec::new(),
        accounts: Vec::new(),
        invitations: Vec::new(),
        files,
    };
    let mut server = Server::new(ServerConfig::default(), [seed; 32], recovered, now);
    let Ok(nick) = Nick::parse("ana") else { return 0 };
    let config = ClientConfig {
        program: "purity".into(),
        nick,
        take_suggestion: true,
        asks: false,
        keeps_tokens: false,
        account: None,
        stretching_min: Stretching::LEAST,
        saved: None,
        reconnect: false,
        outbox_posts_max: 1,
    };
    let mut client = Client::new(config, [seed; 32], now);
    let Ok(id) = server.handle_connected(Source::V4([127, 0, 0, 1]), now) else { return 0 };
    server.handle_secured(id, Channel::Plain, now);
    let mut passed = 0;
    for _ in 0..100 {
        while let Some(output) = client.poll_output() {
            if output == ClientOutput::Connect {
                client.handle_connected(Channel::Plain, now);
            }
        }
        let bytes = client.sendable().to_vec();
        client.handle_sent(bytes.len(), now);
        server.handle_received(id, &bytes, now);
        server.handle_timeout(now);
        while let Some(output) = server.poll_output() {
            if let Output::Close(_) | Output::Drop(_) = output {
                return passed;
            }
        }
        let answer = server.sendable(id).to_vec();
        server.handle_sent(id, answer.len(), now);
        client.handle_received(&answer, now);
        passed += bytes.len() + answer.len();
    }
    passed
}
