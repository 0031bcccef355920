//! `kill -9` at any moment: what was acknowledged is there, and an act is there whole or not at all.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::{Folder, KEY, opened, user};

/// How often the writer is killed.
const ROUNDS: u64 = 100;

/// How many users one act makes.
const TOGETHER: u64 = 3;

/// Names the file to the process that writes until it is killed, and where its numbers begin.
const FILE: &str = "PORTCULLIS_TEST_CRASH_FILE";
const FROM: &str = "PORTCULLIS_TEST_CRASH_FROM";

#[test]
fn what_was_acknowledged_survives_being_killed() {
    let folder = Folder::new();
    let (mut acts, mut acknowledged, start) = (0, 0, Instant::now());
    for round in 0..ROUNDS {
        let last = write_until_killed(&folder, acts, moment(round));
        let store = opened(&folder.file(), Some(KEY)).unwrap();
        let users = store.count_users().unwrap();
        assert_eq!(users % TOGETHER, 0, "round {round}: half an act is there");
        let found = users / TOGETHER;
        let expected = acts.max(last.map_or(0, |last| last + 1));
        // One more may have been done whose acknowledgement did not come through.
        assert!(found == expected || found == expected + 1, "round {round}: {found} for {expected}");
        for act in acts..found {
            for number in act * TOGETHER..(act + 1) * TOGETHER {
                let new = user(number);
                let kept = store.account(new.user.id).unwrap().unwrap();
                assert_eq!((kept.user, kept.password), (new.user, new.password), "round {round}");
            }
        }
        // Its entry in the log is part of the act.
        assert_eq!(store.last_change().unwrap().unsigned_abs(), users, "round {round}");
        acknowledged += expected - acts;
        acts = found;
    }
    assert!(acknowledged >= ROUNDS, "{acknowledged} acts in all: it was killed before it did anything");
    assert_whole(&folder);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?}");
    println!("{ROUNDS} kills, {acknowledged} acknowledged acts, {took:?}");
}

/// The process that is killed: this program, started again.
#[test]
#[ignore = "started by the test above"]
fn writer() {
    let Ok(file) = std::env::var(FILE) else { return };
    let from: u64 = std::env::var(FROM).unwrap().parse().unwrap();
    let store = opened(file.as_ref(), Some(KEY)).unwrap();
    let mut out = std::io::stdout();
    // Ends by itself, were nobody there any more to kill it.
    for act in from..from + 100_000 {
        let users: Vec<_> = (act * TOGETHER..(act + 1) * TOGETHER).map(user).collect();
        store.create_users(&users).unwrap();
        if writeln!(out, "done {act}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

/// Lets a writer begin with act `from`, kills it, and says which act it acknowledged last.
fn write_until_killed(folder: &Folder, from: u64, after: Duration) -> Option<u64> {
    let mut child = Writer::start(folder, from);
    let stdout = child.0.stdout.take().unwrap();
    let (send, lines) = mpsc::channel();
    let reading = thread::spawn(move || {
        let mut last = None;
        for line in BufReader::new(stdout).lines() {
            let line = line.unwrap();
            // The harness of the tests writes lines too, and once in front of ours.
            if let Some((_, act)) = line.split_once("done ") {
                last = Some(act.parse().unwrap());
                let _ = send.send(());
            }
        }
        last
    });
    // Half of the rounds count from the first act; the others hit the opening too.
    if from.is_multiple_of(2) {
        let _ = lines.recv_timeout(Duration::from_secs(20));
    }
    thread::sleep(after);
    drop(child);
    reading.join().unwrap()
}

struct Writer(Child);

impl Writer {
    fn start(folder: &Folder, from: u64) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "crash::writer", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(FILE, folder.file()).env(FROM, from.to_string());
        Self(command.stdout(Stdio::piped()).spawn().unwrap())
    }
}

/// `Child::kill` is SIGKILL.
impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Between 0 and 150 ms, another moment in each round.
fn moment(round: u64) -> Duration {
    Duration::from_micros(round.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 150_000)
}

/// Neither SQLite nor SQLCipher finds anything wrong with the file.
fn assert_whole(folder: &Folder) {
    let connection = rusqlite::Connection::open(folder.file()).unwrap();
    connection.execute_batch(&format!("PRAGMA key = \"x'{KEY}'\"")).unwrap();
    let found: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
    let mut statement = connection.prepare("PRAGMA cipher_integrity_check").unwrap();
    let broken = statement.query_map([], |row| row.get::<_, String>(0)).unwrap().count();
    assert_eq!(broken, 0, "pages whose HMAC is wrong");
}
