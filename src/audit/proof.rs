//! What a finding claims that can be tried, and what trying it proved.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::facts::Facts;
use super::facts::object::Object;
use super::facts::relation::RelationKind;
use super::facts::role::RoleId;
use super::finding::{Finding, Report, Severity};
use super::path::{Path, Step};
use super::rules::proof::PRB01;
use super::scene::Scene;
use super::services::Services;
use crate::model::privilege::{Privilege, Privileges};

/// Who acts: a login, and the role that it becomes with SET ROLE, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The session's role.
    pub principal: RoleId,
    /// The role that it sets.
    pub role: Option<RoleId>,
}

/// One thing that can be tried: as whom, on what, which privileges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who.
    pub identity: Identity,
    /// What.
    pub object: Object,
    /// All of these are to be had.
    pub privileges: Privileges,
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The server answered a statement of a session that acts as the principal.
    Tried,
    /// The server's functions answered from the catalog.
    Catalog,
}

impl By {
    /// Gives the word that reports print.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tried => "tried",
            Self::Catalog => "catalog",
        }
    }
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The principal has the privileges.
    Confirmed(By),
    /// The principal has them not, and how that shows.
    Contradicted(By, String),
    /// There is nothing to ask, and why.
    NotTried(String),
}

impl Outcome {
    /// Gives the word that reports print.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Confirmed(_) => "confirmed",
            Self::Contradicted(..) => "contradicted",
            Self::NotTried(_) => "not_tried",
        }
    }

    /// Gives the reason, where there is one.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Confirmed(_) => None,
            Self::Contradicted(_, why) | Self::NotTried(why) => Some(why),
        }
    }

    /// Gives where the answer comes from; nothing for what was not asked.
    #[must_use]
    pub fn by(&self) -> Option<By> {
        match self {
            Self::Confirmed(by) | Self::Contradicted(by, _) => Some(*by),
            Self::NotTried(_) => None,
        }
    }
}

/// What was proved of a whole report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proof {
    /// Each finding's outcome, by its fingerprint.
    pub outcomes: BTreeMap<String, Outcome>,
    /// How many pairs without a finding were checked as well.
    pub sampled: usize,
    /// How many of these were tried; for the others the catalog answered.
    pub sampled_tried: usize,
    /// Why principals could not be tried, with how many.
    pub untried: BTreeMap<String, usize>,
    /// How many such pairs there are.
    pub pairs: usize,
    /// The pairs that the server let through and nothing had deduced.
    pub undeduced: Vec<Claim>,
}

impl Proof {
    /// Adds what was tried in another database.
    pub fn add(&mut self, other: Self) {
        self.outcomes.extend(other.outcomes);
        self.sampled += other.sampled;
        self.sampled_tried += other.sampled_tried;
        for (why, count) in other.untried {
            *self.untried.entry(why).or_default() += count;
        }
        self.pairs += other.pairs;
        self.undeduced.extend(other.undeduced);
    }
}

/// Says what a finding claims, or why that cannot be tried.
///
/// The claim is the first privilege on the path: what follows from it, as through a view, the server checks with it.
/// Where the path ends in a role, the claim is that the principal has that role's privileges.
///
/// # Errors
/// Why it cannot be tried.
pub fn claim(index: &Index<'_>, finding: &Finding) -> Result<Claim, String> {
    let facts = index.facts;
    // a grant to PUBLIC is tried as the login of its example
    let example = || index.role(&finding.path.from).filter(|_| !finding.principals.is_empty());
    let principal = facts.roles.find(&finding.principal).or_else(example);
    let principal = principal.ok_or("everybody stands for all logins at once")?;
    let (mut role, mut entered) = (None, None);
    for step in &finding.path.steps {
        match step.by.as_str() {
            // a membership is the finding: what follows from it is too much to be tried one by one
            "all that it holds" | "owner" if step.grant && entered.is_some() => break,
            _ if step.grant => return using(index, Identity { principal, role }, step),
            "set" => {
                role = Some(index.role(&step.to).ok_or("the way is too long to be told whole")?);
                entered = role;
            }
            "inherit" => entered = index.role(&step.to),
            "public" => {}
            other => return Err(format!("it goes by {other}, which is no privilege that a statement needs")),
        }
    }
    let entered = entered.ok_or("it names no privilege")?;
    let identity = Identity { principal, role };
    Ok(Claim { identity, object: Object::Role(entered), privileges: Privilege::Usage.into() })
}

fn using(index: &Index<'_>, identity: Identity, step: &Step) -> Result<Claim, String> {
    let object = index.object(&step.to).ok_or("the object has no statement that only tries")?;
    let words = step.by.split(", ");
    let privileges = words.map(Privilege::from_keyword).collect::<Option<Privileges>>();
    let privileges = privileges.filter(|p| !p.is_empty()).ok_or("it is no privilege that a statement needs")?;
    Ok(Claim { identity, object, privileges })
}

/// Objects and roles by the names that findings print.
#[derive(Debug)]
pub struct Index<'a> {
    facts: &'a Facts,
    objects: HashMap<String, Object>,
    roles: HashMap<String, RoleId>,
}

impl<'a> Index<'a> {
    /// Names everything that can be tried.
    #[must_use]
    pub fn new(facts: &'a Facts) -> Self {
        let mut objects = HashMap::new();
        let tried = facts.securables().filter(|s| {
            matches!(
                s.object,
                Object::Relation(_) | Object::Column(_) | Object::Routine(_) | Object::Type(_) | Object::Schema(_)
            )
        });
        for securable in tried {
            // a table and its type share a name: the table comes first and is meant
            objects.entry(facts.label(securable.object)).or_insert(securable.object);
        }
        let roles = facts.roles.iter().map(|(id, role)| (super::name::shown(&role.name), id)).collect();
        Self { facts, objects, roles }
    }

    fn object(&self, label: &str) -> Option<Object> {
        self.objects.get(label).copied()
    }

    fn role(&self, name: &str) -> Option<RoleId> {
        self.roles.get(name).copied()
    }
}

/// The pairs of a login and a relation that nothing was told of.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// The pairs to try: SELECT on each.
    pub claims: Vec<Claim>,
    /// How many there are to choose from.
    pub pairs: usize,
}

/// Chooses pairs of a login and a foreign relation that neither a finding, a contract nor a grant opens, spread evenly.
#[must_use]
pub fn sample(facts: &Facts, services: &Services, report: &Report, most: usize) -> Sample {
    let scene = Scene::new(facts, services);
    let told: HashSet<(&str, &str)> =
        report.findings.iter().flat_map(|f| reached(f).map(|principal| (principal, f.object.as_str()))).collect();
    let mut closed = Vec::new();
    for (at, relation) in (0..).zip(&facts.relations) {
        let object = Object::Relation(at);
        if matches!(relation.kind, RelationKind::Sequence | RelationKind::ForeignTable)
            || facts.is_extension_member(object)
        {
            continue;
        }
        let label = facts.label(object);
        let users = scene.users_of(relation.schema);
        for principal in scene.logins.iter().copied().filter(|role| scene.is_foreign(*role, object)) {
            let may_enter = scene.usage_is_public(relation.schema) || users.contains(principal);
            let held = super::through::held(&scene, principal, at, &[]).contains(Privilege::Select);
            let owns = scene.inherited(principal).contains(relation.owner);
            let is_told = told.contains(&(scene.role(principal).name.as_str(), label.as_str()));
            if !(is_told
                || owns
                || (may_enter && held)
                || scene.declared(principal, object).contains(Privilege::Select))
            {
                let identity = Identity { principal, role: None };
                closed.push(Claim { identity, object, privileges: Privilege::Select.into() });
            }
        }
    }
    let pairs = closed.len();
    let stride = pairs.div_ceil(most.max(1)).max(1);
    Sample { claims: closed.into_iter().step_by(stride).collect(), pairs }
}

/// Gives everyone whom a finding is about.
fn reached(finding: &Finding) -> impl Iterator<Item = &str> {
    std::iter::once(&finding.principal).chain(&finding.principals).map(String::as_str)
}

/// Adds a finding for each difference between what was deduced and what was proved.
pub fn tell(facts: &Facts, report: &mut Report, proof: &Proof) {
    let refuted = report.findings.iter().filter_map(|finding| match proof.outcomes.get(&finding.fingerprint()) {
        Some(Outcome::Contradicted(_, why)) => Some(contradiction(finding, why)),
        _ => None,
    });
    let mut differences: Vec<Finding> = refuted.collect();
    differences.extend(proof.undeduced.iter().map(|claim| undeduced(facts, claim)));
    report.findings.extend(differences);
    report.findings.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
}

fn contradiction(finding: &Finding, why: &str) -> Finding {
    Finding {
        rule: PRB01.id,
        severity: Severity::Warning,
        service: finding.service.clone(),
        principal: finding.principal.clone(),
        credential: finding.credential.clone(),
        principal_service: finding.principal_service.clone(),
        object: format!("{} ({})", finding.object, finding.rule),
        path: finding.path.clone(),
        declared: finding.declared,
        message: format!(
            "{} says that {} reaches {}, but the server refused: {why}",
            finding.rule, finding.principal, finding.object
        ),
        fix: format!("-- {}", PRB01.fix),
        database: finding.database.clone(),
        ..Finding::default()
    }
}

fn undeduced(facts: &Facts, claim: &Claim) -> Finding {
    let principal = facts.roles[claim.identity.principal].name.as_str().to_owned();
    let object = facts.label(claim.object);
    Finding {
        rule: PRB01.id,
        severity: Severity::Error,
        path: Path::from(&principal).using(claim.privileges, &object),
        message: format!("the server lets {principal} {} {object}, and no rule had deduced it", claim.privileges),
        fix: format!("-- {}", PRB01.fix),
        principal,
        object,
        ..Finding::default()
    }
}
