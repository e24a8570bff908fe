# The commands of daily work; each is short enough to be typed without just.

# Tells the whole story on a server of its own
demo:
    cargo run -- demo

# Runs all tests; `just test oldest` picks the server
test server="newest":
    PGCLEAVE_TEST_SERVER={{ server }} cargo test

# Makes the images that the tests' containers come from
images *majors:
    .ci/images {{ majors }}

# Checks form and habits
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo deny check bans licenses sources

# Does what CI does
ci:
    .ci/run
