//! Files on their way, from the side of a person: what is read and written here, how far it is, and what is kept to go on
//! later.

mod progress;
mod record;
mod run;
mod sink;
mod source;

pub(crate) use self::{
    progress::Showing,
    record::{Direction, Held, Record, Records},
    run::{Job, Kind, run},
    sink::{Destination, StandardOutput, delete_part},
    source::{FileSource, StandardInput},
};
