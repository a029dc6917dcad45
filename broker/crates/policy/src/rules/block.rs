//! Up to 128 rules matched at once: one bit per rule, one step per level of the topic.
//!
//! For every depth the block knows which rules take any text there (`+`, or a `#` at or above), and for every text that
//! some rule names there, which rules do. A topic is walked level by level with a set of rules that are still alive;
//! each step is one look-up and one AND, whatever the number of rules, and placeholders are compared against the
//! session's values in place. There is no branching search, so the worst topic costs no more than its levels.

use std::collections::BTreeMap;

use super::token::{EXACT, Token, fold, token};
use crate::template::{GroupTemplate, Level, Part, TopicTemplate, parts_match};
use crate::variables::{Variable, Variables};

/// How many rules a block holds: the bits of a set.
pub(super) const CAPACITY: usize = 128;

type Set = u128;

/// What an index needs to know of a rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Indexed<'a> {
    /// The rule's number in its rule set.
    pub(super) number: u32,
    pub(super) template: &'a TopicTemplate,
    pub(super) group: &'a GroupTemplate,
    /// For every quality of service, without and with the flag (retain, or shared): whether the rule covers it.
    pub(super) covers: [bool; 6],
}

/// Where a question stands in [`Indexed::covers`]; `None` when there is no such quality of service.
#[inline]
pub(super) const fn case(qos: u8, flag: bool) -> Option<usize> {
    if qos > 2 { None } else { Some((qos as usize) * 2 + flag as usize) }
}

/// What the rules want at one depth.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    /// Rules that take any text here.
    any: Set,
    /// Rules that name a text here.
    literals: Set,
    /// Rules that have placeholders here.
    patterned: Set,
    /// Rules satisfied with a topic of exactly as many levels as stand above this depth.
    ends: Set,
    /// Rules whose `#` stands at this depth or above.
    multi: Set,
    /// Which of the block's patterns are of this depth.
    patterns: (u32, u32),
}

/// An entry of the open-addressed table of texts.
#[derive(Debug, Clone, Copy)]
struct Slot {
    rules: Set,
    word: u64,
    /// Where in `texts` a text stands that its word does not hold.
    text: u32,
    len: u16,
    depth: u8,
}

const EMPTY: Slot = Slot { rules: 0, word: 0, text: 0, len: 0, depth: u8::MAX };

/// A level with placeholders and the rules that have it at one depth.
#[derive(Debug, Clone)]
struct Pattern {
    kind: PatternKind,
    rules: Set,
}

#[derive(Debug, Clone)]
enum PatternKind {
    /// The whole level is one variable.
    Whole(Variable),
    Parts(Box<[Part]>),
}

#[derive(Debug, Clone)]
pub(super) struct Block {
    /// The rule number of each bit.
    numbers: Box<[u32]>,
    /// Rules to begin with: for ordinary topics, and for those that begin with `$`.
    begin: [Set; 2],
    /// Rules by the six cases of [`case`].
    cases: [Set; 6],
    /// One row per depth, and a last one for all that is deeper than every rule.
    rows: Box<[Row]>,
    slots: Box<[Slot]>,
    texts: Box<[u8]>,
    patterns: Box<[Pattern]>,
    /// Placeholders of share groups: while one has no usable value, these rules are dropped.
    guards: Box<[(Variable, Set)]>,
}

/// Collects what [`Block::new`] lays out.
#[derive(Default)]
struct Collected<'a> {
    rows: Vec<Row>,
    literals: BTreeMap<(usize, &'a str), Set>,
    patterns: BTreeMap<usize, Vec<(&'a [Part], Set)>>,
    guards: BTreeMap<&'a Variable, Set>,
}

impl<'a> Collected<'a> {
    fn add(&mut self, rule: &Indexed<'a>, bit: Set) {
        let levels = rule.template.levels();
        for (depth, row) in self.rows.iter_mut().enumerate() {
            match levels.get(depth) {
                Some(Level::Any) => row.any |= bit,
                Some(Level::Literal(text)) => {
                    row.literals |= bit;
                    *self.literals.entry((depth, text)).or_default() |= bit;
                }
                Some(Level::Pattern(parts)) => {
                    row.patterned |= bit;
                    let patterns = self.patterns.entry(depth).or_default();
                    match patterns.iter_mut().find(|(known, _)| *known == &**parts) {
                        Some((_, rules)) => *rules |= bit,
                        None => patterns.push((parts, bit)),
                    }
                }
                None if rule.template.multi() => {
                    row.any |= bit;
                    row.ends |= bit;
                    row.multi |= bit;
                }
                None if depth == levels.len() => row.ends |= bit,
                None => {}
            }
        }
        for variable in rule.group.variables() {
            *self.guards.entry(variable).or_default() |= bit;
        }
    }
}

impl Block {
    /// Lays out at most [`CAPACITY`] rules.
    pub(super) fn new(rules: &[Indexed<'_>]) -> Self {
        let depth = rules.iter().map(|rule| rule.template.levels().len()).max().unwrap_or_default();
        let mut collected = Collected { rows: vec![Row::default(); depth + 1], ..Collected::default() };
        let (mut begin, mut cases) = ([0; 2], [0; 6]);
        for (number, rule) in rules.iter().take(CAPACITY).enumerate() {
            let bit = 1 << number;
            collected.add(rule, bit);
            begin[usize::from(rule.template.names_dollar())] |= bit;
            for (case, covered) in cases.iter_mut().zip(rule.covers) {
                *case |= if covered { bit } else { 0 };
            }
        }
        let Collected { mut rows, literals, patterns, guards } = collected;
        let (slots, texts) = table(&literals);
        let mut laid_out = Vec::new();
        for (depth, of_depth) in patterns {
            let from = laid_out.len() as u32;
            laid_out.extend(of_depth.into_iter().map(|(parts, rules)| Pattern { kind: kind(parts), rules }));
            rows[depth].patterns = (from, laid_out.len() as u32);
        }
        Self {
            numbers: rules.iter().take(CAPACITY).map(|rule| rule.number).collect(),
            begin,
            cases,
            rows: rows.into(),
            slots,
            texts,
            patterns: laid_out.into(),
            guards: guards.into_iter().map(|(variable, rules)| (variable.clone(), rules)).collect(),
        }
    }

    /// The rules that cover a topic in one case.
    #[inline]
    pub(super) fn publish(&self, topic: &[u8], case: usize, variables: &Variables) -> Set {
        self.walk(topic, self.begin(topic) & self.cases[case], variables)
    }

    /// The cases in which some rule covers a topic, as bits.
    #[inline]
    pub(super) fn publish_cases(&self, topic: &[u8], variables: &Variables) -> u8 {
        let rules = self.walk(topic, self.begin(topic), variables);
        self.cases.iter().enumerate().fold(0, |bits, (case, set)| bits | u8::from(rules & set != 0) << case)
    }

    #[inline]
    fn begin(&self, topic: &[u8]) -> Set {
        self.begin[usize::from(topic.first() == Some(&b'$'))]
    }

    #[inline]
    fn walk(&self, topic: &[u8], alive: Set, variables: &Variables) -> Set {
        let mut alive = self.unguarded(alive, variables);
        let (mut depth, mut start) = (0, 0);
        while alive != 0 {
            let row = &self.rows[depth];
            if depth + 1 == self.rows.len() {
                return alive & row.any;
            }
            let token = token(topic, start);
            alive &= self.step(depth, alive, (token, topic, start), variables);
            depth += 1;
            start += token.len + 1;
            if start > topic.len() {
                return alive & self.rows[depth].ends;
            }
        }
        0
    }

    /// The rules whose filter contains every topic of a requested filter, in one case.
    ///
    /// `#` alone asks for the same topics as `+/#`, because every topic has a first level; the caller passes the latter.
    pub(super) fn contain(&self, filter: &[u8], case: usize, variables: &Variables) -> Set {
        let mut alive = self.unguarded(self.begin(filter) & self.cases[case], variables);
        let (mut depth, mut start) = (0, 0);
        let deepest = self.rows.len() - 1;
        while alive != 0 {
            let token = token(filter, start);
            let row = &self.rows[depth];
            match filter.get(start..start + token.len).unwrap_or_default() {
                // Nothing may follow `#`; a filter in which something does is none.
                b"#" => return if start + 1 == filter.len() { alive & row.multi } else { 0 },
                b"+" => alive &= row.any,
                text if text.contains(&b'+') || text.contains(&b'#') => return 0,
                _ if depth == deepest => alive &= row.any,
                _ => alive &= self.step(depth, alive, (token, filter, start), variables),
            }
            depth = (depth + 1).min(deepest);
            start += token.len + 1;
            if start > filter.len() {
                return alive & self.rows[depth].ends;
            }
        }
        0
    }

    /// The rule numbers of a set.
    pub(super) fn numbers(&self, mut set: Set) -> impl Iterator<Item = u32> {
        std::iter::from_fn(move || {
            let bit = set.checked_ilog2()?;
            set &= !(1 << bit);
            self.numbers.get(bit as usize).copied()
        })
    }

    #[inline]
    fn unguarded(&self, mut alive: Set, variables: &Variables) -> Set {
        for (variable, rules) in &self.guards {
            if variables.usable(variable).is_none() {
                alive &= !rules;
            }
        }
        alive
    }

    /// The rules that take the text at a depth which is not the last row.
    #[inline]
    fn step(&self, depth: usize, alive: Set, at: (Token, &[u8], usize), variables: &Variables) -> Set {
        let row = &self.rows[depth];
        let (token, topic, start) = at;
        let mut takes = row.any;
        if alive & row.literals != 0 {
            takes |= self.naming(depth, token, topic, start);
        }
        if alive & row.patterned != 0 {
            let text = topic.get(start..start + token.len).unwrap_or_default();
            for pattern in &self.patterns[row.patterns.0 as usize..row.patterns.1 as usize] {
                let fits = match &pattern.kind {
                    PatternKind::Whole(variable) => {
                        variables.usable(variable).is_some_and(|value| value.as_bytes() == text)
                    }
                    PatternKind::Parts(parts) => parts_match(parts, text, variables),
                };
                takes |= if fits { pattern.rules } else { 0 };
            }
        }
        takes
    }

    /// The rules that name this text at this depth.
    #[inline]
    fn naming(&self, depth: usize, token: Token, topic: &[u8], start: usize) -> Set {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = place(depth, token) & mask;
        // The table is at most half full, so an empty slot ends the search.
        while let Some(slot) = self.slots.get(at) {
            if usize::from(slot.depth) == depth
                && slot.word == token.word
                && usize::from(slot.len) == token.len
            {
                let from = slot.text as usize;
                if token.len <= EXACT
                    || topic.get(start..start + token.len) == self.texts.get(from..from + token.len)
                {
                    return slot.rules;
                }
            } else if slot.depth == u8::MAX {
                return 0;
            }
            at = (at + 1) & mask;
        }
        0
    }
}

#[inline]
const fn place(depth: usize, token: Token) -> usize {
    fold(token.word ^ ((depth as u64) << 56) ^ ((token.len as u64) << 40), 0xff51_afd7_ed55_8ccd) as usize
}

fn kind(parts: &[Part]) -> PatternKind {
    match parts {
        [Part::Placeholder(variable)] => PatternKind::Whole(variable.clone()),
        _ => PatternKind::Parts(parts.into()),
    }
}

/// The table of texts, never more than half full, and the texts that words do not hold.
fn table(literals: &BTreeMap<(usize, &str), Set>) -> (Box<[Slot]>, Box<[u8]>) {
    if literals.is_empty() {
        return (Box::default(), Box::default());
    }
    let mut slots = vec![EMPTY; (literals.len() * 2).next_power_of_two()];
    let mut texts = Vec::new();
    let mask = slots.len() - 1;
    for (&(depth, text), &rules) in literals {
        let token = token(text.as_bytes(), 0);
        let mut at = place(depth, token) & mask;
        while slots[at].depth != u8::MAX {
            at = (at + 1) & mask;
        }
        // A filter has at most 65535 bytes and 128 levels, a block 128 filters: everything fits.
        slots[at] = Slot {
            rules,
            word: token.word,
            text: texts.len() as u32,
            len: token.len as u16,
            depth: depth as u8,
        };
        if token.len > EXACT {
            texts.extend_from_slice(text.as_bytes());
        }
    }
    (slots.into(), texts.into())
}
