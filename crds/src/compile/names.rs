//! Numbers for names: the indexes hold many names of few resources, and a number takes a tenth of a name.

use std::sync::Arc;

use super::FastMap;
use super::key::{Kind, ResourceKey};

/// A resource by number, whether it exists or is only named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Id(u32);

/// A value for each resource; the default for those that have none.
pub(super) struct Table<T>(Vec<T>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> Table<T> {
    pub(super) fn get(&self, id: Id) -> Option<&T> {
        self.0.get(id.0 as usize)
    }

    pub(super) fn entry(&mut self, id: Id) -> &mut T {
        let at = id.0 as usize;
        if at >= self.0.len() {
            grow(&mut self.0, at + 1);
            self.0.resize_with(at + 1, T::default);
        }
        &mut self.0[at]
    }

    pub(super) fn take(&mut self, id: Id) -> T {
        self.0.get_mut(id.0 as usize).map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Id, &T)> {
        (0..).map(Id).zip(&self.0)
    }
}

/// Makes room in steps of an eighth: to double would leave half of a large table empty.
fn grow<T>(all: &mut Vec<T>, len: usize) {
    if len > all.capacity() {
        let room = len.max(all.len() + all.len() / 8 + 16);
        all.reserve_exact(room - all.len());
    }
}

/// Which number is which name. A name keeps its number until [`Self::forget`].
#[derive(Default)]
pub(super) struct Names {
    namespaces: Vec<Namespace>,
    by_name: FastMap<Arc<str>, u32>,
    all: Vec<Name>,
    free: Vec<Id>,
}

struct Namespace {
    name: Arc<str>,
    kinds: [FastMap<Arc<str>, Id>; Kind::ALL.len()],
}

struct Name {
    name: Arc<str>,
    namespace: u32,
    kind: Kind,
}

impl Names {
    /// The number of a resource that is there or is named by one.
    pub(super) fn find(&self, key: &ResourceKey) -> Option<Id> {
        self.get(*self.by_name.get(&*key.namespace)?, key.kind, &key.name)
    }

    /// The number of a resource; given out if it has none.
    pub(super) fn number(&mut self, key: &ResourceKey) -> Id {
        let namespace = match self.by_name.get(&*key.namespace) {
            Some(namespace) => *namespace,
            None => {
                let number = self.namespaces.len() as u32;
                let kinds = [(); Kind::ALL.len()].map(|()| FastMap::default());
                self.namespaces.push(Namespace { name: key.namespace.clone(), kinds });
                self.by_name.insert(key.namespace.clone(), number);
                number
            }
        };
        self.number_in(namespace, key.kind, &key.name)
    }

    /// The number of another resource in the same namespace.
    pub(super) fn find_sibling(&self, who: Id, kind: Kind, name: &str) -> Option<Id> {
        self.get(self.all[who.0 as usize].namespace, kind, name)
    }

    /// The number of another resource in the same namespace; given out if it has none.
    pub(super) fn number_sibling(&mut self, who: Id, kind: Kind, name: &str) -> Id {
        self.number_in(self.all[who.0 as usize].namespace, kind, name)
    }

    /// The kind of a resource.
    pub(super) fn kind(&self, id: Id) -> Kind {
        self.all[id.0 as usize].kind
    }

    /// The name of a resource within its namespace.
    pub(super) fn name(&self, id: Id) -> &Arc<str> {
        &self.all[id.0 as usize].name
    }

    /// The whole name of a resource.
    pub(super) fn key(&self, id: Id) -> ResourceKey {
        let Name { name, namespace, kind } = &self.all[id.0 as usize];
        ResourceKey {
            kind: *kind,
            namespace: self.namespaces[*namespace as usize].name.clone(),
            name: name.clone(),
        }
    }

    /// All of a kind, in no order.
    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = Id> {
        self.namespaces.iter().flat_map(move |namespace| namespace.kinds[kind as usize].values().copied())
    }

    /// Takes the number back: neither is there such a resource, nor does any name it.
    pub(super) fn forget(&mut self, id: Id) {
        let Name { name, namespace, kind } = &mut self.all[id.0 as usize];
        let ids = &mut self.namespaces[*namespace as usize].kinds[*kind as usize];
        if ids.get(name) == Some(&id) {
            ids.remove(name);
            *name = Arc::from("");
            self.free.push(id);
        }
    }

    fn get(&self, namespace: u32, kind: Kind, name: &str) -> Option<Id> {
        self.namespaces[namespace as usize].kinds[kind as usize].get(name).copied()
    }

    fn number_in(&mut self, namespace: u32, kind: Kind, name: &str) -> Id {
        if let Some(id) = self.get(namespace, kind, name) {
            return id;
        }
        let name: Arc<str> = Arc::from(name);
        let new = Name { name: name.clone(), namespace, kind };
        let id = match self.free.pop() {
            Some(id) => {
                self.all[id.0 as usize] = new;
                id
            }
            None => {
                let len = self.all.len() + 1;
                grow(&mut self.all, len);
                self.all.push(new);
                Id(len as u32 - 1)
            }
        };
        self.namespaces[namespace as usize].kinds[kind as usize].insert(name, id);
        id
    }
}
