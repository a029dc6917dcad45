//! All rules of a rule set for one activity, laid out for matching.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use super::block::{Block, CAPACITY, Indexed, case};
use crate::template::Level;
use crate::variables::Variables;

/// Rules that can only cover one topic.
#[derive(Debug, Clone, Default)]
struct Exact {
    /// The cases that are covered, as bits.
    cases: u8,
    rules: SmallVec<[(u32, u8); 1]>,
}

/// Rules of one activity. Few rules stand in one block; of many, those without wildcards and placeholders stand in a
/// hash map of whole topics, and the rest in as many blocks as they need, ordered so that neighbours share levels.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    exact: HashMap<Box<str>, Exact, FixedState>,
    blocks: Box<[Block]>,
}

impl Index {
    pub(super) fn new(mut rules: Vec<Indexed<'_>>) -> Self {
        let mut exact: HashMap<Box<str>, Exact, FixedState> = HashMap::default();
        if rules.len() > CAPACITY {
            rules.retain(|rule| {
                let plain = rule.template.levels().iter().all(|level| matches!(level, Level::Literal(_)));
                let whole = plain && !rule.template.multi() && rule.group.variables().next().is_none();
                if whole {
                    let cases =
                        rule.covers.iter().rev().fold(0, |bits, covered| bits << 1 | u8::from(*covered));
                    let found = exact.entry(rule.template.as_str().into()).or_default();
                    found.cases |= cases;
                    found.rules.push((rule.number, cases));
                }
                !whole
            });
            rules.sort_by_key(|rule| rule.template.as_str());
        }
        Self { exact, blocks: rules.chunks(CAPACITY).map(Block::new).collect() }
    }

    #[inline]
    pub(super) fn may_publish(&self, topic: &str, qos: u8, retain: bool, variables: &Variables) -> bool {
        let Some(case) = case(qos, retain) else { return false };
        if !self.exact.is_empty() && self.exact.get(topic).is_some_and(|exact| exact.cases >> case & 1 == 1) {
            return true;
        }
        self.blocks.iter().any(|block| block.publish(topic.as_bytes(), case, variables) != 0)
    }

    #[inline]
    pub(super) fn publish_cases(&self, topic: &str, variables: &Variables) -> u8 {
        let exact =
            if self.exact.is_empty() { 0 } else { self.exact.get(topic).map_or(0, |exact| exact.cases) };
        self.blocks.iter().fold(exact, |bits, block| bits | block.publish_cases(topic.as_bytes(), variables))
    }

    /// Whether a rule contains the requested filter and `also` says yes to its number.
    pub(super) fn contains(
        &self,
        filter: &str,
        (qos, shared): (u8, bool),
        variables: &Variables,
        also: impl Fn(u32) -> bool,
    ) -> bool {
        let Some(case) = case(qos, shared) else { return false };
        let exact = self.exact.get(filter).is_some_and(|exact| {
            exact.rules.iter().any(|(number, cases)| cases >> case & 1 == 1 && also(*number))
        });
        // Every topic has a first level, so `#` asks for what `+/#` asks for.
        let filter = if filter == "#" { "+/#" } else { filter };
        exact
            || self.blocks.iter().any(|block| {
                let rules = block.contain(filter.as_bytes(), case, variables);
                block.numbers(rules).any(&also)
            })
    }
}
