//! What is raced: who publishes, who listens, how many messages may be under way. No I/O.

use std::ops::Range;

use clap::ValueEnum;

/// A scenario by the name that the command line and the table use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// QoS 0, one publisher to one subscriber, streamed.
    Qos0,
    /// QoS 1, one publisher to one subscriber, 100 unacknowledged messages.
    Qos1,
    /// QoS 0, one publisher to 100 subscribers of the same topic.
    FanOut,
    /// QoS 0, 50 publishers with a topic each to one wildcard subscriber.
    FanIn,
    /// QoS 0, 200 pairs, one message under way in each: nothing to batch.
    Pairs,
}

/// A scenario in numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Publishers, each with a topic of its own.
    pub(crate) publishers: usize,
    /// Subscribers, each with one subscription.
    pub(crate) subscribers: usize,
    /// QoS of publishers and subscriptions.
    pub(crate) qos: u8,
    /// Messages of one publisher that may be sent and not yet received by its slowest subscriber.
    ///
    /// This is the generator's own flow control: it keeps a broker that drops what it cannot deliver from
    /// winning by receiving fast.
    pub(crate) window: u64,
    /// Messages of one publisher that may be unacknowledged (QoS 1 only).
    pub(crate) unacknowledged: usize,
    /// Whether the time from sending to receipt is recorded.
    pub(crate) latency: bool,
}

impl Scenario {
    /// All scenarios, in the table's order.
    pub(crate) const ALL: [Self; 5] = [Self::Qos0, Self::Qos1, Self::FanOut, Self::FanIn, Self::Pairs];

    /// Row heading in the table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Qos0 => "QoS 0, 1→1, streamed",
            Self::Qos1 => "QoS 1, 1→1, window 100",
            Self::FanOut => "fan-out 1→100, QoS 0",
            Self::FanIn => "fan-in 50→1, QoS 0",
            Self::Pairs => "200 pairs, 1 in flight",
        }
    }

    /// Key in the JSON results.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Qos0 => "qos0",
            Self::Qos1 => "qos1",
            Self::FanOut => "fan-out",
            Self::FanIn => "fan-in",
            Self::Pairs => "pairs",
        }
    }

    /// The scenario's numbers.
    pub(crate) fn shape(self) -> Shape {
        let streamed = Shape {
            publishers: 1,
            subscribers: 1,
            qos: 0,
            window: 64 * 1024,
            unacknowledged: usize::MAX,
            latency: false,
        };
        match self {
            Self::Qos0 => streamed,
            // Fewer than any participant queues for one session by default: what they do at that bound is a
            // matter of their documentation, not of speed.
            Self::Qos1 => Shape { qos: 1, unacknowledged: 100, window: 4 * 1024, ..streamed },
            Self::FanOut => Shape { subscribers: 100, window: 2 * 1024, ..streamed },
            Self::FanIn => Shape { publishers: 50, window: 1_310, ..streamed },
            Self::Pairs => Shape { publishers: 200, subscribers: 200, window: 1, latency: true, ..streamed },
        }
    }
}

impl Shape {
    /// Topic of a publisher.
    pub(crate) fn topic(publisher: usize) -> String {
        format!("race/p{publisher}")
    }

    /// Filter of a subscriber.
    pub(crate) fn filter(&self, subscriber: usize) -> String {
        let heard = self.heard_by(subscriber);
        if heard.len() > 1 { "race/+".to_owned() } else { Self::topic(heard.start) }
    }

    /// Publishers that a subscriber hears.
    pub(crate) fn heard_by(&self, subscriber: usize) -> Range<usize> {
        if self.publishers == self.subscribers { subscriber..subscriber + 1 } else { 0..self.publishers }
    }

    /// Subscribers that hear a publisher.
    pub(crate) fn listeners_of(&self, publisher: usize) -> Range<usize> {
        if self.publishers == self.subscribers { publisher..publisher + 1 } else { 0..self.subscribers }
    }

    /// Number of the circle of publishers and subscribers that hear each other; what the raw relay copies by.
    pub(crate) fn group_of_publisher(&self, publisher: usize) -> usize {
        if self.publishers == self.subscribers { publisher } else { 0 }
    }

    /// As [`Self::group_of_publisher`], for a subscriber.
    pub(crate) fn group_of_subscriber(&self, subscriber: usize) -> usize {
        if self.publishers == self.subscribers { subscriber } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hears_whom_is_the_same_from_both_sides() {
        for scenario in Scenario::ALL {
            let shape = scenario.shape();
            for publisher in 0..shape.publishers {
                for subscriber in 0..shape.subscribers {
                    let heard = shape.heard_by(subscriber).contains(&publisher);
                    assert_eq!(heard, shape.listeners_of(publisher).contains(&subscriber));
                    let together =
                        shape.group_of_publisher(publisher) == shape.group_of_subscriber(subscriber);
                    assert_eq!(heard, together);
                }
            }
        }
    }

    #[test]
    fn a_subscriber_of_many_uses_a_wildcard_and_others_the_topic() {
        assert_eq!(Scenario::FanIn.shape().filter(0), "race/+");
        assert_eq!(Scenario::FanOut.shape().filter(99), "race/p0");
        assert_eq!(Scenario::Pairs.shape().filter(17), "race/p17");
    }
}
