//! Work where most is free, so that replicas share their CPU with as little as can be.

use super::{NodeView, ReplicaSize, candidates, listing};
use crate::policies::Listing;

pub(super) const LISTING: Listing = listing(
    "least-allocated",
    "the node with the largest free share of CPU and memory, as Kubernetes' NodeResourcesFit with LeastAllocated",
);

/// The largest free share of CPU and memory, averaged with equal weights.
///
/// Kubernetes rounds the score down to whole percents before it compares; here it is compared as it is.
pub(super) fn place(nodes: &[NodeView], wanted: ReplicaSize) -> Option<usize> {
    let chosen =
        candidates(nodes, wanted).min_by(|(_, a), (_, b)| b.free_share(wanted).total_cmp(&a.free_share(wanted)));
    chosen.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{WANTED, node};
    use super::*;
    use crate::units::Bytes;

    #[test]
    fn the_mean_of_both_resources_counts() {
        // Free with the replica placed: 38.4 %, 58.4 % and 50.6 % on average.
        let no_memory = NodeView { memory_free: Bytes(128), cpu_free: 3.17, ..node() };
        let balanced = NodeView { memory_free: Bytes(2560), cpu_free: 2.4, ..node() };
        let no_cpu = NodeView { memory_free: Bytes(4096), cpu_free: 0.27, ..node() };
        assert_eq!(place(&[no_memory, balanced, no_cpu], WANTED), Some(1));
    }

    #[test]
    fn a_large_node_is_emptier_after_the_same_replica() {
        let large = NodeView { memory: Bytes(8192), memory_free: Bytes(8192), ..node() };
        assert_eq!(place(&[node(), large], WANTED), Some(1));
    }
}
