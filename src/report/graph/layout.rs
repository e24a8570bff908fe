//! Where the boxes stand and how the lines run: in columns, who uses left of what is used.

use super::{Graph, Tie};

/// The width of a box.
pub(super) const BOX_WIDTH: f64 = 156.0;
/// The height of a box.
pub(super) const BOX_HEIGHT: f64 = 46.0;
const COLUMN_GAP: f64 = 92.0;
const BOX_GAP: f64 = 24.0;
/// What a line takes where it passes a column.
const LANE: f64 = 18.0;
const MARGIN: f64 = 22.0;
/// How often the columns are put in a better order, and moved to it.
const SWEEPS: usize = 8;

/// A point of the picture.
pub(super) type Point = (f64, f64);

/// The finished layout.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The upper left corner of each box.
    pub(super) boxes: Vec<Point>,
    /// The points of each line, from who uses to what is used.
    pub(super) lines: Vec<Vec<Point>>,
}

/// One place in a column: a box, or a line passing by.
#[derive(Debug, Clone)]
struct Slot {
    node: Option<usize>,
    column: usize,
    left: Vec<usize>,
    right: Vec<usize>,
    y: f64,
}

/// Places everything; the same graph gives the same picture.
pub(super) fn place(graph: &Graph) -> Layout {
    let (edges, turned) = acyclic(graph);
    let column_of = columns(graph.nodes.len(), &edges);
    let mut slots: Vec<Slot> = (0..graph.nodes.len())
        .map(|at| Slot { node: Some(at), column: column_of[at], left: vec![], right: vec![], y: 0.0 })
        .collect();
    let chains: Vec<Vec<usize>> = edges.iter().map(|edge| chain(&mut slots, *edge)).collect();
    let mut order: Vec<Vec<usize>> = vec![Vec::new(); column_of.iter().max().map_or(0, |most| most + 1)];
    for (at, slot) in slots.iter().enumerate() {
        order[slot.column].push(at);
    }
    arrange(&mut order, &slots);
    settle(&order, &mut slots);
    let top = slots.iter().map(|s| s.y - height(s) / 2.0).fold(f64::INFINITY, f64::min);
    let bottom = slots.iter().map(|s| s.y + height(s) / 2.0).fold(f64::NEG_INFINITY, f64::max);
    for slot in &mut slots {
        slot.y += MARGIN - top;
    }
    let mut lines = route(&slots, &chains);
    for (line, turned) in lines.iter_mut().zip(turned) {
        if turned {
            line.reverse();
        }
    }
    let count = order.len() as f64;
    Layout {
        width: 2.0 * MARGIN + count * BOX_WIDTH + (count - 1.0).max(0.0) * COLUMN_GAP,
        height: if slots.is_empty() { 2.0 * MARGIN } else { bottom - top + 2.0 * MARGIN },
        boxes: slots[..graph.nodes.len()].iter().map(|s| (left(s), s.y - BOX_HEIGHT / 2.0)).collect(),
        lines,
    }
}

/// Turns round the lines that would close a circle; contracts keep their direction before leaks.
fn acyclic(graph: &Graph) -> (Vec<(usize, usize)>, Vec<bool>) {
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes.len()];
    let mut turned = vec![false; graph.lines.len()];
    let contracts = (0..graph.lines.len()).filter(|at| graph.lines[*at].tie == Tie::Contract);
    let leaks = (0..graph.lines.len()).filter(|at| graph.lines[*at].tie != Tie::Contract);
    for at in contracts.chain(leaks) {
        let line = &graph.lines[at];
        turned[at] = reaches(&next, line.to, line.from);
        let (from, to) = if turned[at] { (line.to, line.from) } else { (line.from, line.to) };
        next[from].push(to);
    }
    let ends = graph.lines.iter().zip(&turned);
    let edges = ends.map(|(line, turned)| if *turned { (line.to, line.from) } else { (line.from, line.to) }).collect();
    (edges, turned)
}

fn reaches(next: &[Vec<usize>], from: usize, to: usize) -> bool {
    let mut seen = vec![false; next.len()];
    let mut todo = vec![from];
    while let Some(at) = todo.pop() {
        if at == to {
            return true;
        }
        if !std::mem::replace(&mut seen[at], true) {
            todo.extend(&next[at]);
        }
    }
    false
}

/// Gives each box its column: right of all that use it, and no further left of what it uses than it must be.
fn columns(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut column = vec![0; count];
    // the longest way has fewer steps than there are boxes
    for _ in 0..count {
        for (from, to) in edges {
            column[*to] = column[*to].max(column[*from] + 1);
        }
    }
    for at in 0..count {
        let used = edges.iter().any(|(_, to)| *to == at);
        let nearest = edges.iter().filter(|(from, _)| *from == at).map(|(_, to)| column[*to]).min();
        if let (false, Some(nearest)) = (used, nearest) {
            column[at] = nearest - 1;
        }
    }
    column
}

/// Links two boxes through a lane in every column between them.
fn chain(slots: &mut Vec<Slot>, (from, to): (usize, usize)) -> Vec<usize> {
    let mut chain = vec![from];
    for column in slots[from].column + 1..slots[to].column {
        slots.push(Slot { node: None, column, left: vec![], right: vec![], y: 0.0 });
        chain.push(slots.len() - 1);
    }
    chain.push(to);
    for pair in chain.windows(2) {
        slots[pair[0]].right.push(pair[1]);
        slots[pair[1]].left.push(pair[0]);
    }
    chain
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// Puts each column in the order of its neighbours' means, to and fro, so that fewer lines cross.
fn arrange(order: &mut [Vec<usize>], slots: &[Slot]) {
    let mut rank = vec![0.0; slots.len()];
    let number = |column: &[usize], rank: &mut Vec<f64>| {
        for (place, slot) in column.iter().enumerate() {
            rank[*slot] = place as f64 / column.len() as f64;
        }
    };
    for column in order.iter() {
        number(column, &mut rank);
    }
    for sweep in 0..2 * SWEEPS {
        let forward = sweep % 2 == 0;
        for step in 0..order.len() {
            let at = if forward { step } else { order.len() - 1 - step };
            let wish = |slot: &usize| {
                let beside = if forward { &slots[*slot].left } else { &slots[*slot].right };
                mean(beside.iter().map(|n| rank[*n])).unwrap_or(rank[*slot])
            };
            order[at].sort_by(|a, b| wish(a).total_cmp(&wish(b)));
            number(&order[at], &mut rank);
        }
    }
}

fn height(slot: &Slot) -> f64 {
    if slot.node.is_some() { BOX_HEIGHT + BOX_GAP } else { LANE }
}

/// Moves each column towards its neighbours without changing its order.
fn settle(order: &[Vec<usize>], slots: &mut [Slot]) {
    for column in order {
        let mut y = -column.iter().map(|s| height(&slots[*s])).sum::<f64>() / 2.0;
        for slot in column {
            let own = height(&slots[*slot]);
            slots[*slot].y = y + own / 2.0;
            y += own;
        }
    }
    for _ in 0..SWEEPS {
        for column in order {
            let wish = |slot: &Slot| mean(slot.left.iter().chain(&slot.right).map(|n| slots[*n].y)).unwrap_or(slot.y);
            let wishes: Vec<f64> = column.iter().map(|s| wish(&slots[*s])).collect();
            let mut floor = f64::NEG_INFINITY;
            let mut placed = Vec::with_capacity(column.len());
            for (slot, wish) in column.iter().zip(&wishes) {
                let half = height(&slots[*slot]) / 2.0;
                let y = wish.max(floor + half);
                floor = y + half;
                placed.push(y);
            }
            let shift = mean(wishes.iter().zip(&placed).map(|(wish, y)| wish - y)).unwrap_or(0.0);
            for (slot, y) in column.iter().zip(placed) {
                slots[*slot].y = y + shift;
            }
        }
    }
}

fn left(slot: &Slot) -> f64 {
    MARGIN + slot.column as f64 * (BOX_WIDTH + COLUMN_GAP)
}

/// Gives each line its points; lines at one side of a box are spread over it in the order of where they go.
fn route(slots: &[Slot], chains: &[Vec<usize>]) -> Vec<Vec<Point>> {
    let port = |at: usize, chain_at: usize, leaving: bool| {
        let beside = |c: &[usize]| if leaving { slots[c[1]].y } else { slots[c[c.len() - 2]].y };
        let here = |c: &[usize]| if leaving { c[0] == at } else { c.last() == Some(&at) };
        let mut all: Vec<usize> = (0..chains.len()).filter(|i| here(&chains[*i])).collect();
        all.sort_by(|a, b| beside(&chains[*a]).total_cmp(&beside(&chains[*b])).then(a.cmp(b)));
        let place = all.iter().position(|i| *i == chain_at).unwrap_or(0) as f64;
        let last = all.len() as f64 - 1.0;
        let gap = if last > 0.0 { (BOX_HEIGHT * 0.7 / last).min(13.0) } else { 0.0 };
        slots[at].y + (place - last / 2.0) * gap
    };
    let points = |(chain_at, chain): (usize, &Vec<usize>)| {
        let (first, last) = (chain[0], chain[chain.len() - 1]);
        let mut points = vec![(left(&slots[first]) + BOX_WIDTH, port(first, chain_at, true))];
        for lane in &chain[1..chain.len() - 1] {
            let (x, y) = (left(&slots[*lane]), slots[*lane].y);
            points.extend([(x, y), (x + BOX_WIDTH, y)]);
        }
        points.push((left(&slots[last]), port(last, chain_at, false)));
        points
    };
    chains.iter().enumerate().map(points).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Line, Node, Party};
    use super::*;
    use crate::audit::finding::Severity;

    fn graph(count: usize, ends: &[(usize, usize, bool)]) -> Graph {
        let node = |at: usize| Node { party: Party::Service(format!("s{at:02}")), team: None, description: None };
        let lines = ends.iter().filter(|(from, to, _)| from != to).map(|(from, to, leak)| Line {
            from: *from,
            to: *to,
            tie: if *leak { Tie::Leak(Severity::Error) } else { Tie::Contract },
            objects: vec!["x".to_owned()],
        });
        Graph { nodes: (0..count).map(node).collect(), lines: lines.collect(), left_out: 0 }
    }

    proptest! {
        #[test]
        fn boxes_do_not_overlap_and_all_is_inside(
            ends in proptest::collection::vec((0_usize..9, 0_usize..9, any::<bool>()), 0..30)
        ) {
            let layout = place(&graph(9, &ends));
            for (i, a) in layout.boxes.iter().enumerate() {
                prop_assert!(a.0 >= 0.0 && a.1 >= 0.0);
                prop_assert!(a.0 + BOX_WIDTH <= layout.width && a.1 + BOX_HEIGHT <= layout.height + 0.01);
                for b in &layout.boxes[..i] {
                    prop_assert!((a.0 - b.0).abs() >= BOX_WIDTH || (a.1 - b.1).abs() >= BOX_HEIGHT, "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn who_uses_stands_left_of_what_is_used() {
        let layout = place(&graph(3, &[(0, 1, false), (1, 2, false), (2, 0, true)]));
        assert!(layout.boxes[0].0 < layout.boxes[1].0 && layout.boxes[1].0 < layout.boxes[2].0);
        let leak = &layout.lines[2];
        assert!(leak[0].0 > leak[leak.len() - 1].0, "the leak that closes the circle runs back");
    }

    #[test]
    fn an_empty_graph_has_a_size() {
        let layout = place(&Graph::default());
        assert!(layout.width > 0.0 && layout.height > 0.0);
    }
}
