//! The load generator: one thread, one poll, whole-buffer reads and writes, and a check of every message.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mio::{Events, Interest, Poll, Token};

use crate::endpoint::Endpoint;
use crate::frames::{self, Inbound, Protocol, Template};
use crate::link::Link;
use crate::scenario::Shape;
use crate::tally::Tally;

/// Bytes of one read.
const READ: usize = 256 * 1024;

/// Bytes of messages that one publisher prepares and writes at once.
const WRITE: usize = 128 * 1024;

/// Silence after which messages under way count as lost.
const SILENCE: Duration = Duration::from_secs(2);

struct Publisher {
    link: Link,
    template: Template,
    next: u64,
    /// Packet identifiers in use, in order of sending (QoS 1).
    unacknowledged: VecDeque<u16>,
    last_packet_id: u16,
    /// Received by the slowest listener when last looked at.
    received: u64,
    sent_at: Instant,
}

struct Subscriber {
    link: Link,
    first_publisher: usize,
    streams: Vec<Stream>,
}

/// What a subscriber hears of one publisher.
struct Stream {
    topic: String,
    /// Sequence number expected next.
    next: u64,
}

impl Subscriber {
    /// The stream that a verified payload belongs to, if it came with that stream's topic.
    fn stream(&mut self, publisher: usize, topic: &[u8]) -> Option<&mut Stream> {
        let stream = self.streams.get_mut(publisher.checked_sub(self.first_publisher)?)?;
        (stream.topic.as_bytes() == topic).then_some(stream)
    }
}

impl Publisher {
    /// Messages that may be sent now without exceeding either window.
    fn room(&self, shape: &Shape) -> u64 {
        let under_way = shape.window.saturating_sub(self.next - self.received);
        under_way.min(shape.unacknowledged.saturating_sub(self.unacknowledged.len()) as u64)
    }

    /// Prepares the next `count` messages in `out`.
    fn prepare(&mut self, count: u64, qos: u8, out: &mut Vec<u8>) {
        out.clear();
        for _ in 0..count {
            if qos > 0 {
                self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
                self.unacknowledged.push_back(self.last_packet_id);
            }
            self.template.append(self.next, self.last_packet_id, out);
            self.next += 1;
        }
    }
}

/// A run in progress.
pub(crate) struct Generator {
    shape: Shape,
    protocol: Protocol,
    payload: usize,
    poll: Poll,
    events: Events,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    /// Connections whose last read filled the buffer: there may be more without a new event.
    unread: VecDeque<usize>,
    /// Publishers that may have become able to send.
    eager: Vec<usize>,
    read_buffer: Vec<u8>,
    write_buffer: Vec<u8>,
    acknowledgements: Vec<u8>,
    tally: Tally,
    recording: bool,
    last_progress: Instant,
}

impl Generator {
    /// Connects all clients of the scenario, subscribers first.
    pub(crate) fn connect(shape: Shape, endpoint: &Endpoint, payload: usize) -> Result<Self> {
        let poll = Poll::new()?;
        let mut subscribers = Vec::with_capacity(shape.subscribers);
        for index in 0..shape.subscribers {
            let group = shape.group_of_subscriber(index);
            let stream = endpoint
                .subscriber(index, group, &shape.filter(index), shape.qos)
                .with_context(|| format!("failed to subscribe client {index}"))?;
            let heard = shape.heard_by(index);
            subscribers.push(Subscriber {
                link: Link::new(stream),
                first_publisher: heard.start,
                streams: heard.map(|p| Stream { topic: Shape::topic(p), next: 0 }).collect(),
            });
        }
        let mut publishers = Vec::with_capacity(shape.publishers);
        for index in 0..shape.publishers {
            let topic = Shape::topic(index);
            let template = Template::new(endpoint.protocol, index as u16, &topic, shape.qos, payload);
            let stream = endpoint
                .publisher(index, shape.group_of_publisher(index), template.len())
                .with_context(|| format!("failed to connect publisher {index}"))?;
            publishers.push(Publisher {
                link: Link::new(stream),
                template,
                next: 0,
                unacknowledged: VecDeque::new(),
                last_packet_id: 0,
                received: 0,
                sent_at: Instant::now(),
            });
        }
        let mut generator = Self {
            shape,
            protocol: endpoint.protocol,
            payload,
            poll,
            events: Events::with_capacity(1024),
            publishers,
            subscribers,
            unread: VecDeque::new(),
            eager: Vec::new(),
            read_buffer: vec![0; READ],
            write_buffer: Vec::with_capacity(2 * WRITE),
            acknowledgements: Vec::new(),
            tally: Tally::default(),
            recording: false,
            last_progress: Instant::now(),
        };
        generator.register()?;
        Ok(generator)
    }

    fn register(&mut self) -> Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        for (i, publisher) in self.publishers.iter_mut().enumerate() {
            registry.register(publisher.link.stream(), Token(i), both)?;
        }
        for (i, subscriber) in self.subscribers.iter_mut().enumerate() {
            let token = Token(self.publishers.len() + i);
            registry.register(subscriber.link.stream(), token, both)?;
        }
        Ok(())
    }

    /// Sends and receives for `duration`; with `recording`, latencies count.
    pub(crate) fn run(&mut self, duration: Duration, recording: bool) -> Result<()> {
        self.recording = recording;
        self.last_progress = Instant::now();
        self.eager.extend(0..self.publishers.len());
        let end = Instant::now() + duration;
        loop {
            self.send()?;
            self.turn()?;
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            if now - self.last_progress > SILENCE {
                self.give_up_under_way(now);
            }
        }
    }

    /// Receives what is still under way; what does not come is counted as lost.
    pub(crate) fn drain(&mut self) -> Result<()> {
        self.recording = false;
        self.eager.clear();
        self.last_progress = Instant::now();
        while !self.everything_arrived() {
            self.turn()?;
            let now = Instant::now();
            if now - self.last_progress > SILENCE {
                self.give_up_under_way(now);
                break;
            }
        }
        Ok(())
    }

    /// Counts so far.
    pub(crate) fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// One wait for events and everything that they allow to be read or flushed.
    fn turn(&mut self) -> Result<()> {
        let busy = !self.unread.is_empty() || !self.eager.is_empty();
        let wait = if busy { Duration::ZERO } else { Duration::from_millis(100) };
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        self.poll.poll(&mut events, Some(wait))?;
        for _ in 0..self.unread.len() {
            if let Some(at) = self.unread.pop_front() {
                self.read(at)?;
            }
        }
        for event in &events {
            let at = event.token().0;
            if event.is_writable() {
                self.flush(at)?;
            }
            if event.is_readable() {
                self.read(at)?;
            }
        }
        self.events = events;
        Ok(())
    }

    fn flush(&mut self, at: usize) -> Result<()> {
        match at.checked_sub(self.publishers.len()) {
            Some(subscriber) => self.subscribers[subscriber].link.flush()?,
            None => {
                self.publishers[at].link.flush()?;
                self.eager.push(at);
            }
        }
        Ok(())
    }

    fn read(&mut self, at: usize) -> Result<()> {
        let more = match at.checked_sub(self.publishers.len()) {
            Some(subscriber) => self.read_messages(subscriber)?,
            None => self.read_acknowledgements(at)?,
        };
        if more {
            self.unread.push_back(at);
        }
        Ok(())
    }

    fn read_messages(&mut self, index: usize) -> Result<bool> {
        let subscriber = &mut self.subscribers[index];
        let filled = subscriber.link.read(&mut self.read_buffer)?;
        let mut at = 0;
        self.acknowledgements.clear();
        while let Some((length, packet)) = frames::parse(&self.read_buffer[at..filled.length], self.protocol)?
        {
            at += length;
            let Inbound::Publish { packet_id, topic, payload } = packet else {
                self.tally.unexpected(&packet)?;
                continue;
            };
            if packet_id != 0 {
                self.acknowledgements.extend(frames::puback(packet_id));
            }
            let Some((publisher, sequence)) = frames::verify(payload, self.payload) else {
                self.tally.corrupt += 1;
                continue;
            };
            let publisher = usize::from(publisher);
            let Some(stream) = subscriber.stream(publisher, topic) else {
                self.tally.corrupt += 1;
                continue;
            };
            self.tally.arrived(sequence, &mut stream.next);
            if self.shape.latency {
                if self.recording {
                    self.tally.record(self.publishers[publisher].sent_at.elapsed());
                }
                self.eager.push(publisher);
            }
        }
        subscriber.link.keep(&self.read_buffer[at..filled.length]);
        if !self.acknowledgements.is_empty() {
            subscriber.link.send(&self.acknowledgements)?;
        }
        if at > 0 {
            self.last_progress = Instant::now();
            if !self.shape.latency {
                self.eager.extend(self.shape.heard_by(index));
            }
        }
        Ok(filled.more)
    }

    fn read_acknowledgements(&mut self, index: usize) -> Result<bool> {
        let publisher = &mut self.publishers[index];
        let filled = publisher.link.read(&mut self.read_buffer)?;
        let mut at = 0;
        while let Some((length, packet)) = frames::parse(&self.read_buffer[at..filled.length], self.protocol)?
        {
            at += length;
            let Inbound::PubAck { packet_id, refused } = packet else {
                self.tally.unexpected(&packet)?;
                continue;
            };
            ensure!(!refused, "the broker refused a message");
            // Nearly always the oldest; any order is allowed to peers, an unknown one is not.
            let place = publisher.unacknowledged.iter().position(|id| *id == packet_id);
            let place = place.context("the broker acknowledged a message that was not under way")?;
            publisher.unacknowledged.remove(place);
        }
        publisher.link.keep(&self.read_buffer[at..filled.length]);
        self.eager.push(index);
        Ok(filled.more)
    }

    /// Lets every publisher that may have room send what its windows allow.
    fn send(&mut self) -> Result<()> {
        let mut eager = std::mem::take(&mut self.eager);
        eager.sort_unstable();
        eager.dedup();
        for index in eager.drain(..) {
            if self.send_from(index)? {
                self.eager.push(index);
            }
        }
        Ok(())
    }

    /// Sends one buffer of messages; says whether the publisher could go on at once.
    fn send_from(&mut self, index: usize) -> Result<bool> {
        let publisher = &mut self.publishers[index];
        if publisher.link.is_blocked() {
            return Ok(false);
        }
        let listeners = &self.subscribers[self.shape.listeners_of(index)];
        let slowest = listeners.iter().map(|s| s.streams[index - s.first_publisher].next).min();
        publisher.received = slowest.unwrap_or(publisher.next);
        let room = publisher.room(&self.shape);
        let count = room.min((WRITE / publisher.template.len()).max(1) as u64);
        if count == 0 {
            return Ok(false);
        }
        publisher.prepare(count, self.shape.qos, &mut self.write_buffer);
        if self.shape.latency {
            publisher.sent_at = Instant::now();
        }
        publisher.link.send(&self.write_buffer)?;
        self.tally.sent += count;
        Ok(count < room && !publisher.link.is_blocked())
    }

    fn everything_arrived(&self) -> bool {
        self.subscribers.iter().all(|subscriber| {
            let heard = subscriber.first_publisher..;
            subscriber.streams.iter().zip(heard).all(|(stream, p)| stream.next >= self.publishers[p].next)
        })
    }

    /// Declares what has been under way for too long lost, so that a run can go on and tell the loss.
    fn give_up_under_way(&mut self, now: Instant) {
        for subscriber in &mut self.subscribers {
            for (stream, publisher) in subscriber.streams.iter_mut().zip(subscriber.first_publisher..) {
                let sent = self.publishers[publisher].next;
                self.tally.lost += sent.saturating_sub(stream.next);
                stream.next = stream.next.max(sent);
            }
        }
        self.tally.stalls += 1;
        self.last_progress = now;
        self.eager.extend(0..self.publishers.len());
    }
}
