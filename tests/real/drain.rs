//! A drain leaves nothing behind, and leaves to the broker what is the broker's.

use std::thread;

use hobnail::AckMode;

use crate::broker::{LIMIT, Source, client};

/// Of a load that does not end, each message is answered once or still there.
#[test]
fn a_drain_in_the_midst_of_a_load_answers_all_that_was_taken() {
    const MESSAGES: usize = 400;
    let (work, done) = ("/queue/drain-work", "/queue/drain-done");
    let mut other = client().connect().unwrap();
    let sends = (0..MESSAGES).map(|n| other.send(work).body(&n.to_string()).buffered().begin());
    for send in sends.collect::<Result<Vec<_>, _>>().unwrap() {
        other.confirm(&send).unwrap();
    }
    let handle = client().connect().unwrap().spawn().unwrap();
    let request = handle.subscription(work).ack(AckMode::ClientIndividual);
    let subscription = request.prefetch(20).subscribe().unwrap();
    let (answering, (few, had)) = (handle.clone(), std::sync::mpsc::channel());
    let worker = thread::spawn(move || {
        let mut taken = 0;
        for message in subscription {
            let answer = answering.send(done).body(message.body()).receipt();
            answer.publish().unwrap();
            message.ack().unwrap();
            taken += 1;
            if taken == 10 {
                few.send(()).unwrap();
            }
        }
        taken
    });
    had.recv().unwrap();
    handle.drain(LIMIT).unwrap();
    let taken = worker.join().unwrap();
    assert!((10..MESSAGES).contains(&taken), "{taken} of {MESSAGES}");
    let mut found = Vec::new();
    for queue in [done, work] {
        let _subscription = other.subscription(queue).subscribe().unwrap();
        let expected = if queue == done {
            taken
        } else {
            MESSAGES - taken
        };
        found.extend((0..expected).map(|_| other.text().parse::<usize>().unwrap()));
    }
    found.sort_unstable();
    assert!(found.into_iter().eq(0..MESSAGES), "each once");
    other.close().unwrap();
}
