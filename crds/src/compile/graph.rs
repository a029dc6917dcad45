//! Who names whom, and who claims what: the indexes that tell which resources one edit can touch.
//!
//! *References* point from a resource to what it names, whether that exists or not, so that a dangling
//! reference heals when its target appears. *Claims* are names that only one resource may have at a time; the
//! first in precedence has it. A claimant that loses is refused as a whole, and its other claims still stand
//! against newer ones: whether a resource is refused depends on its own claims only, never on a chain of others.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::names::{Id, Names, Table};
use super::{FastMap, FastSet};

/// Within what a name is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Field {
    /// To be the one cluster that is compiled, when none was named.
    Cluster,
    /// To decide for a listener (or `ALL`) of this cluster.
    Scope(Id),
    /// To be what a role key means in this realm.
    RoleKey(Id),
    /// To be what an authorization key (a username) means in this realm.
    Identity(Id),
    /// To be who presents a certificate in this realm; the text is the bundle's form of it.
    Certificate(Id),
}

/// A name that only one resource may have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    /// Within what.
    pub(super) field: Field,
    /// The name.
    pub(super) text: Arc<str>,
}

/// Something that a resource can depend on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// Another resource.
    Resource(Id),
    /// Whether anyone claims this.
    Claim(Claim),
}

/// One resource's place among those that claim the same; smaller is stronger, and equal ones go by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether the name always means this resource, or was chosen.
    pub(super) rank: Rank,
    /// Seconds since 1970; `i64::MAX` when creation times do not count.
    pub(super) created: i64,
    /// Who.
    pub(super) who: Id,
}

/// Whether a name always means its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It does: a Role's own name.
    Own,
    /// It was chosen.
    Chosen,
}

impl Standing {
    fn order(&self, other: &Self, names: &Names) -> Ordering {
        (self.rank, self.created).cmp(&(other.rank, other.created)).then_with(|| {
            if self.who == other.who {
                Ordering::Equal
            } else {
                names.key(self.who).cmp(&names.key(other.who))
            }
        })
    }
}

/// What one resource names and claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Footprint {
    /// Sorted and without duplicates.
    pub(super) references: Vec<Node>,
    /// Sorted by claim, one standing each.
    pub(super) claims: Vec<(Claim, Standing)>,
}

/// The indexes.
#[derive(Default)]
pub(super) struct Graph {
    referrers: Table<Referrers>,
    claims: FastMap<Field, FastMap<Arc<str>, Claimed>>,
    /// What each resource claims and does not have.
    lost: FastMap<Id, BTreeSet<Claim>>,
}

/// What there is to know of one name that may be claimed.
#[derive(Default)]
struct Claimed {
    claimants: Claimants,
    referrers: Referrers,
}

/// Above this many, a set.
const FEW: usize = 16;

/// Who names one thing. Most is named by one or a few: a set for each would cost more than all else here.
#[derive(Default)]
enum Referrers {
    #[default]
    None,
    One(Id),
    #[expect(
        clippy::box_collection,
        reason = "there are many of these, and nearly all are smaller than a list"
    )]
    Few(Box<Vec<Id>>),
    Many(Box<FastSet<Id>>),
}

impl Referrers {
    fn insert(&mut self, who: Id) {
        match self {
            Self::None => *self = Self::One(who),
            Self::One(one) if *one == who => {}
            Self::One(one) => *self = Self::Few(Box::new(vec![*one, who])),
            Self::Few(few) if few.contains(&who) => {}
            Self::Few(few) if few.len() < FEW => few.push(who),
            Self::Few(few) => *self = Self::Many(Box::new(few.iter().copied().chain([who]).collect())),
            Self::Many(many) => {
                many.insert(who);
            }
        }
    }

    fn remove(&mut self, who: Id) {
        match self {
            Self::One(one) if *one == who => *self = Self::None,
            Self::None | Self::One(_) => {}
            Self::Few(few) => {
                few.retain(|one| *one != who);
                if few.is_empty() {
                    *self = Self::None;
                }
            }
            Self::Many(many) => {
                many.remove(&who);
                if many.is_empty() {
                    *self = Self::None;
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    fn iter(&self) -> impl Iterator<Item = Id> {
        let (few, many): (&[Id], _) = match self {
            Self::None => (&[], None),
            Self::One(one) => (std::slice::from_ref(one), None),
            Self::Few(few) => (few, None),
            Self::Many(many) => (&[], Some(many)),
        };
        few.iter().chain(many.into_iter().flat_map(|many| many.iter())).copied()
    }
}

/// Who claims one thing, strongest first. Nearly always one.
#[derive(Default)]
enum Claimants {
    #[default]
    None,
    One(Standing),
    #[expect(
        clippy::box_collection,
        reason = "there are many of these, and nearly all are smaller than a list"
    )]
    Many(Box<Vec<Standing>>),
}

impl Claimants {
    fn as_slice(&self) -> &[Standing] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    fn first(&self) -> Option<&Standing> {
        self.as_slice().first()
    }

    fn insert(&mut self, standing: Standing, names: &Names) {
        match self {
            Self::None => *self = Self::One(standing),
            Self::One(one) if *one == standing => {}
            Self::One(one) => {
                let mut both = vec![*one, standing];
                both.sort_by(|a, b| a.order(b, names));
                *self = Self::Many(Box::new(both));
            }
            Self::Many(many) => {
                if let Err(at) = many.binary_search_by(|one| one.order(&standing, names)) {
                    many.insert(at, standing);
                }
            }
        }
    }

    fn remove(&mut self, standing: Standing, names: &Names) {
        match self {
            Self::One(one) if *one == standing => *self = Self::None,
            Self::None | Self::One(_) => {}
            Self::Many(many) => {
                if let Ok(at) = many.binary_search_by(|one| one.order(&standing, names)) {
                    many.remove(at);
                }
                match many[..] {
                    [] => *self = Self::None,
                    [one] => *self = Self::One(one),
                    _ => {}
                }
            }
        }
    }
}

/// What a change of the indexes brings with it.
#[derive(Default)]
pub(super) struct Ripple {
    /// Whose diagnosis may differ for what is claimed now.
    pub(super) touched: FastSet<Id>,
    /// What is named by more or by fewer than before.
    pub(super) named: Vec<Id>,
}

impl Graph {
    /// Replaces the footprint of `who` (an empty one: it is new, or gone).
    pub(super) fn replace(
        &mut self,
        names: &Names,
        who: Id,
        (old, new): (&Footprint, &Footprint),
        ripple: &mut Ripple,
    ) {
        self.replace_references(who, &old.references, &new.references, ripple);
        for (claim, standing) in old.claims.iter().filter(|claim| !new.claims.contains(claim)) {
            self.unclaim(names, claim, *standing, &mut ripple.touched);
        }
        for (claim, standing) in new.claims.iter().filter(|claim| !old.claims.contains(claim)) {
            self.claim(names, claim, *standing, &mut ripple.touched);
        }
    }

    /// Who names a resource.
    pub(super) fn referrers(&self, id: Id) -> impl Iterator<Item = Id> {
        self.referrers.get(id).into_iter().flat_map(Referrers::iter)
    }

    /// Whether any names it.
    pub(super) fn is_named(&self, id: Id) -> bool {
        self.referrers.get(id).is_some_and(|referrers| !referrers.is_empty())
    }

    /// Who has this.
    pub(super) fn holder(&self, field: Field, text: &str) -> Option<Standing> {
        self.claims.get(&field)?.get(text)?.claimants.first().copied()
    }

    /// A claim of `who` that someone stronger has, with that one.
    pub(super) fn lost(&self, who: Id) -> Option<(&Claim, Standing)> {
        let claim = self.lost.get(&who)?.first()?;
        Some((claim, self.holder(claim.field, &claim.text)?))
    }

    fn replace_references(&mut self, who: Id, old: &[Node], new: &[Node], ripple: &mut Ripple) {
        for node in old.iter().filter(|node| new.binary_search(node).is_err()) {
            match node {
                Node::Resource(id) => {
                    self.referrers.entry(*id).remove(who);
                    ripple.named.push(*id);
                }
                Node::Claim(claim) => self.change(claim, |claimed| claimed.referrers.remove(who)),
            }
        }
        for node in new.iter().filter(|node| old.binary_search(node).is_err()) {
            match node {
                Node::Resource(id) => {
                    self.referrers.entry(*id).insert(who);
                    ripple.named.push(*id);
                }
                Node::Claim(claim) => self.change(claim, |claimed| claimed.referrers.insert(who)),
            }
        }
    }

    /// Changes what there is to know of a name, and forgets it when nothing is left.
    fn change<R>(&mut self, claim: &Claim, change: impl FnOnce(&mut Claimed) -> R) -> R {
        let names = self.claims.entry(claim.field).or_default();
        let claimed = match names.get_mut(&claim.text) {
            Some(claimed) => claimed,
            None => names.entry(claim.text.clone()).or_default(),
        };
        let result = change(claimed);
        if claimed.referrers.is_empty() && claimed.claimants.first().is_none() {
            names.remove(&claim.text);
            if names.is_empty() {
                self.claims.remove(&claim.field);
            }
        }
        result
    }

    fn claim(&mut self, names: &Names, claim: &Claim, standing: Standing, touched: &mut FastSet<Id>) {
        let before = self.holder(claim.field, &claim.text);
        self.change(claim, |claimed| {
            claimed.claimants.insert(standing, names);
            if before.is_none() {
                touched.extend(claimed.referrers.iter());
            }
        });
        if before.is_some() {
            self.settle(claim, before, Some(standing.who), touched);
        }
    }

    fn unclaim(&mut self, names: &Names, claim: &Claim, standing: Standing, touched: &mut FastSet<Id>) {
        self.forget_loss(claim, standing.who);
        let before = self.holder(claim.field, &claim.text);
        let left = self.change(claim, |claimed| {
            claimed.claimants.remove(standing, names);
            let left = claimed.claimants.first().is_some();
            if !left {
                touched.extend(claimed.referrers.iter());
            }
            left
        });
        if left {
            self.settle(claim, before, None, touched);
        }
    }

    /// Notes who has lost a claim: all claimants but the first, of which only `came` is new when the first is the
    /// one that it was. All are touched by another first, because each names it in its message.
    fn settle(
        &mut self,
        claim: &Claim,
        before: Option<Standing>,
        came: Option<Id>,
        touched: &mut FastSet<Id>,
    ) {
        let Some(first) = self.holder(claim.field, &claim.text) else { return };
        let claimants: Vec<Id> = if before == Some(first) {
            came.into_iter().collect()
        } else {
            let claimed = self.claims.get(&claim.field).and_then(|names| names.get(&claim.text));
            claimed.into_iter().flat_map(|claimed| claimed.claimants.as_slice()).map(|s| s.who).collect()
        };
        for who in claimants {
            if who == first.who {
                self.forget_loss(claim, who);
            } else {
                self.lost.entry(who).or_default().insert(claim.clone());
            }
            touched.insert(who);
        }
    }

    fn forget_loss(&mut self, claim: &Claim, who: Id) {
        if let Some(claims) = self.lost.get_mut(&who) {
            claims.remove(claim);
            if claims.is_empty() {
                self.lost.remove(&who);
            }
        }
    }
}
