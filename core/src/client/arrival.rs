//! The messages to a client, sorted by when they may come.

use crate::wire::{
    Accepted, Challenge, Credit, Data, DeviceList, Done, Durable, Error, Event, FilesPage, Goodbye,
    HistoryPage, Invited, Joined, ManualText, MembersPage, Opened, Parted, Ping, Pong, Posted, Presence,
    ReadUpTo, Ready, Refused, Removed, RightsPage, RoomsPage, SearchPage, Sending, Stopped, Stored, ToClient,
    Trimmed, Waiting, Welcome, Window,
};

/// A message.
#[derive(Debug)]
pub(super) enum Arrival<'a> {
    /// In every phase.
    Common(Common<'a>),
    Welcome(Welcome<'a>),
    Waiting(Waiting),
    Ready(Ready<'a>),
    /// To a login or registration, or a new password.
    Challenge(Challenge<'a>),
    /// To every request, that to enter and those after it.
    Refused(Refused<'a>),
    /// To a request of one who has entered.
    Answer(Answer<'a>),
    /// To one who has entered, unasked.
    Notice(Notice<'a>),
}

#[derive(Debug)]
pub(super) enum Common<'a> {
    Ping(Ping),
    Pong(Pong),
    Goodbye(Goodbye<'a>),
    Error(Error<'a>),
}

#[derive(Debug)]
pub(super) enum Answer<'a> {
    Done(Done),
    Joined(Joined<'a>),
    Posted(Posted),
    Members(MembersPage<'a>),
    Rooms(RoomsPage<'a>),
    History(HistoryPage<'a>),
    Search(SearchPage<'a>),
    Manual(ManualText<'a>),
    Devices(DeviceList<'a>),
    Rights(RightsPage<'a>),
    Accepted(Accepted),
    Stored(Stored<'a>),
    Sending(Sending<'a>),
    Files(FilesPage<'a>),
}

#[derive(Debug)]
pub(super) enum Notice<'a> {
    Event(Event<'a>),
    Presence(Presence<'a>),
    Opened(Opened<'a>),
    Trimmed(Trimmed),
    Credit(Credit),
    Parted(Parted),
    Read(ReadUpTo),
    Removed(Removed<'a>),
    Invited(Invited<'a>),
    Window(Window),
    Durable(Durable),
    Stopped(Stopped<'a>),
    Data(Data<'a>),
}

impl<'a> From<ToClient<'a>> for Arrival<'a> {
    fn from(message: ToClient<'a>) -> Self {
        match message {
            ToClient::Ping(ping) => Self::Common(Common::Ping(ping)),
            ToClient::Pong(pong) => Self::Common(Common::Pong(pong)),
            ToClient::Goodbye(goodbye) => Self::Common(Common::Goodbye(goodbye)),
            ToClient::Error(error) => Self::Common(Common::Error(error)),
            ToClient::Welcome(welcome) => Self::Welcome(welcome),
            ToClient::Waiting(waiting) => Self::Waiting(waiting),
            ToClient::Ready(ready) => Self::Ready(ready),
            ToClient::Challenge(challenge) => Self::Challenge(challenge),
            ToClient::RightsPage(page) => Self::Answer(Answer::Rights(page)),
            ToClient::Removed(removed) => Self::Notice(Notice::Removed(removed)),
            ToClient::Invited(invited) => Self::Notice(Notice::Invited(invited)),
            ToClient::DeviceList(list) => Self::Answer(Answer::Devices(list)),
            ToClient::Parted(parted) => Self::Notice(Notice::Parted(parted)),
            ToClient::ReadUpTo(read) => Self::Notice(Notice::Read(read)),
            ToClient::Refused(refused) => Self::Refused(refused),
            ToClient::Done(done) => Self::Answer(Answer::Done(done)),
            ToClient::Joined(joined) => Self::Answer(Answer::Joined(joined)),
            ToClient::Posted(posted) => Self::Answer(Answer::Posted(posted)),
            ToClient::MembersPage(page) => Self::Answer(Answer::Members(page)),
            ToClient::RoomsPage(page) => Self::Answer(Answer::Rooms(page)),
            ToClient::HistoryPage(page) => Self::Answer(Answer::History(page)),
            ToClient::SearchPage(page) => Self::Answer(Answer::Search(page)),
            ToClient::ManualText(manual) => Self::Answer(Answer::Manual(manual)),
            ToClient::Event(event) => Self::Notice(Notice::Event(event)),
            ToClient::Presence(presence) => Self::Notice(Notice::Presence(presence)),
            ToClient::Opened(opened) => Self::Notice(Notice::Opened(opened)),
            ToClient::Trimmed(trimmed) => Self::Notice(Notice::Trimmed(trimmed)),
            ToClient::Credit(credit) => Self::Notice(Notice::Credit(credit)),
            ToClient::Accepted(accepted) => Self::Answer(Answer::Accepted(accepted)),
            ToClient::Stored(stored) => Self::Answer(Answer::Stored(stored)),
            ToClient::Sending(sending) => Self::Answer(Answer::Sending(sending)),
            ToClient::FilesPage(page) => Self::Answer(Answer::Files(page)),
            ToClient::Window(window) => Self::Notice(Notice::Window(window)),
            ToClient::Durable(durable) => Self::Notice(Notice::Durable(durable)),
            ToClient::Stopped(stopped) => Self::Notice(Notice::Stopped(stopped)),
            ToClient::Data(data) => Self::Notice(Notice::Data(data)),
        }
    }
}
