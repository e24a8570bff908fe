//! Reads back what [`script`](super::script) writes, statement by statement: an archive's text may come from anybody, and is
//! never run with an administrator's rights. Whatever has another shape is refused.

use super::{CLASSES, DefaultPrivilege, Extension, Membership, OnDatabase, PRIVILEGES, Role, Setting};
use crate::ident::Ident;
use crate::model::extension_schema;
use crate::pg::password;
use crate::transfer::statement;

/// What the administrator's files of an archive say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// The roles.
    pub roles: Vec<Role>,
    /// The roles that own something.
    pub owners: Vec<Ident>,
    /// The extensions.
    pub extensions: Vec<Extension>,
    /// Who is a member of whom.
    pub memberships: Vec<Membership>,
    /// The roles' settings.
    pub settings: Vec<Setting>,
    /// Privileges on the database.
    pub on_database: Vec<OnDatabase>,
    /// Global default privileges.
    pub defaults: Vec<DefaultPrivilege>,
}

impl Parsed {
    /// Adds what one file says.
    ///
    /// # Errors
    /// A statement of another shape, which is given.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        for statement in statement::split(text) {
            self.statement(statement).ok_or_else(|| statement.chars().take(200).collect::<String>())?;
        }
        Ok(())
    }

    fn statement(&mut self, text: &str) -> Option<()> {
        let mut cursor = Cursor(text);
        if cursor.skip("do ").is_some() {
            let body = cursor.literal()?;
            cursor.end()?;
            return self.block(&body);
        }
        if cursor.skip("create extension if not exists ").is_some() {
            let name = cursor.ident()?;
            let schema = if cursor.0.is_empty() { None } else { Some(cursor.skip(" with schema ")?.ident()?) };
            self.extensions.push(Extension { name, schema });
        } else if cursor.skip("create schema if not exists ").is_some() {
            cursor.ident()?;
        } else if cursor.skip("alter schema ").is_some() {
            // Both are made from what archive.json says, and from the extensions.
            cursor.ident()?;
            cursor.skip(" owner to ")?.ident()?;
        } else if cursor.skip("grant ").is_some() {
            self.memberships.push(membership(&mut cursor)?);
        } else if cursor.skip("alter role ").is_some() {
            let role = cursor.ident()?;
            self.settings.push(setting(role, false, &mut cursor)?);
        } else if cursor.skip("alter default privileges for role ").is_some() {
            self.defaults.push(default(&mut cursor)?);
        } else {
            return None;
        }
        cursor.end()
    }

    fn block(&mut self, body: &str) -> Option<()> {
        let mut cursor = Cursor(body);
        if cursor.skip("begin if not exists (select from pg_catalog.pg_roles where rolname = ").is_some() {
            let name = cursor.literal()?;
            cursor.skip(") then create role ")?;
            let role = role(&mut cursor)?;
            cursor.skip("; end if; end")?.end()?;
            (role.name.as_str() == name).then(|| self.roles.push(role))
        } else if cursor.skip("begin execute ").is_some() {
            let head = cursor.literal()?;
            cursor.skip(" || pg_catalog.quote_ident(pg_catalog.current_database()) || ")?;
            let tail = cursor.literal()?;
            cursor.skip("; end")?.end()?;
            self.in_this_database(&head, &tail)
        } else if extension_schema::is_guard(body) {
            // restore.sh runs it; an import writes its own
            Some(())
        } else {
            // `act`: the administrator of an older version became the owner.
            let (_, rest) = body.split_once(" and not pg_catalog.pg_has_role(")?;
            let name = Ident::new(&Cursor(rest).literal()?).ok()?;
            self.owners.push(name);
            Some(())
        }
    }

    fn in_this_database(&mut self, head: &str, tail: &str) -> Option<()> {
        let (mut head, mut tail) = (Cursor(head), Cursor(tail));
        if head.skip("alter role ").is_some() {
            let role = head.ident()?;
            head.skip(" in database ")?.end()?;
            self.settings.push(setting(role, true, &mut tail)?);
        } else {
            head.skip("grant ")?;
            let privilege = head.one_of(&PRIVILEGES)?;
            head.skip(" on database ")?.end()?;
            tail.skip(" to ")?;
            self.on_database.push(OnDatabase { privilege, grantee: tail.grantee()? });
        }
        tail.end()
    }
}

fn role(cursor: &mut Cursor<'_>) -> Option<Role> {
    let name = cursor.ident()?;
    let login = cursor.one_of(&[" login", " nologin"])? == " login";
    let inherit = cursor.one_of(&[" inherit", " noinherit"])? == " inherit";
    let mut role = Role { name, login, inherit, connection_limit: None, valid_until: None, verifier: None };
    if cursor.skip(" connection limit ").is_some() {
        role.connection_limit = Some(cursor.number()?);
    }
    if cursor.skip(" valid until ").is_some() {
        role.valid_until = Some(cursor.literal()?);
    }
    if cursor.skip(" password ").is_some() {
        role.verifier = Some(cursor.literal()?).filter(|text| password::is_stored(text));
        role.verifier.as_ref()?;
    }
    Some(role)
}

fn membership(cursor: &mut Cursor<'_>) -> Option<Membership> {
    let role = cursor.ident()?;
    let member = cursor.skip(" to ")?.ident()?;
    let mut out = Membership { role, member, admin: false, inherit: None, set: None };
    if cursor.skip(" with admin option").is_some() {
        out.admin = true;
    } else if cursor.skip(" with admin ").is_some() {
        out.admin = cursor.flag()?;
        out.inherit = Some(cursor.skip(", inherit ")?.flag()?);
        out.set = Some(cursor.skip(", set ")?.flag()?);
    }
    Some(out)
}

fn setting(role: Ident, in_database: bool, cursor: &mut Cursor<'_>) -> Option<Setting> {
    let mut parameter = vec![cursor.skip(" set ")?.ident()?];
    while cursor.skip(".").is_some() {
        parameter.push(cursor.ident()?);
    }
    let mut values = vec![cursor.skip(" = ")?.value()?];
    while cursor.skip(", ").is_some() {
        values.push(cursor.value()?);
    }
    Some(Setting { role, in_database, parameter, values })
}

fn default(cursor: &mut Cursor<'_>) -> Option<DefaultPrivilege> {
    let creator = cursor.ident()?;
    let granted = cursor.one_of(&[" grant ", " revoke "])? == " grant ";
    let privilege = cursor.one_of(&PRIVILEGES)?;
    let class = cursor.skip(" on ")?.one_of(&CLASSES)?;
    cursor.skip(if granted { " to " } else { " from " })?;
    Some(DefaultPrivilege { creator, granted, privilege, class, grantee: cursor.grantee()? })
}

/// What is left of a text.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn skip(&mut self, text: &str) -> Option<&mut Self> {
        self.0 = self.0.strip_prefix(text)?;
        Some(self)
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }

    fn one_of(&mut self, words: &[&'static str]) -> Option<&'static str> {
        let word = words.iter().filter(|word| self.0.starts_with(**word)).max_by_key(|word| word.len())?;
        self.0 = &self.0[word.len()..];
        Some(word)
    }

    fn flag(&mut self) -> Option<bool> {
        self.one_of(&["true", "false"]).map(|word| word == "true")
    }

    fn number(&mut self) -> Option<i64> {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        number.parse().ok().filter(|n| *n <= i64::from(i32::MAX))
    }

    fn ident(&mut self) -> Option<Ident> {
        let (name, rest) = statement::name(self.0)?;
        self.0 = rest;
        Some(name)
    }

    /// A role's name, or everybody.
    fn grantee(&mut self) -> Option<Option<Ident>> {
        if self.skip("public").is_some() { Some(None) } else { self.ident().map(Some) }
    }

    /// A literal; older archives have names in lists.
    fn value(&mut self) -> Option<String> {
        self.literal().or_else(|| self.ident().map(|name| name.as_str().to_owned()))
    }

    fn literal(&mut self) -> Option<String> {
        let (escapes, rest) = match self.0.strip_prefix('E') {
            Some(rest) => (true, rest),
            None => (false, self.0),
        };
        let mut chars = rest.strip_prefix('\'')?.char_indices();
        let mut out = String::new();
        while let Some((at, c)) = chars.next() {
            let next = rest[1 + at + c.len_utf8()..].chars().next();
            match c {
                // The writer doubles both, and knows no other escape.
                '\'' | '\\' if next == Some(c) && (c == '\'' || escapes) => {
                    chars.next();
                }
                '\'' => {
                    self.0 = &rest[at + 2..];
                    return Some(out);
                }
                '\\' if escapes => return None,
                _ => {}
            }
            out.push(c);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::script;
    use super::*;

    fn ident(text: &str) -> Ident {
        Ident::new(text).expect("a name")
    }

    /// One of each, with names that would end a quote.
    fn one_of_each() -> Parsed {
        let (a, b) = (ident(r#"a"'\ b"#), ident("b; alter role x superuser"));
        let role = |name: &Ident, login| Role {
            name: name.clone(),
            login,
            inherit: !login,
            connection_limit: login.then_some(7),
            valid_until: login.then(|| "infinity".to_owned()),
            verifier: login.then(|| "SCRAM-SHA-256$4096:a$b:c".to_owned()),
        };
        let member = |inherit, set, admin| Membership { role: a.clone(), member: b.clone(), admin, inherit, set };
        let set = |in_database, values: &[&str]| Setting {
            role: b.clone(),
            in_database,
            parameter: vec![ident("my"), ident("Setting")],
            values: values.iter().map(|v| (*v).to_owned()).collect(),
        };
        Parsed {
            roles: vec![role(&a, false), role(&b, true)],
            owners: vec![a.clone()],
            extensions: vec![
                Extension { name: ident("citext"), schema: Some(ident("ext")) },
                Extension { name: ident("plperl"), schema: None },
            ],
            memberships: vec![
                member(None, None, false),
                member(None, None, true),
                member(Some(true), Some(false), true),
            ],
            settings: vec![set(false, &["it's"]), set(true, &["a", r"b\'c"])],
            on_database: vec![
                OnDatabase { privilege: "TEMPORARY", grantee: None },
                OnDatabase { privilege: "CONNECT", grantee: Some(b.clone()) },
            ],
            defaults: vec![DefaultPrivilege {
                creator: a,
                granted: false,
                privilege: "EXECUTE",
                class: "routines",
                grantee: None,
            }],
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let all = one_of_each();
        let mut text = String::new();
        all.roles.iter().for_each(|r| text += script::create(r).as_str());
        all.owners.iter().for_each(|r| text += script::act(r).as_str());
        text += "create schema if not exists \"s\";\nalter schema \"s\" owner to \"o\";\n";
        text += "create extension if not exists \"citext\" with schema \"ext\";\n";
        text += "create extension if not exists \"plperl\";\n";
        all.memberships.iter().for_each(|m| text += script::membership(m).as_str());
        all.settings.iter().for_each(|s| text += script::setting(s).as_str());
        all.on_database.iter().for_each(|g| text += script::on_database(g).as_str());
        all.defaults.iter().for_each(|d| text += script::default(d).as_str());
        let mut parsed = Parsed::default();
        assert_eq!(parsed.add(&text), Ok(()));
        assert_eq!(parsed, all);
    }

    #[test]
    fn every_other_statement_is_refused() {
        for text in [
            "alter role \"x\" superuser",
            "alter role x superuser",
            "alter role \"x\" set \"a\" = 'b' superuser",
            "alter role \"x\" password 'SCRAM-SHA-256$x'",
            "create role \"x\" superuser",
            "do 'begin if not exists (select from pg_catalog.pg_roles where rolname = ''x'') then create role \"x\" login inherit superuser; end if; end'",
            "do 'begin if not exists (select from pg_catalog.pg_roles where rolname = ''x'') then create role \"x\" login inherit; end if; end; perform 1'",
            "do 'begin if not exists (select from pg_catalog.pg_roles where rolname = ''y'') then create role \"x\" login inherit; end if; end'",
            "do 'begin if not exists (select from pg_catalog.pg_roles where rolname = ''x'') then create role \"x\" login inherit password ''md5a''; end if; end'",
            "do 'begin alter role x superuser; end'",
            "do $$ begin alter role x superuser; end $$",
            "do 'begin execute ''alter system set '' || pg_catalog.quote_ident(pg_catalog.current_database()) || ''a''; end'",
            "grant \"a\" to \"b\" granted by \"c\"",
            "grant all on database x to \"b\"",
            "create extension \"x\" with schema \"y\"",
            "create extension if not exists \"x\" with schema \"y\" version '1' cascade",
            "create schema if not exists \"x\" create table t ()",
            "create function f() returns int language sql as 'select 1'",
            "select 1",
        ] {
            assert!(Parsed::default().add(text).is_err(), "{text}");
        }
    }
}
