//! What depends on what, as `pg_depend` has it.

/// The catalogs that dependencies point from and to, by their fixed OIDs (src/include/catalog/*.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is a catalog's name")]
pub enum Class {
    Relation,
    Routine,
    Type,
    Constraint,
    Default,
    Rule,
    Trigger,
    Policy,
    Schema,
    Statistics,
    Operator,
    OperatorClass,
    OperatorFamily,
    Cast,
    Collation,
    Conversion,
    TextSearchConfiguration,
    TextSearchDictionary,
    TextSearchParser,
    TextSearchTemplate,
    Language,
    Wrapper,
    Server,
    UserMapping,
    Extension,
    EventTrigger,
    Publication,
    AccessMethod,
    Transform,
    Other,
}

/// The catalogs' OIDs.
const CLASSES: [(u32, Class); 29] = [
    (1259, Class::Relation),
    (1255, Class::Routine),
    (1247, Class::Type),
    (2606, Class::Constraint),
    (2604, Class::Default),
    (2618, Class::Rule),
    (2620, Class::Trigger),
    (3256, Class::Policy),
    (2615, Class::Schema),
    (3381, Class::Statistics),
    (2617, Class::Operator),
    (2616, Class::OperatorClass),
    (2753, Class::OperatorFamily),
    (2605, Class::Cast),
    (3456, Class::Collation),
    (2607, Class::Conversion),
    (3602, Class::TextSearchConfiguration),
    (3600, Class::TextSearchDictionary),
    (3601, Class::TextSearchParser),
    (3764, Class::TextSearchTemplate),
    (2612, Class::Language),
    (2328, Class::Wrapper),
    (1417, Class::Server),
    (1418, Class::UserMapping),
    (3079, Class::Extension),
    (3466, Class::EventTrigger),
    (6104, Class::Publication),
    (2601, Class::AccessMethod),
    (3576, Class::Transform),
];

impl Class {
    /// Finds the catalog of an OID.
    #[must_use]
    pub fn from_oid(oid: u32) -> Self {
        CLASSES.iter().find(|(o, _)| *o == oid).map_or(Self::Other, |(_, class)| *class)
    }
}

/// One dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// The dependent object's catalog.
    pub class: Class,
    /// Its OID.
    pub oid: u32,
    /// Its column, or 0.
    pub column: i16,
    /// The catalog of what it depends on.
    pub ref_class: Class,
    /// That object's OID.
    pub ref_oid: u32,
    /// That object's column, or 0.
    pub ref_column: i16,
    /// Whether it only says that the object belongs to an extension.
    pub extension: bool,
}

/// All dependencies, sorted by the dependent object.
#[derive(Debug, Clone, Default)]
pub struct Dependencies {
    forward: Vec<Dependency>,
    /// Positions in `forward`, sorted by what is depended on.
    backward: Vec<u32>,
}

impl Dependencies {
    /// Adds one.
    pub fn push(&mut self, dependency: Dependency) {
        self.forward.push(dependency);
    }

    /// Sorts.
    pub fn finish(&mut self) {
        self.forward.sort_unstable();
        self.backward = (0..).take(self.forward.len()).collect();
        let forward = &self.forward;
        self.backward.sort_unstable_by_key(|at| {
            let d = forward[*at as usize];
            (d.ref_class, d.ref_oid, *at)
        });
    }

    /// Goes through what an object depends on.
    pub fn of(&self, class: Class, oid: u32) -> impl Iterator<Item = &Dependency> {
        let start = self.forward.partition_point(|d| (d.class, d.oid) < (class, oid));
        self.forward[start..].iter().take_while(move |d| (d.class, d.oid) == (class, oid))
    }

    /// Goes through what depends on an object.
    pub fn on(&self, class: Class, oid: u32) -> impl Iterator<Item = &Dependency> {
        let key = |at: &u32| {
            let d = self.forward[*at as usize];
            (d.ref_class, d.ref_oid)
        };
        let start = self.backward.partition_point(|at| key(at) < (class, oid));
        self.backward[start..]
            .iter()
            .map(|at| &self.forward[*at as usize])
            .take_while(move |d| (d.ref_class, d.ref_oid) == (class, oid))
    }

    /// Goes through all.
    pub fn iter(&self) -> impl Iterator<Item = &Dependency> {
        self.forward.iter()
    }

    /// Gives the OID of the extension that an object belongs to.
    #[must_use]
    pub fn extension_of(&self, class: Class, oid: u32) -> Option<u32> {
        self.of(class, oid).find(|d| d.extension).map(|d| d.ref_oid)
    }
}
