//! Where the values of a document stand in its text.

use serde_json::Value;

/// One document: its value, and where every part of it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub spot: Spot,
}

/// Where a value stands, and the values in it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Spot {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    inner: Inner,
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
enum Inner {
    #[default]
    Scalar,
    List(Vec<Spot>),
    /// In the order of the text. A member's own spot is that of its key, which is where people look.
    Map(Members),
}

/// Keys and where they stand.
pub(super) type Members = Vec<(Box<str>, Spot)>;

impl Spot {
    pub(super) fn scalar(line: u32, column: u32) -> Self {
        Self { line, column, inner: Inner::Scalar }
    }

    pub(super) fn list(line: u32, column: u32, items: Vec<Spot>) -> Self {
        Self { line, column, inner: Inner::List(items) }
    }

    pub(super) fn map(line: u32, column: u32, members: Members) -> Self {
        Self { line, column, inner: Inner::Map(members) }
    }

    pub(super) fn moved_to(mut self, line: u32, column: u32) -> Self {
        (self.line, self.column) = (line, column);
        self
    }

    pub(super) fn into_members(self) -> Members {
        match self.inner {
            Inner::Map(members) => members,
            Inner::Scalar | Inner::List(_) => Vec::new(),
        }
    }

    pub(super) fn into_items(self) -> Vec<Spot> {
        match self.inner {
            Inner::List(items) => items,
            Inner::Scalar | Inner::Map(_) => Vec::new(),
        }
    }

    /// The spot of a member.
    pub(super) fn member(&self, name: &str) -> Option<&Spot> {
        match &self.inner {
            Inner::Map(members) => members.iter().find(|(key, _)| &**key == name).map(|(_, spot)| spot),
            Inner::Scalar | Inner::List(_) => None,
        }
    }

    /// The spot of a field, by its path as the API server writes it (`spec.listeners[0].port`); of a field that is
    /// not there, the innermost that is around it.
    pub fn find(&self, path: &str) -> &Spot {
        let mut spot = self;
        let mut rest = path;
        while !rest.is_empty() {
            let Some((next, behind)) = spot.step(rest) else { break };
            (spot, rest) = (next, behind);
        }
        spot
    }

    fn step<'p>(&self, path: &'p str) -> Option<(&Spot, &'p str)> {
        match &self.inner {
            Inner::Scalar => None,
            Inner::List(items) => {
                let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
                Some((items.get(index.parse::<usize>().ok()?)?, rest.strip_prefix('.').unwrap_or(rest)))
            }
            // A key may hold dots itself, as those of labels do: the longest that fits is meant.
            Inner::Map(members) => members
                .iter()
                .filter_map(|(key, spot)| {
                    let rest = path.strip_prefix(&**key)?;
                    let ends = rest.is_empty() || rest.starts_with(['.', '[']);
                    ends.then(|| (key.len(), spot, rest.strip_prefix('.').unwrap_or(rest)))
                })
                .max_by_key(|(length, ..)| *length)
                .map(|(_, spot, rest)| (spot, rest)),
        }
    }
}
