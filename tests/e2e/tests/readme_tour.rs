//! The README's tour, run as it is printed: its commands, on the quickstart, and what it says that they show.

use std::env;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use moat_e2e::{Broker, Folder, free_port, programs, until};

const SAMPLE: &str = "config/samples/quickstart";

/// One `console` block: a command, and lines that it must print among others.
struct Step {
    command: String,
    shows: Vec<String>,
}

/// The tour's commands in their order, without the one that sets the reader's PATH.
fn steps() -> Result<Vec<Step>> {
    let readme = fs::read_to_string(programs::repository().join("README.md"))?;
    let mut steps = Vec::new();
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        for line in block.lines().filter(|line| !line.starts_with("$ export ")) {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.to_owned(), shows: Vec::new() }),
                None => {
                    steps.last_mut().context("a block begins with its command")?.shows.push(line.to_owned())
                }
            }
        }
    }
    Ok(steps)
}

/// A user at the README: a broker on a copy of the quickstart, and a terminal.
struct Reader {
    broker: Broker,
    folder: Folder,
    port: u16,
}

impl Reader {
    fn start() -> Result<Self> {
        programs::debian("mosquitto_pub", "mosquitto-clients")?;
        let (folder, port) = (Folder::copy_of(SAMPLE)?, free_port()?);
        folder.edit("cluster.yaml", "port: 1883", &format!("port: {port}"))?;
        Ok(Self { broker: Broker::start(&folder)?, folder, port })
    }

    /// The command in a shell, with this broker's port and folder in the place of those that the README names.
    fn shell(&self, command: &str) -> Result<Command> {
        let command = command
            .replace("mosquitto_pub ", &format!("mosquitto_pub -p {} ", self.port))
            .replace("mosquitto_sub ", &format!("exec mosquitto_sub -p {} ", self.port))
            .replace(SAMPLE, &self.folder.path().to_string_lossy());
        let plugin = programs::plugin()?.parent().map(PathBuf::from).unwrap_or_default();
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([plugin].into_iter().chain(env::split_paths(&path)))?;
        let mut shell = Command::new("sh");
        shell.args(["-c", &command]).env("PATH", path).stdin(Stdio::null());
        Ok(shell)
    }

    /// Runs a step to its end and looks for what it should show.
    fn does(&self, step: &Step) -> Result<()> {
        let output = self.shell(&step.command)?.output()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).replace(&*self.folder.path().to_string_lossy(), SAMPLE);
        for line in &step.shows {
            ensure!(
                text.lines().any(|shown| shown == line),
                "{} should show\n{line}\nand shows\n{text}",
                step.command
            );
        }
        Ok(())
    }

    fn wait_for_metric(&self, name: &str, value: f64) -> Result<()> {
        until::holds(&format!("{name} to become {value}"), || Ok(self.broker.metric(name)? == Some(value)))
    }
}

/// The second terminal; closed when dropped.
struct Terminal {
    child: Child,
    shown: PathBuf,
}

impl Terminal {
    fn lines(&self) -> Result<Vec<String>> {
        Ok(fs::read_to_string(&self.shown)?.lines().map(str::to_owned).collect())
    }

    fn wait_for_lines(&self, count: usize) -> Result<Vec<String>> {
        until::some(&format!("{count} lines in the second terminal"), || {
            let lines = self.lines()?;
            Ok((lines.len() >= count).then_some(lines))
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Nothing is left to do if the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_tour_of_the_readme_shows_what_it_says() -> Result<()> {
    let steps = steps()?;
    let [listen, tell, tell_anothers, listen_too, ask, check] = &steps[..] else {
        anyhow::bail!("the tour has six commands, not {}", steps.len());
    };
    let reader = Reader::start()?;
    let shown = reader.folder.beside("second-terminal");
    let child = reader.shell(&listen.command)?.stdout(File::create(&shown)?).spawn()?;
    let terminal = Terminal { child, shown };
    reader.wait_for_metric("moat_subscriptions", 1.0)?;

    reader.does(tell)?;
    assert_eq!(terminal.wait_for_lines(1)?, ["topic/x/status online"]);
    reader.does(tell_anothers)?;
    reader.does(listen_too)?;
    reader.does(ask)?;

    // Step 4: the right goes and comes back on the same connection. The second message is masked, the third arrives.
    reader.folder.edit("roles.yaml", "topic/+/status", "topic/+/alarm")?;
    reader.wait_for_metric("moat_subscriptions_suspended", 1.0)?;
    reader.does(tell)?;
    reader.folder.edit("roles.yaml", "topic/+/alarm", "topic/+/status")?;
    reader.wait_for_metric("moat_subscriptions_suspended", 0.0)?;
    reader.does(tell)?;
    assert_eq!(terminal.wait_for_lines(2)?, ["topic/x/status online"; 2]);

    // Step 6: a broken edit is told, by both programs, and changes nothing.
    reader.folder.edit("roles.yaml", "topicFilter: \"topic/+/status\"", "topicFiltre: \"topic/+/status\"")?;
    reader.does(check)?;
    reader.broker.wait_for_log("roles.yaml:33:9")?;
    reader.does(tell)?;
    assert_eq!(terminal.wait_for_lines(3)?, ["topic/x/status online"; 3]);
    Ok(())
}
