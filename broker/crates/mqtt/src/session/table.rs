//! The sessions of one core, found by place or by client identifier.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::Session;
use crate::router::SessionRef;

#[derive(Debug)]
struct Place {
    /// Raised each time the place is left, so that old references find nobody.
    generation: u32,
    session: Option<Box<Session>>,
}

/// All sessions whose client identifiers this core owns.
#[derive(Debug)]
pub(crate) struct SessionTable {
    core: u16,
    places: Vec<Place>,
    free: Vec<u32>,
    by_client: HashMap<Box<str>, u32, RandomState>,
}

impl SessionTable {
    pub(crate) fn new(core: u16) -> Self {
        Self { core, places: Vec::new(), free: Vec::new(), by_client: HashMap::default() }
    }

    /// Number of sessions.
    pub(crate) fn len(&self) -> usize {
        self.by_client.len()
    }

    /// One more than the highest place in use; for walks.
    pub(crate) fn places(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn find(&self, client_id: &str) -> Option<SessionRef> {
        self.by_client.get(client_id).and_then(|slot| self.reference(*slot))
    }

    /// The reference of the session at `slot`, if there is one.
    pub(crate) fn reference(&self, slot: u32) -> Option<SessionRef> {
        let place = self.places.get(slot as usize)?;
        place.session.as_ref()?;
        Some(SessionRef { core: self.core, slot, generation: place.generation })
    }

    #[inline]
    pub(crate) fn get(&self, session: SessionRef) -> Option<&Session> {
        let place = self.places.get(session.slot as usize)?;
        if place.generation == session.generation { place.session.as_deref() } else { None }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, session: SessionRef) -> Option<&mut Session> {
        let place = self.places.get_mut(session.slot as usize)?;
        if place.generation == session.generation { place.session.as_deref_mut() } else { None }
    }

    pub(crate) fn insert(&mut self, session: Box<Session>) -> SessionRef {
        let client_id = session.client_id.clone();
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.places.push(Place { generation: 0, session: None });
                self.places() - 1
            }
        };
        let place = &mut self.places[slot as usize];
        place.session = Some(session);
        let reference = SessionRef { core: self.core, slot, generation: place.generation };
        self.by_client.insert(client_id, slot);
        reference
    }

    pub(crate) fn remove(&mut self, session: SessionRef) -> Option<Box<Session>> {
        let place = self.places.get_mut(session.slot as usize)?;
        if place.generation != session.generation {
            return None;
        }
        let removed = place.session.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(session.slot);
        self.by_client.remove(&removed.client_id);
        Some(removed)
    }
}
