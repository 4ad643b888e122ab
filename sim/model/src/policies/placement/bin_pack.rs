//! Replicas on as few nodes as can be, so that the others may be switched off.

use super::{NodeView, ReplicaSize, candidates, listing};
use crate::policies::Listing;

pub(super) const LISTING: Listing =
    listing("bin-pack", "the fullest node that still has room, as Kubernetes' NodeResourcesFit with MostAllocated");

/// The smallest free share of CPU and memory, averaged.
pub(super) fn place(nodes: &[NodeView], wanted: ReplicaSize) -> Option<usize> {
    let chosen =
        candidates(nodes, wanted).min_by(|(_, a), (_, b)| a.free_share(wanted).total_cmp(&b.free_share(wanted)));
    chosen.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{WANTED, node};
    use super::*;
    use crate::units::Bytes;

    #[test]
    fn the_fullest_node_with_room_is_filled_up() {
        let half = NodeView { memory_free: Bytes(2048), cpu_free: 2.0, ..node() };
        let brimming = NodeView { memory_free: Bytes(128), cpu_free: 0.1, ..node() };
        let full = NodeView { memory_free: Bytes(64), cpu_free: 0.1, ..node() };
        assert_eq!(place(&[node(), half, brimming, full], WANTED), Some(2));
    }

    #[test]
    fn a_small_node_fills_up_sooner() {
        let small = NodeView { memory: Bytes(1024), memory_free: Bytes(1024), cpu: 1.0, cpu_free: 1.0, ..node() };
        assert_eq!(place(&[node(), small], WANTED), Some(1));
    }
}
