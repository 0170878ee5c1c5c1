//! SIP over TCP (RFC 3261 §18, RFC 5626 §3.5.1 for keep-alives): connections that others open, and
//! those that we open when something is to be sent.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::admission::{self, Verdict};
use super::{Incoming, Intake, Limits, add};
use crate::clock;
use crate::core::snapshot::Protocol;
use crate::core::time::Mono;
use crate::sip::flow::{ConnectionId, Flow};
use crate::sip::message::{Frame, Message, StreamReader};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Messages that may wait to be written to one connection.
const QUEUE_MESSAGES: usize = 512;

/// Octets that may wait to be written to one connection: some 200 messages. More means that the other
/// side has stopped reading.
const QUEUE_OCTETS: usize = 256 * 1024;

/// Octets read at once.
const READ_OCTETS: usize = 16 * 1024;

/// Octets taken from the queue for one write.
const WRITE_OCTETS: usize = 64 * 1024;

/// Silence after which the kernel asks whether the other side is still there, and how often.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

/// How long written octets may stay unacknowledged. A phone that lost its network is noticed by then,
/// not after the kernel's 15 minutes.
const USER_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a connection that is given up may take for its last octets.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// When accepting fails because handles ran out: how long until it is tried again, unless a
/// connection closes before.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// The TCP connections there are.
pub(super) struct TcpConnections {
    intake: Intake,
    /// Where connections live, whichever thread asks for one.
    runtime: Handle,
    limits: Limits,
    table: Mutex<Table>,
    /// Told when one closes.
    closed: Notify,
}

#[derive(Default)]
struct Table {
    open: HashMap<ConnectionId, Connection>,
    by_remote: HashMap<SocketAddr, ConnectionId>,
    by_source: HashMap<IpAddr, usize>,
    last_id: u64,
    is_shut: bool,
}

struct Connection {
    remote: SocketAddr,
    outbox: Outbox,
    task: Option<AbortHandle>,
}

/// What waits to be written to a connection.
#[derive(Clone)]
struct Outbox {
    queue: mpsc::Sender<Bytes>,
    octets: Arc<AtomicUsize>,
    give_up: Arc<Notify>,
}

/// The connection's end of its outbox.
struct Queue {
    queue: mpsc::Receiver<Bytes>,
    octets: Arc<AtomicUsize>,
    give_up: Arc<Notify>,
}

/// Why nothing was sent.
pub(super) struct Unsent;

impl TcpConnections {
    pub fn new(intake: Intake, limits: Limits, runtime: Handle) -> TcpConnections {
        TcpConnections {
            intake,
            runtime,
            limits,
            table: Mutex::default(),
            closed: Notify::new(),
        }
    }

    /// Sends over the connection that `flow` names, or over any to its remote side, which is opened
    /// where there is none.
    pub fn send(self: &Arc<TcpConnections>, flow: Flow, bytes: Bytes) -> Result<(), Unsent> {
        let mut table = self.table();
        let id = match flow.connection {
            Some(id) => id,
            None => match table.by_remote.get(&flow.remote) {
                Some(id) => *id,
                None => self.open(&mut table, flow)?,
            },
        };
        let connection = table.open.get(&id).ok_or(Unsent)?;
        if connection.outbox.put(bytes).is_err() {
            // The connection's task reports that it closed.
            connection.outbox.give_up.notify_one();
            table.remove(id);
        }
        Ok(())
    }

    /// Closes everything at once.
    pub fn shut(&self) {
        let mut table = self.table();
        table.is_shut = true;
        for (_, connection) in table.open.drain() {
            if let Some(task) = connection.task {
                task.abort();
            }
        }
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.table().open.len()
    }

    fn open(
        self: &Arc<TcpConnections>,
        table: &mut Table,
        flow: Flow,
    ) -> Result<ConnectionId, Unsent> {
        if table.open.len() >= self.limits.connections {
            return Err(Unsent);
        }
        let (id, queue) = table.add(flow.remote).ok_or(Unsent)?;
        let flow = Flow {
            connection: Some(id),
            ..flow
        };
        let task = self.runtime.spawn(connect(Arc::clone(self), flow, queue));
        table.supervise(id, task.abort_handle());
        Ok(id)
    }

    fn accept(self: &Arc<TcpConnections>, stream: TcpStream, remote: SocketAddr) {
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let mut table = self.table();
        let of_source = table.by_source.get(&remote.ip()).copied().unwrap_or(0);
        let is_too_many = table.open.len() >= self.limits.connections
            || of_source >= self.limits.connections_per_source;
        if is_too_many {
            return add(&self.intake.counters.connections_refused);
        }
        let Some((id, queue)) = table.add(remote) else {
            return;
        };
        let flow = Flow {
            protocol: Protocol::Tcp,
            local,
            remote,
            connection: Some(id),
        };
        let task = self
            .runtime
            .spawn(converse(Arc::clone(self), stream, flow, queue, false));
        table.supervise(id, task.abort_handle());
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, id: ConnectionId) {
        self.table().remove(id);
        self.closed.notify_waiters();
    }
}

impl Table {
    fn add(&mut self, remote: SocketAddr) -> Option<(ConnectionId, Queue)> {
        if self.is_shut {
            return None;
        }
        self.last_id += 1;
        let id = ConnectionId(self.last_id);
        let (sender, receiver) = mpsc::channel(QUEUE_MESSAGES);
        let octets = Arc::new(AtomicUsize::new(0));
        let give_up = Arc::new(Notify::new());
        let outbox = Outbox {
            queue: sender,
            octets: Arc::clone(&octets),
            give_up: Arc::clone(&give_up),
        };
        self.open.insert(
            id,
            Connection {
                remote,
                outbox,
                task: None,
            },
        );
        self.by_remote.insert(remote, id);
        *self.by_source.entry(remote.ip()).or_default() += 1;
        Some((
            id,
            Queue {
                queue: receiver,
                octets,
                give_up,
            },
        ))
    }

    fn supervise(&mut self, id: ConnectionId, task: AbortHandle) {
        if let Some(connection) = self.open.get_mut(&id) {
            connection.task = Some(task);
        }
    }

    fn remove(&mut self, id: ConnectionId) {
        let Some(connection) = self.open.remove(&id) else {
            return;
        };
        let remote = connection.remote;
        if self.by_remote.get(&remote) == Some(&id) {
            self.by_remote.remove(&remote);
        }
        if let Some(count) = self.by_source.get_mut(&remote.ip()) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_source.remove(&remote.ip());
            }
        }
    }
}

impl Outbox {
    fn put(&self, bytes: Bytes) -> Result<(), Unsent> {
        let length = bytes.len();
        if self.octets.load(Ordering::Relaxed).saturating_add(length) > QUEUE_OCTETS {
            return Err(Unsent);
        }
        self.octets.fetch_add(length, Ordering::Relaxed);
        self.queue.try_send(bytes).map_err(|_| Unsent)
    }
}

impl Queue {
    fn taken(&self, bytes: &Bytes) {
        self.octets.fetch_sub(bytes.len(), Ordering::Relaxed);
    }
}

/// Binds a listening socket.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts connections for as long as it is let.
pub(super) async fn accept(listener: TcpListener, connections: Arc<TcpConnections>) {
    loop {
        match listener.accept().await {
            Ok((stream, remote)) => connections.accept(stream, remote),
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => {
                add(&connections.intake.counters.connections_refused);
                let _ = timeout(ACCEPT_AGAIN, connections.closed.notified()).await;
            }
        }
    }
}

/// Whether accepting failed because of the connection itself, so that the next one may be fine.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

async fn connect(connections: Arc<TcpConnections>, flow: Flow, queue: Queue) {
    let id = flow.connection;
    match timeout(connections.limits.connect, connected(flow)).await {
        Ok(Ok((stream, local))) => {
            converse(connections, stream, Flow { local, ..flow }, queue, true).await;
        }
        Ok(Err(_)) | Err(_) => {
            if let Some(id) = id {
                connections.forget(id);
            }
            let flow = Flow {
                connection: None,
                ..flow
            };
            connections
                .intake
                .report(Incoming::SendFailed { flow })
                .await;
        }
    }
}

async fn connected(flow: Flow) -> io::Result<(TcpStream, SocketAddr)> {
    let socket = match flow.remote {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    let local = flow.local.ip();
    if !local.is_unspecified() && local.is_ipv4() == flow.remote.is_ipv4() {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    let stream = socket.connect(flow.remote).await?;
    let local = stream.local_addr()?;
    Ok((stream, local))
}

/// The life of a connection.
async fn converse(
    connections: Arc<TcpConnections>,
    mut stream: TcpStream,
    flow: Flow,
    queue: Queue,
    is_ours: bool,
) {
    prepare(&stream);
    let mut conversation = Conversation {
        intake: &connections.intake,
        limits: &connections.limits,
        flow,
        reader: StreamReader::new(),
        outgoing: BytesMut::new(),
        is_proven: is_ours,
        active: clock::mono(),
        message_began: None,
    };
    conversation.run(&mut stream, queue).await;
    let rest = std::mem::take(&mut conversation.outgoing);
    if let Some(id) = flow.connection {
        connections.forget(id);
    }
    // Nothing waits for this: the other side gets it or has gone.
    let _ = timeout(LAST_WORDS, async {
        stream.write_all(&rest).await?;
        stream.shutdown().await
    })
    .await;
    connections
        .intake
        .report(Incoming::ConnectionClosed { flow })
        .await;
}

/// Failing here costs speed or patience only.
fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(&KEEPALIVE);
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
}

struct Conversation<'a> {
    intake: &'a Intake,
    limits: &'a Limits,
    flow: Flow,
    reader: StreamReader,
    outgoing: BytesMut,
    /// A message has come over it, or we opened it.
    is_proven: bool,
    active: Mono,
    /// When the octets that are not a whole message yet began to come.
    message_began: Option<Mono>,
}

/// The connection is to be closed.
struct Over;

impl Conversation<'_> {
    async fn run(&mut self, stream: &mut TcpStream, mut queue: Queue) {
        let (mut read, mut write) = stream.split();
        let mut arrived = BytesMut::with_capacity(READ_OCTETS);
        let mut patience = pin!(sleep_until(self.deadline()));
        loop {
            let can_take = self.outgoing.len() < WRITE_OCTETS;
            tokio::select! {
                result = read.read_buf(&mut arrived), if can_take => match result {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {
                        if self.take(&mut arrived).await.is_err() {
                            return;
                        }
                        arrived.reserve(READ_OCTETS);
                    }
                },
                result = write.write_buf(&mut self.outgoing), if !self.outgoing.is_empty() => {
                    if result.is_err() {
                        return;
                    }
                    self.active = clock::mono();
                }
                next = queue.queue.recv(), if can_take => match next {
                    None => return,
                    Some(bytes) => {
                        queue.taken(&bytes);
                        self.outgoing.extend_from_slice(&bytes);
                        self.take_more(&mut queue);
                    }
                },
                () = queue.give_up.notified() => {
                    self.outgoing.clear();
                    return;
                }
                () = &mut patience => {
                    if self.deadline() <= Instant::from_std(clock::instant(clock::mono())) {
                        return;
                    }
                }
            }
            if patience.deadline() > self.deadline() || patience.is_elapsed() {
                patience.as_mut().reset(self.deadline());
            }
        }
    }

    /// What waits beside the first goes in the same write.
    fn take_more(&mut self, queue: &mut Queue) {
        while self.outgoing.len() < WRITE_OCTETS {
            let Ok(bytes) = queue.queue.try_recv() else {
                return;
            };
            queue.taken(&bytes);
            self.outgoing.extend_from_slice(&bytes);
        }
    }

    /// Octets have come.
    async fn take(&mut self, arrived: &mut BytesMut) -> Result<(), Over> {
        self.reader.push(arrived);
        arrived.clear();
        self.active = clock::mono();
        loop {
            match self.reader.next_frame() {
                Ok(Some(frame)) => {
                    self.message_began = None;
                    self.take_frame(frame).await;
                }
                Ok(None) => break,
                Err(_) => {
                    add(&self.intake.counters.malformed);
                    return Err(Over);
                }
            }
        }
        if self.reader.is_between_messages() {
            self.message_began = None;
        } else {
            self.message_began.get_or_insert(self.active);
        }
        Ok(())
    }

    async fn take_frame(&mut self, frame: Frame) {
        match frame {
            Frame::KeepAlive => self.outgoing.extend_from_slice(b"\r\n"),
            Frame::Message(Ok(message)) => {
                self.is_proven = true;
                add(&self.intake.counters.received);
                self.take_message(message).await;
            }
            Frame::Message(Err(error)) => {
                add(&self.intake.counters.received);
                if let Some((bytes, _)) = self.intake.malformed(error, self.flow) {
                    self.outgoing.extend_from_slice(&bytes);
                }
            }
        }
    }

    async fn take_message(&mut self, message: Message) {
        match admission::judge_reliable(&message, self.intake.room()) {
            // Over TCP nothing comes again: what is not refused waits, and the sender with it.
            Verdict::Take | Verdict::Drop => {
                let at = clock::mono();
                let flow = self.flow;
                self.intake
                    .report(Incoming::Message { message, flow, at })
                    .await;
            }
            Verdict::Refuse => {
                if let Some((bytes, _)) = self.intake.refusal(&message, self.flow) {
                    self.outgoing.extend_from_slice(&bytes);
                }
            }
        }
    }

    /// When the connection has been silent, or a message unfinished, for too long.
    fn deadline(&self) -> Instant {
        let silent = if self.is_proven {
            self.limits.idle
        } else {
            self.limits.unproven
        };
        let silent = self.active + silent;
        let unfinished = self.message_began.map(|began| began + self.limits.unproven);
        Instant::from_std(clock::instant(
            unfinished.map_or(silent, |at| at.min(silent)),
        ))
    }
}
