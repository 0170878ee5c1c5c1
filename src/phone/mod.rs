//! A small phone for trying things out: `ringdesk call` and `ringdesk demo` are made of it. It
//! registers, calls, answers, plays and hears G.711, over UDP, one call at a time.

mod audio;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::mpsc;

use crate::clock;
use crate::core::id::{LegId, RandomSource};
use crate::core::prompt::Audio;
use crate::core::snapshot::{Listen, Protocol};
use crate::core::time::Mono;
use crate::media::command::{Agreement, Direction};
use crate::media::sdp::{self, LocalMedia, SdpSession};
use crate::sip::digest::Challenge;
use crate::sip::flow::Flow;
use crate::sip::message::{Host, Method, NameAddr, Request, Response, Uri};
use crate::sip::transaction::{ServerKey, Timers};
use crate::sip::transport::{Incoming, Limits, Transport};
use crate::sip::user_agent::{Body, Event, NextHop, OutgoingInvite, UserAgent, UserAgentConfig};

use audio::AudioTask;
pub use audio::Heard;

/// How long a registration asks to last; a demonstration is over before that.
const REGISTER_SECONDS: u32 = 600;

/// How long the other side may take to answer REGISTER.
const PATIENCE: Duration = Duration::from_secs(10);

/// A phone.
pub struct Phone {
    transport: Transport,
    incoming: mpsc::Receiver<Incoming>,
    user_agent: UserAgent,
    random: RandomSource,
    address: SocketAddr,
    name: String,
}

/// What a call is to be like.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Whom to call.
    pub target: Uri,
    /// Where the INVITE goes.
    pub server: SocketAddr,
    /// The caller's number, as the user part of From.
    pub from: String,
    /// The caller's name.
    pub from_name: Option<String>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// What to say; silence after it.
    pub play: Option<Audio>,
    /// How long to stay after the answer.
    pub stay: Duration,
    /// How long to let it ring.
    pub patience: Duration,
}

/// What happened in a call, as it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It rings there.
    Ringing,
    /// Somebody or something answered.
    Answered,
    /// The other side hung up.
    HungUpThere,
    /// We hung up.
    HungUpHere,
    /// Refused, with this status.
    Refused(u16, String),
    /// We gave up while it rang.
    GaveUp,
}

impl Phone {
    /// A phone on a free port of `ip`.
    ///
    /// # Errors
    /// No socket can be had there.
    pub async fn open(ip: IpAddr, name: &str) -> anyhow::Result<Phone> {
        let listen = Listen {
            protocol: Protocol::Udp,
            address: SocketAddr::new(ip, 0),
        };
        let (transport, incoming) = Transport::bind(&[listen], Limits::default()).await?;
        let address = transport.listening().first().context("no socket")?.address;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
        let mut random = RandomSource::from_seed(seed);
        let config = UserAgentConfig {
            user_agent_header: format!("Ringdesk-test-phone/{}", env!("CARGO_PKG_VERSION")),
            timers: Timers::default(),
        };
        let user_agent = UserAgent::new(config, random.fork());
        Ok(Phone {
            transport,
            incoming,
            user_agent,
            random,
            address,
            name: name.to_owned(),
        })
    }

    /// Registers as `user` at `server`.
    ///
    /// # Errors
    /// No answer, or another one than 200.
    pub async fn register(
        &mut self,
        server: SocketAddr,
        user: &str,
        password: &str,
    ) -> anyhow::Result<()> {
        let registrar = Uri::sip(None, Host::from(server.ip()), Some(server.port()));
        let aor = NameAddr::new(Uri::sip(Some(user), Host::from(server.ip()), None));
        let request = Request::new(Method::Register, &registrar)
            .with_header("From", aor.clone().with_tag(&self.random.token()))
            .with_header("To", aor)
            .with_header("Call-ID", self.random.token())
            .with_header(
                "Contact",
                NameAddr::new(Uri::of_address(Some(user), self.address)),
            )
            .with_header("Expires", REGISTER_SECONDS)
            .with_header("Max-Forwards", 70);
        let first = request.clone().with_header("CSeq", "1 REGISTER");
        let mut response = self.ask(first, server).await?;
        if response.status == 401 {
            let challenges = response.headers.values("WWW-Authenticate");
            let challenge =
                Challenge::choose(challenges, None).context("no challenge to answer")?;
            let uri = registrar.to_string();
            let asked = (&Method::Register, uri.as_str());
            let shown = challenge.answer((user, password), asked, 1, &mut self.random);
            let second = request
                .with_header("CSeq", "2 REGISTER")
                .with_header("Authorization", shown);
            response = self.ask(second, server).await?;
        }
        match response.status {
            200 => Ok(()),
            status => bail!("{server} answered REGISTER of {user} with {status}"),
        }
    }

    async fn ask(&mut self, request: Request, server: SocketAddr) -> anyhow::Result<Response> {
        let flow = self.flow_to(server);
        let asked = self
            .user_agent
            .send(request, flow, self.address, clock::mono());
        let until = clock::mono() + PATIENCE;
        loop {
            match self.next_event(Some(until)).await? {
                Some(Event::Response { id, response }) if id == asked => {
                    return response.map(|response| *response).context("no answer");
                }
                Some(other) => self.decline_all_but(other),
                None => bail!("no answer from {server} within {} s", PATIENCE.as_secs()),
            }
        }
    }

    /// Calls. `report` hears what happens; the audio that came is returned.
    ///
    /// # Errors
    /// No socket for audio, or an answer whose audio cannot be used.
    pub async fn call(
        &mut self,
        call: Outgoing,
        mut report: impl FnMut(Progress),
    ) -> anyhow::Result<Heard> {
        let leg = LegId(self.random.uuid(clock::wall()));
        let audio = audio::Socket::open(self.address.ip()).await?;
        let mut session = self.session(audio.port(), call.server.ip());
        let own = Uri::sip(Some(&call.from), Host::from(self.address.ip()), None);
        let invite = OutgoingInvite {
            target_uri: call.target.clone(),
            flow: self.flow_to(call.server),
            sent_by: self.address,
            contact_user: self.name.clone(),
            from: NameAddr::new(own).with_display_name(call.from_name.as_deref()),
            to: NameAddr::new(call.target.clone()),
            headers: call.headers.clone(),
            body: Some(Body::sdp(session.offer(Direction::SendRecv))),
            route: Vec::new(),
            next_hop: NextHop::Flow,
            credentials: None,
        };
        self.user_agent.invite(leg, invite, clock::mono());
        let give_up = clock::mono() + call.patience;
        loop {
            match self.next_event(Some(give_up)).await? {
                Some(Event::Progressed { status: 180.., .. }) => report(Progress::Ringing),
                Some(Event::Answered { body, .. }) => {
                    let body = body.context("the answer has no session description")?;
                    let agreement = session.accept(&body.bytes)?;
                    report(Progress::Answered);
                    return self
                        .talk(leg, audio, &agreement, call.play, call.stay, report)
                        .await;
                }
                Some(Event::Rejected { status, phrase, .. }) => {
                    self.say_the_rest();
                    report(Progress::Refused(status, phrase));
                    return Ok(Heard::default());
                }
                Some(Event::Ended { .. }) => {
                    self.say_the_rest();
                    return Ok(Heard::default());
                }
                Some(other) => self.decline_all_but(other),
                None => {
                    report(Progress::GaveUp);
                    self.user_agent.cancel(leg, None, clock::mono());
                    self.goodbye(leg).await?;
                    return Ok(Heard::default());
                }
            }
        }
    }

    /// Waits for a call, lets it ring for `ring`, answers and talks; or, with `ring` of `None`, lets
    /// it ring until the caller or the daemon ends it. Answers the headers of the INVITE's From.
    ///
    /// # Errors
    /// No socket for audio, or an offer that cannot be answered.
    pub async fn take_call(
        &mut self,
        ring: Option<Duration>,
        play: Option<Audio>,
        stay: Duration,
        mut report: impl FnMut(Progress),
    ) -> anyhow::Result<(String, Heard)> {
        let (key, request, offer, flow) = loop {
            match self.next_event(None).await? {
                Some(Event::Incoming {
                    key,
                    request,
                    offer,
                    flow,
                }) => {
                    break (key, request, offer, flow);
                }
                Some(other) => self.decline_all_but(other),
                None => {}
            }
        };
        let caller = request
            .headers
            .from()
            .map(|from| from.to_string())
            .unwrap_or_default();
        let leg = LegId(self.random.uuid(clock::wall()));
        self.user_agent
            .accept_leg(key, leg, self.address, &self.name, clock::mono());
        self.user_agent.provisional(leg, 180, clock::mono());
        report(Progress::Ringing);
        let answer_at = ring.map(|ring| clock::mono() + ring);
        loop {
            match self.next_event(answer_at).await? {
                Some(Event::Cancelled { .. } | Event::Ended { .. }) => {
                    self.say_the_rest();
                    report(Progress::HungUpThere);
                    return Ok((caller, Heard::default()));
                }
                Some(other) => self.decline_all_but(other),
                None => break,
            }
        }
        let audio = audio::Socket::open(self.address.ip()).await?;
        let mut session = self.session(audio.port(), flow.remote.ip());
        let offer = offer.context("an INVITE without an offer")?;
        let (answer, agreement) = session.answer(&offer.bytes, None, Direction::SendRecv)?;
        self.user_agent
            .answer(leg, &[], &Body::sdp(answer), clock::mono());
        report(Progress::Answered);
        let heard = self
            .talk(leg, audio, &agreement, play, stay, report)
            .await?;
        Ok((caller, heard))
    }

    /// Says what is to be said and hears what comes, until `stay` is over or the other side hangs up.
    async fn talk(
        &mut self,
        leg: LegId,
        socket: audio::Socket,
        agreement: &Agreement,
        play: Option<Audio>,
        stay: Duration,
        mut report: impl FnMut(Progress),
    ) -> anyhow::Result<Heard> {
        let task = AudioTask::start(socket, agreement, play, self.random.next_u64());
        let until = clock::mono() + stay;
        loop {
            match self.next_event(Some(until)).await? {
                Some(Event::Ended { .. } | Event::Cancelled { .. }) => {
                    self.say_the_rest();
                    report(Progress::HungUpThere);
                    return task.stop().await;
                }
                Some(other) => self.decline_all_but(other),
                None => break,
            }
        }
        report(Progress::HungUpHere);
        self.user_agent.hang_up(leg, None, clock::mono());
        self.goodbye(leg).await?;
        task.stop().await
    }

    /// Waits for the last event of a leg that was told to end.
    async fn goodbye(&mut self, leg: LegId) -> anyhow::Result<()> {
        let until = clock::mono() + PATIENCE;
        while let Some(event) = self.next_event(Some(until)).await? {
            let over = matches!(
                event,
                Event::Ended { .. } | Event::Rejected { .. } | Event::Cancelled { .. }
            );
            if over && event.leg() == Some(leg) {
                break;
            }
        }
        self.say_the_rest();
        Ok(())
    }

    /// Sends what is still to be sent; a leg is over for us before its BYE, or the answer to theirs,
    /// has left.
    fn say_the_rest(&mut self) {
        while let Some(event) = self.user_agent.poll_event() {
            match event {
                Event::Transmit { flow, bytes } => self.transport.send(flow, bytes),
                other => self.decline_all_but(other),
            }
        }
    }

    /// What nobody waits for is refused: other calls with 486, other requests with 200 or 405.
    fn decline_all_but(&mut self, event: Event) {
        let now = clock::mono();
        match event {
            Event::Incoming { key, .. } => self.user_agent.refuse(key, 486, &[], now),
            Event::Request { key, request, .. } => self.answer_request(key, &request, now),
            Event::Offered { leg, .. } => self.user_agent.answer_offer(leg, Err(488), now),
            Event::Transmit { .. }
            | Event::Cancelled { .. }
            | Event::Acknowledged { .. }
            | Event::Progressed { .. }
            | Event::Answered { .. }
            | Event::Rejected { .. }
            | Event::OfferAnswered { .. }
            | Event::OfferRejected { .. }
            | Event::Pinged { .. }
            | Event::Ended { .. }
            | Event::Response { .. } => {}
        }
    }

    fn answer_request(&mut self, key: ServerKey, request: &Request, now: Mono) {
        let status = if request.method == Method::Options {
            200
        } else {
            405
        };
        self.user_agent.respond(key, request.response(status), now);
    }

    /// The next event that is not for the network; `None` once `until` has come.
    async fn next_event(&mut self, until: Option<Mono>) -> anyhow::Result<Option<Event>> {
        loop {
            while let Some(event) = self.user_agent.poll_event() {
                match event {
                    Event::Transmit { flow, bytes } => self.transport.send(flow, bytes),
                    other => return Ok(Some(other)),
                }
            }
            let wake = [self.user_agent.next_timeout(), until]
                .into_iter()
                .flatten()
                .min();
            tokio::select! {
                incoming = self.incoming.recv() => {
                    self.take_in(incoming.context("the phone's socket was closed")?);
                }
                () = wait_until(wake) => {
                    let now = clock::mono();
                    self.user_agent.handle_timeout(now);
                    if until.is_some_and(|until| until <= now) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn take_in(&mut self, incoming: Incoming) {
        let now = clock::mono();
        match incoming {
            Incoming::Message { message, flow, .. } => {
                self.user_agent.handle_message(message, flow, now);
            }
            Incoming::SendFailed { flow } | Incoming::ConnectionClosed { flow } => {
                self.user_agent.handle_transport_error(flow, now);
            }
            Incoming::Malformed { .. } => {}
        }
    }

    fn flow_to(&self, remote: SocketAddr) -> Flow {
        Flow {
            protocol: Protocol::Udp,
            local: self.address,
            remote,
            connection: None,
        }
    }

    fn session(&mut self, port: u16, signalling: IpAddr) -> SdpSession {
        let local = LocalMedia {
            address: self.address.ip(),
            port,
            codecs: sdp::CODECS.to_vec(),
            signalling,
        };
        SdpSession::new(local, self.random.next_u64())
    }
}

/// What to say, as it is played: shared, since a prompt may be said more than once.
pub fn audio_of(path: &std::path::Path) -> anyhow::Result<Audio> {
    let audio = crate::media::prompt::load(path)?;
    Ok(Arc::new(audio))
}

async fn wait_until(at: Option<Mono>) {
    match at {
        Some(at) => tokio::time::sleep_until(clock::instant(at).into()).await,
        None => std::future::pending().await,
    }
}
