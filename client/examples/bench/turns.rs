//! Jobs that are there together and go on by turns, so that whatever the machine does
//! meanwhile it does to all of them alike.

use std::{
    error::Error,
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdout, Stdio},
};

use crate::{
    Result,
    job::NEXT,
    plan::{self, Job, Took},
    source::Source,
};

struct Player {
    job: Job,
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
}

/// Runs jobs of so many round trips to their end.
pub(crate) fn run(jobs: &[Job], count: usize, source: &Source) -> Result<Vec<(Job, Took)>> {
    let mut players = Vec::new();
    for job in jobs {
        let mut player = Player::start(*job, count, source)?;
        // It is connected.
        player.says()?;
        players.push(player);
    }
    let mut done = Vec::new();
    while !players.is_empty() {
        for mut player in std::mem::take(&mut players) {
            player.go_on()?;
            let says = player.says()?;
            if says == NEXT {
                players.push(player);
            } else {
                player.end()?;
                done.push((player.job, plan::took(&says)?));
            }
        }
    }
    Ok(done)
}

impl Player {
    fn start(job: Job, count: usize, source: &Source) -> Result<Self> {
        let mut child = plan::command(job, count.max(1), source)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or("a job has no output")?;
        let says = BufReader::new(out).lines();
        Ok(Self { job, child, says })
    }

    fn says(&mut self) -> Result<String> {
        let line = self.says.next().transpose()?;
        line.ok_or_else(|| self.failed())
    }

    fn go_on(&mut self) -> Result<()> {
        let input = self.child.stdin.as_mut().ok_or("a job has no input")?;
        let went = input.write_all(b"\n");
        went.map_err(|_| self.failed())
    }

    fn end(&mut self) -> Result<()> {
        match self.child.wait()?.success() {
            true => Ok(()),
            false => Err(self.failed()),
        }
    }

    fn failed(&self) -> Box<dyn Error> {
        let (who, what, size, _) = self.job;
        format!("{who} {what} of {size} octets failed").into()
    }
}

/// If one fails, the others do not go on without their turns.
impl Drop for Player {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
