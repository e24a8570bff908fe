//! The graph as text that other programs draw.

use std::fmt::Write as _;

use super::super::style::{count, plain};
use super::{Graph, Node, Party, Tie};

/// How many objects a line names before it only counts them.
const MOST_NAMED: usize = 4;

/// Writes a Mermaid flowchart.
#[must_use]
pub fn mermaid(graph: &Graph) -> String {
    let mut out = "flowchart LR\n".to_owned();
    for (at, node) in graph.nodes.iter().enumerate() {
        let mut label = for_mermaid(node.party.name());
        if let Some(team) = &node.team {
            let _ = write!(label, "<br/><small>{}</small>", for_mermaid(team));
        }
        let _ = match node.party {
            Party::Service(_) => writeln!(out, "    s{at}[\"{label}\"]"),
            Party::Nobody | Party::Everybody => writeln!(out, "    s{at}([\"{label}\"])"),
        };
    }
    let mut leaks = Vec::new();
    for (at, line) in graph.lines.iter().enumerate() {
        let arrow = match line.tie {
            Tie::Contract => "-->",
            Tie::Leak(_) => {
                leaks.push(at.to_string());
                "-.->"
            }
        };
        let labels: Vec<_> = labels(&line.objects, line.tie).iter().map(|label| for_mermaid(label)).collect();
        let _ = writeln!(out, "    s{} {arrow}|\"{}\"| s{}", line.from, labels.join("<br/>"), line.to);
    }
    if !leaks.is_empty() {
        let _ = writeln!(out, "    linkStyle {} stroke:#d1242f,color:#d1242f", leaks.join(","));
    }
    out
}

/// Writes a Graphviz digraph.
#[must_use]
pub fn dot(graph: &Graph) -> String {
    let mut out =
        "digraph pgcleave {\n    rankdir=LR;\n    node [shape=box, style=rounded, fontname=\"sans-serif\"];\n    \
                   edge [fontname=\"sans-serif\", fontsize=10];\n"
            .to_owned();
    for (at, node) in graph.nodes.iter().enumerate() {
        let style = if matches!(node.party, Party::Service(_)) { "" } else { ", style=\"rounded,dashed\"" };
        let _ = writeln!(out, "    s{at} [label=\"{}\"{style}];", dot_label(node));
    }
    for line in &graph.lines {
        let style = match line.tie {
            Tie::Contract => "",
            Tie::Leak(_) => ", color=\"#d1242f\", fontcolor=\"#d1242f\", style=dashed",
        };
        let labels: Vec<_> = labels(&line.objects, line.tie).iter().map(|label| for_dot(label)).collect();
        let _ = writeln!(out, "    s{} -> s{} [label=\"{}\"{style}];", line.from, line.to, labels.join("\\n"));
    }
    out.push_str("}\n");
    out
}

fn dot_label(node: &Node) -> String {
    let name = for_dot(node.party.name());
    match &node.team {
        Some(team) => format!("{name}\\n{}", for_dot(team)),
        None => name,
    }
}

fn labels(objects: &[String], tie: Tie) -> Vec<String> {
    if objects.len() <= MOST_NAMED {
        return objects.to_vec();
    }
    match tie {
        Tie::Contract => vec![count(objects.len(), "object")],
        Tie::Leak(_) => vec![count(objects.len(), "leak")],
    }
}

/// Writes whatever could end a label or be markup as Mermaid's own character codes.
fn for_mermaid(text: &str) -> String {
    let mut out = String::new();
    for c in plain(text).chars() {
        if c.is_alphanumeric() || " _.,:()-".contains(c) {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}

fn for_dot(text: &str) -> String {
    plain(text).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::super::{Line, Node};
    use super::*;
    use crate::audit::finding::Severity;

    fn graph(name: &str) -> Graph {
        let node = |name: &str, team: Option<&str>| Node {
            party: Party::Service(name.to_owned()),
            team: team.map(str::to_owned),
            description: None,
        };
        let line = |from, to, tie, object: &str| Line { from, to, tie, objects: vec![object.to_owned()] };
        let lines =
            vec![line(0, 1, Tie::Contract, "order_summary"), line(1, 0, Tie::Leak(Severity::Error), "ACC01: a.b")];
        Graph { nodes: vec![node("billing", Some("finance")), node(name, None)], lines, left_out: 0 }
    }

    #[test]
    fn mermaid_shows_contracts_and_leaks() {
        expect_test::expect![[r#"
            flowchart LR
                s0["billing<br/><small>finance</small>"]
                s1["orders"]
                s0 -->|"order_summary"| s1
                s1 -.->|"ACC01: a.b"| s0
                linkStyle 1 stroke:#d1242f,color:#d1242f
        "#]]
        .assert_eq(&mermaid(&graph("orders")));
    }

    #[test]
    fn dot_shows_contracts_and_leaks() {
        expect_test::expect![[r##"
            digraph pgcleave {
                rankdir=LR;
                node [shape=box, style=rounded, fontname="sans-serif"];
                edge [fontname="sans-serif", fontsize=10];
                s0 [label="billing\nfinance"];
                s1 [label="orders"];
                s0 -> s1 [label="order_summary"];
                s1 -> s0 [label="ACC01: a.b", color="#d1242f", fontcolor="#d1242f", style=dashed];
            }
        "##]]
        .assert_eq(&dot(&graph("orders")));
    }

    #[test]
    fn a_hostile_name_stays_in_its_label() {
        let graph = graph("a\"]\n<script>\\");
        let drawn = mermaid(&graph);
        assert!(drawn.contains("s1[\"a#34;#93;#92;n#60;script#62;#92;\"]"), "{drawn}");
        let drawn = dot(&graph);
        assert!(drawn.contains("label=\"a\\\"]\\\\n<script>\\\\\""), "{drawn}");
    }
}
