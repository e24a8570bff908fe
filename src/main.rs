//! Parses the command line, starts the runtime, and turns the verdict into the exit code.

mod cli;

use std::process::ExitCode;

use clap::Parser;
use pgcleave::error::Verdict;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    cli.global.apply_color();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::failure::system("start the runtime", &error),
    };
    let verdict = runtime.block_on(cli::run(cli));
    runtime.shutdown_background();
    ExitCode::from(verdict as u8)
}

const _: () = assert!(Verdict::Interrupted as u32 <= 255, "an exit code is one byte");
