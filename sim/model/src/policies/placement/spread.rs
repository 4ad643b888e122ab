//! Replicas of a function apart from each other, so that losing a node costs as few of them as can be.

use super::{NodeView, ReplicaSize, candidates, listing};
use crate::policies::Listing;

pub(super) const LISTING: Listing =
    listing("spread", "the node with fewest replicas of the same function, then with fewest of any");

/// Fewest replicas of the function, then fewest of any.
pub(super) fn place(nodes: &[NodeView], wanted: ReplicaSize) -> Option<usize> {
    let chosen = candidates(nodes, wanted).min_by_key(|(_, node)| crowding(node));
    chosen.map(|(index, _)| index)
}

/// How crowded a node is, own kind first.
pub(super) fn crowding(node: &NodeView) -> (u32, u32) {
    (node.replicas_of_function, node.replicas)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{WANTED, node};
    use super::*;

    #[test]
    fn own_replicas_weigh_more_than_others() {
        let own = NodeView { replicas: 1, replicas_of_function: 1, ..node() };
        let others = NodeView { replicas: 9, ..node() };
        let fewer = NodeView { replicas: 8, ..node() };
        assert_eq!(place(&[own, others], WANTED), Some(1));
        assert_eq!(place(&[own, others, fewer], WANTED), Some(2));
    }
}
