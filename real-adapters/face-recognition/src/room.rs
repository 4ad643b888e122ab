//! How many bytes of pictures may lie in memory at a time, sent or fetched, most of them waiting for a worker. Any number
//! of small ones may wait; of those as large as allowed only a few, or a handful of strangers could fill the machine.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pictures of the largest size allowed that there is room for.
const PICTURES: usize = 8;

/// Bytes are counted in blocks, for a semaphore counts to 2³² only.
const BLOCK: usize = 1024;

/// Room for bytes, shared by all requests.
#[derive(Debug, Clone)]
pub struct Room {
    blocks: Arc<Semaphore>,
    bytes: usize,
}

/// There is no more room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("other pictures fill the {0} bytes that there is room for: try again in a moment")]
pub struct NoRoom(usize);

/// The bytes of one request, which leave the room with it.
#[derive(Debug)]
pub struct Held {
    room: Room,
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Room {
    /// Room where pictures have `max_bytes` at most.
    pub fn new(max_bytes: usize) -> Self {
        let blocks = PICTURES * max_bytes.div_ceil(BLOCK);
        Self { blocks: Arc::new(Semaphore::new(blocks)), bytes: PICTURES * max_bytes }
    }

    /// No bytes yet.
    pub fn hold(&self) -> Held {
        Held { room: self.clone(), permit: None, bytes: 0 }
    }
}

impl Held {
    /// How many there are.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// So many more.
    pub fn add(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let more = (self.bytes + bytes).div_ceil(BLOCK) - self.bytes.div_ceil(BLOCK);
        let no_room = NoRoom(self.room.bytes);
        if more > 0 {
            let more = u32::try_from(more).map_err(|_| no_room)?;
            let permit = self.room.blocks.clone().try_acquire_many_owned(more).map_err(|_| no_room)?;
            match &mut self.permit {
                Some(all) => all.merge(permit),
                none => *none = Some(permit),
            }
        }
        self.bytes += bytes;
        Ok(())
    }

    /// They are gone.
    pub fn clear(&mut self) {
        (self.permit, self.bytes) = (None, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_the_room_with_their_request() {
        let room = Room::new(3000);
        let mut small: Vec<Held> = (0..20).map(|_| room.hold()).collect();
        for held in &mut small {
            held.add(10).and_then(|()| held.add(990)).expect("twenty blocks of the 24");
        }
        let mut large = room.hold();
        large.add(3000).expect("three more");
        assert_eq!(large.add(1100), Err(NoRoom(24_000)));
        assert_eq!(large.bytes(), 3000);
        drop(small);
        large.add(1100).expect("there is room again");
        large.clear();
        assert_eq!((large.bytes(), room.blocks.available_permits()), (0, 24));
    }
}
