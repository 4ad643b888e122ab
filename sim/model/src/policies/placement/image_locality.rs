//! Replicas where their image is, so that a cold start need not pull it.

use super::{NodeView, ReplicaSize, candidates, listing, spread};
use crate::policies::Listing;

pub(super) const LISTING: Listing =
    listing("image-locality", "a node that has the function's image already, among those as spread does");

/// A node with the image before any without; then fewest replicas.
///
/// Kubernetes only adds a score for images, scaled by their size; here the image decides.
pub(super) fn place(nodes: &[NodeView], wanted: ReplicaSize) -> Option<usize> {
    let chosen = candidates(nodes, wanted).min_by_key(|(_, node)| (!node.has_image, spread::crowding(node)));
    chosen.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{WANTED, node};
    use super::*;

    #[test]
    fn the_image_decides_and_then_the_crowd() {
        let crowded = NodeView { has_image: true, replicas: 5, replicas_of_function: 3, ..node() };
        let calmer = NodeView { replicas_of_function: 2, ..crowded };
        assert_eq!(place(&[node(), crowded, calmer], WANTED), Some(2));
    }

    #[test]
    fn without_room_at_the_image_another_node_pulls_it() {
        let full = NodeView { has_image: true, cpu_free: 0.0, ..node() };
        assert_eq!(place(&[full, node()], WANTED), Some(1));
    }
}
