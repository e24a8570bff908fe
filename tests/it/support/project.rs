//! A folder of manifests and migrations, and the command line run in it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use super::TestDb;

/// A project in a folder of its own, for one test's database and role prefix.
pub(crate) struct Project {
    folder: tempfile::TempDir,
    url: String,
}

/// What one run of the command line answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// Insists on the exit code, showing everything when it is another.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Reads the answer as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}\n{}\n{}", self.stdout, self.stderr))
    }
}

impl Project {
    /// Makes the folder, with a pgcleave.yaml whose only environment, `test`, is this database.
    pub(crate) fn new(db: &TestDb) -> Self {
        Self::at(&db.url(), db.prefix())
    }

    /// The same for any database and prefix.
    pub(crate) fn at(url: &str, prefix: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let project = Self { folder, url: url.to_owned() };
        project.write(
            "pgcleave.yaml",
            &format!(
                "manifests: manifests\nenvironments:\n  test: {{ database_url_env: TEST_URL, role_prefix: {prefix} }}\n",
            ),
        );
        project
    }

    /// Connects as somebody else from now on.
    pub(crate) fn connect_as(&mut self, url: String) {
        self.url = url;
    }

    /// Gives the folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Removes a file.
    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.folder.path().join(path)).expect("the file is there");
    }

    /// Writes a manifest; the first line, `service: <name>`, is given.
    pub(crate) fn manifest(&self, service: &str, rest: &str) {
        self.write(&format!("manifests/{service}.yaml"), &format!("service: {service}\n{rest}"));
    }

    /// Makes the command, to be run in the folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        // a bench may measure another build than the one that it was built with
        let binary = std::env::var_os("PGCLEAVE_TEST_BINARY").unwrap_or(env!("CARGO_BIN_EXE_pgcleave").into());
        let mut command = Command::new(binary);
        command.current_dir(self.folder.path()).env("TEST_URL", &self.url).env("NO_COLOR", "1");
        command.args(["--env", "test"]).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs the command line to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        answer(self.command(arguments).output().expect("the binary runs"))
    }

    /// Starts the command line, to be killed or waited for.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    }

    /// Insists that nothing is left to be done.
    #[track_caller]
    pub(crate) fn expect_no_changes(&self) {
        self.run(&["plan", "--detailed-exitcode", "-v"]).exits(0);
    }
}

/// Reads what a finished process left.
pub(crate) fn answer(output: Output) -> Answer {
    Answer {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("the answer is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("the story is UTF-8"),
    }
}
