use crate::support::{Process, binary, failing};

fn written(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("palabre.toml");
    std::fs::write(&path, text).unwrap();
    (directory, path.to_str().unwrap().to_owned())
}

#[test]
fn an_unknown_key_is_a_mistake_in_the_configuration() {
    let (_directory, path) = written("ephemeral = true\nlisten = \":0\"\nmax_clients = 3\n");
    let (code, message) = failing(&["--config", &path]);
    assert_eq!(code, Some(2));
    assert!(
        message.contains("line 3: there is no key \"max_clients\". Did you mean \"max-clients\"?"),
        "{message}"
    );
}

#[test]
fn a_mistake_in_the_command_line_ends_with_the_same_code() {
    let (code, message) = failing(&["--listen", "nowhere"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("it has no port"), "{message}");
}

#[test]
fn the_environment_goes_before_the_file_and_a_flag_before_the_environment() {
    let (_directory, path) = written("ephemeral = true\nlisten = \"127.0.0.2:0\"\n");
    let mut from_environment = binary(&["--config", &path]);
    let server = Process::run(from_environment.env("PALABRE_LISTEN", "127.0.0.3:0"));
    assert_eq!(server.address().ip().to_string(), "127.0.0.3");
    let mut from_flag = binary(&["--config", &path, "--listen", "127.0.0.4:0"]);
    let server = Process::run(from_flag.env("PALABRE_LISTEN", "127.0.0.3:0"));
    assert_eq!(server.address().ip().to_string(), "127.0.0.4");
    let server = Process::start(&["--config", &path]);
    assert_eq!(server.address().ip().to_string(), "127.0.0.2");
}

#[test]
fn the_help_lists_the_exit_codes() {
    let output = binary(&["--help"]).output().unwrap();
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    for code in ["0  ended in order", "1  could not start", "2  a mistake", "3  storage", "4  stopped before"]
    {
        assert!(help.contains(code), "{help}");
    }
}

#[test]
fn the_configuration_in_the_manual_of_operation_is_understood_and_complete() {
    let manual = include_str!("../../../docs/OPERATING.md");
    let example = manual.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let (_directory, path) = written(example);
    let server = Process::start(&["--config", &path, "--ephemeral", "--listen", "127.0.0.1:0"]);
    assert!(server.ready_line.contains("nothing is kept"), "{}", server.ready_line);
}
