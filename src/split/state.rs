//! How far a split is, as both databases store it.

use serde::{Deserialize, Serialize};

use crate::ident::Ident;

/// How far a split is. Each is written on both databases before what it announces is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nothing stands in the way. Only reported, never stored: a check writes nothing.
    Checked,
    /// Names are chosen. Set by `start` before it makes the first role, publication or definition.
    Prepared,
    /// Rows are being copied. Set by `start` before it makes the slot; after a crash here the copy begins anew.
    Copying,
    /// The subscription follows. Set by `start` once all rows are there, before it subscribes.
    CatchingUp,
    /// The target follows closely. Set by `start`, and at the end of a rollback.
    Ready,
    /// Writes are about to stop. Set by `cutover` and `rollback` before they touch a pooler or take a lock; after a
    /// crash the side that was open is opened again, unless the other one is open already.
    Fenced,
    /// The other side is open. Set with the very transaction that opens it; from here it only goes forward.
    Switched,
    /// The target is in use, and the source follows it. Set at the end of a cutover.
    Reversed,
    /// Nothing follows any more. Set by `finish` before it removes replication.
    Finished,
    /// Set by `abort` before it removes anything; the row goes when all is gone.
    Aborted,
}

impl Phase {
    /// Gives the word that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checked => "checked",
            Self::Prepared => "prepared",
            Self::Copying => "copying",
            Self::CatchingUp => "catching-up",
            Self::Ready => "ready",
            Self::Fenced => "fenced",
            Self::Switched => "switched",
            Self::Reversed => "reversed",
            Self::Finished => "finished",
            Self::Aborted => "aborted",
        }
    }
}

/// One of the two databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The shared database.
    Source,
    /// The dedicated one.
    Target,
}

impl Side {
    /// Gives the word that is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }

    /// Gives the other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Source => Self::Target,
            Self::Target => Self::Source,
        }
    }
}

/// What is known of one split. The same on both sides, but for the moments that [`Phase`] describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Its own name: eight letters and digits, which stand in the name of everything that it makes.
    pub id: String,
    /// The service.
    pub service: String,
    /// The schema.
    pub schema: Ident,
    /// Grows with each writing; the higher one is the newer.
    pub revision: i64,
    /// How far it is.
    pub phase: Phase,
    /// Which side takes writes, as far as this record knows.
    pub writable: Side,
    /// The databases' labels, `host:port/database`, for people.
    pub source: Place,
    /// The same for the target.
    pub target: Place,
    /// Roles that the target did not have, and that an abort drops.
    pub made_roles: Vec<Ident>,
    /// Extensions that the target did not have, and that an abort drops.
    pub made_extensions: Vec<Ident>,
    /// A hash of the schema's definitions on the source when the copy began; DDL since then shows as another one.
    pub source_definitions: Option<String>,
    /// The same of the target, when the copy was there.
    pub target_definitions: Option<String>,
    /// The most write-ahead log that a slot may hold back, in bytes.
    pub max_wal_bytes: Option<u64>,
    /// The last or the current change of sides.
    pub turn: Option<Turn>,
    /// The write blocks, by the OIDs of their triggers.
    #[serde(default)]
    pub blocks: Blocks,
    /// The roles that the split has made for replication, by their OIDs: the audit knows them by nothing else.
    #[serde(default)]
    pub roles: Roles,
    /// Why the target may hold rows that the source does not have. Read it with [`Split::doubt`].
    #[serde(default)]
    pub unequal: Option<Unequal>,
    /// The login of the bridge on the target. Set by `finish` before it makes it; one that was interrupted then can still be
    /// rolled back, and this says what it has left.
    #[serde(default)]
    pub caller: Option<Ident>,
    /// The login with which the target comes to the source for what the service consumes. Set by `start` before it makes it:
    /// what it is granted is no change of the definitions of other services that move.
    #[serde(default)]
    pub calls_as: Option<Ident>,
    /// Where the source's old schema is kept after `finish`.
    pub kept: Option<Kept>,
}

/// A database, as a split recognises it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The server's own number (`pg_control_system()`).
    pub system: String,
    /// The database's name.
    pub database: String,
    /// `host:port/database`, for people and for those who still write to the other side.
    pub label: String,
}

/// A change of sides: a cutover, or its rollback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// The side that is to take the writes.
    pub to: Side,
    /// How far it is.
    pub step: Step,
    /// Where the new writable side's log stood before its first write of its own; what follows is replicated back.
    pub lsn: Option<String>,
    /// How long writes stood still, in milliseconds.
    pub pause_ms: Option<u64>,
    /// How many transactions had to end first.
    pub transactions_drained: Option<u64>,
    /// Whether all rows were the same at the fence, once that is known.
    pub equal: Option<bool>,
    /// Whether clients could not be sent to the new side: the pooler or the user's command has failed.
    #[serde(default)]
    pub unrouted: bool,
}

impl Turn {
    /// Begins one.
    pub(super) fn begin(to: Side) -> Self {
        let step = Step::Fencing;
        Self { to, step, lsn: None, pause_ms: None, transactions_drained: None, equal: None, unrouted: false }
    }

    /// Names the command that makes it, and goes on with it.
    pub(super) fn again(&self) -> &'static str {
        match self.to {
            Side::Target => "split cutover",
            Side::Source => "split rollback",
        }
    }
}

/// The write blocks of both sides; `None` where the record was written by a pgcleave that did not note them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Blocks {
    /// Those of the source; after `finish` they are on the tables of the schema that is kept.
    pub source: Option<Vec<Block>>,
    /// Those of the target.
    pub target: Option<Vec<Block>>,
}

/// One table's write block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The table.
    pub table: Ident,
    /// The trigger's OID.
    pub trigger: u32,
}

impl Blocks {
    /// Gives those of a side.
    #[must_use]
    pub fn get(&self, side: Side) -> Option<&Vec<Block>> {
        match side {
            Side::Source => self.source.as_ref(),
            Side::Target => self.target.as_ref(),
        }
    }

    pub(super) fn of(&mut self, side: Side) -> &mut Option<Vec<Block>> {
        match side {
            Side::Source => &mut self.source,
            Side::Target => &mut self.target,
        }
    }
}

/// The OIDs of the logins and apply roles on both sides; `None` where the record was written by a pgcleave that did not note
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Roles {
    /// Those of the source.
    pub source: Option<Vec<u32>>,
    /// Those of the target.
    pub target: Option<Vec<u32>>,
}

impl Roles {
    pub(super) fn of(&mut self, side: Side) -> &mut Option<Vec<u32>> {
        match side {
            Side::Source => &mut self.source,
            Side::Target => &mut self.target,
        }
    }
}

/// Why the two sides' rows may differ, and with that what an abort would lose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "case", rename_all = "kebab-case")]
pub enum Unequal {
    /// The target was in use, or one of the source's write blocks was found missing, and no comparison has ended since.
    /// Set with the transaction that opens the source again, and before a missing write block is made again.
    NotCompared,
    /// A cutover found it at its own barrier, before the target had taken any write of the service.
    AtCutover {
        /// The tables, by qualified name.
        tables: Vec<String>,
    },
    /// A comparison found it after the target had been in use: the target's rows may be the only copy of what was
    /// written there.
    AfterRollback {
        /// The tables, by qualified name.
        tables: Vec<String>,
    },
}

/// How far a change of sides is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Locks are taken; nothing lasts yet. A crash leaves at most a paused pooler.
    Fencing,
    /// The old side is closed for good. Written in the transaction that closes it.
    Closed,
    /// The new side is open. Written in the transaction that opens it.
    Opened,
    /// Clients have been sent there.
    Routed,
    /// Replication runs the other way.
    Turned,
}

/// The old schema, after `finish`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its name now.
    pub schema: Ident,
    /// From when on it may be dropped, RFC 3339.
    pub until: String,
}

impl Split {
    /// Gives a side's place.
    #[must_use]
    pub fn place(&self, side: Side) -> &Place {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    /// Gives why the two sides' rows may differ; a record of an older pgcleave says it by its last change of sides.
    #[must_use]
    pub fn doubt(&self) -> Option<Unequal> {
        let back = |turn: &&Turn| turn.to == Side::Source && turn.step == Step::Turned && turn.equal != Some(true);
        self.unequal.clone().or_else(|| self.turn.as_ref().filter(back).map(|_| Unequal::NotCompared))
    }

    /// Notes what a comparison of all rows found; `at_fence` says that it was made in the pause of a change of sides.
    pub(super) fn compared(&mut self, differ: &[String], at_fence: bool) {
        if let Some(turn) = &mut self.turn {
            turn.equal = Some(differ.is_empty());
        }
        let unused = matches!(self.unequal, None | Some(Unequal::AtCutover { .. }));
        let tables = differ.to_vec();
        self.unequal = match (self.writable, &self.unequal) {
            _ if differ.is_empty() => None,
            (Side::Target, _) if at_fence && unused => Some(Unequal::AtCutover { tables }),
            (Side::Source, Some(Unequal::AtCutover { .. })) => Some(Unequal::AtCutover { tables }),
            _ => Some(Unequal::AfterRollback { tables }),
        };
    }

    /// Gives the publication's name, on either side.
    #[must_use]
    pub fn publication(&self) -> Ident {
        self.name("")
    }

    /// Gives the name of the slot on the side that is followed, of the subscription on the other, and of the login that
    /// the latter uses.
    #[must_use]
    pub fn link(&self, followed: Side) -> Ident {
        match followed {
            Side::Source => self.name("_forward"),
            Side::Target => self.name("_back"),
        }
    }

    /// Gives the name of the role as which the subscription on a side applies changes, where it has one.
    #[must_use]
    pub fn applier(&self, on: Side) -> Ident {
        match on {
            Side::Source => self.name("_apply_source"),
            Side::Target => self.name("_apply_target"),
        }
    }

    fn name(&self, suffix: &str) -> Ident {
        Ident::from_server(&format!("pgcleave_{}{suffix}", self.id))
    }
}

/// Gives a split for tests to change.
#[cfg(test)]
pub(super) fn example() -> Split {
    let place = || Place { system: "1".to_owned(), database: "d".to_owned(), label: "h:1/d".to_owned() };
    Split {
        id: "a".to_owned(),
        service: "s".to_owned(),
        schema: Ident::from_server("s"),
        revision: 1,
        phase: Phase::Ready,
        writable: Side::Source,
        source: place(),
        target: place(),
        made_roles: Vec::new(),
        made_extensions: Vec::new(),
        source_definitions: None,
        target_definitions: None,
        max_wal_bytes: None,
        turn: None,
        blocks: Blocks::default(),
        roles: Roles::default(),
        unequal: None,
        caller: None,
        calls_as: None,
        kept: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Vec<String> {
        vec!["s.t".to_owned()]
    }

    #[test]
    fn only_a_cutover_at_its_own_barrier_finds_a_target_that_was_not_in_use() {
        let found = |writable, unequal, at_fence| {
            let mut split = Split { writable, unequal, turn: Some(Turn::begin(writable)), ..example() };
            split.compared(&tables(), at_fence);
            assert_eq!(split.turn.and_then(|turn| turn.equal), Some(false));
            split.unequal.expect("rows differ")
        };
        let (at_cutover, after) =
            (Unequal::AtCutover { tables: tables() }, Unequal::AfterRollback { tables: tables() });
        assert_eq!(found(Side::Target, None, true), at_cutover);
        assert_eq!(found(Side::Target, None, false), after);
        assert_eq!(found(Side::Target, Some(after.clone()), true), after);
        assert_eq!(found(Side::Target, Some(Unequal::NotCompared), true), after);
        assert_eq!(found(Side::Source, Some(Unequal::NotCompared), true), after);
        assert_eq!(found(Side::Source, Some(at_cutover.clone()), false), at_cutover);
    }

    #[test]
    fn equal_rows_end_every_doubt() {
        let mut split = Split { unequal: Some(Unequal::AfterRollback { tables: tables() }), ..example() };
        split.compared(&[], true);
        assert_eq!(split.doubt(), None);
    }

    #[test]
    fn an_older_record_of_a_rollback_that_was_not_found_equal_is_in_doubt() {
        let turn = |to, equal| Turn { step: Step::Turned, equal, ..Turn::begin(to) };
        let doubt = |turn| Split { turn: Some(turn), ..example() }.doubt();
        assert_eq!(doubt(turn(Side::Source, Some(false))), Some(Unequal::NotCompared));
        assert_eq!(doubt(turn(Side::Source, None)), Some(Unequal::NotCompared));
        assert_eq!(doubt(turn(Side::Source, Some(true))), None);
        assert_eq!(doubt(turn(Side::Target, None)), None);
    }
}
