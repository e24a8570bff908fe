use secrecy::ExposeSecret as _;

use super::*;
use crate::error::Coded as _;

fn read(text: &str, variables: &[(&str, &str)]) -> Result<Settings, Error> {
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Settings::from_parts(connection_string::split(&text.into())?, variable)
}

fn good(text: &str, variables: &[(&str, &str)]) -> Settings {
    match read(text, variables) {
        Ok(settings) => settings,
        Err(error) => panic!("{text}: {error}"),
    }
}

#[track_caller]
fn refused(text: &str, code: &str, named: &str) {
    let error = match read(text, &[]) {
        Ok(_) => panic!("{text} is taken"),
        Err(error) => error,
    };
    assert_eq!(error.code(), code, "{text}: {error}");
    assert!(error.to_string().contains(named), "{text}: {error}");
}

fn places(settings: &Settings) -> Vec<String> {
    settings.hosts.iter().map(Host::label).collect()
}

#[test]
fn hosts_are_read_as_libpq_reads_them() {
    assert_eq!(places(&good("postgresql://[::1]:5433/d", &[])), ["[::1]:5433"]);
    assert_eq!(places(&good("postgresql://a:1,b:2/d", &[])), ["a:1", "b:2"]);
    assert_eq!(places(&good("postgresql://a,b/d?port=7", &[])), ["a:7", "b:7"]);
    assert_eq!(places(&good("host=/run/pg,b port=,6", &[])), ["/run/pg:5432", "b:6"]);
    assert_eq!(places(&good("postgresql:///d?host=/run/pg&port=9", &[])), ["/run/pg:9"]);
    assert_eq!(places(&good("hostaddr=10.0.0.1 dbname=d", &[])), ["10.0.0.1:5432"]);
    assert_eq!(places(&good("dbname=d", &[("PGHOST", "h"), ("PGPORT", "8")])), ["h:8"]);
    refused("host=a,b port=1,2,3", "bad-connection-parameter", "port");
    refused("host=a,b hostaddr=10.0.0.1", "bad-connection-parameter", "hostaddr");
    refused("host=a port=70000", "bad-connection-parameter", "port");
    refused("host=a port=0", "bad-connection-parameter", "port");
    refused("hostaddr=db", "bad-connection-parameter", "hostaddr");
}

#[test]
fn the_string_comes_before_the_service_file_and_that_before_the_environment() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "[shop]\nhost=of-service\nuser=of-service\nsslmode=require\n").expect("it is written");
    let path = file.path().to_string_lossy().into_owned();
    let variables =
        [("PGSERVICEFILE", path.as_str()), ("PGUSER", "of-env"), ("PGDATABASE", "of-env"), ("PGSSLMODE", "x")];
    let settings = good("service=shop host=of-string", &variables);
    assert_eq!(places(&settings), ["of-string:5432"]);
    assert_eq!((settings.user.as_str(), settings.database.as_str()), ("of-service", "of-env"));
    assert_eq!(settings.tls.mode, Mode::Require);
    let missing = read("service=other", &variables).err().expect("no such service");
    assert_eq!(missing.code(), "bad-connection-parameter");
}

#[test]
fn no_parameter_is_ignored() {
    refused("postgresql://h/d?sslmod=require", "unknown-connection-parameter", "sslmod; is it sslmode?");
    refused("postgresql://h/d?currentSchema=x", "unknown-connection-parameter", "currentSchema");
    refused("postgresql://h/d?channel_binding=require", "unsupported-connection-parameter", "channel_binding");
    refused("postgresql://h/d?gssencmode=require", "unsupported-connection-parameter", "gssencmode");
    refused("postgresql://h/d?krbsrvname=x", "unsupported-connection-parameter", "krbsrvname");
    refused("postgresql://h/d?requirepeer=postgres", "unsupported-connection-parameter", "requirepeer");
    refused("postgresql://h/d?replication=database", "unsupported-connection-parameter", "replication");
    refused("postgresql://h/d?sslpassword=x", "unsupported-connection-parameter", "sslpassword");
    refused("postgresql://h/d?client_encoding=latin1", "unsupported-connection-parameter", "client_encoding");
    refused("postgresql://h/d?load_balance_hosts=random", "unsupported-connection-parameter", "load_balance_hosts");
    refused("postgresql://h/d?sslmode=on", "bad-connection-parameter", "sslmode");
    refused("postgresql://h/d?require_auth=scram", "bad-connection-parameter", "require_auth");
    refused("postgresql://h/d?target_session_attrs=master", "bad-connection-parameter", "target_session_attrs");
    refused("postgresql://h/d?connect_timeout=soon", "bad-connection-parameter", "connect_timeout");
    refused("postgresql://h/d?options=-e", "bad-connection-parameter", "options");
    refused("postgresql://h/d?sslcrl=/crl.pem", "bad-connection-parameter", "sslmode");
    refused("postgresql://h/d?sslrootcert=system&sslmode=require", "bad-connection-parameter", "sslmode");
    refused("postgresql://h/d?sslnegotiation=direct", "bad-connection-parameter", "sslnegotiation");
    refused("postgresql://h/d?ssl_max_protocol_version=TLSv1.1", "bad-connection-parameter", "ssl_max_protocol");
    refused("postgresql://h/d?sslkey=/key.pem", "bad-connection-parameter", "sslcert");
    // what may be a piece of a password is not shown
    let error = read("host=h Secret!=x", &[]).err().expect("no such parameter");
    assert_eq!(error.code(), "bad-database-url");
}

#[test]
fn the_environment_is_obeyed_or_refused_too() {
    let error = read("postgresql://h/d", &[("PGCHANNELBINDING", "require")]).err().expect("it cannot be obeyed");
    assert_eq!(error.code(), "unsupported-connection-parameter");
    assert!(error.to_string().contains("PGCHANNELBINDING"), "{error}");
    let settings = good("postgresql://h/d", &[("PGREQUIREAUTH", "md5"), ("PGKRBSRVNAME", "x"), ("PGSSLMODE", "")]);
    assert_eq!(settings.methods.text(), "md5");
    assert_eq!(settings.tls.mode, Mode::Prefer);
    assert!(!settings.tls.mode_is_given);
}

#[test]
fn programs_are_told_all_of_it() {
    let settings = good(
        "postgresql://ann:p@h/d?require_auth=md5&channel_binding=disable&sslmode=verify-ca&sslrootcert=/ca&sslcrl=/crl\
         &passfile=/pw&target_session_attrs=primary&sslcert=/c&sslkey=/k&application_name=x&connect_timeout=7",
        &[],
    );
    let mut environment: Vec<_> =
        settings.environment().into_iter().map(|(name, value)| format!("{name}={}", value.expose_secret())).collect();
    environment.sort();
    assert_eq!(
        environment,
        [
            "PGCHANNELBINDING=disable",
            "PGCONNECT_TIMEOUT=7",
            "PGPASSFILE=/pw",
            "PGPASSWORD=p",
            "PGREQUIREAUTH=md5",
            "PGSSLCERT=/c",
            "PGSSLCRL=/crl",
            "PGSSLKEY=/k",
            "PGSSLROOTCERT=/ca",
            "PGTARGETSESSIONATTRS=primary",
        ]
    );
}

#[test]
fn programs_refuse_to_give_a_password_away_too() {
    let required = |text: &str| {
        let environment = good(text, &[]).environment();
        let found = environment.into_iter().find(|(name, _)| *name == "PGREQUIREAUTH");
        found.map(|(_, value)| value.expose_secret().to_owned())
    };
    assert_eq!(required("host=db sslmode=require").as_deref(), Some("!password,!md5"));
    assert_eq!(required("host=db sslmode=prefer sslrootcert=/ca").as_deref(), Some("!password,!md5"));
    assert_eq!(required("host=db require_auth=md5").as_deref(), Some("md5"));
    assert_eq!(required("host=db sslmode=verify-full sslrootcert=/ca"), None);
    assert_eq!(required("host=localhost"), None);
}

#[test]
fn settings_of_the_session_are_read() {
    let settings = good(r"postgresql://h/d?options=-c%20a%3D1\ 2%20--b-c%3D3%20-cd%3D4&options[e]=5", &[]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(settings.options, [pair("a", "1 2"), pair("b_c", "3"), pair("d", "4"), pair("e", "5")]);
}

#[test]
fn only_another_machine_needs_to_prove_itself() {
    for text in ["host=/run/pg", "postgresql://localhost/d", "postgresql://[::1]/d", "postgresql://127.0.0.2/d"] {
        assert!(!good(text, &[]).is_unverified(), "{text}");
    }
    assert!(good("postgresql://db/d?sslmode=verify-ca", &[]).is_unverified());
    assert!(!good("postgresql://db/d?sslmode=verify-full", &[]).is_unverified());
    assert!(good("host=db hostaddr=10.0.0.1", &[]).is_unverified());
}

#[test]
fn a_password_comes_from_the_file_where_none_is_given() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "other:*:*:*:no\nh:5432:d:ann:of-file\n").expect("it is written");
    let path = file.path().to_string_lossy().into_owned();
    let password = |text: &str| {
        let settings = good(text, &[("PGPASSFILE", &path)]);
        settings.password(&settings.hosts[0]).map(|password| password.expose_secret().to_owned())
    };
    assert_eq!(password("postgresql://ann@h/d").as_deref(), Some("of-file"));
    assert_eq!(password("postgresql://ann:own@h/d").as_deref(), Some("own"));
    assert_eq!(password("postgresql://bob@h/d"), None);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("its mode changes");
        assert_eq!(password("postgresql://ann@h/d"), None);
    }
}
