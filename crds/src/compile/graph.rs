//! Who names whom, and who claims what: the indexes that tell which resources one edit can touch.
//!
//! *References* point from a resource to what it names, whether that exists or not, so that a dangling
//! reference heals when its target appears. *Claims* are names that only one resource may have at a time; the
//! first in precedence has it. A claimant that loses is refused as a whole, and its other claims still stand
//! against newer ones: whether a resource is refused depends on its own claims only, never on a chain of others.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::key::ResourceKey;
use super::{FastMap, FastSet};

/// A name that only one resource may have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Claim {
    /// To be the one cluster that is compiled, when none was named.
    Cluster,
    /// To decide for a listener (or `ALL`) of a cluster.
    Scope { cluster: ResourceKey, listener: Arc<str> },
    /// To be what a role key means in a realm.
    RoleKey { realm: ResourceKey, key: Arc<str> },
    /// To be what an authorization key (a username) means in a realm.
    Identity { realm: ResourceKey, key: Arc<str> },
    /// To be who presents this certificate in a realm; the text is the bundle's form of it.
    Certificate { realm: ResourceKey, certificate: Arc<str> },
}

/// Something that a resource can depend on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Node {
    /// Another resource.
    Resource(ResourceKey),
    /// Whether anyone claims this.
    Claim(Claim),
}

/// One resource's place among those that claim the same; smaller is stronger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Standing {
    /// 0 for a name that always means its resource (a Role's own), 1 for one that was chosen.
    pub(super) rank: u8,
    /// Seconds since 1970; `i64::MAX` when creation times do not count.
    pub(super) created: i64,
    /// Who; the tie-break by namespace and name.
    pub(super) who: ResourceKey,
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
    referrers: FastMap<Node, Referrers>,
    claimants: FastMap<Claim, Claimants>,
    /// What each resource claims and does not have.
    lost: FastMap<ResourceKey, BTreeSet<Claim>>,
}

/// Who names one thing. Nearly everything is named by one: a set for each would cost more than all else here.
enum Referrers {
    One(ResourceKey),
    Many(FastSet<ResourceKey>),
}

impl Referrers {
    fn insert(&mut self, who: &ResourceKey) {
        match self {
            Self::One(one) if one == who => {}
            Self::One(one) => *self = Self::Many([one.clone(), who.clone()].into_iter().collect()),
            Self::Many(many) => {
                many.insert(who.clone());
            }
        }
    }

    /// Takes one out; tells whether none is left.
    fn remove(&mut self, who: &ResourceKey) -> bool {
        match self {
            Self::One(one) => one == who,
            Self::Many(many) => {
                many.remove(who);
                many.is_empty()
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = &ResourceKey> {
        let (one, many) = match self {
            Self::One(one) => (Some(one), None),
            Self::Many(many) => (None, Some(many)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

/// Who claims one thing, strongest first. Nearly always one.
enum Claimants {
    One(Standing),
    Many(BTreeSet<Standing>),
}

impl Claimants {
    fn insert(&mut self, standing: &Standing) {
        match self {
            Self::One(one) if one == standing => {}
            Self::One(one) => *self = Self::Many([one.clone(), standing.clone()].into_iter().collect()),
            Self::Many(many) => {
                many.insert(standing.clone());
            }
        }
    }

    /// Takes one out; tells whether none is left.
    fn remove(&mut self, standing: &Standing) -> bool {
        match self {
            Self::One(one) => one == standing,
            Self::Many(many) => {
                many.remove(standing);
                many.is_empty()
            }
        }
    }

    fn first(&self) -> Option<&Standing> {
        match self {
            Self::One(one) => Some(one),
            Self::Many(many) => many.first(),
        }
    }

    fn who(&self) -> Vec<ResourceKey> {
        match self {
            Self::One(one) => vec![one.who.clone()],
            Self::Many(many) => many.iter().map(|standing| standing.who.clone()).collect(),
        }
    }
}

impl Graph {
    /// Makes room for so many more resources: tables that grow step by step hash everything again at each step.
    pub(super) fn reserve(&mut self, resources: usize) {
        self.referrers.reserve(resources);
        self.claimants.reserve(resources);
    }

    /// Replaces the footprint of `who` (an empty one: it is new, or gone). Everyone else whose diagnosis may differ
    /// for what is claimed now is added to `touched`.
    pub(super) fn replace(
        &mut self,
        who: &ResourceKey,
        old: &Footprint,
        new: &Footprint,
        touched: &mut FastSet<ResourceKey>,
    ) {
        self.replace_references(who, &old.references, &new.references);
        for (claim, standing) in old.claims.iter().filter(|claim| !new.claims.contains(claim)) {
            self.unclaim(claim, standing, touched);
        }
        for (claim, standing) in new.claims.iter().filter(|claim| !old.claims.contains(claim)) {
            self.claim(claim, standing, touched);
        }
    }

    /// Who names this.
    pub(super) fn referrers<'a>(&'a self, node: &Node) -> impl Iterator<Item = &'a ResourceKey> + use<'a> {
        self.referrers.get(node).into_iter().flat_map(Referrers::iter)
    }

    /// Who has this.
    pub(super) fn holder(&self, claim: &Claim) -> Option<&Standing> {
        self.claimants.get(claim)?.first()
    }

    /// A claim of `who` that someone stronger has, with that one.
    pub(super) fn lost(&self, who: &ResourceKey) -> Option<(&Claim, &Standing)> {
        let claim = self.lost.get(who)?.first()?;
        Some((claim, self.holder(claim)?))
    }

    fn replace_references(&mut self, who: &ResourceKey, old: &[Node], new: &[Node]) {
        for node in old {
            if new.binary_search(node).is_err()
                && self.referrers.get_mut(node).is_some_and(|referrers| referrers.remove(who))
            {
                self.referrers.remove(node);
            }
        }
        for node in new {
            if old.binary_search(node).is_err() {
                let one = || Referrers::One(who.clone());
                self.referrers.entry(node.clone()).or_insert_with(one).insert(who);
            }
        }
    }

    fn claim(&mut self, claim: &Claim, standing: &Standing, touched: &mut FastSet<ResourceKey>) {
        let Some(claimants) = self.claimants.get_mut(claim) else {
            self.claimants.insert(claim.clone(), Claimants::One(standing.clone()));
            return touched.extend(self.referrers(&Node::Claim(claim.clone())).cloned());
        };
        let before = claimants.first().cloned();
        claimants.insert(standing);
        self.settle(claim, before.as_ref(), Some(&standing.who), touched);
    }

    fn unclaim(&mut self, claim: &Claim, standing: &Standing, touched: &mut FastSet<ResourceKey>) {
        self.forget_loss(claim, &standing.who);
        let Some(claimants) = self.claimants.get_mut(claim) else { return };
        let before = claimants.first().cloned();
        if claimants.remove(standing) {
            self.claimants.remove(claim);
            return touched.extend(self.referrers(&Node::Claim(claim.clone())).cloned());
        }
        self.settle(claim, before.as_ref(), None, touched);
    }

    /// Notes who has lost a claim: all claimants but the first, of which only `came` is new when the first is the
    /// one that it was. All are touched by another first, because each names it in its message.
    fn settle(
        &mut self,
        claim: &Claim,
        before: Option<&Standing>,
        came: Option<&ResourceKey>,
        touched: &mut FastSet<ResourceKey>,
    ) {
        let Some(claimants) = self.claimants.get(claim) else { return };
        let (first_who, claimants) = match claimants.first() {
            Some(first) if before != Some(first) => (first.who.clone(), claimants.who()),
            Some(first) => (first.who.clone(), came.cloned().into_iter().collect()),
            None => return,
        };
        for who in claimants {
            if who == first_who {
                self.forget_loss(claim, &who);
            } else {
                self.lost.entry(who.clone()).or_default().insert(claim.clone());
            }
            touched.insert(who);
        }
    }

    fn forget_loss(&mut self, claim: &Claim, who: &ResourceKey) {
        if let Some(claims) = self.lost.get_mut(who) {
            claims.remove(claim);
            if claims.is_empty() {
                self.lost.remove(who);
            }
        }
    }
}
