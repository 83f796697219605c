//! Work that blocks, on helper threads: of each kind one at a time.
//!
//! A resolver or a token source may hang for longer than anybody waits for it.
//! Asked again meanwhile, it is not called a second time beside the first: who
//! asked last gets the answer when it comes.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// Errands of one kind: for each `K` at most one is run, for who asked last. They are
/// few.
#[derive(Debug)]
pub(crate) struct Errands<K, Q>(Arc<Mutex<Vec<(K, Q)>>>);

impl<K, Q> Default for Errands<K, Q> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, Q> Errands<K, Q>
where
    K: PartialEq + Clone + Send + 'static,
    Q: Clone + Send + 'static,
{
    /// Has `work` done for a question, and hands what it answers to `deliver`,
    /// with the latest question. If that is another by then and the answer does
    /// not `serve` it, the work is done once more.
    ///
    /// The work is the application's code, or the disk's: if it panics, that is
    /// an answer too, `None`.
    pub(crate) fn run<A>(
        &self,
        key: K,
        question: Q,
        serves: impl Fn(&Q, &Q) -> bool + Send + 'static,
        work: impl Fn(&Q) -> A + Send + 'static,
        deliver: impl Fn(Q, Option<A>) + Send + 'static,
    ) -> io::Result<()> {
        if self.begin(&key, &question) {
            return Ok(());
        }
        let errands = Self(Arc::clone(&self.0));
        let own = key.clone();
        let helper = thread::Builder::new().name("hobnail-helper".into());
        // Boxed, so that what starts a thread is compiled once and not for each kind.
        let errand: Box<dyn FnOnce() + Send> = Box::new(move || {
            let mut asked = question;
            loop {
                let answer = catch_unwind(AssertUnwindSafe(|| work(&asked))).ok();
                let mut lock = errands.lock();
                let Some(nth) = lock.iter().position(|(key, _)| *key == own) else {
                    return;
                };
                let latest = lock[nth].1.clone();
                if answer.is_none() || serves(&asked, &latest) {
                    lock.swap_remove(nth);
                    drop(lock);
                    return deliver(latest, answer);
                }
                drop(lock);
                asked = latest;
            }
        });
        let spawned = helper.spawn(errand);
        if spawned.is_err() {
            self.lock().retain(|(other, _)| *other != key);
        }
        spawned.map(drop)
    }

    /// Whether it is run already; the question is the latest then.
    fn begin(&self, key: &K, question: &Q) -> bool {
        let mut lock = self.lock();
        let running = lock.iter_mut().find(|(other, _)| other == key);
        if let Some((_, latest)) = running {
            *latest = question.clone();
            return true;
        }
        lock.push((key.clone(), question.clone()));
        false
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(K, Q)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    /// A worker that answers one call for each word that it is given.
    struct Slow {
        go: mpsc::Sender<()>,
        wait: Arc<Mutex<mpsc::Receiver<()>>>,
        calls: Arc<AtomicUsize>,
        answers: mpsc::Receiver<(u32, Option<u32>)>,
        told: mpsc::Sender<(u32, Option<u32>)>,
        errands: Errands<&'static str, u32>,
    }

    impl Slow {
        fn new() -> Self {
            let (go, wait) = mpsc::channel();
            let (told, answers) = mpsc::channel();
            Self {
                go,
                wait: Arc::new(Mutex::new(wait)),
                calls: Arc::default(),
                answers,
                told,
                errands: Errands::default(),
            }
        }

        fn ask(&self, key: &'static str, question: u32, serves: fn(&u32, &u32) -> bool) {
            let (wait, calls) = (Arc::clone(&self.wait), Arc::clone(&self.calls));
            let told = self.told.clone();
            let work = move |asked: &u32| {
                calls.fetch_add(1, Ordering::SeqCst);
                wait.lock().unwrap().recv().unwrap();
                *asked
            };
            let deliver = move |latest, answer| told.send((latest, answer)).unwrap();
            self.errands
                .run(key, question, serves, work, deliver)
                .unwrap();
        }
    }

    #[test]
    fn what_hangs_is_not_asked_again_and_answers_who_asked_last() {
        let slow = Slow::new();
        for question in 1..=100 {
            slow.ask("a", question, |_, _| true);
        }
        slow.go.send(()).unwrap();
        assert_eq!(slow.answers.recv().unwrap(), (100, Some(1)));
        assert_eq!(slow.calls.load(Ordering::SeqCst), 1);
        // It is free again.
        slow.ask("a", 101, |_, _| true);
        slow.go.send(()).unwrap();
        assert_eq!(slow.answers.recv().unwrap(), (101, Some(101)));
    }

    #[test]
    fn one_that_hangs_does_not_keep_another_waiting() {
        let slow = Slow::new();
        slow.ask("a", 1, |_, _| true);
        let (told, answers) = mpsc::channel();
        let deliver =
            move |question, answer: Option<&'static str>| told.send((question, answer)).unwrap();
        let errands = &slow.errands;
        errands
            .run("b", 2, |_, _| true, |_| "at once", deliver)
            .unwrap();
        assert_eq!(answers.recv().unwrap(), (2, Some("at once")));
        slow.go.send(()).unwrap();
        assert_eq!(slow.answers.recv().unwrap(), (1, Some(1)));
    }

    #[test]
    fn an_answer_that_does_not_serve_is_not_delivered_and_the_work_is_done_again() {
        let slow = Slow::new();
        slow.ask("a", 1, PartialEq::eq);
        slow.ask("a", 2, PartialEq::eq);
        slow.ask("a", 3, PartialEq::eq);
        slow.go.send(()).unwrap();
        slow.go.send(()).unwrap();
        assert_eq!(slow.answers.recv().unwrap(), (3, Some(3)));
        assert_eq!(slow.calls.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn work_that_panics_is_an_answer_and_leaves_nobody_waiting() {
        let (told, answers) = mpsc::channel();
        let errands = Errands::<(), u32>::default();
        for question in [1, 2] {
            let told = told.clone();
            let work = |_: &u32| -> u32 { panic!("as it is told to") };
            let deliver = move |question, answer| told.send((question, answer)).unwrap();
            errands
                .run((), question, |_, _| true, work, deliver)
                .unwrap();
            assert_eq!(answers.recv().unwrap(), (question, None));
        }
    }
}
