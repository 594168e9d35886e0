//! What the command says of itself: help, examples, suggestions, completions, the manual.

use std::path::PathBuf;
use std::process::Command as Process;

use clap::{Command, CommandFactory, Parser};
use rtir_relay::cli::Cli;

use super::command::{FAILED, USAGE, WELL, command, run};

/// The whole command, and every command under it.
fn commands() -> Vec<Command> {
    fn under(command: &Command) -> Vec<Command> {
        let deeper = command.get_subcommands().flat_map(under);
        std::iter::once(command.clone()).chain(deeper).collect()
    }
    let mut whole = Cli::command().disable_help_subcommand(true);
    whole.build();
    under(&whole)
}

fn help(command: &Command) -> String {
    command.clone().render_long_help().to_string()
}

/// Its command lines: what stands alone, indented, and begins with the name or feeds it.
fn examples(help: &str) -> Vec<&str> {
    let example = help.split("Examples:\n").nth(1).unwrap_or_default();
    example.lines().take_while(|line| line.starts_with("  ")).map(str::trim).collect()
}

#[test]
fn every_help_has_examples_that_the_command_takes() {
    let commands = commands();
    assert!(commands.len() >= 8, "{}", commands.len());
    for command in commands {
        let help = help(&command);
        let examples = examples(&help);
        assert!(!examples.is_empty(), "no example: {help}");
        // The part of each line that is ours: after variables or a pipe, before another.
        let ours: Vec<_> = examples.iter().filter_map(|line| line.find("rtir-relay").map(|at| &line[at..])).collect();
        assert!(!ours.is_empty(), "{help}");
        for line in ours {
            let words = shlex::split(line).expect("quotes that end");
            let words = words.iter().map(String::as_str).take_while(|word| !["|", "<", ">"].contains(word));
            if let Err(error) = Cli::try_parse_from(words) {
                panic!("{line}: {error}");
            }
        }
    }
}

#[test]
fn a_misspelt_command_or_option_is_told_the_right_one() {
    let cases = [
        (&["rendre"][..], "'render'"),
        (&["publsh"], "'publish'"),
        (&["helthcheck"], "'healthcheck'"),
        (&["schem"], "'schema'"),
        (&["render", "--content-typ", "x"], "'--content-type'"),
        (&["render", "--explian"], "'--explain'"),
        (&["publish", "--raww"], "'--raw'"),
        (&["healthcheck", "--redy"], "'--ready'"),
        (&["chek"], "'check'"),
        (&["check", "--ofline"], "'--offline'"),
        (&["dead-leters"], "'dead-letters'"),
        (&["dead-letters", "reply"], "'replay'"),
        (&["dead-letters", "replay", "--al"], "'--all'"),
        (&["completions", "powershel"], "'powershell'"),
    ];
    for (arguments, right) in cases {
        let ended = run(&mut command(arguments));
        let stderr = ended.failed_with(USAGE);
        assert!(stderr.contains("similar") && stderr.contains(right), "{arguments:?}: {stderr}");
    }
}

#[test]
fn completions_name_every_command_and_option() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let printed = run(&mut command(&["completions", shell]));
        assert_eq!((printed.exit, printed.stderr.as_str()), (Some(WELL), ""), "{shell}");
        for command in commands() {
            assert!(printed.stdout.contains(command.get_name()), "{} in {shell}", command.get_name());
            for option in command.get_arguments().filter_map(|argument| argument.get_long()) {
                assert!(printed.stdout.contains(option), "--{option} in {shell}");
            }
        }
    }
}

#[test]
fn bash_completes_a_command() {
    let script = run(&mut command(&["completions", "bash"])).stdout;
    let complete = "function=$(complete -p rtir-relay | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        COMP_WORDS=(rtir-relay heal) COMP_CWORD=1
        $function rtir-relay heal rtir-relay
        echo \"${COMPREPLY[@]}\"";
    let output = Process::new("bash").args(["-c", &format!("{script}\n{complete}")]).output().expect("bash");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "healthcheck\n", "{output:?}");
}

/// A directory for one test, empty.
fn directory(name: &str) -> PathBuf {
    let directory: PathBuf = [env!("CARGO_TARGET_TMPDIR"), name].iter().collect();
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("a directory");
    directory
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let whole = run(&mut command(&["man"]));
    assert_eq!((whole.exit, whole.stderr.as_str()), (Some(WELL), ""));
    let directory = directory("usage-man");
    let written = run(&mut command(&["man", directory.to_str().unwrap()]));
    assert_eq!((written.exit, written.stdout.as_str(), written.stderr.as_str()), (Some(WELL), "", ""));
    let mut pages = 0;
    for command in commands() {
        let name = command.get_display_name().unwrap_or("rtir-relay");
        let page = std::fs::read_to_string(directory.join(format!("{name}.1"))).expect(name);
        assert!(page.contains(&format!(".TH {name} 1")), "{page}");
        assert!(whole.stdout.contains(&page), "{name} in the whole manual");
        pages += 1;
    }
    assert_eq!(std::fs::read_dir(directory).expect("the pages").count(), pages);
}

#[test]
fn a_manual_that_cannot_be_written_is_told() {
    let ended = run(&mut command(&["man", "/nowhere"]));
    assert!(ended.failed_with(FAILED).starts_with("The manual cannot be written to /nowhere: "), "{ended:?}");
}
