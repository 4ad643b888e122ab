//! Which node takes a new replica.
//!
//! A node qualifies when it is schedulable and has room for the replica's requests; the policies differ in which of those
//! they prefer. Ties go to the lowest index, so that a choice depends on nothing but what is seen. Left out: taints,
//! affinities and pre-emption.

mod bin_pack;
mod image_locality;
mod least_allocated;
mod spread;

use super::Listing;
use crate::units::Bytes;

/// What a scheduler knows of one node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodeView {
    /// Whether it takes replicas at all (it is up and known to be).
    pub schedulable: bool,
    /// Memory for replicas in all.
    pub memory: Bytes,
    /// Memory that no replica has requested yet.
    pub memory_free: Bytes,
    /// Cores for replicas in all.
    pub cpu: f64,
    /// Cores that no replica has requested yet.
    pub cpu_free: f64,
    /// Replicas on it.
    pub replicas: u32,
    /// Replicas of the function in question on it.
    pub replicas_of_function: u32,
    /// Whether the function's image is on it.
    pub has_image: bool,
}

/// What a new replica requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReplicaSize {
    /// Memory request.
    pub memory: Bytes,
    /// CPU request in cores.
    pub cpu: f64,
}

/// Decides when a replica needs a node.
pub trait Placement {
    /// The index of the chosen node; `None` when none has room.
    fn place(&mut self, nodes: &[NodeView], wanted: ReplicaSize) -> Option<usize>;
}

/// The placement policies that a scenario can name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlacementPolicy {
    /// Fewest replicas of the same function, then fewest of any.
    #[default]
    Spread,
    /// The fullest node that still has room.
    BinPack,
    /// The largest free share of CPU and memory, as Kubernetes' NodeResourcesFit/LeastAllocated.
    LeastAllocated,
    /// A node that has the image already, then as [`PlacementPolicy::Spread`].
    ImageLocality,
}

impl PlacementPolicy {
    /// How the policies are listed.
    pub const LISTINGS: [Listing; 4] =
        [spread::LISTING, bin_pack::LISTING, least_allocated::LISTING, image_locality::LISTING];
}

impl Placement for PlacementPolicy {
    fn place(&mut self, nodes: &[NodeView], wanted: ReplicaSize) -> Option<usize> {
        match self {
            PlacementPolicy::Spread => spread::place(nodes, wanted),
            PlacementPolicy::BinPack => bin_pack::place(nodes, wanted),
            PlacementPolicy::LeastAllocated => least_allocated::place(nodes, wanted),
            PlacementPolicy::ImageLocality => image_locality::place(nodes, wanted),
        }
    }
}

const fn listing(name: &'static str, about: &'static str) -> Listing {
    Listing { name, key: "cluster.placement", about }
}

impl NodeView {
    /// Whether a replica of size `wanted` may go here.
    ///
    /// CPU is compared in whole micro-cores, so that forty requests of 0.1 cores fill four cores whatever the order of
    /// additions left in the last bits.
    fn takes(&self, wanted: ReplicaSize) -> bool {
        let micro_cores = |cores: f64| (cores * 1e6).round();
        self.schedulable && self.memory_free >= wanted.memory && micro_cores(self.cpu_free) >= micro_cores(wanted.cpu)
    }

    /// The mean of the shares of CPU and memory that would be free with a replica of size `wanted` here.
    fn free_share(&self, wanted: ReplicaSize) -> f64 {
        let share = |free: f64, all: f64| if all > 0.0 { (free / all).max(0.0) } else { 0.0 };
        let memory = share(self.memory_free.0 as f64 - wanted.memory.0 as f64, self.memory.0 as f64);
        (memory + share(self.cpu_free - wanted.cpu, self.cpu)) / 2.0
    }
}

/// The nodes that may take the replica, with their indices.
fn candidates(nodes: &[NodeView], wanted: ReplicaSize) -> impl Iterator<Item = (usize, &NodeView)> {
    nodes.iter().enumerate().filter(move |(_, node)| node.takes(wanted))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) const WANTED: ReplicaSize = ReplicaSize { memory: Bytes(128), cpu: 0.1 };

    /// An empty node with 4 cores and 4096 bytes.
    pub(super) fn node() -> NodeView {
        NodeView {
            schedulable: true,
            memory: Bytes(4096),
            memory_free: Bytes(4096),
            cpu: 4.0,
            cpu_free: 4.0,
            replicas: 0,
            replicas_of_function: 0,
            has_image: false,
        }
    }

    pub(super) const ALL: [PlacementPolicy; 4] = [
        PlacementPolicy::Spread,
        PlacementPolicy::BinPack,
        PlacementPolicy::LeastAllocated,
        PlacementPolicy::ImageLocality,
    ];

    #[test]
    fn equal_nodes_are_taken_in_order() {
        for mut policy in ALL {
            assert_eq!(policy.place(&[node(), node(), node()], WANTED), Some(0), "{policy:?}");
        }
    }

    #[test]
    fn a_node_without_room_is_passed_over() {
        let full = [
            NodeView { schedulable: false, ..node() },
            NodeView { memory_free: Bytes(127), ..node() },
            NodeView { cpu_free: 0.099, ..node() },
        ];
        for mut policy in ALL {
            assert_eq!(policy.place(&full, WANTED), None, "{policy:?}");
            assert_eq!(policy.place(&[full[0], full[1], full[2], node()], WANTED), Some(3), "{policy:?}");
        }
    }

    #[test]
    fn forty_tenths_fill_four_cores() {
        let mut last = node();
        for _ in 0..39 {
            assert!(last.takes(WANTED));
            last.cpu_free -= WANTED.cpu;
        }
        assert!(last.cpu_free < WANTED.cpu && last.takes(WANTED), "the last one fits but for rounding");
        last.cpu_free -= WANTED.cpu;
        assert!(!last.takes(WANTED));
    }

    fn nodes() -> impl Strategy<Value = Vec<NodeView>> {
        let node = (any::<bool>(), 0..=4096u64, 0..=40u32, 0..6u32, 0..6u32, any::<bool>()).prop_map(
            |(schedulable, memory_free, tenths, others, own, has_image)| NodeView {
                schedulable,
                memory_free: Bytes(memory_free),
                cpu_free: f64::from(tenths) / 10.0,
                replicas: own + others,
                replicas_of_function: own,
                has_image,
                ..node()
            },
        );
        prop::collection::vec(node, 0..12)
    }

    proptest! {
        #[test]
        fn a_choice_has_room_and_is_made_if_there_is_any(nodes in nodes(), memory in 0..2048u64, tenths in 0..20u32) {
            let wanted = ReplicaSize { memory: Bytes(memory), cpu: f64::from(tenths) / 10.0 };
            let room = |node: &NodeView| node.schedulable && node.memory_free.0 >= memory && node.cpu_free >= wanted.cpu;
            for mut policy in ALL {
                match policy.place(&nodes, wanted) {
                    Some(index) => prop_assert!(room(&nodes[index]), "{policy:?}"),
                    None => prop_assert!(!nodes.iter().any(room), "{policy:?}"),
                }
            }
        }

        #[test]
        fn a_later_copy_of_the_chosen_node_changes_nothing(nodes in nodes()) {
            for mut policy in ALL {
                if let Some(index) = policy.place(&nodes, WANTED) {
                    let mut more = nodes.clone();
                    more.push(nodes[index]);
                    prop_assert_eq!(policy.place(&more, WANTED), Some(index));
                }
            }
        }
    }
}
