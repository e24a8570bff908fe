//! A database that pgcleave manages well has nothing to report.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{Answer, Dedicated, answer};

/// The example shop of this repository, applied to a server of its own.
struct Shop {
    folder: tempfile::TempDir,
    _server: Dedicated,
    url: String,
}

impl Shop {
    /// Applies the shop as the superuser, or as an administrator with CREATEROLE who owns the database.
    async fn applied(as_superuser: bool) -> Self {
        let server = Dedicated::start().await;
        let mut admin = PgConnection::connect(&server.url("postgres")).await.expect("the superuser connects");
        let mut run = async |sql: &str| {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await.expect("the database is made");
        };
        match as_superuser {
            true => run("create database shop").await,
            false => {
                run("create role keeper login createrole password 'secret'").await;
                run("create database shop owner keeper").await;
            }
        }
        let url = server.url("shop");
        let (_, place) = url.rsplit_once('@').expect("a connection string has a host");
        let url = if as_superuser { url.clone() } else { format!("postgresql://keeper:secret@{place}") };
        let folder = tempfile::tempdir().expect("a folder");
        for part in ["manifests", "migrations", "pgcleave.yaml"] {
            let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(part);
            let copied = Command::new("cp").arg("-R").arg(from).arg(folder.path()).status().expect("cp runs");
            assert!(copied.success());
        }
        let shop = Self { folder, _server: server, url };
        shop.run(&["apply", "--allow", "revoke,close-database"]).exits(0);
        shop
    }

    fn run_in(&self, folder: &Path, arguments: &[&str]) -> Answer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgcleave"));
        command.current_dir(folder).env("NO_COLOR", "1").env("PROD_DATABASE_URL", &self.url);
        answer(command.env("DATABASE_URL", &self.url).args(arguments).output().expect("the binary runs"))
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        self.run_in(self.folder.path(), &[&["--env", "prod"], arguments].concat())
    }
}

fn findings(document: &Value) -> Vec<String> {
    let all = document["findings"].as_array().expect("a list").iter();
    let loud = all.filter(|f| f["severity"] != "info");
    loud.map(|f| format!("{} {} {}: {}", f["severity"], f["rule"], f["principal"], f["message"])).collect()
}

#[tokio::test]
async fn the_example_shop_is_quiet_after_apply() {
    for as_superuser in [true, false] {
        let shop = Shop::applied(as_superuser).await;
        let told = shop.run(&["audit", "--format", "json"]);
        let document = told.json();
        assert_eq!(findings(&document), Vec::<String>::new());
        assert_eq!((&document["counts"]["errors"], &document["counts"]["warnings"]), (&0.into(), &0.into()));
        told.exits(0);
    }
}
