//! The rules. [`ALL`] is the only registry: a rule is one file, or one entry in a family's file, and one line here.

mod acl;
mod sink;

mod attribute;
pub(in crate::audit) mod body;
mod closed_catalog;
mod consumer_code;
mod contract_view;
mod coupling;
mod coupling_outside;
mod coupling_setting;
mod coupling_text;
mod database;
mod default_privilege;
mod definer;
mod definer_inside;
mod foreign_data;
mod foreign_key;
mod grant;
mod hygiene;
mod inbound;
mod inherent;
mod inheritance;
mod large_object;
mod latent;
mod leftover;
mod login;
mod membership;
mod ownership;
mod predefined;
pub(in crate::audit) mod proof;
mod publication;
mod registry;
mod rewrite_rule;
mod row_security;
mod secret;
mod system;
pub(in crate::audit) mod view;

pub use sink::{Draft, Sink};

use super::finding::{Finding, Severity};
use super::scene::Scene;

/// One rule and its documentation.
#[derive(Debug)]
pub struct Rule {
    /// The stable id: printed, waived, documented.
    pub id: &'static str,
    /// What it finds, in a few words.
    pub title: &'static str,
    /// How bad a finding is, unless the finding says otherwise.
    pub severity: Severity,
    /// Why it matters.
    pub explanation: &'static str,
    /// What to do about it.
    pub fix: &'static str,
    /// Finds.
    pub check: fn(&Scene<'_>, &mut Sink<'_>),
}

/// All rules, in the order of the documentation.
pub static ALL: &[&Rule] = &[
    &grant::ACC01,
    &grant::ACC02,
    &grant::ACC03,
    &grant::ACC04,
    &grant::ACC05,
    &grant::ACC06,
    &grant::ACC07,
    &grant::ACC08,
    &grant::ACC12,
    &latent::LAT01,
    &membership::MEM01,
    &membership::MEM02,
    &membership::MEM03,
    &predefined::PRE01,
    &predefined::PRE02,
    &predefined::PRE03,
    &predefined::PRE04,
    &attribute::ATT01,
    &attribute::ATT02,
    &attribute::ATT03,
    &attribute::ATT04,
    &attribute::ATT05,
    &login::ATT06,
    &login::ATT07,
    &ownership::OWN01,
    &ownership::OWN02,
    &ownership::OWN03,
    &definer::DEF01,
    &definer::DEF02,
    &definer::DEF03,
    &definer::DEF04,
    &view::VIW01,
    &view::VIW02,
    &view::VIW03,
    &contract_view::VIW04,
    &rewrite_rule::VIW05,
    &inheritance::INH01,
    &foreign_key::FKX01,
    &foreign_key::FKX02,
    &inbound::INB01,
    &inbound::INB02,
    &row_security::RLS01,
    &large_object::LOB01,
    &large_object::LOB02,
    &foreign_data::FDW01,
    &foreign_data::FDW02,
    &foreign_data::FDW03,
    &foreign_data::FDW04,
    &foreign_data::FDW05,
    &consumer_code::EXE01,
    &publication::PUB01,
    &publication::PUB02,
    &system::SYS01,
    &system::SYS02,
    &system::SYS03,
    &system::SYS04,
    &database::DB01,
    &database::DB02,
    &database::DB03,
    &database::DB04,
    &database::DB05,
    &registry::REG01,
    &default_privilege::FUT01,
    &default_privilege::FUT02,
    &default_privilege::FUT04,
    &proof::PRB01,
    &proof::WVR01,
    &coupling::CPL01,
    &coupling::CPL02,
    &coupling::CPL03,
    &coupling::CPL04,
    &coupling::CPL05,
    &coupling_text::CPL06,
    &coupling::CPL07,
    &coupling_outside::CPL08,
    &coupling_outside::CPL09,
    &coupling::CPL10,
    &coupling_outside::CPL11,
    &coupling_outside::CPL12,
    &coupling::CPL13,
    &coupling::CPL14,
    &hygiene::HYG01,
    &hygiene::HYG02,
    &hygiene::HYG03,
    &leftover::HYG04,
    &leftover::HYG05,
    &hygiene::HYG06,
    &secret::HYG07,
    &inherent::INF01,
    &inherent::INF02,
];

/// Makes one finding of what several rules say of one cause.
pub(super) fn fold(findings: &mut Vec<Finding>) {
    database::fold(findings);
}

/// Finds a rule by its id, in any case.
#[must_use]
pub fn find(id: &str) -> Option<&'static Rule> {
    ALL.iter().copied().find(|rule| rule.id.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_an_id_of_its_own_and_is_explained() {
        let ids: std::collections::BTreeSet<_> = ALL.iter().map(|r| r.id).collect();
        assert_eq!(ids.len(), ALL.len());
        for rule in ALL {
            assert!(!rule.title.is_empty() && rule.explanation.len() > 40 && rule.fix.len() > 10, "{}", rule.id);
        }
    }
}
