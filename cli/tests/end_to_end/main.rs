//! The program as people and scripts run it, against a server in this process.
#![allow(clippy::unwrap_used)]

mod accounts;
mod chat; // conversations: from a stream, and from a terminal
mod files; // shared, taken, resumed
mod folders; // the same, whole or not at all
mod hostile; // servers that mean ill: names, contents, words
mod resilience; // what survives a server that stops and a client that is killed
mod rights; // who may do what in a room
mod screen; // the full screen, in tmux
mod scripts; // send, tail, history, rooms, members, wait, ping: results and exit codes
mod search; // what was said, by its words: for scripts, in line mode, on the full screen
mod strangers; // servers that are full, that speak something else, or that are not there
mod support; // a house with a server, and programs that run in it
mod terminal; // a window of tmux
mod trust; // which servers are talked to, and what is asked before
