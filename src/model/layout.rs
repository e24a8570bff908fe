//! Whose rules the files of a folder of migrations follow.

use schemars::JsonSchema;

/// The tool whose names, sections and markers the files have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub enum Layout {
    /// `V<number>__<name>.sql`.
    Pgcleave,
    /// `<number>_<name>.sql`, or `.up.sql` and `.down.sql`.
    Sqlx,
    /// `<number>_<name>.up.sql` and `.down.sql`.
    GolangMigrate,
    /// `<number>_<name>.sql` with sections `-- +goose Up` and `Down`.
    Goose,
    /// `<number>_<name>.sql` with sections `-- migrate:up` and `migrate:down`.
    Dbmate,
    /// `<date>_<name>/up.sql`.
    Diesel,
    /// `V<number>__<description>.sql`.
    Flyway,
}

impl Layout {
    /// All, with the word for each in a manifest.
    pub const WORDS: [(&str, Self); 7] = [
        ("pgcleave", Self::Pgcleave),
        ("sqlx", Self::Sqlx),
        ("golang-migrate", Self::GolangMigrate),
        ("goose", Self::Goose),
        ("dbmate", Self::Dbmate),
        ("diesel", Self::Diesel),
        ("flyway", Self::Flyway),
    ];

    /// Gives the word for it in a manifest.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, layout)| *layout == self).map_or("", |(word, _)| word)
    }

    /// Says how its files are named.
    #[must_use]
    pub fn form(self) -> &'static str {
        match self {
            Self::Pgcleave => "V<number>__<name>.sql, as V1__create_orders.sql is",
            Self::Sqlx => "<number>_<name>.sql, as 20240131120000_create_orders.sql is",
            Self::GolangMigrate => "<number>_<name>.up.sql, as 000001_create_orders.up.sql is",
            Self::Goose => "<number>_<name>.sql, as 00001_create_orders.sql is",
            Self::Dbmate => "<number>_<name>.sql, as 20240131120000_create_orders.sql is",
            Self::Diesel => "<date>_<name>/up.sql, as 2024-01-31-120000_create_orders/up.sql is",
            Self::Flyway => "V<number>__<description>.sql, as V1__create_orders.sql is",
        }
    }
}
