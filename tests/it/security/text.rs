//! Text from elsewhere: no name, message or file content commands a terminal, a Markdown renderer or a CI runner.

use sqlx::{AssertSqlSafe, Executor as _};

use crate::support::{Answer, Project, TestDb};

/// Names that try: newlines, escapes, C1 controls, direction marks, commands of CI runners, markup, mentions.
const NAMES: [&str; 14] = [
    "nl\n::error file=x.sh::injected",
    "esc\u{1b}[31mred\u{1b}]0;title\u{7}bel",
    "cr\rover",
    "c1\u{9b}31m",
    "rtl\u{202e}evil\u{2066}",
    "zero\u{200b}width\u{feff}",
    "::warning::first",
    "##[error]azure",
    "##vso[task.setvariable]x",
    "<script>alert(1)</script>",
    "pipe|`tick``two```three\\back",
    "md](http://evil) **b** @everyone",
    "```\n## heading",
    "quote\"'$$;--",
];

fn is_invisible(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Returns what is wrong with what one run wrote.
fn commands(answer: &Answer) -> Vec<String> {
    let both = [("stdout", &answer.stdout), ("stderr", &answer.stderr)];
    let lines = both.iter().flat_map(|(stream, text)| text.lines().map(move |line| (stream, line)));
    let bad = |line: &str| {
        line.chars().any(|c| c != '\t' && is_invisible(c))
            || line.trim_start().starts_with("::")
            || line.contains("##[") && !line.contains("\\##[")
            || line.contains("##vso[") && !line.contains("\\##vso[")
    };
    lines.filter(|(_, line)| bad(line)).map(|(stream, line)| format!("{stream}: {line:?}")).collect()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Two services of which `evil` owns objects with all names, and has granted them to `victim`'s reader.
async fn shop(db: &TestDb) -> Project {
    let project = Project::new(db);
    project.manifest("evil", "migrations: ../migrations/evil\ncredentials: { app: { access: write } }\n");
    project.manifest("victim", "credentials: { app: { access: read } }\n");
    project.write("migrations/evil/V1__x.sql", "create table t (id int primary key);");
    project.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
    let p = db.prefix();
    let mut made = String::new();
    for name in NAMES {
        let (name, function) = (quoted(name), quoted(&format!("f{name}")));
        made += &format!(
            "create table evil.{name} (id int primary key, {name} text); alter table evil.{name} owner to {p}evil_owner;
             comment on table evil.{name} is $c$c\n::warning::c \u{1b}[31m$c$; grant select on evil.{name} to {p}victim_reader;
             create function evil.{function}(text) returns int language sql security definer as 'select 1';
             grant execute on function evil.{function}(text) to {p}victim_reader;
             alter function evil.{function}(text) owner to {p}evil_owner;"
        );
    }
    db.run(&format!("grant usage on schema evil to {p}victim_reader; {made}")).await;
    project
}

#[tokio::test]
async fn no_output_of_any_format_commands_anything() {
    let db = TestDb::new().await;
    let project = shop(&db).await;
    let out = tempfile::tempdir().expect("a folder");
    let archive = out.path().join("archive").display().to_string();
    let adopted = out.path().join("adopted").display().to_string();
    let plan = out.path().join("plan.json").display().to_string();
    let victim = format!("{}victim_app_a", db.prefix());
    let table = format!("evil.{}", quoted(NAMES[0]));
    let runs: [&[&str]; 27] = [
        &["check"],
        &["plan", "-v"],
        &["plan", "-v", "--prune"],
        &["plan", "--prune", "--sql"],
        &["plan", "--prune", "--format", "json"],
        &["plan", "--prune", "--format", "markdown"],
        &["plan", "--out", &plan],
        &["audit"],
        &["audit", "--probe"],
        &["audit", "--format", "json"],
        &["audit", "--format", "sarif"],
        &["audit", "--format", "junit"],
        &["audit", "--format", "markdown"],
        &["audit", "--format", "html"],
        &["why", &victim, &table],
        &["why", &victim, &table, "--format", "json"],
        &["why", &victim, "evil.\u{1b}[31mnothing\n::error::x"],
        &["graph", "--live"],
        &["graph", "--live", "--format", "dot"],
        &["graph", "--live", "--format", "svg"],
        &["credentials", "list"],
        &["credentials", "verify"],
        &["credentials", "verify", "--format", "json"],
        &["adopt", "--to", &adopted],
        &["export", "evil", "--to", &archive],
        &["verify", "evil", &archive],
        &["--progress", "json", "migrate", "evil"],
    ];
    let mut wrong = Vec::new();
    for arguments in runs {
        let answer = project.run(arguments);
        assert_ne!(answer.code, 101, "{arguments:?} panicked:\n{}", answer.stderr);
        wrong.extend(commands(&answer).into_iter().map(|line| format!("{arguments:?} {line}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_servers_message_is_shown_and_not_obeyed() {
    let db = TestDb::new().await;
    let project = Project::new(&db);
    project.manifest("evil", "migrations: ../migrations/evil\n");
    project.write(
        "migrations/evil/V1__raise.sql",
        "do $$ begin raise exception E'first\\n::add-mask::e\\n \\t::set-output name=x::y\\n##[error]z\\n\\u001b[31mred \
         \\u001b]0;title\\u0007\\u202ertl\\u009b31m' using detail = E'd\\n::error file=a::b', hint = E'h\\n::warning::w'; end $$;",
    );
    for arguments in
        [&["apply", "--allow", "revoke,close-database"][..], &["migrate"], &["--progress", "json", "migrate"]]
    {
        let answer = project.run(arguments).exits(1);
        assert!(answer.stderr.contains("first"), "the message is shown: {}", answer.stderr);
        assert_eq!(commands(&answer), Vec::<String>::new(), "{arguments:?}");
    }
}

#[tokio::test]
async fn pasted_sql_means_the_object_that_it_was_printed_for() {
    let db = TestDb::new().await;
    let project = shop(&db).await;
    let p = db.prefix();
    let reaches = format!(
        "select c.relname::text from pg_catalog.pg_class c where c.relnamespace = 'evil'::regnamespace and c.relkind = 'r' \
         and has_table_privilege('{p}victim_reader', c.oid, 'select') order by 1"
    );
    assert_eq!(db.texts(&reaches).await.len(), NAMES.len());
    let report = project.run(&["audit", "--format", "json", "--fail-on", "never"]).exits(0).json();
    let mut connection = db.connect().await;
    let findings = report["findings"].as_array().expect("findings");
    let fixes = findings.iter().filter(|f| f["rule"] == "ACC01").map(|f| f["fix"].as_str().expect("a fix"));
    for fix in fixes {
        assert!(!fix.chars().any(is_invisible), "{fix:?}");
        let run = connection.execute(sqlx::raw_sql(AssertSqlSafe(fix.to_owned()))).await;
        run.unwrap_or_else(|error| panic!("{error}\n{fix}"));
    }
    assert_eq!(db.texts(&reaches).await, Vec::<String>::new());
    project.run(&["plan", "--prune", "--sql"]).exits(0);
    project.run(&["apply", "--prune", "--allow", "revoke,close-database"]).exits(0);
    project.expect_no_changes();
}

#[tokio::test]
async fn markdown_shows_names_as_code() {
    let db = TestDb::new().await;
    let project = shop(&db).await;
    for arguments in [&["plan", "--prune", "--format", "markdown"][..], &["audit", "--format", "markdown"]] {
        let text = project.run(arguments).stdout;
        assert!(!text.contains("<script>alert(1)") || text.contains("`evil.\"<script>"), "{text}");
        let outside = outside_of_code(&text);
        for markup in ["<script", "@everyone", "](http", "**b**", "## heading"] {
            assert!(!outside.contains(markup), "{arguments:?} {markup} is markup in:\n{outside}");
        }
    }
}

/// Returns a Markdown text without its code spans and blocks, by CommonMark's rule: a span ends at a run of backticks as
/// long as the one that began it.
fn outside_of_code(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('`') {
        out += &rest[..at];
        let run = rest[at..].chars().take_while(|c| *c == '`').count();
        let after = &rest[at + run..];
        let mut ends = after.match_indices('`').map(|(i, _)| i).filter(|i| *i == 0 || !after[..*i].ends_with('`'));
        let end = ends.find(|i| after[*i..].chars().take_while(|c| *c == '`').count() == run);
        let Some(end) = end else { return out + after };
        rest = &after[end + run..];
    }
    out + rest
}
