//! Files on their way, from the side of a person: what is read and written here, how far it is, and what is kept to go on
//! later.

mod incoming;
mod outgoing;
mod progress;
mod range;
mod record;
mod run;
mod running;
mod sink;
mod source;
mod summed;
mod tree;

pub(crate) use self::{
    incoming::{fetch, fetch_range, into_file},
    outgoing::{Manner, go_on, new_key, not_readable, offer_folder, own_name, share},
    progress::Showing,
    range::{Part, Range, RangeDestination},
    record::{Direction, Held, Record, Records},
    run::run,
    running::{Job, Kind, NAMES_MAX, Place, Running, numbered, resumable, to_go_on},
    sink::{Destination, StandardOutput, delete_parts},
    source::{FileSource, Offer, StandardInput},
    tree::{Links, Verdict, folder_name, stored_name},
};
