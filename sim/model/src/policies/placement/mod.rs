//! Which node takes a new replica.

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
