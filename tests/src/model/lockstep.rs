//! The real server and the model, side by side: the same operations, and after each the same messages.

use std::time::Duration;

use palabre_core::{
    config::{AccountsConfig, ServerConfig},
    error::ProtocolError,
    ids::Seq,
    password::{Setup, Stretching},
    time::{Monotonic, Now, WallTime},
    wire::{
        FRAME_BYTES_MAX, Follow, Frame, Guest, History, Join, Members, Part, Resume, Rooms, ToClient,
        ToServer, split_frame,
    },
};

use super::{
    Breakage, ConnectionKey, Divergence, Model, Name, Operation, Phase, Rules, Speech, driver::Driver,
    operation::HELLO, words::Words,
};

/// The server and the model, and what is common to them.
pub struct Lockstep {
    driver: Driver,
    model: Model,
    words: Words,
    /// How long after each operation everything that it causes has been sent.
    settled_after: Duration,
    trace: Vec<String>,
}

impl Lockstep {
    /// Both on an empty database. The server has sent what an operation causes after so long.
    ///
    /// # Errors
    /// Where the server does not come to rest after its start, or has no lobby.
    pub fn new(rules: Rules, settled_after: Duration) -> Result<Self, Divergence> {
        let now = Now { monotonic: Monotonic::from_millis(1_000_000), wall: WallTime::from_millis(1 << 40) };
        let manual = "How to use this server.";
        let accounts = AccountsConfig {
            setup: Setup::generate([9; 32]),
            registration: rules.registration,
            plain: false,
            stretching: Stretching::CHEAPEST,
        };
        let config = ServerConfig {
            limits: rules.limits.clone(),
            manual: manual.into(),
            accounts: Some(accounts),
            ..ServerConfig::default()
        };
        let words = Words::new(rules.limits.text_bytes_max);
        let mut model = Model::new(rules, manual, now);
        let mut driver = Driver::new(config, now);
        driver.settle(settled_after, true)?;
        model.pass_time(driver.now, true);
        model.learn_lobby(driver.store.room_named("#lobby"))?;
        Ok(Self { driver, model, words, settled_after, trace: Vec::new() })
    }

    /// Performs the operations one by one, and then asks for all that can be seen.
    ///
    /// # Errors
    /// The first difference, with all that happened until then.
    pub fn run(&mut self, operations: &[Operation]) -> Result<(), Divergence> {
        let result = operations.iter().try_for_each(|operation| self.perform(operation));
        let result = result.and_then(|()| self.visit());
        result.map_err(|divergence| Divergence(format!("{divergence}\n{}", self.trace.join("\n"))))
    }

    /// Performs one operation, and compares what every connection was sent.
    ///
    /// # Errors
    /// The first difference.
    pub fn perform(&mut self, operation: &Operation) -> Result<(), Divergence> {
        self.trace.push(format!("{operation:?}"));
        match *operation {
            Operation::Connect => self.connect().map(drop),
            Operation::Enter(name) => self.greet_with(&Speech::Guest(name)).map(drop),
            Operation::Return(user) => self.greet_with(&Speech::Resume(user)).map(drop),
            Operation::Register(name, password) => {
                let at = self.greet_with(&Speech::Register(name, password))?;
                self.answer(at, &Speech::Enrol)
            }
            Operation::LogIn(name, word) => {
                let at = self.greet_with(&Speech::Login(name, word))?;
                self.answer(at, &Speech::Prove)
            }
            Operation::ChangePassword(who, password) => self.choose_ready(who).map_or(Ok(()), |at| {
                self.speak(at, &Speech::NewPassword(password))?;
                self.answer(at, &Speech::SetPassword)
            }),
            Operation::Speak(who, ref speech) => match self.choose_ready(who) {
                Some(at) => self.speak(at, speech),
                None => self.greet_with(&Speech::Resume(who)).map(drop),
            },
            Operation::PostAndPart { who, room, posts } => {
                let post = Speech::Post { room, nonce: None, kind: 1, text: 0 };
                let mut speeches = vec![post; usize::from(posts)];
                speeches.push(Speech::Part(room));
                self.choose_ready(who).map_or(Ok(()), |at| self.speak_at_once(at, &speeches))
            }
            Operation::Interrupt(who, ref speech) => {
                self.choose_open(who).map_or(Ok(()), |at| self.speak(at, speech))
            }
            Operation::Flood(who, count) => {
                let pings: Vec<_> = (0..count).map(Speech::Ping).collect();
                self.choose_open(who).map_or(Ok(()), |at| self.speak_at_once(at, &pings))
            }
            Operation::Break(who, breakage) => {
                self.choose_open(who).map_or(Ok(()), |at| self.break_protocol(at, breakage))
            }
            Operation::Cut(who) => self.choose_open(who).map_or(Ok(()), |at| self.cut(at)),
            Operation::Sleep { millis, answering } => {
                self.settle(Duration::from_millis(millis.into()), answering)
            }
            Operation::Appoint(name) => self.appoint(name),
            Operation::Restart { orderly, seconds, trimmed } => {
                self.restart(orderly, Duration::from_secs(seconds.into()), trimmed)
            }
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// Where it is not taken.
    pub fn connect(&mut self) -> Result<ConnectionKey, Divergence> {
        self.driver.connect()?;
        Ok(self.model.connect())
    }

    /// A new connection that has said hello, and then says this.
    ///
    /// # Errors
    /// The first difference.
    pub fn greet_with(&mut self, speech: &Speech) -> Result<ConnectionKey, Divergence> {
        let at = self.connect()?;
        self.speak(at, &HELLO)?;
        self.speak(at, speech)?;
        Ok(at)
    }

    /// A client that was challenged says this.
    fn answer(&mut self, at: ConnectionKey, speech: &Speech) -> Result<(), Divergence> {
        if self.model[at].exchange.is_some() { self.speak(at, speech) } else { Ok(()) }
    }

    /// A client says something, and everything settles.
    ///
    /// # Errors
    /// The first difference.
    pub fn speak(&mut self, at: ConnectionKey, speech: &Speech) -> Result<(), Divergence> {
        self.speak_at_once(at, std::slice::from_ref(speech))
    }

    /// A client says several things at once; posts that it has no credit for it keeps to itself.
    ///
    /// # Errors
    /// The first difference.
    pub fn speak_at_once(&mut self, at: ConnectionKey, speeches: &[Speech]) -> Result<(), Divergence> {
        self.speak_unheard(at, speeches, false);
        self.settle(self.settled_after, true)
    }

    /// A client says several things at once, and nothing is compared until [`Self::settle`]. A `greedy` one posts
    /// whether it has credit or not.
    pub fn speak_unheard(&mut self, at: ConnectionKey, speeches: &[Speech], greedy: bool) {
        let mut bytes = Vec::new();
        for speech in speeches {
            let frame = self.words.encode(at, speech, &mut self.model);
            self.say(at, &frame, greedy, &mut bytes);
        }
        self.driver.send(at, &bytes);
    }

    /// A client sends this message, and everything settles.
    ///
    /// # Errors
    /// The first difference.
    pub fn send(&mut self, at: ConnectionKey, message: &ToServer<'_>) -> Result<(), Divergence> {
        let (mut frame, mut bytes) = (Vec::new(), Vec::new());
        message.encode(&mut frame);
        self.say(at, &frame, false, &mut bytes);
        self.driver.send(at, &bytes);
        self.settle(self.settled_after, true)
    }

    /// Adds the frame to what is sent, but for a post without credit unless the client is `greedy`.
    fn say(&mut self, at: ConnectionKey, frame: &[u8], greedy: bool, bytes: &mut Vec<u8>) {
        let (body, _) = split_frame(frame, FRAME_BYTES_MAX).expect("a short frame").expect("a whole frame");
        let message = ToServer::decode(body).expect("what is encoded decodes").expect("a kind that is known");
        if let ToServer::Post(post) = &message
            && !greedy
            && !self.model.may_post(at, post.text.len() as u64)
        {
            return;
        }
        let outcome = self.model.receive(at, &message);
        self.trace.push(format!("    {at:?} says {message:?}: {outcome:?}"));
        bytes.extend_from_slice(frame);
    }

    fn break_protocol(&mut self, at: ConnectionKey, breakage: Breakage) -> Result<(), Divergence> {
        let ready = matches!(self.model[at].phase, Phase::Ready { .. });
        let cap: u32 = if ready { 66_560 } else { 4_096 };
        let too_long = (cap + 1).to_be_bytes();
        let (bytes, error): (&[u8], _) = match breakage {
            Breakage::Empty => (&[0, 0, 0, 0], Some(ProtocolError::FrameEmpty)),
            Breakage::TooLong => (&too_long, Some(ProtocolError::FrameTooLong)),
            Breakage::UnknownKind => (&[0, 0, 0, 2, 0x7e, 0x80], Some(ProtocolError::UnknownKind)),
            Breakage::Skippable => (&[0, 0, 0, 2, 0xa0, 0xff], None),
            Breakage::WrongDirection => (&[0, 0, 0, 3, 0x43, 0x81, 1], Some(ProtocolError::UnexpectedKind)),
            Breakage::Malformed => (&[0, 0, 0, 2, 0x01, 0x80], Some(ProtocolError::MalformedBody)),
            Breakage::Trailing => (&[0, 0, 0, 4, 0x01, 0x81, 1, 1], Some(ProtocolError::TrailingBytes)),
        };
        self.driver.send(at, bytes);
        match error {
            Some(error) => self.model.receive_broken(at, error),
            None => self.model.receive_skippable(at),
        }
        self.settle(self.settled_after, true)
    }

    /// A connection ends without a word.
    fn cut(&mut self, at: ConnectionKey) -> Result<(), Divergence> {
        self.model.cut(at);
        self.driver.cut(at);
        self.settle(self.settled_after, true)
    }

    /// The server stops, orderly or not, and starts again later.
    ///
    /// # Errors
    /// The first difference.
    pub fn restart(&mut self, orderly: bool, down: Duration, trimmed: Option<u8>) -> Result<(), Divergence> {
        if orderly {
            self.driver.shut_down();
            self.model.shut_down();
            self.settle(self.settled_after, true)?;
        }
        let now =
            Now { monotonic: self.driver.now.monotonic.after(down), wall: self.driver.now.wall.after(down) };
        self.restart_at(now, trimmed)
    }

    /// The server stops, an account is made an operator on its own machine, and it starts again.
    fn appoint(&mut self, name: Name) -> Result<(), Divergence> {
        let Some(user) = self.model.account_named(name.nick()) else { return Ok(()) };
        self.driver.shut_down();
        self.model.shut_down();
        self.settle(self.settled_after, true)?;
        let room = self.driver.appoint(self.model.id_of(user), &self.model[user].nick);
        self.model.appoint(user, room)?;
        self.restart_at(self.driver.now, None)
    }

    /// The process ends, and another starts when the clocks show this.
    ///
    /// # Errors
    /// The first difference.
    pub fn restart_at(&mut self, now: Now, trimmed: Option<u8>) -> Result<(), Divergence> {
        if let Some((room, first)) = trimmed.and_then(|number| self.model.trim(number)) {
            self.driver.store.trim(room, Seq::new(first));
        }
        self.model.restart(now);
        self.driver.restart(now);
        self.settle(self.settled_after, true)
    }

    /// Lets time pass, and compares what every connection was sent.
    ///
    /// # Errors
    /// The first difference.
    pub fn settle(&mut self, passed: Duration, answering: bool) -> Result<(), Divergence> {
        self.let_pass(passed, answering)?;
        for at in self.model.connection_keys() {
            let frames = self.driver.take_frames(at);
            let mut sent = Vec::new();
            for (kind, body) in &frames {
                let message = ToClient::decode(Frame { kind: *kind, body });
                sent.extend(message.map_err(|error| Divergence(format!("{at:?} finds {error}")))?);
            }
            for message in &sent {
                if let ToClient::Challenge(challenge) = message {
                    self.words.secrets.answer(at, challenge);
                }
            }
            self.trace.extend(sent.iter().map(|message| format!("        {at:?} is sent {message:?}")));
            self.model.check(at, &sent, self.driver.is_closed(at))?;
        }
        Ok(())
    }

    /// Lets time pass, and some more after whatever happened by itself near the end.
    fn let_pass(&mut self, passed: Duration, answering: bool) -> Result<(), Divergence> {
        self.driver.settle(passed, answering)?;
        let now = self.driver.now;
        let last = self.model.pass_time(now, answering);
        if last.is_some_and(|last| now.monotonic.since(last) < self.settled_after) {
            return self.let_pass(self.settled_after, answering);
        }
        Ok(())
    }

    /// Which connection a number stands for, among those that have not ended.
    fn choose_open(&self, number: u8) -> Option<ConnectionKey> {
        self.choose(number, |phase| *phase != Phase::Closed)
    }

    /// Which connection a number stands for, among those that have entered.
    fn choose_ready(&self, number: u8) -> Option<ConnectionKey> {
        self.choose(number, |phase| matches!(phase, Phase::Ready { .. }))
    }

    fn choose(&self, number: u8, fits: fn(&Phase) -> bool) -> Option<ConnectionKey> {
        let keys: Vec<_> = self.model.connection_keys().filter(|key| fits(&self.model[*key].phase)).collect();
        keys.get(usize::from(number).checked_rem(keys.len())?).copied()
    }

    /// What the clocks show.
    #[must_use]
    pub const fn now(&self) -> Now {
        self.driver.now
    }

    /// Asks for everything that can be seen: a stranger goes through all named rooms, and each user that is left
    /// comes back to its own.
    fn visit(&mut self) -> Result<(), Divergence> {
        for at in self.model.connection_keys() {
            self.cut(at)?;
        }
        let stranger = self.connect()?;
        self.speak(stranger, &HELLO)?;
        self.send(stranger, &ToServer::Guest(Guest { id: 0, nick: "visitor" }))?;
        for room in self.model.all_room_ids() {
            self.send(stranger, &ToServer::Rooms(Rooms { id: 0, after: Some(room) }))?;
        }
        for name in self.model.all_room_names() {
            self.send(stranger, &ToServer::Join(Join { id: 0, name: &name, after: Some(Seq::new(0)) }))?;
            self.look_around(stranger)?;
        }
        for token in self.model.all_tokens() {
            let at = self.connect()?;
            self.speak(at, &HELLO)?;
            self.send(at, &ToServer::Resume(Resume { id: 0, token }))?;
            self.look_around(at)?;
            self.cut(at)?;
        }
        Ok(())
    }

    /// Asks for every page of members and events of the rooms a user is in, from every place a page can begin, and
    /// leaves those that can be left.
    fn look_around(&mut self, at: ConnectionKey) -> Result<(), Divergence> {
        let Phase::Ready { user } = self.model[at].phase else { return Ok(()) };
        for (room, last) in self.model.rooms_and_ends_of(user) {
            self.send(at, &ToServer::Follow(Follow { id: 0, room, after: Some(Seq::new(0)) }))?;
            for after in self.model.all_user_ids() {
                self.send(at, &ToServer::Members(Members { id: 0, room, after: Some(after) }))?;
            }
            for before in (1..=last + 1).map(Seq::new) {
                self.send(at, &ToServer::History(History { id: 0, room, before: Some(before), limit: 0 }))?;
            }
            self.send(at, &ToServer::Part(Part { id: 0, room }))?;
        }
        Ok(())
    }
}
