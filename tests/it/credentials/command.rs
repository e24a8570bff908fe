//! The command line of credentials: its answers, its exit codes, and what it never says.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::TestDb;

fn pgcleave(root: &Path, url: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgcleave"));
    command.args(args).args(["--env", "test", "-vv"]).current_dir(root).env("DATABASE_URL", url);
    command.output().expect("the program runs")
}

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, text).expect("written");
}

fn published(root: &Path) -> String {
    let read = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(entry.expect("an entry").path());
    let folder = std::fs::read_dir(root.join(".secrets")).expect("a folder of secrets");
    folder.map(|entry| read(entry).expect("text")).collect()
}

#[tokio::test]
async fn lists_rotates_and_proves_without_saying_a_password() {
    let db = TestDb::new().await;
    let root = tempfile::tempdir().expect("a folder");
    let (root, url) = (root.path(), db.url());
    let config = format!(
        "manifests: manifests\nsecrets: {{ directory: .secrets }}\nenvironments:\n  test: {{ role_prefix: {} }}\n",
        db.prefix()
    );
    write(root, "pgcleave.yaml", &config);
    for name in ["orders", "billing"] {
        let text =
            format!("service: {name}\ncredentials:\n  app: {{ access: write }}\n  reports: {{ access: read }}\n");
        write(root, &format!("manifests/{name}.yaml"), &text);
    }
    let mut said = String::new();
    let mut run = |args: &[&str]| {
        let output = pgcleave(root, &url, args);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        said.push_str(&format!("{out}{err}"));
        (output.status.code(), format!("{out}{err}"))
    };
    let (code, text) = run(&["apply", "--allow", "revoke,close-database,change-owner,lock-many"]);
    assert_eq!(code, Some(0), "{text}");
    let mut passwords = published(root);
    let (code, text) = run(&["credentials", "list", "--format", "json"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("\"format\": \"pgcleave.credentials/1\"") && text.contains("\"phase\": \"steady\""),
        "{text}"
    );
    let (code, text) = run(&["credentials", "verify"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("Proven: 4 credentials"), "{text}");
    let (code, text) = run(&["credentials", "rotate", "orders"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(text.matches("published").count(), 2, "{text}");
    passwords.push_str(&published(root));
    db.run(&format!("grant {0}billing_reader to {0}orders_app_b", db.prefix())).await;
    let (code, text) = run(&["credentials", "verify"]);
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("LEAK"), "{text}");
    let (code, text) = run(&["credentials", "rotate", "nobody/app"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("orders/app"), "it says which there are: {text}");
    let values: Vec<_> = passwords.lines().filter_map(|line| line.strip_prefix("PGPASSWORD=")).collect();
    assert_eq!(values.len(), 8);
    for value in values {
        assert!(!said.contains(value));
    }
}
