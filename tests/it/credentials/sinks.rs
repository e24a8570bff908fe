//! Each kind of sink: what it writes, with which modes, under concurrency.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use pgcleave::credentials::secret::{Place, Secret};
use pgcleave::credentials::sink::{Sink, SinkError};
use pgcleave::event::Event;
use pgcleave::manifest::service::SecretSink;
use pgcleave::model::naming::{Access, Naming};
use pgcleave::pg::password;
use secrecy::{ExposeSecret as _, SecretString};

use super::shop::{ident, quiet};

fn secret(service: &str, credential: &str) -> Secret {
    Secret {
        service: service.to_owned(),
        credential: credential.to_owned(),
        role: ident(&format!("{service}_{credential}_a")),
        password: password::generate().expect("random"),
        place: Place {
            host: "db.example".to_owned(),
            port: 5432,
            database: "sh'op $x".to_owned(),
            sslmode: None,
            sslrootcert: None,
        },
        access: Access::Owner,
    }
}

fn sink(kind: SecretSink, root: &Path) -> Sink {
    Sink::new(&kind, root, &Naming { prefix: "stg_".to_owned() })
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn names(folder: &Path) -> Vec<String> {
    let entry = |e: std::io::Result<std::fs::DirEntry>| e.expect("an entry").file_name().to_string_lossy().into_owned();
    let mut names: Vec<_> = std::fs::read_dir(folder).expect("a folder").map(entry).collect();
    names.sort();
    names
}

fn kinds() -> [SecretSink; 3] {
    [
        SecretSink::Directory(PathBuf::from("here")),
        SecretSink::Json(PathBuf::from("here/secrets.json")),
        SecretSink::Kubernetes { directory: PathBuf::from("here"), namespace: Some("shop".to_owned()) },
    ]
}

#[tokio::test]
async fn every_readable_sink_gives_back_what_it_took_and_lets_nobody_else_read() {
    for kind in kinds() {
        let root = tempfile::tempdir().expect("a folder");
        let sink = sink(kind, root.path());
        assert!(sink.read("orders", "app").await.expect("an empty sink").is_none());
        let (mut one, two) = (secret("orders", "app"), secret("orders", "reports"));
        one.place.sslmode = Some("verify-full".to_owned());
        one.place.sslrootcert = Some("/etc/our ca.pem".to_owned());
        sink.publish_all(&[one.clone(), two], &quiet).await.expect("it takes both");
        let back = sink.read("orders", "app").await.expect("readable").expect("published");
        assert_eq!(back.password.expose_secret(), one.password.expose_secret());
        assert_eq!((&back.role, &back.place, back.access), (&one.role, &one.place, one.access));
        let folder = root.path().join("here");
        assert_eq!(mode(&folder), 0o700);
        for name in names(&folder).iter().filter(|n| *n != ".gitignore") {
            assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
        }
        assert!(sink.read("orders", "nobody").await.expect("readable").is_none());
    }
}

#[tokio::test]
async fn a_folder_of_dotenv_files_is_kept_out_of_version_control() {
    let root = tempfile::tempdir().expect("a folder");
    let sink = sink(SecretSink::Directory(PathBuf::from("here")), root.path());
    let one = secret("orders", "app");
    sink.publish(&one, &quiet).await.expect("it takes it");
    let folder = root.path().join("here");
    assert_eq!(names(&folder), [".gitignore", ".lock", "stg_orders_app.env"]);
    assert_eq!(std::fs::read_to_string(folder.join(".gitignore")).expect("text"), "*\n");
    let text = std::fs::read_to_string(folder.join("stg_orders_app.env")).expect("text");
    let text = text.replace(one.password.expose_secret(), "PASSWORD");
    expect_test::expect![[r#"
        # orders/app, written by pgcleave
        # access: owner
        PGHOST=db.example
        PGPORT=5432
        PGDATABASE="sh'op \$x"
        PGUSER=orders_app_a
        PGPASSWORD=PASSWORD
        DATABASE_URL=postgresql://orders_app_a:PASSWORD@db.example:5432/sh%27op%20%24x
    "#]]
    .assert_eq(&text);
}

#[tokio::test]
async fn a_shell_reads_the_dotenv_file_as_it_was_meant() {
    let root = tempfile::tempdir().expect("a folder");
    let sink = sink(SecretSink::Directory(PathBuf::from("here")), root.path());
    let one = secret("orders", "app");
    sink.publish(&one, &quiet).await.expect("it takes it");
    let file = root.path().join("here/stg_orders_app.env");
    let script = ". \"$0\"; printf '%s|%s' \"$PGDATABASE\" \"$PGPASSWORD\"";
    let said = std::process::Command::new("sh").args(["-c", script]).arg(file).output().expect("a shell");
    let expected = format!("sh'op $x|{}", one.password.expose_secret());
    assert_eq!(String::from_utf8_lossy(&said.stdout), expected);
}

#[tokio::test]
async fn a_kubernetes_secret_has_a_name_that_kubernetes_takes() {
    let root = tempfile::tempdir().expect("a folder");
    let kind = SecretSink::Kubernetes { directory: PathBuf::from("k8s"), namespace: Some("shop".to_owned()) };
    let sink = sink(kind, root.path());
    let one = secret("order_lines", "app");
    sink.publish(&one, &quiet).await.expect("it takes it");
    let text = std::fs::read_to_string(root.path().join("k8s/stg-order-lines-app.yaml")).expect("text");
    let text = text.replace(one.password.expose_secret(), "PASSWORD");
    expect_test::expect![[r#"
        apiVersion: v1
        kind: Secret
        metadata:
          name: "stg-order-lines-app"
          namespace: "shop"
          labels:
            app.kubernetes.io/managed-by: pgcleave
          annotations:
            pgcleave/service: "order_lines"
            pgcleave/credential: "app"
            pgcleave/access: "owner"
        type: Opaque
        stringData:
          PGHOST: "db.example"
          PGPORT: "5432"
          PGDATABASE: "sh'op $x"
          PGUSER: "order_lines_app_a"
          PGPASSWORD: "PASSWORD"
          DATABASE_URL: "postgresql://order_lines_app_a:PASSWORD@db.example:5432/sh%27op%20%24x"
    "#]]
    .assert_eq(&text);
    let error = sink.publish(&secret("orders", "app_"), &quiet).await.expect_err("a name ends with a letter");
    assert!(matches!(error, SinkError::Name { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_publishers_at_once_lose_nothing() {
    for kind in kinds() {
        let root = tempfile::tempdir().expect("a folder");
        let sink = sink(kind, root.path());
        let publishers: Vec<_> = (0..8)
            .map(|n| {
                let sink = sink.clone();
                tokio::spawn(async move {
                    let mut last = Vec::new();
                    for round in 0..5 {
                        let (own, shared) = (secret(&format!("s{n}"), "app"), secret("shared", &format!("c{round}")));
                        sink.publish_all(&[own.clone(), shared], &quiet).await.expect("it takes both");
                        last = vec![own];
                    }
                    last
                })
            })
            .collect();
        for (n, publisher) in publishers.into_iter().enumerate() {
            let last = publisher.await.expect("no panic").pop().expect("a secret");
            let back = sink.read(&format!("s{n}"), "app").await.expect("readable").expect("published");
            assert_eq!(back.password.expose_secret(), last.password.expose_secret());
        }
        for round in 0..5 {
            assert!(sink.read("shared", &format!("c{round}")).await.expect("readable").is_some());
        }
        let partial: Vec<_> = names(&root.path().join("here")).into_iter().filter(|n| n.contains("partial")).collect();
        assert_eq!(partial, Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_a_killed_publisher_left_half_written_is_swept() {
    let root = tempfile::tempdir().expect("a folder");
    let sink = sink(SecretSink::Directory(PathBuf::from("here")), root.path());
    sink.publish(&secret("orders", "app"), &quiet).await.expect("it takes it");
    let left = root.path().join("here/.pgcleave-abc.partial");
    std::fs::write(&left, "PGPASSWORD=half").expect("written");
    sink.publish(&secret("orders", "app"), &quiet).await.expect("it takes it");
    assert!(!left.exists());
}

#[tokio::test]
async fn warns_of_a_folder_that_others_can_read_and_of_another_databases_secret() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("here");
    std::fs::create_dir(&folder).expect("made");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).expect("changed");
    let sink = sink(SecretSink::Directory(PathBuf::from("here")), root.path());
    let told = Mutex::new(Vec::new());
    let tell = |event| match event {
        Event::Warning { message } => told.lock().expect("alone").push(message),
        other => panic!("{other:?}"),
    };
    let mut one = secret("orders", "app");
    sink.publish(&one, &tell).await.expect("it takes it");
    one.place.host = "other.example".to_owned();
    sink.publish(&one, &tell).await.expect("it takes it");
    let told = told.into_inner().expect("alone");
    assert!(told[0].contains("mode 755"), "{told:?}");
    assert!(told.iter().any(|m| m.contains("db.example:5432 and is replaced")), "{told:?}");
}

#[tokio::test]
async fn a_file_that_is_no_file_of_secrets_is_left_as_it_is() {
    let root = tempfile::tempdir().expect("a folder");
    let path = root.path().join("secrets.json");
    for text in [
        "{\"secrets\": {\"a\": {\"b\": {\"password\": \"hunter2\"",
        "[\"hunter2\"]",
        "{\"format\":\"x\",\"secrets\":{}}",
    ] {
        std::fs::write(&path, text).expect("written");
        let sink = sink(SecretSink::Json(PathBuf::from("secrets.json")), root.path());
        let error = sink.publish(&secret("orders", "app"), &quiet).await.expect_err("not ours");
        assert!(matches!(error, SinkError::Corrupt { .. }) && !error.to_string().contains("hunter2"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).expect("text"), text);
    }
}

#[tokio::test]
async fn names_cannot_leave_the_folder() {
    for kind in kinds() {
        let root = tempfile::tempdir().expect("a folder");
        let sink = sink(kind, root.path());
        for name in ["../orders", "a/b", "", "-rf", "a\0b"] {
            let error = sink.publish(&secret_named(name), &quiet).await.expect_err("refused");
            assert!(matches!(error, SinkError::Name { .. }), "{error}");
            assert!(sink.read("orders", name).await.is_err());
        }
    }
}

fn secret_named(credential: &str) -> Secret {
    Secret { credential: credential.to_owned(), ..secret("orders", "app") }
}

#[tokio::test]
async fn a_command_gets_the_secret_on_its_input_and_nowhere_else() {
    let root = tempfile::tempdir().expect("a folder");
    let script = "cat > got.json; tr '\\0' '\\n' < /proc/$$/cmdline > argv; env > environment; echo \"$1\" > name";
    let argv = ["sh", "-c", script, "sh", "kv/{service}/{credential}"].map(str::to_owned).to_vec();
    let sink = sink(SecretSink::Command(argv), root.path());
    let one = secret("orders", "app");
    sink.publish(&one, &quiet).await.expect("it takes it");
    let read = |name: &str| std::fs::read_to_string(root.path().join(name)).expect("text");
    let got: serde_json::Value = serde_json::from_str(&read("got.json")).expect("JSON");
    assert_eq!(got["password"], one.password.expose_secret());
    assert_eq!(got["url"], one.url().expose_secret());
    assert_eq!((&got["role"], &got["access"]), (&"orders_app_a".into(), &"owner".into()));
    assert_eq!(read("name"), "kv/orders/app\n");
    for elsewhere in ["argv", "environment"] {
        assert!(!read(elsewhere).contains(one.password.expose_secret()), "{elsewhere}");
    }
    assert!(matches!(sink.read("orders", "app").await, Err(SinkError::WriteOnly)));
}

#[tokio::test]
async fn a_command_that_fails_is_told_of_without_the_password() {
    let root = tempfile::tempdir().expect("a folder");
    let publish = async |argv: &[&str], secret: &Secret| {
        let argv = argv.iter().map(|w| (*w).to_owned()).collect();
        sink(SecretSink::Command(argv), root.path()).publish(secret, &quiet).await.expect_err("it fails").to_string()
    };
    let one = secret("orders", "app");
    let told = publish(&["sh", "-c", "cat >&2; echo denied >&2; exit 3"], &one).await;
    assert!(told.contains("exit status: 3") && told.contains("denied") && told.contains("[password]"), "{told}");
    assert!(!told.contains(one.password.expose_secret()), "{told}");
    let told = publish(&["sh", "-c", "head -c 8100 /dev/zero | tr '\\0' x >&2; cat >&2; exit 1"], &one).await;
    assert!(!told.contains(&one.password.expose_secret()[..8]), "not even a part of it: {told}");
    let told = publish(&["./no-such-program"], &one).await;
    assert!(told.contains("it does not start"), "{told}");
}

#[tokio::test]
async fn a_password_is_scrubbed_however_odd_it_is() {
    let root = tempfile::tempdir().expect("a folder");
    let mut one = secret("orders", "app");
    one.password = SecretString::from("a b/ü");
    let argv = ["sh", "-c", "cat >&2; exit 1"].map(str::to_owned).to_vec();
    let error = sink(SecretSink::Command(argv), root.path()).publish(&one, &quiet).await.expect_err("it fails");
    assert!(!error.to_string().contains("a b/ü") && !error.to_string().contains("a%20b"), "{error}");
}
