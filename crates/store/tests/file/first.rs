//! The first stores of a process, opened by many threads at one moment.

use std::process::Command;
use std::sync::Barrier;
use std::thread;

use super::{Folder, KEY, opened, user};

/// How many processes try; what goes wrong at the very first moment has one chance in each.
const PROCESSES: usize = 20;

const THREADS: usize = 16;

const CHILD: &str = "PORTCULLIS_TEST_FIRST";

#[test]
fn many_may_open_their_first_store_at_once() {
    for process in 0..PROCESSES {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "first::many_at_once", "--ignored", "--nocapture"]);
        let ended = command.env(CHILD, "1").output().unwrap();
        let told = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(ended.status.success(), "{process}: {told}{}", String::from_utf8_lossy(&ended.stderr));
        assert!(told.contains("all were opened"), "{process}: {told}");
    }
}

#[test]
#[ignore = "started by the test above"]
fn many_at_once() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let folders: Vec<_> = (0..THREADS).map(|_| Folder::new()).collect();
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        for folder in &folders {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                let store = opened(&folder.file(), Some(KEY)).unwrap();
                store.create_users(&[user(1)]).unwrap();
            });
        }
    });
    println!("all were opened");
}
