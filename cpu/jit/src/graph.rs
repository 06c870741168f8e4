//! The control flow of a region, and how it nests.
//!
//! WebAssembly has no jumps, only blocks and loops. The nesting follows from the dominator tree
//! (N. Ramsey, "Beyond Relooper", ICFP 2022): a node's code comes with its children in the tree inside
//! it, those that several edges lead to each behind a block, loop headers in a loop. What cannot be
//! said so (a way into the middle of a loop) goes through the *dispatch* node, the root: a loop that
//! branches by a table to whatever can be entered: from outside, by a return or an indirect jump.

use crate::region::{BlockId, End, Region};

/// An edge of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a branch outwards or inwards.
    Structured,
    /// Through the dispatch node.
    Dispatched,
}

/// The region's control flow, analysed.
pub struct Graph {
    /// Blocks that the dispatch node branches to, in the order of their numbers.
    pub dispatched: Vec<BlockId>,
    /// The children of each node in the dominator tree that need a block of their own, in the order in
    /// which their code comes. The last element is the dispatch node's.
    pub merges: Vec<Vec<BlockId>>,
    /// Blocks that a structured edge leads back to.
    pub loops: Vec<bool>,
    /// Blocks that are placed where the only edge to them is.
    pub inline: Vec<bool>,
    /// How many instructions there are at most from each block to where the budget is looked at next:
    /// a loop's header, the dispatch node, or outside.
    pub longest: Vec<i32>,
    /// Edges that are not structured.
    dispatched_edges: Vec<(BlockId, BlockId)>,
    /// Position in reverse postorder; `usize::MAX` for what is not reached.
    order: Vec<usize>,
}

/// The blocks of the region that a block leads to directly.
pub fn successors(region: &Region, block: BlockId) -> impl Iterator<Item = BlockId> {
    let (one, two) = match region.blocks[block].end {
        End::Fall(target) | End::Jump(target) | End::Call { target } => (target.block, None),
        // What is not taken comes last, so that it comes first in reverse postorder.
        End::Branch { taken, next } => (taken.block, next.block),
        End::Indirect | End::Special => (None, None),
    };
    one.into_iter().chain(two)
}

impl Graph {
    /// Analyses a region.
    pub fn new(region: &Region) -> Self {
        let count = region.blocks.len();
        let root = count;
        let mut is_dispatched = vec![false; count];
        for &entry in &region.entries {
            is_dispatched[entry] = true;
        }
        let mut dispatched_edges: Vec<(BlockId, BlockId)> = Vec::new();
        // Loop headers that no other loop is round can be entered, so that a loop that was left can be
        // gone on with.
        let (mut order, mut doms);
        let mut first = true;
        loop {
            let edges = |node: usize| -> Vec<usize> {
                if node == root {
                    return (0..count).rev().filter(|b| is_dispatched[*b]).collect();
                }
                successors(region, node)
                    .filter(|to| !dispatched_edges.contains(&(node, *to)))
                    .collect()
            };
            order = reverse_postorder(root, &edges);
            doms = dominators(root, &order, &edges);
            let position = positions(&order, count + 1);
            let mut changed = false;
            let mut headers = Vec::new();
            let mut removed = Vec::new();
            for &node in &order {
                for to in edges(node) {
                    if node == root || position[to] > position[node] {
                        continue;
                    }
                    if dominates(&doms, to, node) {
                        headers.push(to);
                    } else {
                        removed.push((node, to));
                    }
                }
            }
            for (node, to) in removed {
                dispatched_edges.push((node, to));
                is_dispatched[to] = true;
                changed = true;
            }
            if first {
                first = false;
                for &header in &headers {
                    let inside =
                        |other: &usize| *other != header && dominates(&doms, *other, header);
                    if !is_dispatched[header] && !headers.iter().any(inside) {
                        is_dispatched[header] = true;
                        changed = true;
                    }
                }
            }
            if !changed {
                break;
            }
        }
        Self::nest(region, order, &doms, is_dispatched, dispatched_edges)
    }

    fn nest(
        region: &Region,
        order: Vec<usize>,
        doms: &[usize],
        is_dispatched: Vec<bool>,
        dispatched_edges: Vec<(BlockId, BlockId)>,
    ) -> Self {
        let count = region.blocks.len();
        let root = count;
        let position = positions(&order, count + 1);
        let mut forward = vec![0_u32; count];
        let mut loops = vec![false; count];
        for &node in order.iter().filter(|node| **node != root) {
            for to in successors(region, node) {
                if dispatched_edges.contains(&(node, to)) {
                    continue;
                }
                if position[to] <= position[node] {
                    loops[to] = true;
                } else {
                    forward[to] += 1;
                }
            }
        }
        let merge = |block: usize| is_dispatched[block] || forward[block] > 1;
        let mut merges = vec![Vec::new(); count + 1];
        for &node in order.iter().filter(|node| **node != root) {
            if merge(node) {
                merges[doms[node]].push(node);
            }
        }
        let mut longest = vec![0; count];
        for &node in order.iter().rev().filter(|node| **node != root) {
            let after = successors(region, node)
                .filter(|to| !dispatched_edges.contains(&(node, *to)) && !loops[*to])
                .map(|to| longest[to])
                .max();
            longest[node] = region.blocks[node].insns.len() as i32 + after.unwrap_or(0);
        }
        let reached = |block: usize| position[block] != usize::MAX;
        Self {
            dispatched: (0..count).filter(|b| is_dispatched[*b] && reached(*b)).collect(),
            merges,
            loops,
            inline: (0..count).map(|block| reached(block) && !merge(block)).collect(),
            longest,
            dispatched_edges,
            order: position,
        }
    }

    /// How control gets from one block to another.
    pub fn way(&self, from: BlockId, to: BlockId) -> Way {
        if self.dispatched_edges.contains(&(from, to)) { Way::Dispatched } else { Way::Structured }
    }

    /// Whether a structured edge goes back to a loop that it is in.
    pub fn is_back(&self, from: BlockId, to: BlockId) -> bool {
        self.order[to] <= self.order[from]
    }
}

fn positions(order: &[usize], count: usize) -> Vec<usize> {
    let mut positions = vec![usize::MAX; count];
    for (position, &node) in order.iter().enumerate() {
        positions[node] = position;
    }
    positions
}

fn reverse_postorder(root: usize, edges: &dyn Fn(usize) -> Vec<usize>) -> Vec<usize> {
    let mut seen = vec![false; root + 1];
    let mut order = Vec::new();
    let mut stack = vec![(root, edges(root))];
    seen[root] = true;
    while let Some((node, left)) = stack.last_mut() {
        // Edges are taken from the front: the last visited comes first in the result.
        if left.is_empty() {
            order.push(*node);
            stack.pop();
            continue;
        }
        let next = left.remove(0);
        if !seen[next] {
            seen[next] = true;
            stack.push((next, edges(next)));
        }
    }
    order.reverse();
    order
}

/// Immediate dominators (K. Cooper, T. Harvey, K. Kennedy: "A Simple, Fast Dominance Algorithm").
fn dominators(root: usize, order: &[usize], edges: &dyn Fn(usize) -> Vec<usize>) -> Vec<usize> {
    const NONE: usize = usize::MAX;
    let position = positions(order, root + 1);
    let mut preds: Vec<Vec<usize>> = vec![Vec::new(); root + 1];
    for &node in order {
        for to in edges(node) {
            preds[to].push(node);
        }
    }
    let mut doms = vec![NONE; root + 1];
    doms[root] = root;
    let mut changed = true;
    while changed {
        changed = false;
        for &node in &order[1..] {
            let mut new = NONE;
            for &pred in &preds[node] {
                if doms[pred] == NONE {
                    continue;
                }
                new = if new == NONE { pred } else { meet(&doms, &position, pred, new) };
            }
            if doms[node] != new {
                doms[node] = new;
                changed = true;
            }
        }
    }
    doms
}

fn meet(doms: &[usize], position: &[usize], mut a: usize, mut b: usize) -> usize {
    while a != b {
        while position[a] > position[b] {
            a = doms[a];
        }
        while position[b] > position[a] {
            b = doms[b];
        }
    }
    a
}

fn dominates(doms: &[usize], above: usize, mut node: usize) -> bool {
    loop {
        if node == above {
            return true;
        }
        let up = doms[node];
        if up == node || up == usize::MAX {
            return false;
        }
        node = up;
    }
}
